//! Endpoints out of service and back in: probes, ejection, and what is said when none is left.

use bascule_tests::{Bascule, Io, Origin, Port, Reply, Setup, eventually, on_both_drivers};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn is_available(bascule: &Bascule, endpoint: SocketAddr) -> bool {
    let labels = [("endpoint", &*endpoint.to_string())];
    bascule.metrics().sum("bascule_endpoint_available", &labels) == 1.0
}

on_both_drivers! {
    /// A dead endpoint gets no requests, and gets them again when it is back.
    fn probes_take_a_dead_endpoint_out_and_back_in(io) {
        let stays = Origin::named("stays");
        let port = Port::reserve();
        let dies = Origin::serve_on(port.address(), |_| Reply::ok("dies"));
        let bascule = Setup::new().io(io).with("stays", stays.address()).with("dies", port.address()).start(
            "
            routes: [{ path: /, upstream: app }]
            upstreams:
              app:
                endpoints: [$stays, $dies]
                health: { http: /healthz, interval: 100ms, timeout: 50ms, unhealthy: 2 }
            ",
        );
        let ask = |count| (0..count).map(|_| bascule.client().get("/").text()).collect::<Vec<_>>();
        assert!(ask(4).contains(&"dies".to_owned()));
        drop(dies);
        eventually("the dead endpoint is out", || !is_available(&bascule, port.address()));
        let tries = bascule.metrics().sum("bascule_upstream_failures_total", &[]);
        assert_eq!(ask(10), vec!["stays"; 10]);
        assert_eq!(bascule.metrics().sum("bascule_upstream_failures_total", &[]), tries);
        let _again = Origin::serve_on(port.address(), |_| Reply::ok("dies"));
        eventually("the endpoint is back", || is_available(&bascule, port.address()));
        assert!(ask(4).contains(&"dies".to_owned()));
    }
}

#[test]
fn probes_ask_what_they_are_told_to() {
    let is_good = Arc::new(AtomicBool::new(true));
    let good = Arc::clone(&is_good);
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/ready?deep=1" if good.load(Ordering::SeqCst) => Reply::status(204, &[], ""),
        "/ready?deep=1" => Reply::ok("200 is not what is expected"),
        _ => Reply::ok("app"),
    });
    let bascule = Setup::new().with("app", origin.address()).start(
        "
        routes: [{ name: app, path: /, upstream: app }]
        upstreams:
          app:
            endpoints: [$app]
            health: { http: '/ready?deep=1', host: probe.test, expect: [204], interval: 100ms, timeout: 80ms, unhealthy: 1 }
        ",
    );
    eventually("it was probed", || origin.count() > 0);
    let probe = origin
        .seen()
        .into_iter()
        .find(|seen| seen.target == "/ready?deep=1")
        .unwrap();
    assert_eq!(
        (probe.method.as_str(), probe.header("host")),
        ("GET", Some("probe.test"))
    );
    assert_eq!(bascule.client().get("/").text(), "app");
    is_good.store(false, Ordering::SeqCst);
    eventually("it is out", || !is_available(&bascule, origin.address()));
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (503, "no_endpoint")
    );
    let line = bascule.access_log().with_reason("no_endpoint");
    assert_eq!(line["status"], 503);
    assert!(
        !line["detail"].as_str().unwrap_or_default().is_empty(),
        "{line}"
    );
    is_good.store(true, Ordering::SeqCst);
    eventually("it is back", || bascule.client().get("/").status == 200);
}

#[test]
fn an_endpoint_that_fails_requests_is_ejected_for_a_while() {
    let is_bad = Arc::new(AtomicBool::new(true));
    let bad = Arc::clone(&is_bad);
    let flaky = Origin::serve(move |_| match bad.load(Ordering::SeqCst) {
        true => Reply::status(503, &[], "flaky"),
        false => Reply::ok("flaky"),
    });
    let good = Origin::named("good");
    let bascule = Setup::new()
        .with("flaky", flaky.address())
        .with("good", good.address())
        .start(
            "
        routes: [{ path: /, upstream: app }]
        upstreams:
          app:
            endpoints: [$flaky, $good]
            ejection: { consecutive_failures: 3, time: 3s, max_time: 3s }
        ",
        );
    let failures = (0..20)
        .filter(|_| bascule.client().get("/").status == 503)
        .count();
    assert_eq!(failures, 3, "as many as it takes to eject it");
    assert!(!is_available(&bascule, flaky.address()));
    let labels = [
        ("upstream", "app"),
        ("endpoint", &*flaky.address().to_string()),
    ];
    bascule.wait_for_metric("bascule_endpoint_ejections_total", &labels, 1.0);
    is_bad.store(false, Ordering::SeqCst);
    eventually("it gets requests again", || {
        bascule.client().get("/").text() == "flaky"
    });
}

#[test]
fn the_last_endpoints_are_not_ejected() {
    let bad = || Origin::serve(|_| Reply::status(503, &[], "bad"));
    let (first, second) = (bad(), bad());
    let bascule = Setup::new()
        .with("a", first.address())
        .with("b", second.address())
        .start(
            "
        routes: [{ path: /, upstream: app }]
        upstreams:
          app: { endpoints: [$a, $b], ejection: { consecutive_failures: 1, max_percent: 50% } }
        ",
        );
    for _ in 0..10 {
        let answer = bascule.client().get("/");
        // What an endpoint says is passed on, however bad it is.
        assert_eq!((answer.status, answer.text().as_str()), (503, "bad"));
    }
    let available = bascule.metrics().sum("bascule_endpoint_available", &[]);
    assert_eq!(available, 1.0);
}

#[test]
fn with_no_endpoint_left_the_reason_is_told() {
    let (first, second) = (Port::reserve(), Port::reserve());
    let bascule = Setup::new().io(Io::Epoll).with("a", first.address()).with("b", second.address()).start(
        "
        routes: [{ path: /, upstream: app }]
        upstreams:
          app: { endpoints: [$a, $b], health: { tcp: true, interval: 100ms, timeout: 50ms, unhealthy: 1 } }
        ",
    );
    eventually("both are out", || {
        bascule.metrics().sum("bascule_endpoint_available", &[]) == 0.0
    });
    let answer = bascule.client().get("/");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (503, "no_endpoint")
    );
    assert_eq!(bascule.client().post("/", b"x").status, 503);
}
