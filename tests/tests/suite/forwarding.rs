//! Header fields on their way: what belongs to one connection stays there, what tells of hops is told truly.

use crate::{before, given};
use bascule_tests::{Origin, Reply, on_both_drivers};

/// What a client may claim about hops before it.
const CLAIMS: &[(&str, &str)] = &[
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example.com"),
    ("Forwarded", "for=203.0.113.9;proto=https"),
    ("X-Real-IP", "203.0.113.9"),
    ("X-Request-Id", "given-by-the-client"),
    ("Via", "1.1 another"),
];

on_both_drivers! {
    /// Fields of one hop, and those that Connection names, end here, in both directions.
    fn hop_by_hop_fields_are_removed(io) {
        let origin = Origin::serve(|_| {
            let fields = [("Connection", "x-internal"), ("X-Internal", "1"), ("Keep-Alive", "timeout=5"), ("X-Public", "2")];
            Reply::status(200, &fields, "ok")
        });
        let bascule = before(io, &origin);
        let answer = bascule.client().get_with("/", &[
            ("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "5"), ("Proxy-Connection", "keep-alive"),
            ("Upgrade", "h2c"), ("Proxy", "evil"), ("X-End", "to end"),
        ]);
        let seen = origin.only();
        for gone in ["connection", "x-hop", "keep-alive", "proxy-connection", "upgrade", "proxy"] {
            assert!(seen.all(gone).is_empty(), "{gone} in {seen:?}");
        }
        assert_eq!(seen.header("x-end"), Some("to end"));
        assert_eq!((answer.header("x-internal"), answer.header("keep-alive")), (None, None));
        assert_eq!((answer.header("x-public"), answer.header("via")), (Some("2"), Some("1.1 bascule")));
        assert!(answer.header("date").is_some());
    }
}

#[test]
fn a_client_is_not_believed_about_hops() {
    let origin = Origin::echo();
    let bascule = before(bascule_tests::Io::Epoll, &origin);
    let _ = bascule.client().get_with("/", CLAIMS);
    let seen = origin.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("app.test"));
    assert_eq!(
        seen.header("forwarded"),
        Some("for=127.0.0.1;host=app.test;proto=http")
    );
    assert_eq!(seen.all("x-real-ip"), Vec::<&str>::new());
    assert_eq!(seen.all("via").join(", "), "1.1 another, 1.1 bascule");
    let id = seen.header("x-request-id").unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    let line = bascule.access_log().wait_for(1).remove(0);
    assert_eq!(
        (&line["client"], &line["id"]),
        (&"127.0.0.1".into(), &id.into())
    );
    assert_eq!(seen.header("host"), Some("app.test"));
}

#[test]
fn ipv6_is_written_as_it_should_be() {
    let origin = Origin::echo();
    let port = bascule_tests::Port::reserve().address().port();
    let bascule = bascule_tests::Setup::new()
        .with("app", origin.address())
        .start(&format!(
            "
        listeners: [{{ name: web, address: '[::1]:{port}' }}]
        routes: [{{ path: /, upstream: app }}]
        upstreams: {{ app: {{ endpoints: [$app] }} }}
        "
        ));
    let mut client = bascule_tests::Client::connect((std::net::Ipv6Addr::LOCALHOST, port).into());
    assert_eq!(client.get_with("/", &[("Host", "[::1]:8080")]).status, 200);
    let seen = origin.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("::1"));
    assert_eq!(
        seen.header("forwarded"),
        Some("for=\"[::1]\";host=\"[::1]:8080\";proto=http")
    );
    assert_eq!(bascule.access_log().wait_for(1)[0]["client"], "::1");
}

#[test]
fn a_trusted_proxy_is_believed_about_hops() {
    let origin = Origin::echo();
    let bascule = given(
        bascule_tests::Io::Epoll,
        &origin,
        "listeners: [{ name: web, address: $web, trusted_proxies: [127.0.0.0/8] }]",
    );
    let _ = bascule.client().get_with("/", CLAIMS);
    let seen = origin.only();
    assert_eq!(
        seen.header("x-forwarded-for"),
        Some("203.0.113.9, 127.0.0.1")
    );
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.example.com"));
    assert_eq!(
        seen.header("forwarded"),
        Some("for=203.0.113.9;proto=https, for=127.0.0.1;host=app.test;proto=http")
    );
    assert_eq!(seen.header("x-request-id"), Some("given-by-the-client"));
    let line = bascule.access_log().wait_for(1).remove(0);
    assert_eq!(line["client"], "203.0.113.9");
    assert_eq!(line["peer"], "127.0.0.1");
    assert_eq!(line["id"], "given-by-the-client");
}

#[test]
fn the_operator_sets_and_removes_fields() {
    let origin = Origin::echo();
    let bascule = bascule_tests::Setup::new()
        .with("app", origin.address())
        .start(
            "
        routes:
          - name: app
            path: /
            upstream: app
            request_headers: { set: { x-gateway: bascule }, remove: [x-internal] }
        upstreams: { app: { endpoints: [$app] } }
        ",
        );
    let fields = [
        ("X-Gateway", "forged"),
        ("x_internal", "1"),
        ("X-Internal", "2"),
        ("X-Other", "3"),
    ];
    let _ = bascule.client().get_with("/", &fields);
    let seen = origin.only();
    assert_eq!(seen.header("x-gateway"), Some("bascule"));
    assert!(
        seen.all("x-internal").is_empty() && seen.all("x_internal").is_empty(),
        "{seen:?}"
    );
    assert_eq!(seen.header("x-other"), Some("3"));
}

#[test]
fn the_endpoint_sees_the_path_that_was_routed() {
    let origin = Origin::echo();
    let bascule = before(bascule_tests::Io::Epoll, &origin);
    let mut client = bascule.client();
    for (asked, seen) in [
        ("/a/../b?x=../y", "/b?x=../y"),
        ("/%7Euser/./c", "/~user/c"),
        ("/plain?a=%2e%2e&b=%27", "/plain?a=%2e%2e&b=%27"),
    ] {
        assert_eq!(client.get(asked).json()["target"], seen, "{asked}");
    }
    assert_eq!(client.get("/../../etc/passwd").status, 400);
}
