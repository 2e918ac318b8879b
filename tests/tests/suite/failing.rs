//! Endpoints that fail: what is tried again, what is not, and what the client is told.

use crate::before;
use bascule_tests::{Bascule, Io, Origin, Port, Reply, Setup, on_both_drivers, request};

/// A live endpoint and one where nobody listens; every other request goes to the dead one first.
fn with_a_dead_one(io: Io, live: &Origin, more: &str) -> (Bascule, Port) {
    let dead = Port::reserve();
    let setup = Setup::new()
        .io(io)
        .workers(1)
        .with("live", live.address())
        .with("dead", dead.address());
    let bascule = setup.start(&format!(
        "
        routes: [{{ name: app, path: /, upstream: app }}]
        upstreams: {{ app: {{ endpoints: [$dead, $live], {more} }} }}
        "
    ));
    (bascule, dead)
}

on_both_drivers! {
    /// Where nothing was sent, another endpoint gets the request, whatever its method.
    fn a_refused_connection_is_tried_elsewhere(io) {
        let live = Origin::echo();
        let (bascule, _dead) = with_a_dead_one(io, &live, "retries: { budget: 100% }");
        for method in ["GET", "POST", "PATCH", "GET", "POST", "DELETE"] {
            let answer = bascule.client().ask(method, "/", &[], b"");
            assert_eq!(answer.status, 200, "{method}");
        }
        let answer = bascule.client().post("/", b"a body that is streamed");
        assert_eq!((answer.status, &answer.json()["body"]), (200, &"a body that is streamed".into()));
        bascule.wait_for_metric("bascule_requests_total", &[("code", "200")], 7.0);
        assert!(bascule.metrics().sum("bascule_upstream_retries_total", &[("upstream", "app")]) >= 2.0);
        let line = bascule.access_log().find(|line| line["tries"] == 2);
        assert_eq!((&line["status"], &line["endpoint"]), (&200.into(), &live.address().to_string().into()));
    }

    /// A request that may have been carried out is sent again only where that changes nothing.
    fn a_post_that_was_sent_is_not_sent_again(io) {
        let dies = || Origin::talk(|conversation| {
            conversation.request()?;
            Ok(())
        });
        let (first, second) = (dies(), dies());
        let bascule = Setup::new().io(io).with("a", first.address()).with("b", second.address()).start(
            "
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$a, $b], retries: { attempts: 1, budget: 100% } } }
            ",
        );
        let answer = bascule.client().post("/", b"pay");
        assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_closed"));
        assert_eq!(first.count() + second.count(), 1);
        let answer = bascule.client().get("/");
        assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_closed"));
        assert_eq!((first.count().min(2), first.count() + second.count()), (first.count(), 3));
        bascule.wait_for_metric("bascule_upstream_retries_total", &[("upstream", "app")], 1.0);
    }

    /// A body that was streamed to an endpoint that died is gone: nobody else may get the request without it.
    fn a_request_is_not_sent_again_without_its_body(io) {
        let dies = || Origin::talk(|conversation| {
            conversation.request()?;
            Ok(())
        });
        let (first, second) = (dies(), dies());
        let bascule = Setup::new().io(io).with("a", first.address()).with("b", second.address()).start(
            "
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$a, $b], retries: { attempts: 1, budget: 100% } } }
            ",
        );
        for head in ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Content-Length: 5\r\n\r\nhello"] {
            let mut client = bascule.client();
            client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{head}"));
            let answer = client.answer();
            assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_closed"));
        }
        for seen in [first.seen(), second.seen()].concat() {
            assert_eq!(seen.text(), "hello");
        }
    }

    /// Requests that endpoints may have worked on are sent again within a budget, so that an outage is not multiplied.
    fn second_tries_have_a_budget(io) {
        let dies = || Origin::talk(|conversation| {
            conversation.request()?;
            Ok(())
        });
        let (first, second) = (dies(), dies());
        let bascule = Setup::new().io(io).with("a", first.address()).with("b", second.address()).start(
            "
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$a, $b], retries: { attempts: 1, budget: 20% } } }
            ",
        );
        let mut client = bascule.client();
        (0..200).for_each(|_| assert_eq!(client.get("/").status, 502));
        let tries = first.count() + second.count();
        // 200, a fifth more, and the few that are always granted in each of its windows.
        assert!((200..=290).contains(&tries), "{tries}");
    }

    /// A kept connection that the endpoint has closed meanwhile costs a client nothing.
    fn a_stale_connection_is_no_failure(io) {
        let origin = Origin::echo();
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        for round in 0..10 {
            assert_eq!(client.get("/").status, 200, "round {round}");
            origin.hang_up();
            assert_eq!(client.post("/", b"x").status, 200, "round {round}");
            origin.hang_up();
        }
        assert_eq!(bascule.metrics().sum("bascule_upstream_failures_total", &[]), 0.0);
    }

    /// What is no answer is not passed on.
    fn garbage_of_an_endpoint_is_not_passed_on(io) {
        let origin = Origin::serve(|seen| {
            Reply::raw(match seen.target.as_str() {
                "/garbage" => &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
                "/two-lengths" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                "/both" => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "/split" => b"HTTP/1.1 200 OK\r\nX-A: b\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
                "/101" => b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
                _ => b"\0\0\0\0\r\n\r\n",
            })
            .and_close()
        });
        let bascule = before(io, &origin);
        for target in ["/garbage", "/two-lengths", "/both", "/split", "/101", "/zeros"] {
            let answer = bascule.client().get(target);
            assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_malformed"), "{target}");
        }
    }

    /// Bytes behind an answer are never taken for the next one.
    fn an_endpoint_that_says_more_than_asked_is_not_reused(io) {
        let origin = Origin::serve(|_| {
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        });
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "ok");
        }
        assert_eq!(origin.accepted(), 3);
    }
}

#[test]
fn a_dead_endpoint_is_told_with_its_reason() {
    let dead = Port::reserve();
    let bascule = Setup::new().with("dead", dead.address()).start(
        "
        routes: [{ name: app, path: /, upstream: app }]
        upstreams: { app: { endpoints: [$dead] } }
        ",
    );
    let mut client = bascule.client();
    let answer = client.get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (502, "connect_failed")
    );
    assert!(
        !answer.says_close(),
        "the client's connection has no part in it"
    );
    let line = bascule.access_log().wait_for(1).remove(0);
    assert_eq!(
        (&line["reason"], &line["verdict"]),
        (&"connect_failed".into(), &"fail".into())
    );
    assert!(
        line["detail"].as_str().unwrap().contains("refused"),
        "{line}"
    );
    let labels = [("upstream", "app"), ("reason", "connect_failed")];
    bascule.wait_for_metric("bascule_upstream_failures_total", &labels, 1.0);
}

#[test]
fn an_upload_is_not_lost_with_a_kept_connection() {
    // A POST must not be sent twice, so it takes a kept connection only where that is open for sure.
    let origin = Origin::echo();
    let bascule = before(Io::Epoll, &origin);
    let mut client = bascule.client();
    for _ in 0..20 {
        client.send(request("GET", "/", &[], b""));
        assert_eq!(client.answer().status, 200);
        origin.hang_up();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let body = vec![b'x'; 100_000];
        assert_eq!(client.post("/", &body).json()["length"], 100_000);
    }
}
