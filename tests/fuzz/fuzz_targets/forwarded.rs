//! The client's address behind proxies, cookies and other lookups in fields that a client controls. The input is the
//! value of X-Forwarded-For, Forwarded, Cookie and Content-Type alike; the first byte says which addresses are ours.
#![no_main]

use http::forwarded::{HopSource, client_address};
use http::h1::HeadLimits;
use http::h1::request::{RequestHead, parse};
use http::{Known, cookie, media, query};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, value)) = input.split_first() else {
        return;
    };
    let mut text = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for name in ["X-Forwarded-For", "Forwarded", "Cookie", "Content-Type"] {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    let mut head = RequestHead::new();
    if parse(&text, &HeadLimits::default(), &mut head).is_err() {
        return;
    }
    let fields = head.view(&text).fields();
    let is_ours = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[0] & 1 == choice & 1,
        IpAddr::V6(address) => address.octets()[0] & 1 == choice & 1,
    };
    let peer = IpAddr::from([choice & 1, 0, 0, 1]);
    for source in [HopSource::XForwardedFor, HopSource::Forwarded] {
        let client = client_address(fields, source, peer, is_ours);
        assert_eq!(client, client.to_canonical());
        // Only a trusted peer can change the answer.
        assert_eq!(client_address(fields, source, peer, |_| false), peer);
    }
    for (name, _) in cookie::all(fields) {
        assert!(!name.contains(&b';'));
    }
    if let Some(value) = fields.get(Known::ContentType) {
        let _ = (
            media::essence(value),
            media::is_json(value),
            media::parameter(value, "charset"),
        );
    }
    let mut out = Vec::new();
    query::without(value, "key", &mut out);
    assert!(query::get(&out, "key").is_none());
    query::decode(value, &mut out);
});
