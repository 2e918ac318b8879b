//! The requests: what browsers, forms, programs and attackers send, made up here and the same in every run.

use std::fmt::Write as _;
use std::io::Write as _;

/// One request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A kind of request of the table.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Whether an attack, which both engines have to deny.
    pub(crate) denied: bool,
    pub(crate) make: fn(&mut Random, &Client) -> Request,
}

/// In the order of the table.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "get",
        denied: false,
        make: get,
    },
    Kind {
        name: "form",
        denied: false,
        make: form,
    },
    Kind {
        name: "json",
        denied: false,
        make: json,
    },
    Kind {
        name: "upload",
        denied: false,
        make: upload,
    },
    Kind {
        name: "sqli",
        denied: true,
        make: sqli,
    },
];

/// Different requests of a warm stream, and the clients that send them.
pub(crate) const STREAM: usize = 10_000;
pub(crate) const CLIENTS: usize = 200;

/// A small generator (`SplitMix64`): the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let index = self.below(from.len() as u64) as usize;
        from.get(index).copied().unwrap_or_default()
    }
}

/// What a client sends with every request.
pub(crate) struct Client {
    fields: Vec<(String, String)>,
}

const WORDS: &[&str] = &[
    "autumn", "garden", "harbour", "lantern", "meadow", "orchard", "pebble", "river", "station",
    "violet", "window", "yellow", "bicycle", "kitchen", "library", "morning",
];

const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
];

impl Client {
    /// The headers of a browser: twelve in all with `Host`, three cookies among them.
    pub(crate) fn new(random: &mut Random) -> Client {
        let cookies = format!(
            "session={:016x}{:016x}; _ga=GA1.2.{}.{}; theme={}",
            random.next(),
            random.next(),
            random.below(1_000_000_000),
            1_700_000_000 + random.below(50_000_000),
            random.pick(&["dark", "light", "system"])
        );
        let referer = format!("https://shop.example.com/{}", random.pick(WORDS));
        let language = random.pick(&[
            "en-US,en;q=0.9",
            "de-DE,de;q=0.9,en;q=0.8",
            "fr-FR,fr;q=0.8,en;q=0.5",
        ]);
        let fields = [
            ("Host", "shop.example.com"),
            ("User-Agent", random.pick(AGENTS)),
            (
                "Accept",
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            ),
            ("Accept-Language", language),
            ("Accept-Encoding", "gzip, deflate, br"),
            ("Referer", referer.as_str()),
            ("Cookie", cookies.as_str()),
            ("Cache-Control", "max-age=0"),
            ("Upgrade-Insecure-Requests", "1"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Client {
            fields: fields.into(),
        }
    }

    pub(crate) fn request(
        &self,
        method: &str,
        target: String,
        media: &str,
        body: Vec<u8>,
    ) -> Request {
        let mut fields = self.fields.clone();
        if method == "POST" {
            fields.push(("Content-Type".to_owned(), media.to_owned()));
            fields.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        Request {
            method: method.to_owned(),
            target,
            fields,
            body,
        }
    }
}

fn get(random: &mut Random, client: &Client) -> Request {
    let target = format!(
        "/products/{}?q={}+{}&page={}",
        random.pick(WORDS),
        random.pick(WORDS),
        random.below(1_000_000),
        random.below(100_000)
    );
    client.request("GET", target, "", Vec::new())
}

fn sqli(random: &mut Random, client: &Client) -> Request {
    let target = format!(
        "/products/list?id={}%27%20UNION%20SELECT%20username%2Cpassword%20FROM%20users--%20&page={}",
        random.below(1_000_000),
        random.below(100_000)
    );
    client.request("GET", target, "", Vec::new())
}

fn sentence(random: &mut Random, words: usize, separator: &str) -> String {
    let mut text = format!("{}", random.below(1_000_000));
    for _ in 0..words {
        text.push_str(separator);
        text.push_str(random.pick(WORDS));
    }
    text
}

/// A form of ten fields and about one kilobyte.
fn form(random: &mut Random, client: &Client) -> Request {
    let names = [
        "name",
        "street",
        "city",
        "postcode",
        "country",
        "phone",
        "email",
        "subject",
        "comment",
        "newsletter",
    ];
    let mut body = String::new();
    for (index, name) in names.iter().enumerate() {
        let words = if index == 8 { 60 } else { 5 };
        let separator = if index == 0 { "" } else { "&" };
        // Writing to a String cannot fail.
        let _ = write!(body, "{separator}{name}={}", sentence(random, words, "+"));
    }
    client.request(
        "POST",
        "/contact".to_owned(),
        "application/x-www-form-urlencoded",
        body.into_bytes(),
    )
}

/// A nested document of about sixteen kilobytes.
fn json(random: &mut Random, client: &Client) -> Request {
    let mut body = String::from("{\"orders\":[");
    let mut index = 0;
    while body.len() < 16 << 10 {
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{separator}{{\"id\":{},\"customer\":{{\"name\":\"{}\",\"address\":{{\"street\":\"{}\",\"city\":\"{}\"}}}},\"lines\":[{{\"article\":\"{}\",\"count\":{}}},{{\"article\":\"{}\",\"count\":{}}}],\"paid\":true}}",
            random.below(1_000_000),
            sentence(random, 1, " "),
            sentence(random, 2, " "),
            random.pick(WORDS),
            sentence(random, 1, "-"),
            random.below(10),
            sentence(random, 1, "-"),
            random.below(10),
        );
        index += 1;
    }
    body.push_str("]}");
    client.request(
        "POST",
        "/api/orders".to_owned(),
        "application/json",
        body.into_bytes(),
    )
}

/// A picture of one megabyte in a form with a title.
fn upload(random: &mut Random, client: &Client) -> Request {
    let boundary = format!("----WebKitFormBoundary{:016x}", random.next());
    let mut body = Vec::with_capacity((1 << 20) + 1024);
    // Writing to a Vec cannot fail.
    let _ = write!(
        body,
        "--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n{}\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"holiday.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n",
        sentence(random, 4, " ")
    );
    while body.len() < 1 << 20 {
        body.extend_from_slice(&random.next().to_le_bytes());
    }
    let _ = write!(body, "\r\n--{boundary}--\r\n");
    client.request(
        "POST",
        "/pictures".to_owned(),
        &format!("multipart/form-data; boundary={boundary}"),
        body,
    )
}

/// `count` requests of a kind by so many clients in turn.
pub(crate) fn stream(kind: &Kind, count: usize, clients: usize) -> Vec<Request> {
    let mut random = Random(7);
    let clients: Vec<Client> = (0..clients).map(|_| Client::new(&mut random)).collect();
    let mut turns = clients.iter().cycle();
    (0..count)
        .filter_map(|_| Some((kind.make)(&mut random, turns.next()?)))
        .collect()
}

/// The requests as `peer.c` reads them: numbers of four bytes, little end first, and pieces led by their length.
pub(crate) fn encode(requests: &[Request]) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, number: usize) {
        out.extend_from_slice(&(number as u32).to_le_bytes());
    }
    fn piece(out: &mut Vec<u8>, bytes: &[u8]) {
        number(out, bytes.len());
        out.extend_from_slice(bytes);
    }
    let mut out = Vec::new();
    number(&mut out, requests.len());
    for request in requests {
        piece(&mut out, request.method.as_bytes());
        piece(&mut out, request.target.as_bytes());
        piece(&mut out, b"1.1");
        piece(&mut out, &request.body);
        number(&mut out, request.fields.len());
        for (name, value) in &request.fields {
            piece(&mut out, name.as_bytes());
            piece(&mut out, value.as_bytes());
        }
    }
    out
}
