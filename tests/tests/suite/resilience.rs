//! Endpoints that are killed under load: what was under way there may fail, and nothing else.

use bascule_tests::{Endpoint, Io, Load, Setup, eventually, on_both_drivers};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_endpoint");
/// Clients that ask one thing after the other; so many requests are under way at most.
const CLIENTS: usize = 8;

/// Kills one of three endpoints under load, lets it come back, and gives the failures.
fn failures_of_a_kill(io: Io, upstream: &str) -> Vec<String> {
    let delay = Duration::from_millis(5);
    let stays = ["a", "b"].map(|name| Endpoint::start(PROGRAM, name, delay));
    let mut dies = Endpoint::start(PROGRAM, "dies", delay);
    let bascule = Setup::new()
        .io(io)
        .with("a", stays[0].address())
        .with("b", stays[1].address())
        .with("dies", dies.address())
        .start(&format!(
            "
            log: {{ level: info, access: access.json }}
            routes: [{{ path: /, upstream: app }}]
            upstreams: {{ app: {{ endpoints: [$a, $b, $dies]{upstream} }} }}
            "
        ));
    let load = Load::start(bascule.address("web"), CLIENTS, "/");
    eventually("there is traffic", || load.count() > 200);
    dies.kill();
    let at_kill = load.count();
    eventually("traffic goes on", || load.count() > at_kill + 1000);
    dies.come_back();
    let at_return = load.count();
    eventually("traffic goes on", || load.count() > at_return + 500);
    let report = load.stop();
    assert!(
        report.bodies["dies"] > 0 && report.bodies["a"] > 0 && report.bodies["b"] > 0,
        "{report:?}"
    );
    report.failures
}

on_both_drivers! {
    /// Without any help of the configuration.
    fn a_killed_endpoint_fails_at_most_what_it_had(io) {
        let failures = failures_of_a_kill(io, "");
        assert!(failures.len() <= CLIENTS, "{failures:?}");
    }

    /// With probes and ejection.
    fn a_killed_endpoint_is_taken_out(io) {
        let failures = failures_of_a_kill(
            io,
            ", health: { tcp: true, interval: 100ms, timeout: 50ms, unhealthy: 1 }, ejection: { consecutive_failures: 2, time: 100ms }",
        );
        assert!(failures.len() <= CLIENTS, "{failures:?}");
    }
}
