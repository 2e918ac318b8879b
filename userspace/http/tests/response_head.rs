//! What is read from a response head and what is refused.

use http::h1::response::{ResponseHead, parse};
use http::h1::{Fault, Framing, HeadError, HeadLimits, Parse};
use http::{Known, Method};
use types::Reason;

fn read(text: &str, method: Method) -> Result<ResponseHead, HeadError> {
    let mut head = ResponseHead::new();
    match parse(text.as_bytes(), &HeadLimits::default(), method, &mut head)? {
        Parse::Complete { consumed } => assert_eq!(consumed, text.len(), "{text:?}"),
        Parse::Partial => panic!("{text:?} is not complete"),
    }
    Ok(head)
}

fn refused(text: &str) -> Fault {
    let error = read(text, Method::Get).expect_err(text);
    assert_eq!(error.reason(), Reason::UpstreamMalformed, "{text:?}");
    error.fault
}

#[test]
fn a_head_is_cut_into_its_parts() {
    let text = "HTTP/1.1 404 Not There\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n";
    let head = read(text, Method::Get).expect("well formed");
    let view = head.view(text.as_bytes());
    assert_eq!(
        (head.status(), view.reason_phrase()),
        (404, &b"Not There"[..])
    );
    assert_eq!(view.header(Known::ContentType), Some(&b"text/plain"[..]));
    assert_eq!(
        (head.framing(), head.keep_alive()),
        (Framing::Length(7), true)
    );
}

#[test]
fn status_lines() {
    for good in [
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 ",
        "HTTP/1.1 200",
        "HTTP/1.1 999 x",
    ] {
        assert!(
            read(&format!("{good}\r\n\r\n"), Method::Get).is_ok(),
            "{good}"
        );
    }
    let cases = [
        ("HTTP/1.1 099 x", Fault::Status),
        ("HTTP/1.1 20 OK", Fault::Status),
        ("HTTP/1.1 2000 OK", Fault::Status),
        ("HTTP/1.1  200 OK", Fault::Status),
        ("HTTP/1.1 200OK", Fault::Status),
        ("HTTP/1.1 2x0 OK", Fault::Status),
        ("HTTP/1.1\t200 OK", Fault::StatusLine),
        ("HTTP/1.1", Fault::StatusLine),
        ("HTTP/2.0 200 OK", Fault::Version),
        ("HTTP/1.12 200 OK", Fault::StatusLine),
        ("ICY 200 OK", Fault::VersionSyntax),
        ("HTTP/1.1 200 O\u{1}K", Fault::StatusLine),
        (" HTTP/1.1 200 OK", Fault::StatusLine),
        ("\r\nHTTP/1.1 200 OK", Fault::EmptyLines),
    ];
    for (line, fault) in cases {
        assert_eq!(refused(&format!("{line}\r\n\r\n")), fault, "{line:?}");
    }
}

#[test]
fn the_length_depends_on_the_request_too() {
    let cases: &[(Method, &str, Framing, bool)] = &[
        (
            Method::Get,
            "200 OK\r\nContent-Length: 5\r\n",
            Framing::Length(5),
            true,
        ),
        (
            Method::Get,
            "200 OK\r\nTransfer-Encoding: Chunked\r\n",
            Framing::Chunked,
            true,
        ),
        (Method::Get, "200 OK\r\n", Framing::UntilClose, false),
        (
            Method::Get,
            "200 OK\r\nContent-Length: 5\r\nConnection: close\r\n",
            Framing::Length(5),
            false,
        ),
        (
            Method::Head,
            "200 OK\r\nContent-Length: 5\r\n",
            Framing::None,
            true,
        ),
        (
            Method::Head,
            "200 OK\r\nTransfer-Encoding: chunked\r\n",
            Framing::None,
            true,
        ),
        (Method::Head, "200 OK\r\n", Framing::None, true),
        (
            Method::Get,
            "304 Not Modified\r\nContent-Length: 5\r\n",
            Framing::None,
            true,
        ),
        (Method::Get, "204 No Content\r\n", Framing::None, true),
        (
            Method::Get,
            "204 No Content\r\nContent-Length: 0\r\n",
            Framing::None,
            true,
        ),
        (
            Method::Get,
            "204 No Content\r\nContent-Length: 5\r\n",
            Framing::None,
            false,
        ),
        (
            Method::Get,
            "204 No Content\r\nTransfer-Encoding: chunked\r\n",
            Framing::None,
            false,
        ),
        (Method::Get, "100 Continue\r\n", Framing::None, true),
        (
            Method::Get,
            "103 Early Hints\r\nLink: </a.css>\r\n",
            Framing::None,
            true,
        ),
    ];
    for (method, rest, framing, keep_alive) in cases {
        let head = read(&format!("HTTP/1.1 {rest}\r\n"), *method).expect(rest);
        assert_eq!(
            (head.framing(), head.keep_alive()),
            (*framing, *keep_alive),
            "{rest:?}"
        );
        assert_eq!(head.is_interim(), head.status() < 200);
    }
}

#[test]
fn http_1_0_closes_unless_told_otherwise() {
    let old = |fields: &str| {
        read(&format!("HTTP/1.0 200 OK\r\n{fields}\r\n"), Method::Get).expect(fields)
    };
    assert!(!old("Content-Length: 5\r\n").keep_alive());
    assert!(old("Content-Length: 5\r\nConnection: keep-alive\r\n").keep_alive());
    assert!(!old("Connection: keep-alive\r\n").keep_alive());
}

#[test]
fn ambiguous_lengths_are_refused() {
    let cases = [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            Fault::LengthAndCoding,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5",
            Fault::LengthRepeated,
        ),
        ("Content-Length: 5, 5", Fault::LengthSyntax),
        ("Transfer-Encoding: gzip, chunked", Fault::Coding),
        ("Transfer-Encoding: chunked, chunked", Fault::CodingSyntax),
        ("X: a\nY: b", Fault::BareLf),
        ("X: a\r\n b", Fault::FoldedLine),
        ("X : a", Fault::SpaceBeforeColon),
        ("X", Fault::NoColon),
    ];
    for (fields, fault) in cases {
        assert_eq!(
            refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")),
            fault,
            "{fields:?}"
        );
    }
    assert_eq!(
        refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Fault::CodingInHttp10
    );
    assert_eq!(refused("HTTP/1.1 200 OK\n\n"), Fault::BareLf);
}

#[test]
fn a_head_beyond_the_limits_is_too_large_not_malformed() {
    let limits = HeadLimits {
        head_bytes: 100,
        header_count: 2,
        ..HeadLimits::default()
    };
    for text in [
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(100)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(3)),
    ] {
        let error = parse(
            text.as_bytes(),
            &limits,
            Method::Get,
            &mut ResponseHead::new(),
        );
        assert_eq!(
            error.expect_err("too large").reason(),
            Reason::UpstreamHeadTooLarge
        );
    }
}

#[test]
fn the_final_response_follows_the_interim_one() {
    let text = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut head = ResponseHead::new();
    let limits = HeadLimits::default();
    let parsed = parse(text, &limits, Method::Get, &mut head);
    let Ok(Parse::Complete { consumed }) = parsed else {
        panic!("{parsed:?}")
    };
    assert!(head.is_interim());
    assert!(parse(&text[consumed..], &limits, Method::Get, &mut head).is_ok());
    assert_eq!((head.status(), head.framing()), (200, Framing::Length(0)));
}
