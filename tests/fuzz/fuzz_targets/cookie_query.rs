//! Cookies, queries and media types, which a client writes as it likes.
#![no_main]

use http::h1::HeadLimits;
use http::h1::request::{RequestHead, parse};
use http::{Known, cookie, media, query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for (name, value) in query::all(input) {
        assert!(!name.contains(&b'&') && !name.contains(&b'=') && !value.contains(&b'&'));
    }
    let mut decoded = Vec::new();
    query::decode(input, &mut decoded);
    assert!(decoded.len() <= input.len());
    let mut rest = Vec::new();
    query::without(input, "key", &mut rest);
    assert!(rest.len() <= input.len());
    assert!(query::get(&rest, "key").is_none());
    let mut again = Vec::new();
    query::without(&rest, "key", &mut again);
    assert_eq!(again, rest);

    let mut text = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ".to_vec();
    text.extend_from_slice(input);
    text.extend_from_slice(b"\r\nContent-Type: ");
    text.extend_from_slice(input);
    text.extend_from_slice(b"\r\n\r\n");
    let mut head = RequestHead::new();
    if parse(&text, &HeadLimits::default(), &mut head).is_err() {
        return;
    }
    let fields = head.view(&text).fields();
    for (name, value) in cookie::all(fields) {
        assert!(!name.contains(&b';') && !value.contains(&b';'));
        if let Ok(name) = std::str::from_utf8(name) {
            assert!(cookie::get(fields, name).is_some());
        }
    }
    if let Some(value) = fields.get(Known::ContentType) {
        if let Some(essence) = media::essence(value) {
            assert!(!essence.is_empty());
            let text = String::from_utf8_lossy(essence);
            assert!(media::is(value, &text.to_ascii_lowercase()));
        }
        let _ = (media::is_json(value), media::parameter(value, "boundary"));
    }
});
