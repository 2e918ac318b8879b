//! What one packet of a known flow costs in the L4 services, without a network card: `cargo run --release -p
//! bascule-kernel --example service_cost`, as root. Two services are each other's endpoint, so that a packet that was
//! forwarded is one for the other service, and a run of many packets needs no new one in between.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it is a tool for people"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use kernel::{Forwarding, Gate, Protocol, ServiceEndpoint, ServiceSpec};
use std::time::Duration;
use support::PinDir;
use support::namespace::{Cable, INTERFACE};
use support::packet::{ACK, Packet};

/// Forwards of one packet, each of which takes a hop.
const REPEAT: u32 = 250;
const RUNS: usize = 4000;

fn main() {
    if !support::kernel_path_is_there() {
        return;
    }
    let Some(cable) = Cable::new() else { return };
    cable.forward_packets();
    let pins = PinDir::new();
    let bans = support::bans();
    let gate = cable
        .at_gate(|| pins.attach(&[INTERFACE], &bans))
        .expect("attached");
    for (name, client, first, second) in [
        ("IPv4", "10.99.0.50", "10.99.0.61", "10.99.0.62"),
        ("IPv6", "fd99::50", "fd99::61", "fd99::62"),
    ] {
        for (number, neighbour) in [client, first, second].into_iter().enumerate() {
            cable.know_neighbour(neighbour, number as u8 + 1);
        }
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let pair = [pair(first, second, protocol), pair(second, first, protocol)];
            gate.services().apply(&pair).expect("applied");
            let packet = Packet::new().eth().ip(client).to(first).ttl(255);
            let packet = match protocol {
                Protocol::Tcp => packet.tcp(ACK),
                Protocol::Udp => packet.udp(),
            };
            let packet = packet.build();
            let nanoseconds = cable.at_gate(|| cost(&gate, &packet));
            println!("NAT, {name}, {}: {nanoseconds:.0} ns", protocol.name());
        }
    }
    gate.services().apply(&[]).expect("applied");
    let other = Packet::new()
        .eth()
        .ip("10.99.0.50")
        .to("10.99.0.77")
        .tcp(ACK)
        .build();
    println!(
        "no services: {:.0} ns",
        cable.at_gate(|| cost(&gate, &other))
    );
    gate.services()
        .apply(&[pair("10.99.0.61", "10.99.0.62", Protocol::Tcp)])
        .expect("applied");
    println!(
        "not of a service: {:.0} ns",
        cable.at_gate(|| cost(&gate, &other))
    );
}

fn host(address: &str) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.parse().expect("an address"), 80)
}

fn pair(address: &str, endpoint: &str, protocol: Protocol) -> ServiceSpec {
    ServiceSpec {
        name: address.to_owned(),
        address: host(address),
        protocol,
        forwarding: Forwarding::Nat,
        affinity: balance::Affinity::Flow,
        idle: Duration::from_secs(60),
        endpoints: vec![ServiceEndpoint::new(host(endpoint))],
    }
}

/// The median of the runs.
fn cost(gate: &Gate, packet: &[u8]) -> f64 {
    let mut means: Vec<u128> = (0..RUNS)
        .map(|_| gate.run(packet, REPEAT).expect("it runs"))
        .map(|result| result.duration.as_nanos())
        .collect();
    means.sort_unstable();
    means[RUNS / 2] as f64
}
