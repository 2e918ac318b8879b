//! Looking things up: the client behind proxies, cookies, query parameters, media types.

use http::forwarded::{HOPS_MAX, HopSource, client_address};
use http::h1::HeadLimits;
use http::h1::request::{RequestHead, parse};
use http::{Known, cookie, media, query, tokens};
use std::net::IpAddr;

/// Parses a request with these fields and hands it on.
fn given<T>(fields: &str, look: impl Fn(http::field::Fields<'_>) -> T) -> T {
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut head = RequestHead::new();
    let parsed = parse(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(parsed.is_ok(), "{fields:?}: {parsed:?}");
    look(head.view(text.as_bytes()).fields())
}

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

/// 10/8 and fd00::/8 are ours.
fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

#[test]
fn the_client_is_the_right_most_hop_that_is_not_ours() {
    let cases = [
        ("", "10.0.0.1"),
        ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
        ("X-Forwarded-For: 1.1.1.1, 192.0.2.1\r\n", "192.0.2.1"),
        (
            "X-Forwarded-For: 1.1.1.1, 192.0.2.1, 10.2.3.4,10.0.0.2\r\n",
            "192.0.2.1",
        ),
        (
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.2.3.4\r\n",
            "192.0.2.1",
        ),
        ("X-Forwarded-For: 10.2.3.4, 10.9.9.9\r\n", "10.2.3.4"),
        ("X-Forwarded-For: 192.0.2.1:4711\r\n", "192.0.2.1"),
        ("X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
        ("X-Forwarded-For: [2001:db8::1]:80\r\n", "2001:db8::1"),
        ("X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1"),
        ("X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1"),
        ("X-Forwarded-For: 192.0.2.1, fd00::1\r\n", "192.0.2.1"),
        ("X-Forwarded-For: 192.0.2.1, , \r\n", "192.0.2.1"),
        (
            "X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.9\r\n",
            "10.0.0.9",
        ),
        ("X-Forwarded-For: 192.0.2.1, 999.1.1.1\r\n", "10.0.0.1"),
        ("X-Forwarded-For: \", 192.0.2.1\r\n", "192.0.2.1"),
        ("Forwarded: for=192.0.2.1\r\n", "10.0.0.1"),
    ];
    for (fields, expected) in cases {
        let found = given(fields, |fields| {
            client_address(
                fields,
                HopSource::XForwardedFor,
                address("10.0.0.1"),
                is_trusted,
            )
        });
        assert_eq!(found, address(expected), "{fields:?}");
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_has_it() {
    let cases = [
        ("Forwarded: for=192.0.2.1\r\n", "192.0.2.1"),
        ("Forwarded: For=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1"),
        (
            "Forwarded: proto=http;for=192.0.2.1;by=203.0.113.43\r\n",
            "192.0.2.1",
        ),
        (
            "Forwarded: for=1.1.1.1, for=192.0.2.1;host=\"a,b;for=9.9.9.9\", for=10.0.0.2\r\n",
            "192.0.2.1",
        ),
        ("Forwarded: for=\"1.1.1.1, for=192.0.2.1\r\n", "192.0.2.1"),
        ("Forwarded: for=192.0.2.1, for=_hidden\r\n", "10.0.0.1"),
        (
            "Forwarded: for=192.0.2.1, for=unknown, for=10.0.0.2\r\n",
            "10.0.0.2",
        ),
        ("Forwarded: for=192.0.2.1;for=192.0.2.2\r\n", "10.0.0.1"),
        ("Forwarded: proto=https\r\n", "10.0.0.1"),
        ("X-Forwarded-For: 192.0.2.1\r\n", "10.0.0.1"),
    ];
    for (fields, expected) in cases {
        let found = given(fields, |fields| {
            client_address(
                fields,
                HopSource::Forwarded,
                address("10.0.0.1"),
                is_trusted,
            )
        });
        assert_eq!(found, address(expected), "{fields:?}");
    }
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_says() {
    let found = given("X-Forwarded-For: 10.0.0.9\r\n", |fields| {
        client_address(
            fields,
            HopSource::XForwardedFor,
            address("::ffff:192.0.2.1"),
            is_trusted,
        )
    });
    assert_eq!(found, address("192.0.2.1"));
}

#[test]
fn a_chain_is_followed_so_far_and_no_further() {
    let chain = format!(
        "X-Forwarded-For: 192.0.2.1{}\r\n",
        ", 10.0.0.2".repeat(HOPS_MAX)
    );
    let found = given(&chain, |fields| {
        client_address(
            fields,
            HopSource::XForwardedFor,
            address("10.0.0.1"),
            is_trusted,
        )
    });
    assert_eq!(found, address("10.0.0.2"));
}

#[test]
fn cookies() {
    given(
        "Cookie: a=1; b=\"2\";c\r\nCookie:  d=4=5 ;a=6\r\n",
        |fields| {
            assert_eq!(cookie::get(fields, "a"), Some(&b"1"[..]));
            assert_eq!(cookie::get(fields, "b"), Some(&b"\"2\""[..]));
            assert_eq!(cookie::get(fields, "c"), None);
            assert_eq!(cookie::get(fields, "d"), Some(&b"4=5"[..]));
            assert_eq!(cookie::get(fields, "A"), None);
            assert_eq!(cookie::all(fields).count(), 4);
        },
    );
}

#[test]
fn query_parameters() {
    let text = b"a=1&&b&c=x%20y+z&api%5Fkey=k&a=2&=e";
    assert_eq!(query::get(text, "a"), Some(&b"1"[..]));
    assert_eq!(query::get(text, "b"), Some(&b""[..]));
    assert_eq!(query::get(text, "api_key"), Some(&b"k"[..]));
    assert_eq!(query::get(text, "z"), None);
    assert_eq!(query::get(text, ""), Some(&b"e"[..]));
    assert_eq!(query::all(text).count(), 6);
    let mut out = Vec::new();
    query::decode(b"x%20y+z%2", &mut out);
    assert_eq!(out, b"x y z%2");
    let without = |text: &[u8], name| {
        let mut out = Vec::new();
        query::without(text, name, &mut out);
        String::from_utf8(out).expect("ASCII")
    };
    assert_eq!(without(text, "api_key"), "a=1&&b&c=x%20y+z&a=2&=e");
    assert_eq!(without(text, "a"), "&b&c=x%20y+z&api%5Fkey=k&=e");
    assert_eq!(without(b"api_key=1", "api_key"), "");
    assert_eq!(without(b"API_KEY=1", "api_key"), "API_KEY=1");
}

#[test]
fn media_types() {
    assert_eq!(
        media::essence(b" text/html ; charset=utf-8"),
        Some(&b"text/html"[..])
    );
    assert_eq!(media::essence(b"text"), None);
    assert_eq!(media::essence(b"text/"), None);
    assert!(media::is(b"Text/HTML;q=1", "text/html"));
    for json in [
        "application/json",
        "application/problem+json; charset=utf-8",
        "a/b+JSON",
    ] {
        assert!(media::is_json(json.as_bytes()), "{json}");
    }
    assert!(!media::is_json(b"application/jsonp"));
    let form = b"multipart/form-data; x=\"a;boundary=no\"; Boundary=\"a b\"";
    assert_eq!(media::parameter(form, "boundary"), Some(&b"a b"[..]));
    assert_eq!(
        media::parameter(b"text/html; charset=utf-8", "charset"),
        Some(&b"utf-8"[..])
    );
    assert_eq!(media::parameter(b"text/html", "charset"), None);
}

#[test]
fn every_known_name_is_found_in_any_case() {
    for &known in Known::ALL {
        let name = known.name();
        assert_eq!(Known::of(name.as_bytes()), Some(known));
        assert_eq!(Known::of(name.to_ascii_lowercase().as_bytes()), Some(known));
        assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), Some(known));
        assert_eq!(
            Known::of_lookalike(name.replace('-', "_").as_bytes()),
            Some(known)
        );
        assert_eq!(Known::of(&name.as_bytes()[1..]), None);
    }
    assert_eq!(Known::of(b""), None);
}

#[test]
fn lists() {
    let list: Vec<_> = tokens(b" a,, b\t,c ,").collect();
    assert_eq!(list, [&b"a"[..], b"b", b"c"]);
}
