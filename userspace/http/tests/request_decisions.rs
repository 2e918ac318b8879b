//! What a request head decides: the length of the body, the host, what becomes of the connection.

mod support;

use http::Known;
use http::h1::request::{RequestHead, parse};
use http::h1::{Fault, Framing, HeadLimits, LengthBesideCoding};
use support::{accepted, refused, with_fields};
use types::Reason;

#[test]
fn lengths_and_codings() {
    let accepted_cases: &[(&str, Framing)] = &[
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("content-length: 003\r\n", Framing::Length(3)),
        ("Content-Length:\t42\t \r\n", Framing::Length(42)),
        (
            "Content-Length: 18446744073709551615\r\n",
            Framing::Length(u64::MAX),
        ),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
        ("tRANSFER-eNCODING:  CHUNKED\t\r\n", Framing::Chunked),
        ("Content-Encoding: chunked\r\n", Framing::None),
    ];
    for (fields, framing) in accepted_cases {
        assert_eq!(
            accepted(&with_fields(fields)).framing(),
            *framing,
            "{fields:?}"
        );
    }
    let refused_cases: &[(&str, Fault)] = &[
        ("Content-Length:\r\n", Fault::LengthSyntax),
        ("Content-Length: +5\r\n", Fault::LengthSyntax),
        ("Content-Length: -5\r\n", Fault::LengthSyntax),
        ("Content-Length: 5, 5\r\n", Fault::LengthSyntax),
        ("Content-Length: 5 5\r\n", Fault::LengthSyntax),
        ("Content-Length: 5;\r\n", Fault::LengthSyntax),
        ("Content-Length: 0x5\r\n", Fault::LengthSyntax),
        ("Content-Length: 5\u{a0}\r\n", Fault::LengthSyntax),
        (
            "Content-Length: 18446744073709551616\r\n",
            Fault::LengthOverflow,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Fault::LengthRepeated,
        ),
        (
            "Content-Length: 5\r\ncontent-length: 6\r\n",
            Fault::LengthRepeated,
        ),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Fault::LengthAndCoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Fault::CodingRepeated,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: deflate\r\n",
            Fault::CodingRepeated,
        ),
        ("Transfer-Encoding:\r\n", Fault::CodingSyntax),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Fault::CodingSyntax,
        ),
        ("Transfer-Encoding: chunked, gzip\r\n", Fault::CodingSyntax),
        ("Transfer-Encoding: chunked,\r\n", Fault::CodingSyntax),
        ("Transfer-Encoding: , chunked\r\n", Fault::CodingSyntax),
        ("Transfer-Encoding: \"chunked\"\r\n", Fault::CodingSyntax),
        (
            "Transfer-Encoding: cow chunked bar\r\n",
            Fault::CodingSyntax,
        ),
        ("Transfer-Encoding: chunked;q=1\r\n", Fault::CodingSyntax),
        ("Transfer-Encoding: \u{a0}chunked\r\n", Fault::CodingSyntax),
        ("Transfer-Encoding: gzip\r\n", Fault::Coding),
        ("Transfer-Encoding: identity\r\n", Fault::Coding),
        ("Transfer-Encoding: gzip, chunked\r\n", Fault::Coding),
        ("Transfer-Encoding: chunkedchunked\r\n", Fault::Coding),
        ("Transfer_Encoding: chunked\r\n", Fault::FramingLookalike),
        ("content_length: 5\r\n", Fault::FramingLookalike),
    ];
    for (fields, fault) in refused_cases {
        let error = refused(with_fields(fields).as_bytes());
        assert_eq!(error.fault, *fault, "{fields:?}");
        let expected = if *fault == Fault::Coding {
            Reason::CodingUnsupported
        } else {
            Reason::AmbiguousFraming
        };
        assert_eq!(error.reason(), expected, "{fields:?}");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(old).fault, Fault::CodingInHttp10);
}

#[test]
fn a_length_beside_a_coding_is_dropped_where_that_is_wanted() {
    let limits = HeadLimits {
        length_beside_coding: LengthBesideCoding::Drop,
        ..HeadLimits::default()
    };
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let text = with_fields(fields);
        let mut head = RequestHead::new();
        parse(text.as_bytes(), &limits, &mut head).unwrap();
        let view = head.view(text.as_bytes());
        assert_eq!(head.framing(), Framing::Chunked, "{fields:?}");
        assert_eq!(view.header(Known::ContentLength), None, "{fields:?}");
        assert!(!head.keep_alive(), "{fields:?}");
    }
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let text = with_fields(fields);
        assert!(
            parse(text.as_bytes(), &limits, &mut RequestHead::new()).is_err(),
            "{fields:?}"
        );
    }
}

#[test]
fn hosts() {
    let good = [
        "a",
        "A.EXAMPLE",
        "a.example.",
        "a.example:80",
        "a.example:",
        "192.0.2.1",
        "192.0.2.1:8080",
        "[2001:db8::1]",
        "[::1]:443",
        "a_b.example",
        "0.0.0.0=5000",
        "xn--bcher-kva.example",
    ];
    for host in good {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(
            accepted(&text).view(text.as_bytes()).host(),
            host.as_bytes()
        );
    }
    let bad = [
        "",
        ".",
        "..",
        ".a",
        "a..b",
        "a..",
        ":80",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "a#b",
        "a?b",
        "a\\b",
        "a%2eb",
        "a:b",
        "a:65536",
        "a:+1",
        "a:80:80",
        "2001:db8::1",
        "[2001:db8::1",
        "[::1]x",
        "[::1]:x",
        "[v1.a]",
        "[fe80::1%25eth0]",
        "[]",
        "\u{e9}.example",
        "a\"b",
        "a<b",
    ];
    for host in bad {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let error = refused(text.as_bytes());
        assert_eq!(error.fault, Fault::HostSyntax, "{host}");
        assert_eq!(error.reason(), Reason::BadHost);
    }
    let long = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(256));
    assert_eq!(refused(long.as_bytes()).fault, Fault::HostSyntax);
    let cases: &[(&str, Fault)] = &[
        ("GET / HTTP/1.1\r\n\r\n", Fault::HostMissing),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            Fault::HostRepeated,
        ),
        (
            "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            Fault::HostRepeated,
        ),
        (
            "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
            Fault::HostMismatch,
        ),
        (
            "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
            Fault::HostMismatch,
        ),
        (
            "GET http://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n",
            Fault::HostMismatch,
        ),
        ("GET http://a/ HTTP/1.1\r\n\r\n", Fault::HostMissing),
    ];
    for (text, fault) in cases {
        assert_eq!(refused(text.as_bytes()).fault, *fault, "{text:?}");
    }
    accepted("GET https://A/ HTTP/1.1\r\nHost: a:443\r\n\r\n");
    accepted("GET http://[2001:DB8:0::1]/ HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n");
    let none = accepted("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(none.view(b"GET / HTTP/1.0\r\n\r\n").host(), b"");
}

#[test]
fn connections_and_expectations() {
    let keeps = |line: &str, fields: &str| {
        accepted(&format!("{line}\r\nHost: a\r\n{fields}\r\n")).keep_alive()
    };
    assert!(keeps("GET / HTTP/1.1", ""));
    assert!(keeps("GET / HTTP/1.1", "Connection: keep-alive\r\n"));
    assert!(!keeps("GET / HTTP/1.1", "Connection: close\r\n"));
    assert!(!keeps("GET / HTTP/1.1", "Connection: x, ,CLOSE\t\r\n"));
    assert!(!keeps(
        "GET / HTTP/1.1",
        "Connection: x\r\nConnection: close\r\n"
    ));
    assert!(!keeps("GET / HTTP/1.0", ""));
    assert!(keeps("GET / HTTP/1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps(
        "GET / HTTP/1.0",
        "Connection: keep-alive, close\r\n"
    ));
    for bad in ["keep alive", "close;x", "\"close\"", "clos\u{e9}"] {
        let error = refused(with_fields(&format!("Connection: {bad}\r\n")).as_bytes());
        assert_eq!(error.fault, Fault::ConnectionSyntax, "{bad}");
    }
    let options = "Connection: abc,def,ghi,\r\n".repeat(512 / 12);
    accepted(&with_fields(&options));
    let error = refused(with_fields(&format!("{options}{options}")).as_bytes());
    assert_eq!(error.fault, Fault::ConnectionTooLong);
    assert!(accepted(&with_fields("Expect: 100-Continue\r\n")).expects_continue());
    assert!(!accepted("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue());
    let error = refused(with_fields("Expect: a-miracle\r\n").as_bytes());
    assert_eq!(error.reason(), Reason::ExpectationFailed);
    assert!(
        accepted(&with_fields(
            "Connection: upgrade\r\nUpgrade: websocket\r\n"
        ))
        .wants_upgrade()
    );
    assert!(!accepted(&with_fields("Upgrade: websocket\r\n")).wants_upgrade());
    assert!(accepted(&with_fields("TE: trailers, deflate\r\n")).takes_trailers());
}
