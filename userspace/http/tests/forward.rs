//! What the next hop gets to see.

use http::forward::{
    Edit, ForwardContext, ResponseContext, request_head, response_framing, response_head,
};
use http::h1::request::{self, RequestHead};
use http::h1::response::{self, ResponseHead};
use http::h1::{Framing, HeadLimits};
use http::respond::{Answer, Problem, problem, write};
use http::{Method, Scheme, Version, date};
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};
use types::Reason;

fn context() -> ForwardContext<'static> {
    ForwardContext {
        path: b"/p",
        query: None,
        host: b"a.example",
        framing: Framing::None,
        keep_alive: true,
        peer: IpAddr::from([192, 0, 2, 7]),
        peer_is_trusted: false,
        scheme: Scheme::Https,
        request_id: b"our-id",
        pseudonym: "bascule",
        edits: &[],
    }
}

fn forwarded(fields: &str, context: &ForwardContext<'_>) -> String {
    let text = format!("GET /P HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
    let mut head = RequestHead::new();
    let parsed = request::parse(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(parsed.is_ok(), "{parsed:?}");
    let mut out = Vec::new();
    request_head(&mut out, head.view(text.as_bytes()), context);
    let mut again = RequestHead::new();
    let parsed = request::parse(&out, &HeadLimits::default(), &mut again);
    assert!(parsed.is_ok(), "we would refuse our own head: {parsed:?}");
    String::from_utf8(out).expect("ASCII in, ASCII out")
}

/// The fields that are always written for an untrusted peer.
const OURS: &str = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n\
    Forwarded: for=192.0.2.7;host=a.example;proto=https\r\nVia: 1.1 bascule\r\nX-Request-Id: our-id\r\n";

#[test]
fn a_request_goes_on_with_our_fields() {
    let context = ForwardContext {
        query: Some(b"x=1"),
        framing: Framing::Length(5),
        ..context()
    };
    assert_eq!(
        forwarded("Accept:\t*/*  \r\nX-A: 1\r\nX-A: 2\r\n", &context),
        format!(
            "GET /p?x=1 HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nX-A: 1\r\nX-A: 2\r\n{OURS}Content-Length: 5\r\n\r\n"
        )
    );
}

#[test]
fn hop_by_hop_fields_stay_here() {
    let fields = "Connection: keep-alive, X-Private, cookie\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
        X-Private: secret\r\nCookie: a=b\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nProxy-Authorization: x\r\n\
        Proxy: http://evil\r\nTE: deflate\r\nTrailer: X\r\nExpect: 100-continue\r\nX-Keep: 1\r\n";
    assert_eq!(
        forwarded(fields, &context()),
        format!("GET /p HTTP/1.1\r\nHost: a.example\r\nX-Keep: 1\r\n{OURS}\r\n")
    );
}

#[test]
fn framing_and_connection_are_ours() {
    let end = |fields: &str, framing, keep_alive| {
        let head = forwarded(
            fields,
            &ForwardContext {
                framing,
                keep_alive,
                ..context()
            },
        );
        head.split_once("our-id\r\n")
            .expect("our last field")
            .1
            .to_owned()
    };
    assert_eq!(end("", Framing::None, true), "\r\n");
    assert_eq!(
        end("Content-Length: 9\r\n", Framing::Chunked, true),
        "Transfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(
        end("Transfer-Encoding: chunked\r\n", Framing::Length(0), true),
        "Content-Length: 0\r\n\r\n"
    );
    assert_eq!(end("", Framing::None, false), "Connection: close\r\n\r\n");
    assert_eq!(
        end("TE: trailers\r\n", Framing::None, true),
        "TE: trailers\r\nConnection: TE\r\n\r\n"
    );
    let trailer = forwarded(
        "Trailer: X\r\nTransfer-Encoding: chunked\r\n",
        &ForwardContext {
            framing: Framing::Chunked,
            ..context()
        },
    );
    assert!(trailer.contains("Trailer: X\r\n"));
}

const EARLIER_HOPS: &str = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: HTTP\r\n\
    X-Forwarded-Host: shop.example\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Prefix: /x\r\nX-Real-IP: 203.0.113.9\r\n\
    Forwarded: for=\"[2001:db8::1]\"\r\nVia: 1.0 edge\r\nX-Request-Id: their-id\r\n";

#[test]
fn an_untrusted_peer_cannot_speak_of_earlier_hops() {
    assert_eq!(
        forwarded(EARLIER_HOPS, &context()),
        format!("GET /p HTTP/1.1\r\nHost: a.example\r\nVia: 1.0 edge\r\n{OURS}\r\n")
    );
}

#[test]
fn disguised_names_do_not_pass() {
    let fields = "X_Forwarded_For: 1.2.3.4\r\nx-forwarded_for: 1.2.3.4\r\nX_Forwarded_Anything: x\r\nX_Real_IP: x\r\n\
        X_Request_Id: x\r\nkeep_alive: x\r\nMy_Field: ok\r\n";
    for peer_is_trusted in [false, true] {
        let head = forwarded(
            fields,
            &ForwardContext {
                peer_is_trusted,
                ..context()
            },
        );
        assert_eq!(
            head,
            format!("GET /p HTTP/1.1\r\nHost: a.example\r\nMy_Field: ok\r\n{OURS}\r\n")
        );
    }
}

#[test]
fn a_trusted_peer_is_believed_and_appended_to() {
    let context = ForwardContext {
        peer_is_trusted: true,
        ..context()
    };
    assert_eq!(
        forwarded(EARLIER_HOPS, &context),
        "GET /p HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Prefix: /x\r\n\
         X-Real-IP: 203.0.113.9\r\nVia: 1.0 edge\r\n\
         X-Forwarded-For: 203.0.113.9, 198.51.100.1, 192.0.2.7\r\nX-Forwarded-Proto: http\r\n\
         X-Forwarded-Host: shop.example\r\n\
         Forwarded: for=\"[2001:db8::1]\", for=192.0.2.7;host=a.example;proto=https\r\nVia: 1.1 bascule\r\n\
         X-Request-Id: their-id\r\n\r\n"
    );
    let odd = forwarded(
        "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\nX-Request-Id: a b\r\n",
        &context,
    );
    assert!(odd.ends_with(&format!("{OURS}\r\n")), "{odd}");
}

#[test]
fn addresses_and_hosts_are_quoted_where_they_must_be() {
    let mut context = context();
    context.peer = "2001:db8::7".parse().expect("an address");
    let head = forwarded("", &context);
    assert!(head.contains("X-Forwarded-For: 2001:db8::7\r\n"));
    assert!(head.contains("Forwarded: for=\"[2001:db8::7]\";host=a.example;proto=https\r\n"));
    context.peer = "::ffff:192.0.2.7".parse().expect("an address");
    assert!(forwarded("", &context).contains("X-Forwarded-For: 192.0.2.7\r\n"));
    let text = b"GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n";
    let mut head = RequestHead::new();
    assert!(request::parse(text, &HeadLimits::default(), &mut head).is_ok());
    let mut out = Vec::new();
    request_head(&mut out, head.view(text), &context);
    let out = String::from_utf8(out).expect("ASCII");
    assert!(out.contains("for=192.0.2.7;host=\"a.example:8080\";proto=https"));
}

#[test]
fn edits_add_set_and_remove() {
    let edits = [
        Edit::Remove { name: "X-Api-Key" },
        Edit::Set {
            name: "X-Consumer",
            value: b"shop",
        },
        Edit::Add {
            name: "X-Tag",
            value: b"b",
        },
        Edit::Set {
            name: "X-Forwarded-For",
            value: b"-",
        },
        Edit::Set {
            name: "X-Bad",
            value: b"a\r\nX-Evil: b",
        },
        Edit::Set {
            name: "X Bad",
            value: b"a",
        },
    ];
    let fields = "x-api-key: secret\r\nX_API_KEY: secret\r\nX-Consumer: root\r\nx_consumer: root\r\nX-Tag: a\r\nX-Bad: c\r\n";
    let head = forwarded(
        fields,
        &ForwardContext {
            edits: &edits,
            ..context()
        },
    );
    let rest = OURS.split_once("\r\n").expect("several lines").1;
    assert_eq!(
        head,
        format!(
            "GET /p HTTP/1.1\r\nHost: a.example\r\nX-Tag: a\r\n{rest}X-Consumer: shop\r\nX-Tag: b\r\nX-Forwarded-For: -\r\n\r\n"
        )
    );
}

#[test]
fn max_forwards_counts_down() {
    let text = b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n";
    let mut head = RequestHead::new();
    assert!(request::parse(text, &HeadLimits::default(), &mut head).is_ok());
    let mut out = Vec::new();
    let view = head.view(text);
    request_head(
        &mut out,
        view,
        &ForwardContext {
            path: view.path(),
            ..context()
        },
    );
    assert!(out.starts_with(b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 4\r\n"));
    assert!(forwarded("Max-Forwards: 5\r\n", &context()).contains("Max-Forwards: 5\r\n"));
}

const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn answered(text: &str, method: Method, change: impl Fn(&mut ResponseContext<'_>)) -> String {
    let mut head = ResponseHead::new();
    let parsed = response::parse(text.as_bytes(), &HeadLimits::default(), method, &mut head);
    assert!(parsed.is_ok(), "{parsed:?}");
    let mut context = ResponseContext {
        framing: head.framing(),
        keep_alive: true,
        client_version: Version::Http11,
        date: DATE,
        pseudonym: None,
        edits: &[],
    };
    change(&mut context);
    if context.framing == head.framing() {
        context.framing = response_framing(&head, context.client_version);
    }
    let mut out = Vec::new();
    response_head(&mut out, head.view(text.as_bytes()), &context);
    String::from_utf8(out).expect("ASCII in, ASCII out")
}

#[test]
fn a_response_goes_on_with_our_framing() {
    let text = "HTTP/1.1 200 Fine\r\nDate: x\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\n\
        Upgrade: h2c\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n";
    assert_eq!(
        answered(text, Method::Get, |_| {}),
        "HTTP/1.1 200 Fine\r\nDate: x\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n"
    );
    let without_date = "HTTP/1.0 200\r\n\r\n";
    assert_eq!(
        answered(without_date, Method::Get, |context| context.pseudonym =
            Some("bascule")),
        "HTTP/1.1 200 OK\r\nVia: 1.0 bascule\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
}

#[test]
fn an_old_client_gets_what_it_understands() {
    let old = |context: &mut ResponseContext<'_>| context.client_version = Version::Http10;
    let chunked = "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        answered(chunked, Method::Get, old),
        "HTTP/1.1 200 OK\r\nDate: x\r\nConnection: close\r\n\r\n"
    );
    let sized = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(
        answered(sized, Method::Get, old),
        "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n"
    );
}

#[test]
fn a_response_without_a_body_tells_the_length_it_would_have() {
    let cases = [
        (
            Method::Head,
            "200 OK",
            "Content-Length: 5\r\n",
            "Content-Length: 5\r\n",
        ),
        (Method::Head, "200 OK", "Transfer-Encoding: chunked\r\n", ""),
        (
            Method::Get,
            "304 Not Modified",
            "Content-Length: 5\r\n",
            "Content-Length: 5\r\n",
        ),
        (Method::Get, "204 No Content", "Content-Length: 0\r\n", ""),
        (Method::Get, "204 No Content", "", ""),
    ];
    for (method, status, field, expected) in cases {
        let text = format!("HTTP/1.1 {status}\r\nDate: x\r\n{field}\r\n");
        let wanted = format!("HTTP/1.1 {status}\r\nDate: x\r\n{expected}\r\n");
        assert_eq!(answered(&text, method, |_| {}), wanted);
    }
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    assert_eq!(
        answered(interim, Method::Get, |context| context.keep_alive = false),
        interim
    );
}

#[test]
fn answers_of_our_own() {
    let mut body = Vec::new();
    problem(
        &mut body,
        &Problem {
            status: 400,
            reason: Reason::BadHost,
            detail: "a \"quote\" \\ \n",
            request_id: "id-1",
        },
    );
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "title": "Bad Request", "status": 400, "reason": "bad_host",
            "detail": "a \"quote\" \\ \n", "request_id": "id-1",
        })
    );
    let answer = Answer {
        status: 405,
        client_version: Version::Http11,
        keep_alive: false,
        head_only: false,
        date: DATE,
        content_type: Some("text/plain"),
        headers: &[("Allow", b"GET, HEAD"), ("X-Bad", b"a\nb")],
        body: b"no",
    };
    let written = |answer: &Answer<'_>| {
        let mut out = Vec::new();
        write(&mut out, answer);
        String::from_utf8(out).expect("ASCII")
    };
    let head = "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n\
        Allow: GET, HEAD\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    assert_eq!(written(&answer), format!("{head}no"));
    assert_eq!(
        written(&Answer {
            head_only: true,
            ..answer
        }),
        head
    );
    let empty = Answer {
        status: 204,
        keep_alive: true,
        headers: &[],
        ..answer
    };
    assert_eq!(
        written(&empty),
        "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    );
}

#[test]
fn every_reason_has_a_phrase() {
    for reason in Reason::ALL.iter().filter(|reason| reason.status() != 0) {
        assert_ne!(http::respond::phrase(reason.status()), "", "{reason}");
    }
}

#[test]
fn dates() {
    let cases = [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
        (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_800, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ];
    for (seconds, expected) in cases {
        let text = date::format(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(std::str::from_utf8(&text), Ok(expected));
    }
    assert_eq!(
        date::format(UNIX_EPOCH - Duration::from_secs(1)),
        date::format(UNIX_EPOCH)
    );
}
