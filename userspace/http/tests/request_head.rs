//! How a request head is cut into its parts, what is refused, and the limits.

mod support;

use http::h1::request::{RequestHead, parse};
use http::h1::{Fault, Framing, HeadLimits, Parse, TargetForm};
use http::{Known, Method, Version};
use support::{accepted, refused, refused_by, with_fields};
use types::Reason;

#[test]
fn a_head_is_cut_into_its_parts() {
    let text = "GET /shop/shoes?size=43&x=?y HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent:  wrk \t\r\nX-Empty:\r\nX-Odd:\u{e9}\r\n\r\nbody";
    let mut head = RequestHead::new();
    let parsed = parse(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert_eq!(
        parsed,
        Ok(Parse::Complete {
            consumed: text.len() - 4
        })
    );
    let view = head.view(text.as_bytes());
    assert_eq!(head.method(), Method::Get);
    assert_eq!(view.method_bytes(), b"GET");
    assert_eq!(view.target_bytes(), b"/shop/shoes?size=43&x=?y");
    assert_eq!(view.path(), b"/shop/shoes");
    assert_eq!(view.query(), Some(&b"size=43&x=?y"[..]));
    assert_eq!(view.host(), b"a.example:8080");
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.framing(), Framing::None);
    assert!(head.keep_alive() && !head.expects_continue() && !head.wants_upgrade());
    assert_eq!(view.header(Known::UserAgent), Some(&b"wrk"[..]));
    assert_eq!(view.fields().find("x-EMPTY"), Some(&b""[..]));
    assert_eq!(view.fields().find("x-odd"), Some("\u{e9}".as_bytes()));
    assert_eq!(view.fields().find("absent"), None);
    let names: Vec<_> = view.fields().iter().map(|field| field.name).collect();
    assert_eq!(names, [&b"Host"[..], b"User-Agent", b"X-Empty", b"X-Odd"]);
}

#[test]
fn targets_of_every_form() {
    let cases: &[(&str, TargetForm, &str, Option<&str>, &str)] = &[
        ("GET / HTTP/1.1", TargetForm::Origin, "/", None, "a.example"),
        (
            "GET /? HTTP/1.1",
            TargetForm::Origin,
            "/",
            Some(""),
            "a.example",
        ),
        (
            "GET //x HTTP/1.1",
            TargetForm::Origin,
            "//x",
            None,
            "a.example",
        ),
        (
            "GET /a:b@c HTTP/1.1",
            TargetForm::Origin,
            "/a:b@c",
            None,
            "a.example",
        ),
        (
            "OPTIONS * HTTP/1.1",
            TargetForm::Asterisk,
            "*",
            None,
            "a.example",
        ),
        (
            "GET http://a.example HTTP/1.1",
            TargetForm::Absolute,
            "/",
            None,
            "a.example",
        ),
        (
            "GET http://A.example:80/x?y HTTP/1.1",
            TargetForm::Absolute,
            "/x",
            Some("y"),
            "A.example:80",
        ),
        (
            "GET http://a.example?y HTTP/1.1",
            TargetForm::Absolute,
            "/",
            Some("y"),
            "a.example",
        ),
        (
            "GET HTTP://a.example./x HTTP/1.1",
            TargetForm::Absolute,
            "/x",
            None,
            "a.example.",
        ),
    ];
    for (line, form, path, query, host) in cases {
        let text = format!("{line}\r\nHost: a.example\r\n\r\n");
        let head = accepted(&text);
        let view = head.view(text.as_bytes());
        assert_eq!(head.target().form, *form, "{line}");
        assert_eq!(view.path(), path.as_bytes(), "{line}");
        assert_eq!(view.query(), query.map(str::as_bytes), "{line}");
        assert_eq!(view.host(), host.as_bytes(), "{line}");
    }
}

#[test]
fn request_lines_that_are_refused() {
    let cases: &[(&[u8], Fault)] = &[
        (b"GET  / HTTP/1.1", Fault::RequestLine),
        (b"GET /  HTTP/1.1", Fault::VersionSyntax),
        (b"GET / HTTP/1.1 ", Fault::VersionSyntax),
        (b" GET / HTTP/1.1", Fault::MethodByte),
        (b"GET\t/ HTTP/1.1", Fault::MethodByte),
        (b"GET /\tHTTP/1.1", Fault::RequestLine),
        (b"G\xc3\xa9T / HTTP/1.1", Fault::MethodByte),
        (b"G(T / HTTP/1.1", Fault::MethodByte),
        (b"GET /", Fault::NoVersion),
        (b"GET / ", Fault::NoVersion),
        (b"POST /", Fault::RequestLine),
        (b"GET ", Fault::RequestLine),
        (b"GET", Fault::RequestLine),
        (b"GET / http/1.1", Fault::VersionSyntax),
        (b"GET / HTTP/1.10", Fault::VersionSyntax),
        (b"GET / HTTP/01.1", Fault::VersionSyntax),
        (b"GET / XTTP/1.1", Fault::VersionSyntax),
        (b"GET / HTTP/1.2", Fault::Version),
        (b"GET / HTTP/2.0", Fault::Version),
        (b"GET / HTTP/3.0", Fault::Version),
        (b"GET / HTTP/0.9", Fault::VersionSyntax),
        (b"PRI * HTTP/2.0", Fault::Version),
        (b"GET /a b HTTP/1.1", Fault::VersionSyntax),
        (b"GET /\x00 HTTP/1.1", Fault::TargetByte),
        (b"GET /\x7f HTTP/1.1", Fault::TargetByte),
        (b"GET /\xce\xb4 HTTP/1.1", Fault::TargetByte),
        (b"GET /x#y HTTP/1.1", Fault::Fragment),
        (b"GET /?x#y HTTP/1.1", Fault::Fragment),
        (b"GET x HTTP/1.1", Fault::TargetForm),
        (b"GET ?x HTTP/1.1", Fault::TargetForm),
        (b"GET a.example:80 HTTP/1.1", Fault::TargetForm),
        (b"GET ftp://a.example/ HTTP/1.1", Fault::TargetForm),
        (b"GET http:/a.example/ HTTP/1.1", Fault::TargetForm),
        (b"GET http:///x HTTP/1.1", Fault::HostSyntax),
        (b"GET http://u@a.example/ HTTP/1.1", Fault::UserInfo),
        (b"GET * HTTP/1.1", Fault::Asterisk),
        (b"OPTIONS *?x HTTP/1.1", Fault::TargetForm),
        (b"CONNECT a.example:443 HTTP/1.1", Fault::Connect),
        (b"CONNECT [::1]:443 HTTP/1.1", Fault::Connect),
        (b"CONNECT a.example HTTP/1.1", Fault::TunnelTarget),
        (b"CONNECT a.example: HTTP/1.1", Fault::TunnelTarget),
        (b"CONNECT a.example:0 HTTP/1.1", Fault::TunnelTarget),
        (b"CONNECT /x HTTP/1.1", Fault::TunnelTarget),
    ];
    for (line, fault) in cases {
        let text = [line, &b"\r\nHost: a.example\r\n\r\n"[..]].concat();
        let error = refused(&text);
        assert_eq!(error.fault, *fault, "{:?}", String::from_utf8_lossy(line));
    }
}

#[test]
fn fields_that_are_refused() {
    let cases: &[(&[u8], Fault)] = &[
        (b"X : y", Fault::SpaceBeforeColon),
        (b"X\t: y", Fault::SpaceBeforeColon),
        (b": y", Fault::EmptyName),
        (b"X y: z", Fault::NameByte),
        (b"X\x01: y", Fault::NameByte),
        (b"\x01X: y", Fault::NameByte),
        (b"X@: y", Fault::NameByte),
        (b"X\xe9: y", Fault::NameByte),
        (b"X", Fault::NoColon),
        (b"X: \x00", Fault::ValueByte),
        (b"X: a\x0bb", Fault::ValueByte),
        (b"X: a\x7f", Fault::ValueByte),
        (b"X: a\r b", Fault::BareCr),
        (b"X: a\rY: b", Fault::BareCr),
        (b"X: a\nY: b", Fault::BareLf),
        (b"X:\nY: b", Fault::BareLf),
        (b"X: a\r\n b", Fault::FoldedLine),
        (b"X: a\r\n\tb", Fault::FoldedLine),
        (b"X:\r\n b", Fault::FoldedLine),
    ];
    for (line, fault) in cases {
        for place in ["first", "last"] {
            let host = &b"Host: a.example\r\n"[..];
            let line_end = &b"\r\n"[..];
            let fields = match place {
                "first" => [line, line_end, host].concat(),
                _ => [host, line, line_end].concat(),
            };
            let text = [b"GET / HTTP/1.1\r\n", &fields[..], b"\r\n"].concat();
            let error = refused(&text);
            assert_eq!(error.fault, *fault, "{:?}", String::from_utf8_lossy(&text));
            assert!(error.offset <= text.len());
        }
    }
}

#[test]
fn white_space_before_the_first_field_is_folding() {
    assert_eq!(
        refused(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n").fault,
        Fault::FoldedLine
    );
}

const SMALL: HeadLimits = HeadLimits {
    head_bytes: 200,
    header_count: 3,
    uri_bytes: 20,
    leading_empty_lines: 1,
    length_beside_coding: http::h1::LengthBesideCoding::Refuse,
};

#[test]
fn limits_hold_for_complete_and_for_partial_heads() {
    let limits = SMALL;
    let uri = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 1));
    assert!(parse(uri(20).as_bytes(), &limits, &mut RequestHead::new()).is_ok());
    let long = refused_by(uri(21).as_bytes(), &limits);
    assert_eq!(
        (long.fault, long.reason()),
        (Fault::UriTooLong, Reason::UriTooLong)
    );
    let endless = [b"GET /", &[b'x'; 100][..]].concat();
    assert_eq!(refused_by(&endless, &limits).fault, Fault::UriTooLong);

    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
    };
    assert!(parse(fields(3).as_bytes(), &limits, &mut RequestHead::new()).is_ok());
    let many = refused_by(fields(4).as_bytes(), &limits);
    assert_eq!(
        (many.fault, many.reason()),
        (Fault::TooManyFields, Reason::HeadTooLarge)
    );
    let partial = fields(4);
    assert_eq!(
        refused_by(&partial.as_bytes()[..partial.len() - 2], &limits).fault,
        Fault::TooManyFields
    );

    let sized = |len: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "y".repeat(len - 32)
        )
    };
    assert_eq!(sized(200).len(), 200);
    assert!(parse(sized(200).as_bytes(), &limits, &mut RequestHead::new()).is_ok());
    let large = refused_by(sized(201).as_bytes(), &limits);
    assert_eq!(
        (large.fault, large.reason()),
        (Fault::HeadTooLarge, Reason::HeadTooLarge)
    );
    assert_eq!(
        refused_by(&sized(300).as_bytes()[..250], &limits).fault,
        Fault::HeadTooLarge
    );

    let empty = |count: usize| format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(count));
    let text = empty(1);
    let mut head = RequestHead::new();
    let parsed = parse(text.as_bytes(), &limits, &mut head);
    assert_eq!(
        parsed,
        Ok(Parse::Complete {
            consumed: text.len()
        })
    );
    assert_eq!(head.view(text.as_bytes()).path(), b"/");
    assert_eq!(
        refused_by(empty(2).as_bytes(), &limits).fault,
        Fault::EmptyLines
    );

    let method = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33));
    assert_eq!(
        refused(method.as_bytes()).reason(),
        Reason::MethodUnsupported
    );
    let most = HeadLimits {
        header_count: 1000,
        head_bytes: 1 << 20,
        ..HeadLimits::default()
    };
    assert_eq!(
        refused_by(fields(300).as_bytes(), &most).fault,
        Fault::TooManyFields
    );
}

#[test]
fn a_head_in_pieces_is_read_as_if_it_came_whole() {
    let text = with_fields("Content-Length: 3\r\nX-Long: abc\r\n");
    let mut head = RequestHead::new();
    for end in 0..text.len() {
        let parsed = parse(&text.as_bytes()[..end], &HeadLimits::default(), &mut head);
        assert_eq!(parsed, Ok(Parse::Partial), "{end}");
    }
    let parsed = parse(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert_eq!(
        parsed,
        Ok(Parse::Complete {
            consumed: text.len()
        })
    );
    assert_eq!(head.framing(), Framing::Length(3));
    // The same head takes the next request on the connection.
    let next = "GET /next HTTP/1.1\r\nHost: b\r\n\r\n";
    let parsed = parse(next.as_bytes(), &HeadLimits::default(), &mut head);
    assert_eq!(
        parsed,
        Ok(Parse::Complete {
            consumed: next.len()
        })
    );
    assert_eq!(
        (head.framing(), head.view(next.as_bytes()).host()),
        (Framing::None, &b"b"[..])
    );
}

#[test]
fn a_long_request_line_is_refused_at_the_same_place_whole_and_in_pieces() {
    let limits = HeadLimits {
        uri_bytes: 20,
        ..HeadLimits::default()
    };
    for (method, target) in [("GET", 21), ("GET", 200), (&"M".repeat(40)[..], 50)] {
        let text = format!(
            "{method} /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "x".repeat(target)
        );
        let whole = refused_by(text.as_bytes(), &limits);
        let mut head = RequestHead::new();
        let pieces = (1..=text.len())
            .find_map(|end| parse(&text.as_bytes()[..end], &limits, &mut head).err());
        assert_eq!(pieces, Some(whole));
    }
}

#[test]
fn what_cannot_become_a_request_is_refused_before_it_is_complete() {
    let cases: &[(&[u8], Fault)] = &[
        (b"\x16\x03\x01\x02\x00\x01", Fault::MethodByte),
        (b"\n", Fault::BareLf),
        (b"GET / HTTP/1.1\n", Fault::BareLf),
        (b"GET / HTTP/1.1\rH", Fault::BareCr),
        (b"GET / HTTP/1.1\r\n ", Fault::FoldedLine),
    ];
    for (text, fault) in cases {
        assert_eq!(
            refused(text).fault,
            *fault,
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn errors_say_what_was_found_and_where() {
    let error = refused(b"GET / HTTP/1.1\r\nHost: a\r\nX@: y\r\n\r\n");
    assert_eq!(
        error.to_string(),
        "request head: a byte that no field name has (RFC 9110, 5.1), at byte 26 (found `@`)"
    );
    let error = refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nb\r\n\r\n");
    assert_eq!(
        error.to_string(),
        "request head: a LF without CR; lines end in CRLF (RFC 9112, 2.2), at byte 29 (found 0x0a)"
    );
}
