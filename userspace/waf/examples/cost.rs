//! What a transaction costs: microseconds for a browser's GET and a form of 1 KB.
//!
//!     cargo run --release -p bascule-waf --example cost -- [--naive] RULE_FILE...
//!
//! Without files, the rules that ship are taken. *Warm* is a client on a keep-alive connection that the worker knows; *cold* has
//! nothing remembered; *new values* keeps header fields warm and changes the arguments each time, as real traffic does.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use waf::{CompileOptions, Connection, Mode, RuleSet, Scratch, Transaction};

/// Rounds of each measurement; `ROUNDS` in the environment says otherwise.
const ROUNDS: usize = 2000;

struct Request {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

const HEADERS: &[(&str, &str)] = &[
    ("Host", "shop.example.com"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    ),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://shop.example.com/catalogue/shoes?page=2"),
    (
        "Cookie",
        "session=6f1ed002ab5595859014ebf0951522d9; theme=dark; consent=all; basket=17-2-9",
    ),
    ("Connection", "keep-alive"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
];

fn requests() -> Vec<Request> {
    let text = "I would like the brown shoes in size 42 please and a box for them";
    let body: String = (0..10)
        .map(|field| format!("field{field}={}&", text.replace(' ', "+")))
        .collect();
    let body = body.trim_end_matches('&').as_bytes()[..].to_vec();
    vec![
        Request {
            name: "GET, browser",
            method: "GET",
            target: "/catalogue/item?id=4711&colour=brown&size=42",
            content_type: None,
            body: vec![],
        },
        Request {
            name: "POST, form of 10 fields",
            method: "POST",
            target: "/order",
            content_type: Some("application/x-www-form-urlencoded"),
            body,
        },
        Request {
            name: "GET, SQL injection",
            method: "GET",
            target: "/item?id=1%27%20union%20select%20password%20from%20users--%20-",
            content_type: None,
            body: vec![],
        },
    ]
}

fn run(transaction: &mut Transaction, request: &Request, marker: &str, scratch: &mut Scratch) {
    let target = format!("{}{marker}", request.target);
    transaction.request_line(request.method.as_bytes(), target.as_bytes(), b"HTTP/1.1");
    for (name, value) in HEADERS {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    if let Some(content_type) = request.content_type {
        transaction.request_header(b"Content-Type", content_type.as_bytes());
        transaction.request_header(b"Content-Length", request.body.len().to_string().as_bytes());
    }
    transaction.process_request_headers(scratch);
    transaction.request_body(&request.body);
    transaction.request_body(marker.as_bytes());
    transaction.process_request_body(scratch);
    transaction.response_status(200, b"HTTP/1.1");
    transaction.process_response_headers(scratch);
    transaction.finish(scratch);
}

/// Median and minimum of the rounds, in microseconds.
fn measure(mut round: impl FnMut(usize) -> Duration, rounds: usize) -> (f64, f64) {
    let mut times: Vec<Duration> = (0..rounds).map(&mut round).collect();
    times.sort();
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    (microseconds(times[rounds / 2]), microseconds(times[0]))
}

fn print_row<C: std::fmt::Display>(name: &str, cells: [C; 3]) {
    let [warm, new, cold] = cells;
    println!("{name:<26} {warm:>18} {new:>18} {cold:>18}");
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let naive = files.iter().any(|argument| argument == "--naive");
    files.retain(|argument| argument != "--naive");
    if files.is_empty() {
        files.push(concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/*.conf").to_owned());
    }
    let document =
        seclang::load(&files, &seclang::FsLoader).map_err(|problems| format!("{problems:#?}"))?;
    let started = Instant::now();
    let options = CompileOptions {
        gates: !naive,
        ..CompileOptions::default()
    };
    let rules = RuleSet::compile(&[document], &options).map_err(|errors| {
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    println!("{:?}\ncompiled in {:?}\n", rules.stats(), started.elapsed());
    let rules = Arc::new(rules);
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS)
        .max(10);
    let connection = Connection {
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        time: SystemTime::now(),
        unique_id: "0123456789abcdef",
    };
    print_row("µs, median (minimum)", ["warm", "new values", "cold"]);
    for request in requests() {
        let mut transaction = Transaction::new(Arc::clone(&rules), &connection, Mode::Detect);
        let mut scratch = Scratch::new();
        let mut timed = |marker: &str, scratch: &mut Scratch| {
            let started = Instant::now();
            transaction.reset(Arc::clone(&rules), &connection, Mode::Detect);
            run(&mut transaction, &request, marker, scratch);
            started.elapsed()
        };
        for _ in 0..100 {
            timed("", &mut scratch);
        }
        let warm = measure(|_| timed("", &mut scratch), rounds);
        let new = measure(
            |round| timed(&format!("&visit=n{round}"), &mut scratch),
            ROUNDS,
        );
        let cold = measure(
            |_| {
                scratch.forget();
                timed("", &mut scratch)
            },
            rounds / 10,
        );
        let cell = |(median, minimum): (f64, f64)| format!("{median:.1} ({minimum:.1})");
        print_row(request.name, [cell(warm), cell(new), cell(cold)]);
        println!(
            "{:<26} matches {:?}",
            "",
            transaction
                .matches()
                .iter()
                .map(|matched| matched.rule)
                .collect::<Vec<_>>()
        );
    }
    Ok(())
}
