//! Limits on what a client may send and hold: each has its own status or end, and its own reason.

use crate::given;
use bascule_tests::{Client, Io, Origin, Reply, eventually, on_both_drivers, request};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const LIMITS: &str =
    "limits: { header_bytes: 2KiB, header_count: 10, uri_bytes: 256B, body_bytes: 4KiB }";

#[test]
fn a_head_that_is_too_large_is_refused() {
    let origin = Origin::echo();
    let bascule = given(Io::Epoll, &origin, LIMITS);
    let mut client = bascule.client();
    let answer = client.get_with("/", &[("X-Large", &"a".repeat(3000))]);
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (431, "head_too_large")
    );
    assert!(answer.says_close() && client.is_closed());
    // Never longer than the limit, whether it comes whole or not.
    let mut client = bascule.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Endless: {}",
        "a".repeat(3000)
    ));
    assert_eq!(client.answer().status, 431);
    let many: Vec<(&str, &str)> = vec![("X-Many", "1"); 11];
    let answer = bascule.client().get_with("/", &many);
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (431, "head_too_large")
    );
    assert_eq!(bascule.client().get_with("/", &many[..9]).status, 200);
    bascule.wait_for_metric(
        "bascule_refused_total",
        &[("reason", "head_too_large")],
        3.0,
    );
    assert_eq!(
        bascule.access_log().with_reason("head_too_large")["status"],
        431
    );
    assert_eq!(origin.count(), 1);
}

#[test]
fn a_target_that_is_too_long_is_refused() {
    let origin = Origin::echo();
    let bascule = given(Io::Epoll, &origin, LIMITS);
    let answer = bascule.client().get(&format!("/{}", "a".repeat(300)));
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (414, "uri_too_long")
    );
    assert_eq!(
        bascule
            .client()
            .get(&format!("/{}", "a".repeat(255)))
            .status,
        200
    );
}

on_both_drivers! {
    /// A body over the limit is refused: by its length at once, in chunks when it gets there.
    fn a_body_that_is_too_large_is_refused(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, LIMITS);
        let mut client = bascule.client();
        let answer = client.post("/", &[b'x'; 4097]);
        assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
        assert!(client.is_closed());
        assert_eq!(origin.count(), 0);
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(format!("800\r\n{}\r\n", "x".repeat(0x800))).send("900\r\n");
        let _ = client.wire().send(format!("{}\r\n0\r\n\r\n", "x".repeat(0x900)).as_bytes());
        let answer = client.answer();
        assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
        assert_eq!(bascule.client().post("/", &[b'x'; 4096]).status, 200);
    }

    /// A route may allow more or less than the others.
    fn a_route_has_its_own_body_limit(io) {
        let origin = Origin::echo();
        let bascule = bascule_tests::Setup::new().io(io).with("app", origin.address()).start(
            "
            limits: { body_bytes: 1KiB }
            routes:
              - { path: /, upstream: app }
              - { path: /large/, upstream: app, body_limit: 1MiB }
              - { path: /small/, upstream: app, body_limit: 1B }
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
        let post = |target: &str, bytes: usize| bascule.client().post(target, &vec![b'x'; bytes]).status;
        assert_eq!((post("/", 1024), post("/", 1025)), (200, 413));
        assert_eq!((post("/large/a", 1025), post("/small/a", 2)), (200, 413));
    }

    /// Connections over a listener's limit are closed without an answer; one that ends makes room.
    fn a_listener_has_so_many_connections(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, "limits: { connections: 3, connections_per_client: 3 }");
        let mut clients: Vec<Client> = (0..3).map(|_| bascule.client()).collect();
        clients.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
        assert!(bascule.client().is_closed());
        bascule.wait_for_metric("bascule_refused_total", &[("reason", "connection_limit")], 1.0);
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 3.0);
        clients.pop();
        eventually("there is room again", || {
            let mut client = bascule.client();
            client.send(request("GET", "/", &[], b""));
            client.try_answer("GET").is_ok_and(|answer| answer.status == 200)
        });
    }
}

#[test]
fn a_client_has_so_many_connections() {
    let origin = Origin::echo();
    let bascule = given(
        Io::Epoll,
        &origin,
        "listeners: [{ name: web, address: $web, limits: { connections_per_client: 2 } }]",
    );
    let from = |last| {
        Client::connect_from(
            IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)),
            bascule.address("web"),
        )
    };
    let mut clients = [from(7), from(7), from(8)];
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status, 200));
    assert!(from(7).is_closed());
    assert_eq!(from(8).get("/").status, 200);
    assert_eq!(from(9).get("/").status, 200);
}

#[test]
fn a_connection_carries_so_many_requests() {
    let origin = Origin::echo();
    let bascule = given(Io::Epoll, &origin, "limits: { requests_per_connection: 3 }");
    let mut client = bascule.client();
    let closes: Vec<bool> = (0..3).map(|_| client.get("/").says_close()).collect();
    assert_eq!(closes, [false, false, true]);
    assert!(client.is_closed());
}

#[test]
fn a_head_of_an_answer_has_a_limit() {
    let origin = Origin::serve(|_| Reply::status(200, &[("X-Large", &"a".repeat(3000))], "ok"));
    let bascule = given(
        Io::Epoll,
        &origin,
        "limits: { response_header_bytes: 2KiB }",
    );
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (502, "upstream_head_too_large")
    );
}

#[test]
fn sources_are_let_in_and_kept_out() {
    let origin = Origin::echo();
    let bascule = bascule_tests::Setup::new()
        .with("app", origin.address())
        .start(
            "
        listeners: [{ name: web, address: $web, deny: [127.0.0.66/32] }]
        routes:
          - { path: /, upstream: app }
          - { path: /inner/, upstream: app, allow: [127.0.0.7/32] }
        upstreams: { app: { endpoints: [$app] } }
        ",
        );
    let from = |last| {
        Client::connect_from(
            IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)),
            bascule.address("web"),
        )
    };
    assert!(from(66).is_closed());
    assert_eq!(from(7).get("/inner/a").status, 200);
    let answer = from(8).get("/inner/a");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (403, "address_denied")
    );
    assert_eq!(from(8).get("/").status, 200);
}

#[test]
fn an_endpoint_has_so_many_connections() {
    let origin = Origin::serve(|_| {
        std::thread::sleep(Duration::from_millis(500));
        Reply::ok("slow")
    });
    let bascule = bascule_tests::Setup::new()
        .workers(1)
        .with("app", origin.address())
        .start(
            "
        routes: [{ path: /, upstream: app }]
        upstreams: { app: { endpoints: [$app], pool: { max_connections_per_endpoint: 1 } } }
        ",
        );
    let mut first = bascule.client();
    first.send(request("GET", "/", &[], b""));
    eventually("the first one is under way", || origin.open() == 1);
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (503, "endpoint_full")
    );
    assert_eq!(first.answer().text(), "slow");
}
