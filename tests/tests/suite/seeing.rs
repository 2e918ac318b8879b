//! What an operator sees: metrics, the access log, health and readiness.

use crate::{before, given};
use bascule_tests::{AccessLog, Io, Origin, Port, Reply, Setup, eventually, on_both_drivers};
use rustix::process::Signal;
use std::fs;

const YAML: &str = "
    routes:
      - { name: app, host: app.test, path: /, upstream: app }
      - { name: gone, host: app.test, path: /gone/, upstream: gone }
    upstreams:
      app: { endpoints: [$app] }
      gone: { endpoints: [$gone] }
";

on_both_drivers! {
    /// Requests are counted by route, status, upstream and endpoint.
    fn traffic_shows_in_the_metrics(io) {
        let origin = Origin::serve(|seen| match seen.target.as_str() {
            "/teapot" => Reply::status(418, &[], "short and stout"),
            _ => Reply::ok("0123456789"),
        });
        let gone = Port::reserve();
        let setup = Setup::new().io(io).with("app", origin.address()).with("gone", gone.address());
        let bascule = setup.start(YAML);
        let mut client = bascule.client();
        (0..7).for_each(|_| assert_eq!(client.get("/").status, 200));
        (0..3).for_each(|_| assert_eq!(client.get("/teapot").status, 418));
        assert_eq!(client.post("/", b"12345").status, 200);
        assert_eq!(client.get("/gone/").status, 502);
        assert_eq!(client.get_with("/", &[("Host", "other.test")]).status, 404);
        let endpoint = origin.address().to_string();
        bascule.wait_for_metric("bascule_requests_total", &[("route", "app"), ("code", "200")], 8.0);
        let metrics = bascule.metrics();
        let upstream = [("upstream", "app"), ("endpoint", endpoint.as_str())];
        for (name, labels, value) in [
            ("bascule_requests_total", &[("route", "app"), ("code", "418")][..], 3.0),
            ("bascule_requests_total", &[("route", "gone"), ("code", "502")], 1.0),
            ("bascule_outcomes_total", &[("route", "app"), ("reason", "served")], 11.0),
            ("bascule_outcomes_total", &[("route", "gone"), ("reason", "connect_failed")], 1.0),
            ("bascule_upstream_requests_total", &[upstream[0], upstream[1], ("class", "2xx")], 8.0),
            ("bascule_upstream_requests_total", &[upstream[0], upstream[1], ("class", "4xx")], 3.0),
            ("bascule_upstream_failures_total", &[("upstream", "gone"), ("reason", "connect_failed")], 1.0),
            ("bascule_request_seconds_count", &[("route", "app")], 11.0),
            ("bascule_upstream_seconds_count", &upstream, 11.0),
            ("bascule_refused_total", &[("listener", "web"), ("reason", "no_route")], 1.0),
            ("bascule_bytes_total", &[("route", "app"), ("direction", "in")], 5.0),
            ("bascule_bytes_total", &[("route", "app"), ("direction", "out")], 125.0),
            ("bascule_connections", &[("listener", "web")], 1.0),
            ("bascule_accepted_total", &[("listener", "web")], 1.0),
            ("bascule_endpoint_available", &upstream, 1.0),
            ("bascule_endpoint_in_flight", &upstream, 0.0),
            ("bascule_generation", &[], 1.0),
            ("bascule_workers", &[], 2.0),
            ("bascule_ready", &[], 1.0),
        ] {
            assert_eq!(metrics.sum(name, labels), value, "{name}{labels:?}");
        }
    }

    /// One line a request says who, what, where to, how long, and why.
    fn a_line_tells_about_a_request(io) {
        let origin = Origin::named("0123456789");
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        let port = client.wire().local().port();
        let fields = [("User-Agent", "wget \"1.0\" \\ caf\u{e9}"), ("Host", "App.Test:80")];
        let answer = client.ask("POST", "/a/./b?q=%22x%22", &fields, b"12345");
        assert_eq!(answer.status, 200);
        let line = bascule.access_log().wait_for(1).remove(0);
        for (name, value) in [
            ("client", "127.0.0.1".into()),
            ("port", port.into()),
            ("listener", "web".into()),
            ("method", "POST".into()),
            ("host", "app.test".into()),
            ("path", "/a/b".into()),
            ("query", "q=%22x%22".into()),
            ("protocol", "HTTP/1.1".into()),
            ("user_agent", "wget \"1.0\" \\ caf\u{e9}".into()),
            ("status", 200.into()),
            ("route", "app".into()),
            ("upstream", "app".into()),
            ("endpoint", origin.address().to_string().into()),
            ("tries", 1.into()),
            ("bytes_in", 5.into()),
            ("bytes_out", 10.into()),
            ("verdict", "pass".into()),
            ("reason", "served".into()),
            ("generation", 1.into()),
        ] {
            assert_eq!(line[name], serde_json::Value::clone(&value), "{name} in {line}");
        }
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{time}");
        assert!(line["total_us"].as_u64() >= line["first_byte_us"].as_u64(), "{line}");
        assert_eq!(line["id"].as_str().unwrap(), origin.only().header("x-request-id").unwrap());
    }

    /// Bytes of a client can neither end a line nor break its JSON.
    fn hostile_bytes_stay_within_their_line(io) {
        let origin = Origin::named("ok");
        let bascule = before(io, &origin);
        let mut client = bascule.client();
        client.send(b"GET /%0d%0a%22?\x22\\ HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe\t\"},{\\\r\n\r\n");
        let _ = client.try_answer("GET");
        let mut client = bascule.client();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe\t\"},{\\\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        let lines = bascule.access_log().wait_for(2);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["user_agent"], "\u{ff}\u{fe}\t\"},{\\");
    }
}

#[test]
fn a_log_that_was_moved_is_opened_again() {
    let origin = Origin::named("ok");
    let bascule = before(Io::Epoll, &origin);
    let get = |target: &str| assert_eq!(bascule.client().get(target).status, 200);
    get("/1");
    assert_eq!(bascule.access_log().wait_for(1)[0]["path"], "/1");
    let moved = bascule.path("access.json.1");
    fs::rename(bascule.path("access.json"), &moved).unwrap();
    get("/2");
    assert_eq!(AccessLog::new(moved.clone()).wait_for(2)[1]["path"], "/2");
    bascule.signal(Signal::USR1);
    eventually("the log is opened again", || {
        bascule.path("access.json").exists()
    });
    get("/3");
    assert_eq!(bascule.access_log().wait_for(1)[0]["path"], "/3");
    assert_eq!(AccessLog::new(moved).lines().len(), 2);
}

#[test]
fn a_sample_leaves_out_what_went_well() {
    let origin = Origin::named("ok");
    let bascule = given(
        Io::Epoll,
        &origin,
        "log: { access: { path: access.json, sample: 0% } }",
    );
    (0..20).for_each(|_| assert_eq!(bascule.client().get("/").status, 200));
    assert_eq!(bascule.client().get("/../..").status, 400);
    let lines = bascule.access_log().wait_for(1);
    assert_eq!((lines.len(), &lines[0]["status"]), (1, &400.into()));
}

#[test]
fn health_and_readiness_are_told() {
    let origin = Origin::named("ok");
    let bascule = before(Io::Epoll, &origin);
    let mut admin = bascule.admin();
    assert_eq!(
        (
            admin.get("/healthz").text().as_str(),
            admin.get("/readyz").text().as_str()
        ),
        ("ok\n", "ready\n")
    );
    let metrics = admin.get("/metrics");
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain"),
        "{metrics:?}"
    );
    // What changes or tells more is on the socket alone.
    assert_eq!(admin.ask("POST", "/v1/reload", &[], b"").status, 404);
    assert_eq!(admin.get("/v1/status").status, 404);
    assert_eq!(admin.ask("POST", "/metrics", &[], b"").status, 405);
}

#[test]
fn the_access_log_can_go_to_the_standard_output() {
    let origin = Origin::named("ok");
    let bascule = given(Io::Epoll, &origin, "log: { access: stdout }");
    assert_eq!(bascule.client().get("/").status, 200);
    assert_eq!(
        AccessLog::new(bascule.path("stdout.log")).wait_for(1)[0]["status"],
        200
    );
}
