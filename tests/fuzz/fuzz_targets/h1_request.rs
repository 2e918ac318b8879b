//! A request head is read alike however it is cut, and what we write of it is read back as the same request.
#![no_main]

use http::Scheme;
use http::forward::{ForwardContext, request_head};
use http::h1::request::{RequestHead, parse};
use http::h1::{HeadError, HeadLimits, Parse};
use libfuzzer_sys::fuzz_target;

/// Small, so that the limits are reached.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 1000,
    header_count: 20,
    uri_bytes: 200,
    leading_empty_lines: 1,
    length_beside_coding: http::h1::LengthBesideCoding::Refuse,
};

fn in_pieces(text: &[u8], size: usize, head: &mut RequestHead) -> Result<Parse, HeadError> {
    for end in (0..text.len()).step_by(size) {
        let parsed = parse(&text[..end], &LIMITS, head)?;
        if parsed != Parse::Partial {
            return Ok(parsed);
        }
    }
    parse(text, &LIMITS, head)
}

fuzz_target!(|text: &[u8]| {
    let (mut head, mut other) = (RequestHead::new(), RequestHead::new());
    let whole = parse(text, &LIMITS, &mut head);
    let size = 1 + text.first().map_or(0, |&byte| usize::from(byte) % 40);
    assert_eq!(in_pieces(text, size, &mut other), whole);
    if let Err(error) = &whole {
        assert!(error.offset <= text.len());
        let _ = error.to_string();
    }
    let Ok(Parse::Complete { consumed }) = whole else {
        return;
    };
    assert!(text[..consumed].ends_with(b"\r\n\r\n"));
    assert_eq!(other.framing(), head.framing());
    let view = head.view(text);
    let host = match view.host() {
        b"" => b"upstream.example",
        host => host,
    };
    let mut out = Vec::new();
    request_head(
        &mut out,
        view,
        &ForwardContext {
            path: view.path(),
            query: view.query(),
            host,
            framing: head.framing(),
            keep_alive: head.keep_alive(),
            peer: [192, 0, 2, 1].into(),
            peer_is_trusted: size.is_multiple_of(2),
            scheme: Scheme::Http,
            request_id: b"id",
            pseudonym: "bascule",
            edits: &[],
        },
    );
    let larger = HeadLimits {
        head_bytes: 8000,
        header_count: 40,
        ..LIMITS
    };
    let again = parse(&out, &larger, &mut other).expect("we would refuse our own head");
    assert_eq!(
        again,
        Parse::Complete {
            consumed: out.len()
        }
    );
    assert_eq!(other.framing(), head.framing());
    assert_eq!(other.keep_alive(), head.keep_alive());
    let written = other.view(&out);
    assert_eq!(written.method_bytes(), view.method_bytes());
    assert_eq!(
        (written.path(), written.query()),
        (view.path(), view.query())
    );
});
