//! A response head is read alike however it is cut, and what we write of it is read back as the same response. The
//! first byte chooses how it is cut and which method it answers.
#![no_main]

use http::forward::{ResponseContext, response_framing, response_head};
use http::h1::response::{ResponseHead, parse};
use http::h1::{Framing, HeadError, HeadLimits, Parse};
use http::{Method, Version};
use libfuzzer_sys::fuzz_target;

/// Small, so that the limits are reached.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 1000,
    header_count: 20,
    uri_bytes: 0,
    leading_empty_lines: 1,
    length_beside_coding: http::h1::LengthBesideCoding::Refuse,
};

fn in_pieces(
    text: &[u8],
    size: usize,
    method: Method,
    head: &mut ResponseHead,
) -> Result<Parse, HeadError> {
    for end in (0..text.len()).step_by(size) {
        let parsed = parse(&text[..end], &LIMITS, method, head)?;
        if parsed != Parse::Partial {
            return Ok(parsed);
        }
    }
    parse(text, &LIMITS, method, head)
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let method = if choice & 1 == 0 {
        Method::Get
    } else {
        Method::Head
    };
    let (mut head, mut other) = (ResponseHead::new(), ResponseHead::new());
    let whole = parse(text, &LIMITS, method, &mut head);
    let size = 1 + usize::from(choice) % 40;
    assert_eq!(in_pieces(text, size, method, &mut other), whole);
    if let Err(error) = &whole {
        assert!(error.offset <= text.len());
        let _ = error.to_string();
    }
    let Ok(Parse::Complete { .. }) = whole else {
        return;
    };
    assert_eq!(other.framing(), head.framing());
    let framing = response_framing(&head, Version::Http11);
    let mut out = Vec::new();
    response_head(
        &mut out,
        head.view(text),
        &ResponseContext {
            framing,
            keep_alive: true,
            client_version: Version::Http11,
            date: b"Thu, 01 Jan 1970 00:00:00 GMT",
            pseudonym: Some("bascule"),
            edits: &[],
        },
    );
    let larger = HeadLimits {
        head_bytes: 8000,
        header_count: 40,
        ..LIMITS
    };
    let again = parse(&out, &larger, method, &mut other).expect("we would refuse our own head");
    assert_eq!(
        again,
        Parse::Complete {
            consumed: out.len()
        }
    );
    assert_eq!(other.status(), head.status());
    assert_eq!(other.framing(), framing);
    assert_ne!(framing, Framing::UntilClose);
});
