//! Another configuration, and another process: flows stay where they are.

use crate::ends::Connection;
use crate::network::{Answers, Network, VIPS, hosts, services};
use crate::support::lan::ENDPOINT;

const ALL: [u8; 3] = [ENDPOINT, ENDPOINT + 1, ENDPOINT + 2];

#[test]
fn endpoints_come_drain_and_go_by_reload() {
    let Some(mut network) = Network::new(3, Answers::OverGate) else {
        return;
    };
    network.start(&services(&["tcp", "udp"], &hosts(&ALL[..2]), ""));
    let mut connections = network.connections(20);
    let askers = VIPS.map(|vip| network.asker(vip));
    let answered = [askers[0].ask(), askers[1].ask()];

    // One more: nobody moves to it, and new ones reach it.
    network.reload(&services(&["tcp", "udp"], &hosts(&ALL), ""));
    connections.iter_mut().for_each(Connection::holds);
    assert_eq!([askers[0].ask(), askers[1].ask()], answered);
    let new = network.connections(30);
    assert!(new.iter().any(|one| one.endpoint == ALL[2]));
    connections.extend(new);

    // The first one drains: it keeps what it has.
    let draining = [(ALL[0], 0), (ALL[1], 1), (ALL[2], 1)];
    network.reload(&services(&["tcp", "udp"], &draining, ""));
    assert_eq!(network.state("web4", ALL[0]), "draining");
    for connection in network.connections(20) {
        assert_ne!(connection.endpoint, ALL[0]);
    }
    connections.iter_mut().for_each(Connection::holds);
    assert_eq!([askers[0].ask(), askers[1].ask()], answered);

    // It goes: its connections break, and no others.
    network.reload(&services(&["tcp", "udp"], &hosts(&ALL[1..]), ""));
    assert_eq!(network.state("web4", ALL[0]), "absent");
    for connection in &mut connections {
        if connection.endpoint == ALL[0] {
            assert!(
                connection.ask(b"hello?").is_err(),
                "nobody knows it any more"
            );
        } else {
            connection.holds();
        }
    }
    for asker in &askers {
        assert_ne!(asker.ask(), ALL[0]);
    }

    // A configuration that is wrong changes nothing.
    let wrong = services(&["tcp"], &hosts(&ALL[1..]), "").replace("/tcp", "/sctp");
    let config = network.config(&wrong);
    let refused = network.bascule(|bascule| {
        bascule.rewrite(&config);
        bascule.command(&["reload", "--socket", "admin.sock"])
    });
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("sctp"), "{}", refused.stderr);
    assert!(network.connect(VIPS[0]).is_ok());

    // Without a service its address is this host's again, which refuses.
    network.reload("  {}\n");
    assert!(network.connect(VIPS[0]).is_err());
}

#[test]
fn flows_go_on_through_upgrades_and_the_death_of_the_program() {
    let Some(mut network) = Network::new(3, Answers::OverGate) else {
        return;
    };
    let probes = "health: { tcp: true, interval: 200ms, timeout: 150ms, unhealthy: 2 },";
    let text = services(&["tcp", "udp"], &hosts(&ALL), probes);
    network.servers.remove(&ALL[2]);
    network.start(&text);
    network.wait_for_state("web4", ALL[2], "down");
    network.wait_for_state("web6", ALL[2], "down");
    let mut connections = network.connections(20);
    let askers = VIPS.map(|vip| network.asker(vip));
    let answered = [askers[0].ask(), askers[1].ask()];
    for _ in 0..3 {
        let upgraded = network.bascule(|bascule| bascule.upgrade(&[]));
        assert_eq!(upgraded.code, Some(0), "{}", upgraded.stderr);
        // The next process knows what this one found: nothing goes to the endpoint that is dead, not even at first.
        let new = network.connections(20);
        assert!(new.iter().all(|one| one.endpoint != ALL[2]));
        connections.iter_mut().for_each(Connection::holds);
        assert_eq!([askers[0].ask(), askers[1].ask()], answered);
    }
    let before = network.status().1["services"][0]["endpoints"][0]["connections"].as_u64();
    assert!(before.unwrap() > 0, "counters go on as well");
    network.serve(ALL[2]);
    network.wait_for_state("web4", ALL[2], "up");

    // Nobody is there, and packets go their ways.
    network.bascule(|bascule| bascule.signal(rustix::process::Signal::KILL));
    connections.iter_mut().for_each(Connection::holds);
    network.connections(6);
    assert_eq!([askers[0].ask(), askers[1].ask()], answered);
}
