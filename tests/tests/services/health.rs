//! Endpoints that die, come back, and do so again and again.

use crate::network::{Answers, Network, VIPS, hosts, services};
use crate::support::lan::ENDPOINT;
use bascule_tests::within;
use std::thread;
use std::time::{Duration, Instant};

const ALL: [u8; 3] = [ENDPOINT, ENDPOINT + 1, ENDPOINT + 2];
const PROBES: &str = "health: { tcp: true, interval: 200ms, timeout: 150ms, unhealthy: 2 },";
/// Two probes with their jitter, the last one's timeout, and the tick that takes it to the kernel.
const NOTICED: Duration = Duration::from_millis(2 * 220 + 150 + 100);

#[test]
fn new_flows_leave_an_endpoint_that_dies_and_those_of_others_stay() {
    let Some(mut network) = Network::new(3, Answers::OverGate) else {
        return;
    };
    network.start(&services(&["tcp"], &hosts(&ALL), PROBES));
    let mut connections = network.connections(30);
    for host in ALL {
        let has_some = connections.iter().any(|one| one.endpoint == host);
        assert!(has_some, "{host} has some");
    }

    // One is killed: its port refuses.
    network.servers.remove(&ALL[0]);
    let died = Instant::now();
    let gone = within(Duration::from_secs(10), || {
        // Each attempt is another flow; the one that is dead refuses at once.
        let all = (0..6).all(|number| network.connect(VIPS[number % 2]).is_ok());
        all.then_some(())
    });
    assert!(gone.is_some(), "the dead one is found");
    thread::sleep(NOTICED.saturating_sub(died.elapsed()));
    for connection in network.connections(20) {
        assert_ne!(connection.endpoint, ALL[0]);
    }
    for service in ["web4", "web6"] {
        network.wait_for_state(service, ALL[0], "down");
        assert_eq!(network.state(service, ALL[1]), "up");
    }
    let labels = [("service", "web4")];
    let up = network
        .metrics()
        .sum("bascule_service_endpoint_up", &labels);
    assert_eq!(up, 2.0);
    connections.retain(|one| one.endpoint != ALL[0]);
    connections
        .iter_mut()
        .for_each(crate::ends::Connection::holds);

    // Another one falls silent: its host is off the wire.
    network.lan.cut(ALL[1]);
    network.wait_for_state("web4", ALL[1], "down");
    network.wait_for_state("web6", ALL[1], "down");
    for connection in network.connections(20) {
        assert_eq!(connection.endpoint, ALL[2]);
    }
    connections.retain(|one| one.endpoint != ALL[1]);
    assert!(!connections.is_empty());
    connections
        .iter_mut()
        .for_each(crate::ends::Connection::holds);

    // The first one is back, and gets its share again.
    network.serve(ALL[0]);
    network.wait_for_state("web4", ALL[0], "up");
    network.wait_for_state("web6", ALL[0], "up");
    let back = network.connections(30);
    assert!(back.iter().any(|one| one.endpoint == ALL[0]));
    connections
        .iter_mut()
        .for_each(crate::ends::Connection::holds);
}

#[test]
fn flows_of_steady_endpoints_do_not_notice_one_that_flaps() {
    let Some(mut network) = Network::new(3, Answers::OverGate) else {
        return;
    };
    network.start(&services(&["tcp"], &hosts(&ALL), PROBES));
    let mut steady = network.connections(30);
    steady.retain(|one| one.endpoint != ALL[0]);
    assert!(!steady.is_empty());
    for _ in 0..5 {
        network.servers.remove(&ALL[0]);
        network.wait_for_state("web4", ALL[0], "down");
        network.wait_for_state("web6", ALL[0], "down");
        assert!(
            network
                .connections(6)
                .iter()
                .all(|one| one.endpoint != ALL[0])
        );
        steady.iter_mut().for_each(crate::ends::Connection::holds);
        network.serve(ALL[0]);
        network.wait_for_state("web4", ALL[0], "up");
        network.wait_for_state("web6", ALL[0], "up");
        steady.iter_mut().for_each(crate::ends::Connection::holds);
    }
    let (_, status) = network.status();
    for service in status["services"].as_array().unwrap() {
        for endpoint in &service["endpoints"].as_array().unwrap()[1..] {
            assert_eq!(endpoint["moved"], 0, "{endpoint}");
        }
    }
}
