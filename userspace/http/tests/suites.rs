//! Other people's suites: llhttp's cases and the request smuggling gadgets.
//!
//! The data is not part of the repository. `BASCULE_SHARED` says where it is; without it the tests are skipped.

use base64::Engine;
use http::forward::{ForwardContext, request_head};
use http::h1::body::BodyDecoder;
use http::h1::chunk::ChunkHead;
use http::h1::request::{RequestHead, parse};
use http::h1::{BodyLimits, Framing, HeadLimits, Parse, Side, chunk};
use http::{Method, Scheme};
use std::path::PathBuf;

/// Cases that llhttp accepts and we do not. This list may only shrink.
const NOT_ACCEPTED: &[(&str, &str)] = &[(
    "h1-llhttp-000030",
    "a body of 123 bytes is announced and the next request stands in its place: RFC 9112, 6.3 makes it the body",
)];

struct Case {
    id: String,
    expect: String,
    has_host: bool,
    raw: Vec<u8>,
}

fn cases(name: &str) -> Option<Vec<Case>> {
    let shared = std::env::var_os("BASCULE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(shared.join("http").join(name)) else {
        eprintln!("skipped: reference data not found");
        return None;
    };
    let read = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
        let text = |key: &str| case[key].as_str().expect(key).to_owned();
        let raw = base64::engine::general_purpose::STANDARD.decode(text("raw_b64"));
        Case {
            id: text("id"),
            expect: text("expect"),
            has_host: case["meta"]["host"].as_bool().unwrap_or(true),
            raw: raw.expect("base64"),
        }
    };
    Some(text.lines().map(read).collect())
}

/// What a server makes of the bytes of one connection.
#[derive(Debug, Default)]
struct Reading {
    /// The targets of the requests that were read to their end.
    targets: Vec<Vec<u8>>,
    /// The same requests as they would be sent on.
    forwarded: Vec<u8>,
    /// Why it stopped before the end of the bytes.
    refused: Option<String>,
}

fn read_connection(raw: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let (mut head, mut body) = (RequestHead::new(), BodyDecoder::new(Side::Request));
    let mut rest = raw;
    loop {
        let consumed = match parse(rest, &HeadLimits::default(), &mut head) {
            Ok(Parse::Complete { consumed }) => consumed,
            Ok(Parse::Partial) => return reading,
            Err(error) => {
                reading.refused = Some(error.to_string());
                return reading;
            }
        };
        let mut forwarded = Vec::new();
        put_head(&mut forwarded, &head, rest);
        let view = head.view(rest);
        let target = view.target_bytes().to_vec();
        rest = &rest[consumed..];
        body.start(head.framing(), BodyLimits::default())
            .expect("no limit");
        while !body.is_done() {
            let step = match body.decode(rest) {
                Ok(step) => step,
                Err(error) => {
                    reading.refused = Some(error.to_string());
                    return reading;
                }
            };
            let data = &rest[step.data.clone()];
            if head.framing() == Framing::Chunked && !data.is_empty() {
                forwarded.extend_from_slice(ChunkHead::first(data.len() as u64).as_bytes());
                forwarded.extend_from_slice(data);
                forwarded.extend_from_slice(b"\r\n");
            } else {
                forwarded.extend_from_slice(data);
            }
            if step.consumed == 0 && !step.done {
                return reading; // The body is not complete.
            }
            rest = &rest[step.consumed..];
        }
        if head.framing() == Framing::Chunked {
            chunk::write_last(&mut forwarded, false, body.trailers(), |_| true);
        }
        reading.targets.push(target);
        reading.forwarded.extend_from_slice(&forwarded);
        if !head.keep_alive() {
            return reading;
        }
    }
}

fn put_head(out: &mut Vec<u8>, head: &RequestHead, buf: &[u8]) {
    let view = head.view(buf);
    let context = ForwardContext {
        path: view.path(),
        query: view.query(),
        host: view.host(),
        framing: head.framing(),
        keep_alive: true,
        peer: [192, 0, 2, 1].into(),
        peer_is_trusted: false,
        scheme: Scheme::Http,
        request_id: b"id",
        pseudonym: "bascule",
        edits: &[],
    };
    request_head(out, view, &context);
}

/// An endpoint that reads as leniently as many do: lines end in LF, a Transfer-Encoding with `chunked` anywhere in it
/// counts, odd bytes around names and values are cut, underscores are dashes.
fn lenient_targets(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut targets = Vec::new();
    while let Some(line) = take_line(&mut rest) {
        if line.is_empty() {
            continue;
        }
        let (mut length, mut chunked) = (0, false);
        while let Some(field) = take_line(&mut rest).filter(|field| !field.is_empty()) {
            let text = String::from_utf8_lossy(field)
                .to_lowercase()
                .replace('_', "-");
            let (name, value) = text.split_once(':').unwrap_or((&text, ""));
            let clean = |text: &str| {
                text.trim_matches(|c: char| !c.is_ascii_alphanumeric())
                    .to_owned()
            };
            match clean(name).as_str() {
                "content-length" => length = clean(value).parse().unwrap_or(0),
                "transfer-encoding" => chunked |= value.contains("chunked"),
                _ => {}
            }
        }
        if chunked {
            while let Some(size) = take_line(&mut rest) {
                let digits = String::from_utf8_lossy(size);
                let size =
                    usize::from_str_radix(digits.split(';').next().unwrap_or("0").trim(), 16)
                        .unwrap_or(0);
                if size == 0 {
                    while take_line(&mut rest).is_some_and(|line| !line.is_empty()) {}
                    break;
                }
                rest = rest.get(size..).unwrap_or_default();
                take_line(&mut rest);
            }
        } else {
            rest = rest.get(length..).unwrap_or_default();
        }
        targets.push(
            line.split(|&byte| byte == b' ')
                .nth(1)
                .unwrap_or_default()
                .to_vec(),
        );
    }
    targets
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let at = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..at];
    *rest = &rest[at + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

#[test]
fn llhttp_cases() {
    let Some(cases) = cases("h1-llhttp.jsonl") else {
        return;
    };
    let mut not_accepted = Vec::new();
    for mut case in cases {
        if case.expect == "accept" && !case.has_host {
            // llhttp does not ask for Host, RFC 9112 does.
            let line_end = case
                .raw
                .windows(2)
                .position(|pair| pair == b"\r\n")
                .expect("a line");
            case.raw.splice(line_end..line_end, *b"\r\nHost: waf.test");
        }
        let reading = read_connection(&case.raw);
        let context = format!(
            "{}: {reading:?} of {:?}",
            case.id,
            String::from_utf8_lossy(&case.raw)
        );
        match case.expect.as_str() {
            "accept" if reading.targets.is_empty() => not_accepted.push(case.id),
            "accept" => {}
            "reject" => assert!(reading.targets.is_empty(), "{context}"),
            "any" => {}
            other => panic!("{other}: an expectation that this test does not know"),
        }
        assert_eq!(
            lenient_targets(&reading.forwarded).len(),
            reading.targets.len(),
            "{context}"
        );
    }
    let known: Vec<_> = NOT_ACCEPTED.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        not_accepted, known,
        "the list of cases that we do not accept may only shrink"
    );
}

#[test]
fn no_gadget_smuggles_a_request() {
    let Some(cases) = cases("h1-smuggler.jsonl") else {
        return;
    };
    let (mut refused, mut honest) = (0, 0);
    for case in cases {
        assert_eq!(case.expect, "no_smuggle", "{}", case.id);
        let reading = read_connection(&case.raw);
        let context = format!(
            "{}: {reading:?} of {:?}",
            case.id,
            String::from_utf8_lossy(&case.raw)
        );
        // What the most lenient endpoint reads from what we send on is what we read ourselves.
        assert_eq!(
            lenient_targets(&reading.forwarded),
            reading.targets,
            "{context}"
        );
        match reading.refused {
            Some(_) => refused += 1,
            None => honest += 1,
        }
    }
    assert!(refused > honest);
}

#[test]
fn the_lenient_endpoint_can_be_fooled() {
    // Otherwise the tests above would prove nothing.
    let fooled = b"POST /a HTTP/1.1\nContent_Length: 4\n\nGET \nGET /b HTTP/1.1\n\n";
    assert_eq!(lenient_targets(fooled), [&b"/a"[..], b"/b"]);
    assert_eq!(Method::of(b"GET"), Method::Get);
}
