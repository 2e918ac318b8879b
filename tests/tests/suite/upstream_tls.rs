//! TLS to endpoints: a certificate that is not trusted is never accepted, and the reason is told.

use bascule_tests::{
    Authority, Bascule, Io, KeyKind, Origin, Reply, Setup, on_both_drivers, tls_server,
};

const YAML: &str = "
    routes: [{ name: app, path: /, upstream: app }]
    upstreams:
      app: { endpoints: [$app], tls: { ca: ca.pem, server_name: app.internal } }
";

/// An endpoint with a certificate for a name, and the program that trusts an authority.
fn start(io: Io, signer: &Authority, name: &str, trusted: &Authority) -> (Origin, Bascule) {
    let identity = signer.issue(&[name], KeyKind::Ecdsa);
    let origin = Origin::secure(tls_server(&identity), |seen| Reply::ok(seen.text()));
    let bascule = Setup::new()
        .io(io)
        .with("app", origin.address())
        .file("ca.pem", trusted.pem())
        .start(YAML);
    (origin, bascule)
}

on_both_drivers! {
    /// The right authority and the right name: requests go through, large ones too, on kept connections.
    fn a_trusted_endpoint_answers(io) {
        let authority = Authority::new("Right CA");
        let (origin, bascule) = start(io, &authority, "app.internal", &authority);
        let mut client = bascule.client();
        let body = vec![b'x'; 200_000];
        for _ in 0..3 {
            let answer = client.post("/", &body);
            assert_eq!((answer.status, answer.content.length), (200, 200_000));
        }
        assert_eq!(origin.accepted(), 1);
    }

    /// Another authority: 502, and the reason stands in the log and the metrics.
    fn an_endpoint_of_another_authority_is_refused(io) {
        let (wrong, right) = (Authority::new("Wrong CA"), Authority::new("Right CA"));
        let (origin, bascule) = start(io, &wrong, "app.internal", &right);
        let answer = bascule.client().post("/", b"secret");
        assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_tls"));
        assert_eq!(origin.count(), 0);
        let line = bascule.access_log().with_reason("upstream_tls");
        assert_eq!((&line["status"], &line["verdict"]), (&502.into(), &"fail".into()));
        assert!(line["detail"].as_str().unwrap().to_lowercase().contains("issuer"), "{line}");
        bascule.wait_for_metric("bascule_upstream_failures_total", &[("upstream", "app"), ("reason", "upstream_tls")], 1.0);
        bascule.wait_for_metric("bascule_outcomes_total", &[("route", "app"), ("reason", "upstream_tls")], 1.0);
    }
}

#[test]
fn an_endpoint_with_another_name_is_refused() {
    let authority = Authority::new("Right CA");
    let (origin, bascule) = start(Io::Epoll, &authority, "other.internal", &authority);
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (502, "upstream_tls")
    );
    assert_eq!(origin.count(), 0);
}

#[test]
fn an_endpoint_without_tls_is_refused() {
    let authority = Authority::new("Right CA");
    let origin = Origin::talk(|conversation| {
        conversation.wire.some()?;
        conversation.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    });
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("ca.pem", authority.pem())
        .start(YAML);
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (502, "upstream_tls")
    );
}

#[test]
fn verification_is_switched_off_only_by_its_name() {
    let identity = Authority::new("Nobody").issue(&["nobody.test"], KeyKind::Rsa);
    let origin = Origin::secure(tls_server(&identity), |_| Reply::ok("whoever"));
    let bascule = Setup::new().with("app", origin.address()).start(
        "
        routes: [{ path: /, upstream: app }]
        upstreams: { app: { endpoints: [$app], tls: { insecure_skip_verify: true } } }
        ",
    );
    assert_eq!(bascule.client().get("/").text(), "whoever");
    assert!(bascule.log().contains("not verified"), "the log warns");
}

#[test]
fn probes_are_verified_as_requests_are() {
    let (wrong, right) = (Authority::new("Wrong CA"), Authority::new("Right CA"));
    let identity = wrong.issue(&["app.internal"], KeyKind::Ecdsa);
    let origin = Origin::secure(tls_server(&identity), |_| Reply::ok("ok"));
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("ca.pem", right.pem())
        .start(
            "
        routes: [{ path: /, upstream: app }]
        upstreams:
          app:
            endpoints: [$app]
            tls: { ca: ca.pem, server_name: app.internal }
            health: { http: /, interval: 100ms, timeout: 90ms, unhealthy: 1 }
        ",
        );
    bascule.wait_for_metric("bascule_endpoint_healthy", &[("upstream", "app")], 0.0);
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (503, "no_endpoint")
    );
    assert_eq!(origin.count(), 0);
}
