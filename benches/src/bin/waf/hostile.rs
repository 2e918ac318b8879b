//! Requests that cost a rule engine much: long, many, deep, and such that patterns go back and forth over them.

use crate::workload::{Client, Random, Request};
use std::fmt::Write as _;

/// A request of the worst, and what it is called in the table.
pub(crate) struct Hostile {
    pub(crate) kind: &'static str,
    /// What is in it.
    pub(crate) of: &'static str,
    pub(crate) request: Request,
}

/// What the `SecRequestBodyNoFilesLimit` of ModSecurity's recommended settings lets through.
const BODY_BYTES: usize = 128 << 10;

/// What is repeated in long values: text, signs, and what the patterns of the CRS have to go back over.
const PIECES: &[(&str, &str)] = &[
    ("letters", "a"),
    ("words", "lorem ipsum "),
    ("quotes", "'"),
    ("double quotes", "\""),
    ("mixed", "a'b\"c(d)e;f<g>h=i "),
    ("open brackets", "("),
    ("brackets", "()"),
    ("comments", "/*/"),
    ("comment starts", "/*"),
    ("backslashes", "\\"),
    ("a\\", "a\\"),
    ("spaces", " "),
    ("line ends", "\n"),
    ("tabs and letters", "a\t"),
    ("equals", "="),
    ("a=", "a="),
    ("commas", "1,"),
    ("digits", "1"),
    ("dots", "../"),
    ("dollars", "$("),
    ("dollar braces", "${"),
    ("backticks", "`"),
    ("semicolons", ";"),
    ("pipes", "a|"),
    ("angles", "<"),
    ("tags", "<a "),
    ("attributes", "<x a=b onx "),
    ("entities", "&#x41;"),
    ("ampersands", "&"),
    ("nuls", "\0"),
    ("high bytes", "\u{fe}"),
    ("unicode escapes", "\\u0061"),
    ("hex", "0x61"),
    ("select", "select "),
    ("select from", "select a from "),
    ("union", "union/**/"),
    ("or", " or 1=1"),
    ("quoted or", "' or '"),
    ("case when", "case when "),
    ("functions", "concat(char("),
    ("shell words", ";cat a|ls "),
    ("shell quotes", "c'a't\"\" "),
    ("assignments", "a=b c=d "),
    ("php", "<?php $a=$_GET[b];"),
    ("php functions", "$a{1}(\"\")."),
    ("php comments", "a/**/(/*"),
    ("object", "O:1:\"a\":1:{"),
    ("javascript", "window[\"a\"]+"),
    ("urls", "http://a@b/"),
    ("ldap", "(&(a=*"),
    ("templates", "{{a}}{%"),
    ("headers", "\r\nset-cookie:a="),
    ("concatenation", "'||'"),
    ("at signs", "@@a"),
    ("base64", "QUJDREVGR0hJSktMTU5PUA=="),
    ("json", "{\"a\":["),
    ("prototype", "__proto__[a]["),
    ("brackets of arrays", "[a]"),
    ("files", "/etc/./a;"),
    ("windows", "c:\\^a^b "),
];

/// `piece` again and again, `length` bytes long.
fn long(piece: &str, length: usize) -> String {
    let mut text = piece.repeat(length / piece.len() + 1);
    let end = (0..=length).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or_default());
    text
}

/// Percent-encoded so that `layers` decodings are needed.
fn encoded(text: &str, layers: usize) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{}{byte:02X}", "25".repeat(layers.saturating_sub(1)));
        }
    }
    out
}

/// `piece` again and again, percent-encoded into at most `length` bytes.
fn long_encoded(piece: &str, length: usize, layers: usize) -> String {
    let one = encoded(piece, layers);
    encoded(&piece.repeat(length / one.len()), layers)
}

/// All of them.
pub(crate) fn all() -> Vec<Hostile> {
    let client = Client::new(&mut Random(7));
    let mut all = Vec::new();
    for (of, piece) in PIECES {
        let requests = repeated(&client, piece).into_iter();
        all.extend(requests.map(|(kind, request)| Hostile { kind, of, request }));
        if ["letters", "mixed", "dots", "pipes"].contains(of) {
            let body = format!("a={}", long_encoded(piece, 12 << 20, 1));
            let request = posted(&client, "application/x-www-form-urlencoded", body);
            let kind = "form, 1 value, 12 MB";
            all.push(Hostile { kind, of, request });
        }
    }
    for (kind, of, media, body) in documents() {
        let request = posted(&client, media, body);
        all.push(Hostile { kind, of, request });
    }
    all
}

/// What a request of each kind is with one piece again and again.
fn repeated(client: &Client, piece: &str) -> Vec<(&'static str, Request)> {
    let form = |body| posted(client, "application/x-www-form-urlencoded", body);
    let get = |target| client.request("GET", target, "", Vec::new());
    let value = |length, layers| form(format!("a={}", long_encoded(piece, length, layers)));
    let many = |count: usize, length| {
        let value = long_encoded(piece, length, 1);
        let arguments: Vec<String> = (0..count).map(|at| format!("a{at}={value}")).collect();
        form(arguments.join("&"))
    };
    let string = piece
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(['\n', '\r', '\t', '\0'], " ");
    let string = string.repeat((BODY_BYTES - 64) / string.len());
    let body = format!("{{\"a\":\"{string}\"}}");
    let printable = piece.replace(['\n', '\r', '\0', '\u{fe}'], "x");
    vec![
        ("form, 1 value, 128 KB", value(BODY_BYTES - 2, 1)),
        ("form, 1 value, 1 MB", value(1 << 20, 1)),
        ("form, 1 value, 3 layers of %", value(BODY_BYTES - 2, 3)),
        ("form, 16 values of 8 KB", many(16, (8 << 10) - 8)),
        ("form, 250 values of 500 bytes", many(250, 500)),
        ("form, 990 values of 120 bytes", many(990, 120)),
        ("form, 990 values of 1 KB", many(990, 1 << 10)),
        ("JSON, 1 string", posted(client, "application/json", body)),
        (
            "headers, 94 fields, 64 KB",
            many_headers(client, &printable),
        ),
        ("cookies, 100, 64 KB", many_cookies(client, &printable)),
        (
            "path, 8 KB",
            get(format!("/{}", long_encoded(piece, 8 << 10, 1))),
        ),
        (
            "query, 8 KB",
            get(format!("/?a={}", long_encoded(piece, 8 << 10, 1))),
        ),
    ]
}

fn posted(client: &Client, media: &str, body: String) -> Request {
    client.request("POST", "/contact".to_owned(), media, body.into_bytes())
}

/// Eight fields of 8 KB each besides those of the browser.
fn many_headers(client: &Client, piece: &str) -> Request {
    let mut request = client.request("GET", "/".to_owned(), "", Vec::new());
    for index in 0..88 {
        let length = if index < 6 { 8 << 10 } else { 200 };
        request
            .fields
            .push((format!("X-Field-{index}"), long(piece, length)));
    }
    request
}

/// A hundred cookies, 64 KB in all.
fn many_cookies(client: &Client, piece: &str) -> Request {
    let mut request = client.request("GET", "/".to_owned(), "", Vec::new());
    let value = long(&piece.replace(';', ","), 640);
    let cookies: Vec<String> = (0..100).map(|index| format!("c{index}={value}")).collect();
    request
        .fields
        .push(("Cookie".to_owned(), cookies.join("; ")));
    request
}

/// A JSON object with many keys.
fn keys() -> String {
    let mut keys = String::from("{");
    for index in 0..999 {
        // Writing to a String cannot fail.
        let _ = write!(
            keys,
            "\"{index}{}\":\"{}\",",
            "k'".repeat(30),
            "v'(".repeat(20)
        );
    }
    keys.push_str("\"z\":1}");
    keys
}

/// An XML document of many elements with attributes.
fn elements() -> String {
    let mut elements = String::from("<a>");
    while elements.len() < BODY_BYTES {
        elements.push_str("<b c=\"d'(\">e' or 1=1</b>");
    }
    elements.push_str("</a>");
    elements
}

/// Parts with names of files.
fn named_parts() -> String {
    let mut named = String::new();
    for index in 0..800 {
        // Writing to a String cannot fail.
        let _ = write!(
            named,
            "--b\r\nContent-Disposition: form-data; name=\"f{index}\"; filename=\"{}\"\r\nContent-Type: text/plain; a={}\r\n\r\nx\r\n",
            "a'(".repeat(20),
            "charset=".repeat(20)
        );
    }
    named.push_str("--b--\r\n");
    named
}

/// Bodies whose structure is what costs.
fn documents() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let json = "application/json";
    let xml = "text/xml";
    let strings = |piece: &str, count: usize| {
        let strings = vec![format!("\"{piece}\""); count];
        format!("[{}]", strings.join(","))
    };
    let (keys, elements, named) = (keys(), elements(), named_parts());
    let part = |index: usize, text: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"n{index}\"\r\n\r\n{text}\r\n")
    };
    let parts = |count: usize, text: &str| {
        let parts: String = (0..count).map(|index| part(index, text)).collect();
        format!("{parts}--b--\r\n")
    };
    let multipart = "multipart/form-data; boundary=b";
    vec![
        (
            "JSON, structure",
            "998 strings",
            json,
            strings("v'(a)=b", 998),
        ),
        (
            "JSON, structure",
            "26,000 short strings",
            json,
            strings("ab", 26_000),
        ),
        ("JSON, structure", "1,000 keys", json, keys),
        (
            "JSON, structure",
            "100 arrays deep",
            json,
            format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        ),
        (
            "JSON, structure",
            "130,000 arrays deep",
            json,
            "[".repeat(BODY_BYTES),
        ),
        (
            "JSON, structure",
            "100 objects deep",
            json,
            format!("{}1{}", "{\"a'(\":".repeat(100), "}".repeat(100)),
        ),
        ("XML", "elements, attributes", xml, elements),
        ("XML", "40,000 deep", xml, "<a>".repeat(40_000)),
        (
            "XML",
            "one text",
            xml,
            format!("<a>{}</a>", "' or 1=1 -- (".repeat(10_000)),
        ),
        ("multipart", "990 parts", multipart, parts(990, "v'(a)=b ")),
        ("multipart", "10,000 parts", multipart, parts(10_000, "")),
        (
            "multipart",
            "one long part",
            multipart,
            parts(1, &"a' (".repeat(32_000)),
        ),
        ("multipart", "800 names of files", multipart, named),
    ]
}
