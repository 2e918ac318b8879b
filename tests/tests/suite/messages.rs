//! HTTP/1.1 as it should be: connections that are kept, bodies that end where they should.

use crate::{before, given};
use bascule_tests::{Framing, Origin, Reply, on_both_drivers, request};
use std::time::Duration;

/// A chunked answer with a trailer.
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
    5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n";

on_both_drivers! {
    /// One connection on each side carries all requests of a client.
    fn connections_are_kept(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        for n in 0..5 {
            let answer = client.get(&format!("/{n}"));
            assert_eq!((answer.status, &answer.json()["target"]), (200, &format!("/{n}").into()));
            assert!(!answer.says_close());
        }
        assert_eq!(origin.accepted(), 1);
    }

    /// Answers come in the order of the requests, though the first one takes longest.
    fn pipelined_requests_are_answered_in_order(io) {
        let origin = Origin::serve(|seen| {
            if seen.target == "/0" {
                std::thread::sleep(Duration::from_millis(100));
            }
            Reply::ok(&seen.target)
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let all: Vec<u8> = (0..8).flat_map(|n| request("GET", &format!("/{n}"), &[], b"")).collect();
        client.send(all);
        for n in 0..8 {
            assert_eq!(client.answer().text(), format!("/{n}"));
        }
    }

    /// Bodies between pipelined requests are told from the requests.
    fn pipelined_bodies_are_kept_apart(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let chunked = b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        client.send([&request("POST", "/1", &[], b"GET /x HTTP/1.1\r\n\r\n")[..], chunked, &request("GET", "/3", &[], b"")].concat());
        let bodies: Vec<_> = (0..3).map(|_| client.answer().json()["body"].clone()).collect();
        assert_eq!(bodies, ["GET /x HTTP/1.1\r\n\r\n", "abc", ""]);
    }

    /// More waiting requests than the limit end the connection, after an answer that says so.
    fn pipelining_has_a_limit(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, "limits: { pipelined_requests: 4 }");
        let mut client = bascule.client();
        for _ in 0..3 {
            client.send(request("GET", "/", &[], b"").repeat(4));
            (0..4).for_each(|_| assert!(!client.answer().says_close()));
        }
        client.send(request("GET", "/", &[], b"").repeat(20));
        let answers: Vec<_> = std::iter::from_fn(|| client.try_answer("GET").ok()).collect();
        assert!((1..=6).contains(&answers.len()), "{}", answers.len());
        assert!(answers.last().unwrap().says_close());
    }

    /// Chunks go through in both directions, trailers with them.
    fn chunks_and_trailers_go_both_ways(io) {
        let origin = Origin::serve(|_| Reply::raw(CHUNKED));
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: x-end\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("3\r\nabc\r\n").send("4\r\ndefg\r\n0\r\nX-End: yes\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.content.framing), ("hello world", Framing::Chunked));
        assert_eq!(answer.content.trailers, [("X-Sum".to_owned(), "42".to_owned())]);
        let seen = origin.only();
        assert_eq!((seen.text().as_str(), seen.content.framing), ("abcdefg", Framing::Chunked));
        assert_eq!(seen.content.trailers, [("X-End".to_owned(), "yes".to_owned())]);
        assert_eq!(client.get("/again").status, 200);
    }

    /// A length stays a length.
    fn lengths_go_both_ways(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let answer = client.post("/", b"0123456789");
        assert!(matches!(answer.content.framing, Framing::Length(_)));
        let seen = origin.only();
        assert_eq!((seen.text().as_str(), seen.content.framing), ("0123456789", Framing::Length(10)));
        // A POST of nothing has a length of nothing.
        client.send("POST /empty HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.answer().json()["length"], 0);
    }

    /// A client that waits for `100 Continue` gets it, before the endpoint has said anything.
    fn an_expectation_is_met(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        let interim = bascule_tests::Answer::read_one(client.wire(), "POST").unwrap();
        assert_eq!((interim.status, interim.headers.len()), (100, 0));
        client.send("body");
        let answer = client.answer();
        assert_eq!((answer.status, &answer.json()["body"]), (200, &"body".into()));
        assert!(origin.only().header("expect").is_none());
        assert_eq!(client.get("/again").status, 200);
    }

    /// A client that waits, and is refused, is not asked for its body.
    fn a_refused_expectation_is_not_invited(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, "limits: { body_bytes: 1KiB }");
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4096\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.interim.len()), (413, 0));
        assert!(client.is_closed());
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\n");
        assert_eq!(client.answer().status, 417);
        assert_eq!(origin.count(), 0);
    }

    /// HEAD, 204 and 304 have no body, whatever their fields say, and the connection goes on.
    fn answers_without_a_body_have_none(io) {
        let origin = Origin::serve(|seen| match seen.target.as_str() {
            "/204" => Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"),
            "/304" => Reply::raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"a\"\r\n\r\n"),
            _ => Reply::ok("12345"),
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let head = client.ask("HEAD", "/", &[], b"");
        assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
        let nothing = client.get("/204");
        assert_eq!((nothing.status, nothing.header("content-length")), (204, None));
        assert_eq!(client.get("/304").status, 304);
        assert_eq!(client.get("/").text(), "12345");
        assert_eq!(origin.accepted(), 1);
    }

    /// 103 reaches a client of HTTP/1.1 before the answer; one of HTTP/1.0 would not know it.
    fn interim_answers_are_passed_on(io) {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
        let origin = Origin::serve(move |_| {
            Reply::raw(format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        });
        let bascule = before(io, &origin);
        let answer = bascule.client().get("/");
        assert_eq!((answer.text().as_str(), answer.interim.as_slice()), ("ok", &[103, 103][..]));
        let mut old = bascule.client();
        let answer = old.send("GET / HTTP/1.0\r\n\r\n").answer();
        assert_eq!((answer.text().as_str(), answer.interim.len()), ("ok", 0));
    }

    /// HTTP/1.0: no chunks, and the connection ends unless it was asked to stay.
    fn clients_of_http_1_0_are_served(io) {
        let origin = Origin::serve(|seen| {
            if seen.target == "/chunked" { Reply::raw(CHUNKED) } else { Reply::ok("plain") }
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let answer = client.send("GET /chunked HTTP/1.0\r\n\r\n").answer();
        assert_eq!((answer.text().as_str(), answer.content.framing), ("hello world", Framing::UntilClose));
        let mut client = bascule.client();
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.header("connection"), Some("keep-alive"));
        assert_eq!(client.send("GET / HTTP/1.0\r\n\r\n").answer().text(), "plain");
        assert!(client.is_closed());
        assert_eq!(origin.seen()[0].line, "GET /chunked HTTP/1.1");
    }

    /// A body that ends with the endpoint's connection reaches the client in chunks, and its connection stays.
    fn a_body_until_close_becomes_chunks(io) {
        let origin = Origin::serve(|_| Reply::raw("HTTP/1.1 200 OK\r\n\r\nuntil the end").and_close());
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!((answer.text().as_str(), answer.content.framing), ("until the end", Framing::Chunked));
        }
        assert_eq!(origin.accepted(), 2);
    }

    /// A client that asks for the end gets it.
    fn connection_close_is_honoured(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let answer = client.get_with("/", &[("Connection", "close")]);
        assert!(answer.says_close());
        assert!(client.is_closed());
        // The endpoint's connection is ours to keep.
        let _ = bascule.client().get("/");
        assert_eq!(origin.count(), 2);
        assert!(origin.seen()[0].header("connection").is_none());
    }

    /// A client that has nothing more to say still hears the answer.
    fn a_half_closed_client_is_answered(io) {
        let origin = Origin::serve(|_| {
            std::thread::sleep(Duration::from_millis(200));
            Reply::ok("heard")
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send(request("GET", "/", &[], b""));
        client.wire().end_sending();
        assert_eq!(client.answer().text(), "heard");
        assert!(client.is_closed());
    }

    /// CONNECT is no request for us, and an upgrade is not offered: the request goes on without it.
    fn tunnels_are_not_offered(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let answer = client.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").answer();
        assert_eq!((answer.status, answer.reason().as_str()), (501, "method_unsupported"));
        let mut client = bascule.client();
        let answer = client.get_with("/", &[("Connection", "Upgrade"), ("Upgrade", "websocket")]);
        assert_eq!(answer.status, 200);
        let seen = origin.only();
        assert!(seen.all("upgrade").is_empty() && seen.all("connection").is_empty(), "{seen:?}");
    }
}
