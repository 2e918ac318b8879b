use super::attempt::probe;
use super::*;
use crate::testing::{Server, server_tls, until};
use balance::{Algorithm, EndpointSpec, UpstreamSpec};
use prometheus::proto::MetricFamily;
use tls::{ClientSpec, Trust};

fn check() -> HealthCheck {
    HealthCheck {
        interval: Duration::from_millis(30),
        timeout: Duration::from_millis(30),
        jitter_percent: 0,
        healthy: 1,
        unhealthy: 2,
        initially_healthy: true,
    }
}

fn upstream(endpoints: &[SocketAddr], check: HealthCheck) -> Upstream {
    let endpoint = |address: &SocketAddr| EndpointSpec {
        address: *address,
        weight: 1,
    };
    let spec = UpstreamSpec {
        name: "app".to_owned(),
        algorithm: Algorithm::RoundRobin,
        endpoints: endpoints.iter().map(endpoint).collect(),
        health: Some(check),
        passive: None,
        transport: 0,
    };
    Upstream::new(spec, Instant::now()).unwrap()
}

fn http(expect: &[u16]) -> ProbeKind {
    ProbeKind::Http {
        path: "/healthz?full=1".to_owned(),
        host: None,
        expect: expect.to_vec(),
    }
}

/// One probe of a server, with more patience than a busy machine needs.
async fn probed(
    address: SocketAddr,
    kind: ProbeKind,
    tls: Option<ClientSide>,
) -> Result<(), ProbeFailure> {
    let check = HealthCheck {
        timeout: Duration::from_secs(20),
        interval: Duration::from_secs(20),
        ..check()
    };
    probe(&Target {
        header: None,
        upstream: Arc::new(upstream(&[address], check)),
        index: 0,
        address,
        check,
        kind,
        tls,
    })
    .await
}

#[tokio::test]
async fn the_status_decides() {
    for (answer, expect, outcome) in [
        ("HTTP/1.1 200 OK\r\n\r\n", vec![], Ok(())),
        ("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", vec![], Ok(())),
        (
            "HTTP/1.1 503 No\r\n\r\n",
            vec![],
            Err(ProbeFailure::Status(503)),
        ),
        ("HTTP/1.1 404 No\r\n\r\n", vec![200, 404], Ok(())),
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            vec![204],
            Err(ProbeFailure::Status(200)),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 OK\r\n\r\n",
            vec![204],
            Ok(()),
        ),
        // The body is longer than what comes: nobody waits for it.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            vec![],
            Ok(()),
        ),
    ] {
        let server = Server::answers(answer).await;
        assert_eq!(
            probed(server.address, http(&expect), None).await,
            outcome,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(64 * 1024));
    for answer in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200", long.as_str()] {
        let server = Server::answers(answer).await;
        let outcome = probed(server.address, http(&[]), None).await;
        let broken = matches!(outcome, Err(ProbeFailure::Broken(_)));
        assert!(broken, "{outcome:?} for {answer:.20}");
    }
}

#[tokio::test]
async fn asks_like_a_client_that_knows_its_manners() {
    let server = Server::answers("HTTP/1.1 200 OK\r\n\r\n").await;
    probed(server.address, http(&[]), None).await.unwrap();
    let request = server.requests().remove(0).to_lowercase();
    assert!(
        request.starts_with("get /healthz?full=1 http/1.1\r\n"),
        "{request}"
    );
    for field in [
        format!("host: {}\r\n", server.address),
        "connection: close\r\n".to_owned(),
        "user-agent: bascule-probe/".to_owned(),
    ] {
        assert!(request.contains(&field), "{field} in {request}");
    }
}

#[tokio::test]
async fn a_silent_endpoint_times_out() {
    let server = Server::silent().await;
    let address = server.address;
    let check = check();
    let target = Target {
        header: None,
        upstream: Arc::new(upstream(&[address], check)),
        index: 0,
        address,
        check,
        kind: http(&[]),
        tls: None,
    };
    assert_eq!(
        probe(&target).await,
        Err(ProbeFailure::Timeout(check.timeout))
    );
    // A connection is enough for a TCP probe.
    assert_eq!(probed(address, ProbeKind::Tcp, None).await, Ok(()));
}

#[tokio::test]
async fn nobody_there_is_a_failure_to_connect() {
    let address = Server::gone().await;
    for kind in [ProbeKind::Tcp, http(&[])] {
        let outcome = probed(address, kind, None).await;
        assert!(
            matches!(outcome, Err(ProbeFailure::Connect(_))),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn tls_is_verified_as_for_requests() {
    let (acceptor, roots) = server_tls("app.test");
    let server = Server::answers_tls("HTTP/1.1 200 OK\r\n\r\n", acceptor).await;
    let side = |trust: Trust, name: &str| {
        let server_name = name.to_owned();
        Some(ClientSide::new(&ClientSpec { trust, server_name }).unwrap())
    };
    let good = side(Trust::Roots(roots.clone()), "app.test");
    for kind in [ProbeKind::Tcp, http(&[])] {
        assert_eq!(probed(server.address, kind, good.clone()).await, Ok(()));
    }
    let (_, others) = server_tls("app.test");
    for (bad, reason) in [
        (
            side(Trust::Roots(others), "app.test"),
            "invalid peer certificate",
        ),
        (
            side(Trust::Roots(roots), "other.test"),
            "not valid for name",
        ),
    ] {
        match probed(server.address, http(&[]), bad).await {
            Err(ProbeFailure::Tls(text)) => assert!(text.contains(reason), "{text}"),
            outcome => panic!("{outcome:?}"),
        }
    }
}

fn plan(upstream: &Arc<Upstream>, check: HealthCheck, kind: ProbeKind) -> ProbePlan {
    ProbePlan {
        tls: upstream.endpoints().iter().map(|_| None).collect(),
        upstream: Arc::clone(upstream),
        check,
        kind,
        header: None,
    }
}

fn probes() -> (Probes, Registry) {
    let registry = Registry::new();
    (Probes::new(Handle::current(), &registry).unwrap(), registry)
}

fn count(registry: &Registry, outcome: &str) -> u64 {
    let families = registry.gather();
    let metrics = families.iter().flat_map(MetricFamily::get_metric);
    metrics
        .filter(|metric| {
            metric
                .get_label()
                .iter()
                .any(|label| label.value() == outcome)
        })
        .map(|metric| metric.get_counter().get_value() as u64)
        .sum()
}

#[tokio::test]
async fn endpoints_go_out_and_come_back() {
    let server = Server::answers("HTTP/1.1 200 OK\r\n\r\n").await;
    let relaxed = HealthCheck {
        interval: Duration::from_millis(150),
        timeout: Duration::from_millis(150),
        ..check()
    };
    let upstream = Arc::new(upstream(&[server.address], relaxed));
    let (probes, registry) = probes();
    probes.follow(vec![plan(&upstream, relaxed, http(&[]))]);
    let healthy = || upstream.endpoints()[0].is_healthy();

    until(|| count(&registry, "success") >= 2).await;
    until(healthy).await;
    server.now_answers("HTTP/1.1 500 No\r\n\r\n");
    until(|| !healthy()).await;
    assert!(count(&registry, "status") >= 2, "the threshold is 2");
    server.now_answers("HTTP/1.1 200 OK\r\n\r\n");
    until(healthy).await;
}

#[tokio::test]
async fn what_is_not_followed_any_more_is_left_alone() {
    let server = Server::answers("HTTP/1.1 200 OK\r\n\r\n").await;
    let upstream = Arc::new(upstream(&[server.address], check()));
    let (probes, registry) = probes();
    probes.follow(vec![plan(&upstream, check(), http(&[]))]);
    until(|| !server.requests().is_empty()).await;
    probes.follow(Vec::new());
    assert_eq!(count(&registry, "success"), 0, "its series is gone");
    tokio::time::sleep(Duration::from_millis(60)).await;
    let asked = server.requests().len();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(server.requests().len(), asked);
}

#[tokio::test]
async fn a_reload_keeps_what_is_known() {
    let server = Server::answers("HTTP/1.1 500 No\r\n\r\n").await;
    let slow = HealthCheck {
        interval: Duration::from_secs(3600),
        unhealthy: 1,
        timeout: Duration::from_secs(20),
        ..check()
    };
    let first = Arc::new(upstream(&[server.address], slow));
    let (probes, _registry) = probes();
    probes.follow(vec![plan(&first, slow, http(&[]))]);
    until(|| !first.endpoints()[0].is_healthy()).await;

    let mut second = upstream(&[server.address], slow);
    second.inherit(&first);
    let second = Arc::new(second);
    probes.follow(vec![plan(&second, slow, http(&[]))]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.endpoints()[0].is_healthy());
    assert_eq!(server.requests().len(), 1, "the next probe is an hour away");

    // Asked in another way it is probed soon.
    server.now_answers("HTTP/1.1 200 OK\r\n\r\n");
    probes.follow(vec![plan(&second, slow, http(&[200]))]);
    until(|| second.endpoints()[0].is_healthy()).await;
}
