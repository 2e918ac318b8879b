//! Which route a request gets.

use bascule_tests::{Bascule, Origin, Setup};

/// Every route sets a field with its own name, so that the endpoint's echo tells which one it was.
const ROUTES: &str = "
    routes:
      - { name: rest, path: /, upstream: app, request_headers: { set: { x-route: rest } } }
      - { name: exact-host, host: shop.test, path: /, upstream: app, request_headers: { set: { x-route: exact-host } } }
      - { name: any-below, host: '*.shop.test', path: /, upstream: app, request_headers: { set: { x-route: any-below } } }
      - { name: exact, path: { exact: /a }, upstream: app, request_headers: { set: { x-route: exact } } }
      - { name: prefix, path: { prefix: /a }, upstream: app, request_headers: { set: { x-route: prefix } } }
      - { name: one, path: '/users/{id}', upstream: app, request_headers: { set: { x-route: one } } }
      - { name: me, path: { exact: /users/me }, upstream: app, request_headers: { set: { x-route: me } } }
      - { name: files, path: '/files/{rest*}', upstream: app, request_headers: { set: { x-route: files } } }
      - { name: reading, host: api.test, path: /v1/, methods: [GET], upstream: app, request_headers: { set: { x-route: reading } } }
      - { name: writing, host: api.test, path: /v1/, methods: [POST, PUT], upstream: app, request_headers: { set: { x-route: writing } } }
      - name: version-2
        path: /v
        headers: [{ name: x-version, equals: '2' }]
        upstream: app
        request_headers: { set: { x-route: version-2 } }
      - name: tenant
        path: /v
        headers: [{ name: x-tenant, prefix: eu- }, { name: x-debug, present: false }]
        priority: 1
        upstream: app
        request_headers: { set: { x-route: tenant } }
    upstreams: { app: { endpoints: [$app] } }
";

fn route(bascule: &Bascule, method: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let answer = bascule.client().ask(method, target, fields, b"");
    assert_eq!(answer.status, 200, "{method} {target}");
    let json = answer.json();
    let headers = json["headers"].as_array().unwrap();
    let field = headers.iter().find(|field| field[0] == "x-route").unwrap();
    field[1].as_str().unwrap().to_owned()
}

#[test]
fn the_most_specific_route_is_taken() {
    let origin = Origin::echo();
    let bascule = Setup::new().with("app", origin.address()).start(ROUTES);
    let get = |host: &str, target: &str| route(&bascule, "GET", target, &[("Host", host)]);
    for (host, target, expected) in [
        ("other.test", "/x", "rest"),
        ("shop.test", "/x", "exact-host"),
        ("SHOP.test:8080", "/x", "exact-host"),
        ("shop.test.", "/x", "exact-host"),
        ("a.shop.test", "/x", "any-below"),
        ("a.b.shop.test", "/x", "any-below"),
        ("evilshop.test", "/x", "rest"),
        ("other.test", "/a", "exact"),
        ("other.test", "/a/b", "prefix"),
        ("other.test", "/ab", "rest"),
        ("other.test", "/users/7", "one"),
        ("other.test", "/users/me", "me"),
        ("other.test", "/users/7/x", "rest"),
        ("other.test", "/files/a/b/c", "files"),
        ("other.test", "/x/../users/%6de", "me"),
    ] {
        assert_eq!(get(host, target), expected, "{host}{target}");
    }
}

#[test]
fn header_fields_and_priority_decide() {
    let origin = Origin::echo();
    let bascule = Setup::new().with("app", origin.address()).start(ROUTES);
    let get = |fields: &[(&str, &str)]| route(&bascule, "GET", "/v", fields);
    assert_eq!(get(&[]), "rest");
    assert_eq!(get(&[("X-Version", "2")]), "version-2");
    assert_eq!(get(&[("X-Version", "3")]), "rest");
    assert_eq!(get(&[("X-Tenant", "eu-1"), ("X-Version", "2")]), "tenant");
    assert_eq!(get(&[("X-Tenant", "eu-1"), ("X-Debug", "1")]), "rest");
}

#[test]
fn the_method_decides_and_a_route_for_all_takes_the_rest() {
    let origin = Origin::echo();
    let bascule = Setup::new().with("app", origin.address()).start(ROUTES);
    for (method, expected) in [
        ("GET", "reading"),
        ("POST", "writing"),
        ("PUT", "writing"),
        ("DELETE", "rest"),
    ] {
        assert_eq!(
            route(&bascule, method, "/v1/x", &[("Host", "api.test")]),
            expected,
            "{method}"
        );
    }
    assert_eq!(
        bascule
            .client()
            .ask("HEAD", "/v1/x", &[("Host", "api.test")], b"")
            .status,
        200
    );
    assert_eq!(
        origin.seen().last().unwrap().header("x-route"),
        Some("reading")
    );
}

#[test]
fn what_no_route_has_is_not_found() {
    let origin = Origin::echo();
    let bascule = Setup::new().with("app", origin.address()).start(
        "
        routes: [{ host: a.test, path: /x/, methods: [GET, DELETE], upstream: app }]
        upstreams: { app: { endpoints: [$app] } }
        ",
    );
    let mut client = bascule.client();
    let ask = |client: &mut bascule_tests::Client, method: &str, host: &str, target: &str| {
        client.ask(method, target, &[("Host", host)], b"")
    };
    for (host, target) in [("b.test", "/x/"), ("a.test", "/y"), ("a.test", "/x")] {
        let answer = ask(&mut client, "GET", host, target);
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (404, "no_route"),
            "{host}{target}"
        );
    }
    let answer = ask(&mut client, "POST", "a.test", "/x/");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD, DELETE"))
    );
    assert_eq!(ask(&mut client, "GET", "a.test", "/x/1").status, 200);
    bascule.wait_for_metric(
        "bascule_refused_total",
        &[("listener", "web"), ("reason", "no_route")],
        3.0,
    );
    bascule.wait_for_metric(
        "bascule_refused_total",
        &[("reason", "method_not_allowed")],
        1.0,
    );
    let line = bascule.access_log().with_reason("no_route");
    assert_eq!(
        (&line["status"], &line["host"]),
        (&404.into(), &"b.test".into())
    );
}

#[test]
fn two_routes_that_say_the_same_are_an_error() {
    let refused = Setup::new().refused(
        "
        routes:
          - { name: first, path: /x/, upstream: app }
          - { name: second, path: /x/, upstream: app }
        upstreams: { app: { endpoints: [127.0.0.1:1] } }
        ",
    );
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("first") && refused.stderr.contains("second"),
        "{}",
        refused.stderr
    );
}
