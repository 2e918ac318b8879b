//! Which endpoint a flow gets, and when it gets another.

use crate::bench::{Bench, V4, V6, VIP_V4, VIP_V6, ack, address, client, packet, service, syn};
use crate::support::bans;
use crate::support::namespace::INTERFACE;
use crate::support::packet::{ACK, FIN, RST, SYN};
use kernel::{EndpointState, Forwarding, PacketReason, Protocol};
use std::net::SocketAddr;

#[test]
fn a_flow_stays_and_others_spread() {
    let Some(bench) = Bench::new() else { return };
    let all = ["10.99.0.51:80", "10.99.0.52:80", "10.99.0.53:80"];
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &all)]);
    let first: Vec<SocketAddr> = (0..300)
        .map(|port| bench.endpoint_of(syn(1000 + port)))
        .collect();
    for endpoint in all {
        let share = first
            .iter()
            .filter(|one| **one == address(endpoint))
            .count();
        assert!((60..140).contains(&share), "{endpoint}: {share} of 300");
    }
    for port in 0..300_u16 {
        let again = bench.endpoint_of(ack(1000 + port));
        assert_eq!(again, first[usize::from(port)]);
    }
    let flows: u64 = bench.endpoints().iter().map(|one| one.flows).sum();
    assert_eq!(flows, 300);
}

#[test]
fn the_endpoint_is_the_one_that_user_space_would_choose() {
    let Some(bench) = Bench::new() else { return };
    for (vip, host, all) in [
        (
            VIP_V4,
            V4[0],
            ["10.99.0.51:80", "10.99.0.52:80", "10.99.0.53:80"],
        ),
        (
            VIP_V6,
            V6[0],
            ["[fd99::51]:80", "[fd99::52]:80", "[fd99::53]:80"],
        ),
    ] {
        for affinity in [balance::Affinity::Flow, balance::Affinity::Source] {
            let mut spec = service(vip, Protocol::Tcp, &all);
            spec.affinity = affinity;
            for (endpoint, weight) in spec.endpoints.iter_mut().zip([3, 1, 2]) {
                endpoint.weight = weight;
            }
            let backends: Vec<_> = spec
                .endpoints
                .iter()
                .map(|endpoint| balance::maglev::Backend {
                    key: balance::hash_address(endpoint.address),
                    weight: endpoint.weight,
                })
                .collect();
            let table = balance::maglev::table(65_537, &backends).expect("a table");
            // Another forwarding between makes every flow a new one.
            let mut other = spec.clone();
            other.forwarding = Forwarding::L2Dsr;
            bench.apply(&[other]);
            bench.apply(&[spec]);
            for port in 1..200 {
                let from = SocketAddr::new(host.parse().expect("an address"), port);
                let hash = balance::hash_client(from, affinity);
                let index = usize::from(table[(hash % table.len() as u64) as usize]);
                let there = packet(from, address(vip), Protocol::Tcp, SYN);
                assert_eq!(bench.endpoint_of(there), address(all[index]), "{from}");
            }
        }
    }
}

/// Begins a flow from each of these ports. Gives their endpoints.
fn established(bench: &Bench, ports: std::ops::Range<u16>) -> Vec<SocketAddr> {
    let begin = |port| {
        bench.endpoint_of(syn(port));
        bench.endpoint_of(ack(port))
    };
    ports.map(begin).collect()
}

#[test]
fn draining_keeps_flows_and_takes_no_new_ones() {
    let Some(bench) = Bench::new() else { return };
    let all = ["10.99.0.51:80", "10.99.0.52:80"];
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &all)]);
    let ports = 1000..1100;
    let first = established(&bench, ports.clone());
    assert!(first.contains(&address(all[0])) && first.contains(&address(all[1])));

    let services = bench.gate.services();
    services
        .set_state("web", address(all[0]), EndpointState::Draining)
        .expect("draining");
    for (port, before) in ports.clone().zip(&first) {
        assert_eq!(bench.endpoint_of(ack(port)), *before, "stays");
    }
    for port in 2000..2100 {
        assert_eq!(bench.endpoint_of(syn(port)), address(all[1]), "new");
    }
    // Once a flow has ended, the next one under its port is new.
    let (port, _) = ports
        .zip(&first)
        .find(|(_, endpoint)| **endpoint == address(all[0]))
        .expect("a flow of the first");
    let fin = packet(client(port), address(VIP_V4), Protocol::Tcp, FIN | ACK);
    assert_eq!(bench.endpoint_of(fin), address(all[0]));
    assert_eq!(
        bench.endpoint_of(ack(port)),
        address(all[0]),
        "its last ACK"
    );
    assert_eq!(bench.endpoint_of(syn(port)), address(all[1]));
}

#[test]
fn flows_of_a_dead_endpoint_move_and_others_stay() {
    let Some(bench) = Bench::new() else { return };
    let all = ["10.99.0.51:80", "10.99.0.52:80", "10.99.0.53:80"];
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &all)]);
    let ports = 1000..1300;
    let first = established(&bench, ports.clone());
    let services = bench.gate.services();
    services
        .set_state("web", address(all[1]), EndpointState::Down)
        .expect("down");
    let mut moved = 0;
    for (port, before) in ports.clone().zip(&first) {
        let now = bench.endpoint_of(ack(port));
        if *before == address(all[1]) {
            assert_ne!(now, *before);
            moved += 1;
        } else {
            assert_eq!(now, *before);
        }
    }
    assert!(moved > 50, "{moved}");
    let counted: u64 = bench.endpoints().iter().map(|one| one.moved).sum();
    assert_eq!(counted, moved);

    services
        .set_state("web", address(all[1]), EndpointState::Up)
        .expect("up");
    for (port, before) in ports.zip(&first) {
        if *before != address(all[1]) {
            assert_eq!(bench.endpoint_of(ack(port)), *before);
        }
    }
}

#[test]
fn a_reload_keeps_flows_and_counters_of_what_stays() {
    let Some(bench) = Bench::new() else { return };
    let all = ["10.99.0.51:80", "10.99.0.52:80", "10.99.0.53:80"];
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &all)]);
    let before: Vec<SocketAddr> = (1000..1100)
        .map(|port| bench.endpoint_of(syn(port)))
        .collect();
    let packets = bench.endpoints()[2].packets;
    assert!(packets > 0);

    // One leaves, one comes, the order is another; a second service is new.
    let next = ["10.99.0.54:80", "10.99.0.53:80", "10.99.0.51:80"];
    bench.apply(&[
        service("192.0.2.9:53", Protocol::Udp, &["10.99.0.51:53"]),
        service(VIP_V4, Protocol::Tcp, &next),
    ]);
    let third = bench.endpoints()[2];
    assert_eq!(third.address, address("10.99.0.53:80"));
    assert_eq!(third.packets, packets, "counters go on");
    for (port, before) in (1000..1100).zip(before) {
        let now = bench.endpoint_of(ack(port));
        if before == address("10.99.0.52:80") {
            assert_ne!(now, before, "it is gone");
        } else {
            assert_eq!(now, before, "flows go on");
        }
    }

    bench.apply(&[]);
    bench.passed(&ack(1000).build());
    assert!(bench.endpoints().is_empty());
}

/// Payloads are varied so that the checksums go through all their values, the two forms of zero among them.
#[test]
fn a_reset_ends_a_flow() {
    let Some(bench) = Bench::new() else { return };
    let all = ["10.99.0.51:80", "10.99.0.52:80"];
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &all)]);
    let before = bench.endpoint_of(syn(1));
    bench.endpoint_of(ack(1));
    let services = bench.gate.services();
    services
        .set_state("web", before, EndpointState::Draining)
        .expect("draining");
    assert_eq!(
        bench.endpoint_of(syn(1)),
        before,
        "a SYN sent again is no new flow"
    );
    let reset = packet(before, client(1), Protocol::Tcp, RST);
    bench.forwarded(reset, PacketReason::ForwardReply);
    assert_ne!(bench.endpoint_of(syn(1)), before, "behind a reset it is");
}

#[test]
fn a_new_process_goes_on_with_what_is_pinned() {
    let Some(bench) = Bench::new() else { return };
    let all = ["10.99.0.51:80", "10.99.0.52:80", "10.99.0.53:80"];
    let specs = [service(VIP_V4, Protocol::Tcp, &all)];
    bench.apply(&specs);
    let before: Vec<SocketAddr> = (1000..1050)
        .map(|port| bench.endpoint_of(syn(port)))
        .collect();
    let Bench { cable, gate, pins } = bench;
    drop(gate);
    let gate = cable
        .at_gate(|| pins.attach(&[INTERFACE], &bans()))
        .expect("attached again");
    let bench = Bench { cable, gate, pins };
    for (port, before) in (1000..1050).zip(&before) {
        assert_eq!(
            bench.endpoint_of(ack(port)),
            *before,
            "before the configuration is read"
        );
    }
    bench.apply(&specs);
    for (port, before) in (1000..1050).zip(&before) {
        assert_eq!(bench.endpoint_of(ack(port)), *before);
    }
    let packets: u64 = bench.endpoints().iter().map(|one| one.packets).sum();
    assert_eq!(packets, 150, "counters go on");
}
