//! Peers that mean harm or know no better. Whatever they do, others are served.

use crate::{before, given};
use bascule_tests::{Bascule, Client, Io, Origin, Reply, eventually, on_both_drivers, request};
use std::time::{Duration, Instant};

fn still_serves(bascule: &mut Bascule) {
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(bascule.client().get("/").status, 200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert!(bascule.is_running());
}

on_both_drivers! {
    /// Bytes that are no request are refused or closed.
    fn garbage(io) {
        let origin = Origin::named("ok");
        let mut bascule = before(io, &origin);
        let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let cases: [&[u8]; 9] = [
            &noise,
            b"\0\0\0\0",
            b"\r\n\r\n\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
            b"GET  /  HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        ];
        for case in cases {
            let mut client = bascule.client();
            let _ = client.wire().send(case);
            client.wire().end_sending();
            if let Ok(answer) = client.try_answer("GET") {
                assert!((400..600).contains(&answer.status), "{answer:?} to {:?}", String::from_utf8_lossy(case));
            }
        }
        assert_eq!(origin.count(), 0);
        still_serves(&mut bascule);
    }

    /// Requests that end half way, in order and by reset, at every byte.
    fn half_requests(io) {
        let origin = Origin::talk(|conversation| {
            while let Some(mut seen) = conversation.head()? {
                if seen.read_body(conversation.wire).is_err() {
                    return Ok(());
                }
                conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
            Ok(())
        });
        let mut bascule = before(io, &origin);
        let whole = request("POST", "/path", &[("X-Field", "value")], b"0123456789");
        for end in (1..whole.len()).step_by(3) {
            let mut client = bascule.client();
            client.send(&whole[..end]);
            if end % 2 == 0 {
                client.reset();
            } else {
                drop(client);
            }
        }
        still_serves(&mut bascule);
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
    }

    /// Connections that are opened and cut at once.
    fn resets(io) {
        let origin = Origin::named("ok");
        let mut bascule = before(io, &origin);
        for _ in 0..200 {
            bascule.client().reset();
        }
        for _ in 0..50 {
            let mut client = bascule.client();
            client.send(request("GET", "/", &[], b""));
            client.reset();
        }
        still_serves(&mut bascule);
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
    }

    /// Many clients that send a byte now and then hold nobody up, and end when their time is over.
    fn slow_clients(io) {
        let origin = Origin::named("ok");
        let mut bascule = given(io, &origin, "timeouts: { header: 1s, idle: 1s }");
        let mut slow: Vec<Client> = (0..100).map(|_| bascule.client()).collect();
        for byte in b"GET / HTTP/1.1\r\nX-" {
            slow.iter_mut().for_each(|client| drop(client.wire().send(&[*byte])));
        }
        still_serves(&mut bascule);
        for client in &mut slow {
            assert_eq!(client.answer().status, 408);
        }
        eventually("they are gone", || bascule.metrics().sum("bascule_connections", &[]) == 0.0);
    }

    /// A request that arrives byte by byte is a request like any other.
    fn one_byte_at_a_time(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let chunked = b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\nX-T: 1\r\n\r\n";
        let whole = [&request("POST", "/a", &[], b"body")[..], chunked, &request("GET", "/c", &[], b"")].concat();
        client.send_in_pieces(whole, 1, Duration::from_micros(200));
        let bodies: Vec<_> = (0..3).map(|_| client.answer().json()["body"].clone()).collect();
        assert_eq!(bodies, ["body", "hello", ""]);
    }

    /// An answer that arrives byte by byte is an answer like any other.
    fn an_answer_one_byte_at_a_time(io) {
        let origin = Origin::talk(|conversation| {
            while conversation.request()?.is_some() {
                for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n" {
                    conversation.send([*byte])?;
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            Ok(())
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "hello");
        }
    }

    /// A client that still sends when it has been refused finds the answer, not a reset.
    fn a_refusal_is_found_by_who_still_sends(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, "limits: { body_bytes: 1KiB }");
        for _ in 0..5 {
            let mut client = bascule.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 100_000));
            let _ = client.wire().send(&[b'x'; 100_000]);
            assert_eq!(client.answer().status, 413);
        }
    }
}

#[test]
fn an_endpoint_that_never_ends_its_head_is_given_up() {
    let origin = Origin::talk(|conversation| {
        conversation.request()?;
        conversation.send("HTTP/1.1 200 OK\r\n")?;
        loop {
            conversation.send(
                "X-Endless: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            )?;
        }
    });
    let bascule = before(Io::Epoll, &origin);
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (502, "upstream_head_too_large")
    );
    eventually("it is let go", || origin.open() == 0);
}

#[test]
fn an_endpoint_that_only_ever_promises_is_given_up() {
    let origin = Origin::serve(|_| Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)));
    let bascule = before(Io::Epoll, &origin);
    assert_eq!(bascule.client().get("/").status, 502);
}
