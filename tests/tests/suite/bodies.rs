//! Large bodies, slow readers, clients and endpoints that stop half way.

use crate::{before, given};
use bascule_tests::{
    Bascule, Framing, Io, Origin, Pattern, Reply, eventually, on_both_drivers, request,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
/// What goes through in each direction.
const LARGE: u64 = 512 * MIB;
/// The most memory that may take: the program itself in a debug build, and buffers.
const MEMORY: u64 = 160 * MIB;

/// An endpoint that sends a large body to a GET, and the digest of what it got to all others.
fn large_origin() -> Origin {
    Origin::talk(|conversation| {
        let pattern = Pattern::new(LARGE);
        while let Some(mut seen) = conversation.head()? {
            seen.read_body(conversation.wire)?;
            if seen.method != "GET" {
                let digest = seen.content.digest;
                conversation.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{digest}",
                    digest.len()
                ))?;
                continue;
            }
            if seen.target == "/chunked" {
                conversation.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for piece in pattern.pieces() {
                    conversation.send(format!("{:x}\r\n", piece.len()))?;
                    conversation.send(piece)?;
                    conversation.send("\r\n")?;
                }
                conversation.send("0\r\n\r\n")?;
            } else {
                conversation.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"
                ))?;
                pattern
                    .pieces()
                    .try_for_each(|piece| conversation.send(piece))?;
            }
        }
        Ok(())
    })
}

fn upload(bascule: &Bascule, chunked: bool, pattern: &Pattern) -> String {
    let mut client = bascule.client();
    if chunked {
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in pattern.pieces() {
            client
                .send(format!("{:x}\r\n", piece.len()))
                .send(piece)
                .send("\r\n");
        }
        client.send("0\r\n\r\n");
    } else {
        client.send(format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            pattern.length()
        ));
        pattern.pieces().for_each(|piece| {
            client.send(piece);
        });
    }
    client.answer().text()
}

on_both_drivers! {
    /// Half a gigabyte down and up, in both framings: every byte arrives, and memory stays small.
    fn large_bodies_pass_through_little_memory(io) {
        let origin = large_origin();
        let bascule = given(io, &origin, "limits: { body_bytes: 1GiB }");
        let pattern = Pattern::new(LARGE);
        let digest = pattern.digest();
        let down = bascule.client().get("/");
        assert_eq!((down.content.length, &down.content.digest), (LARGE, &digest));
        let quarter = Pattern::new(LARGE / 4);
        assert_eq!(upload(&bascule, true, &quarter), quarter.digest());
        assert_eq!(upload(&bascule, false, &pattern), digest);
        let memory = bascule.peak_memory();
        assert!(memory < MEMORY, "{} MiB", memory / MIB);
    }

    /// Who reads slowly slows the endpoint down; nothing piles up between them.
    fn a_slow_reader_holds_the_endpoint_back(io) {
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        let origin = Origin::talk(move |conversation| {
            conversation.request()?;
            conversation.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"))?;
            let pattern = Pattern::new(LARGE);
            pattern.pieces().try_for_each(|piece| {
                conversation.send(piece)?;
                counted.fetch_add(piece.len() as u64, Ordering::SeqCst);
                Ok(())
            })
        });
        let bascule = before(io, &origin);
        let mut client = bascule_tests::Client::connect_narrow(bascule.address("web"), 16 * 1024);
        client.send(request("GET", "/", &[], b""));
        // It stops when the buffers between are full.
        let mut last = u64::MAX;
        eventually("the endpoint stops sending", || {
            std::thread::sleep(Duration::from_millis(300));
            let now = sent.load(Ordering::SeqCst);
            let is_still = now == last;
            last = now;
            is_still
        });
        assert!(last < 64 * MIB, "{} MiB were sent to a client that reads nothing", last / MIB);
        assert!(bascule.peak_memory() < MEMORY);
        drop(client);
        eventually("the endpoint is let go", || origin.open() == 0);
    }

    /// An answer that comes before the end of the request reaches the client; the connections are not used again.
    fn an_early_answer_is_passed_on(io) {
        let origin = Origin::talk(|conversation| {
            let Some(seen) = conversation.head()? else { return Ok(()) };
            conversation.log(&seen);
            conversation.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nearly")?;
            // Reads on for a while, as a polite server does.
            let _ = conversation.wire.exactly(MIB, &mut |_| {});
            Ok(())
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n").send(vec![b'x'; 10_000]);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (403, "early"));
        let line = bascule.access_log().wait_for(1).remove(0);
        assert_eq!((&line["status"], &line["reason"]), (&403.into(), &"served".into()));
    }

    /// When a client goes away during its upload, its endpoint is told at once.
    fn a_client_that_leaves_its_upload_frees_the_endpoint(io) {
        let origin = Origin::talk(|conversation| {
            let Some(mut seen) = conversation.head()? else { return Ok(()) };
            match seen.read_body(conversation.wire) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
                other => panic!("the body ended: {other:?}"),
            }
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
        eventually("the endpoint is connected", || origin.open() == 1);
        drop(client);
        eventually("the endpoint is let go", || origin.open() == 0);
        assert_eq!(bascule.access_log().wait_for(1)[0]["reason"], "client_closed");
    }

    /// When a client goes away during its download, its endpoint is told at once.
    fn a_client_that_leaves_its_download_frees_the_endpoint(io) {
        let origin = Origin::talk(|conversation| {
            conversation.request()?;
            conversation.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                conversation.send("4\r\ntick\r\n")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send(request("GET", "/", &[], b""));
        assert!(client.wire().has_more().unwrap());
        client.reset();
        eventually("the endpoint is let go", || origin.open() == 0);
        assert_eq!(bascule.access_log().wait_for(1)[0]["reason"], "client_closed");
    }

    /// An answer that is cut off is never passed on as a whole one.
    fn a_cut_answer_is_cut_for_the_client_too(io) {
        let origin = Origin::serve(|seen| match seen.target.as_str() {
            "/length" => Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly this").and_close(),
            _ => Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").and_close(),
        });
        let bascule = before(io, &origin);
        for target in ["/length", "/chunked"] {
            let mut client = bascule.client();
            client.send(request("POST", target, &[], b""));
            let error = client.try_answer("POST").unwrap_err();
            let cut = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
            assert!(cut.contains(&error.kind()), "{target}: {error}");
        }
        let line = bascule.access_log().with_reason("upstream_closed");
        assert_eq!(line["verdict"], "fail");
    }
}

#[test]
fn a_body_that_came_with_its_head_goes_on_with_its_length() {
    // Known in full before it is sent on, a chunked body needs no chunks any more.
    let origin = Origin::echo();
    let bascule = before(Io::Epoll, &origin);
    let mut client = bascule.client();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"));
    assert_eq!(client.answer().json()["body"], "abcdefg");
    assert_eq!(origin.only().content.framing, Framing::Length(7));
    // Unless trailers follow it.
    client.send(format!(
        "{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-End: yes\r\n\r\n"
    ));
    assert_eq!(client.answer().json()["body"], "abcdefg");
    let seen = &origin.seen()[1];
    assert_eq!(seen.content.framing, Framing::Chunked);
    assert_eq!(
        seen.content.trailers,
        [("X-End".to_owned(), "yes".to_owned())]
    );
    assert_eq!(client.get("/next").status, 200);
}

#[test]
fn a_malformed_body_that_came_with_its_head_reaches_nobody() {
    let origin = Origin::echo();
    let bascule = before(Io::Epoll, &origin);
    for body in [
        "2;\r\naa\r\n0\r\n\r\n",
        "2 x\r\naa\r\n0\r\n\r\n",
        "2\r\naaa\r\n0\r\n\r\n",
        "-1\r\n",
        "2\r\naa\r\n0\r\nX Y: z\r\n\r\n",
    ] {
        let mut client = bascule.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ));
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (400, "malformed_body"),
            "{body:?}"
        );
        assert!(client.is_closed());
    }
    assert_eq!(origin.accepted(), 0);
}
