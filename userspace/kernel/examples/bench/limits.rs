//! Time of a packet under limits of sources, and in a flood.

use crate::bans::amount;
use crate::figures::{Figure, Figures};
use crate::options::Options;
use crate::support::namespace::Cable;
use crate::support::packet::{Packet, SYN};
use crate::support::{self, PinDir};
use crate::traffic::{Packets, Traffic};
use kernel::{FloodPolicy, Gate, GatePolicy, PacketReason, RateLimit, SourceLimits};
use std::net::TcpListener;

const GROUP: &str = "limits and floods, ns a packet";
const REPEAT: u32 = 500_000;
/// As much as the traffic of a bench never reaches.
const NEVER: RateLimit = RateLimit {
    per_second: 1_000_000_000,
    burst: 1_000_000_000_000,
};
/// MSS 1460: as long as what the answer to a SYN has, so that the frame keeps its length.
const MSS: [u8; 4] = [2, 4, 5, 0xb4];

pub(crate) fn measure(options: &Options, traffic: &mut Traffic, figures: &mut Figures) {
    let pins = PinDir::new();
    let bans = support::bans();
    let mut gate = pins.gate(&bans);
    let limits = SourceLimits {
        packets: Some(NEVER),
        syns: Some(NEVER),
        bytes: Some(NEVER),
    };
    let none = SourceLimits::default();
    for (name, address, prefix) in [
        ("no limits", none, none),
        ("limits of addresses", limits, none),
        ("limits of addresses and prefixes", limits, limits),
    ] {
        let policy = GatePolicy {
            address,
            prefix,
            ..GatePolicy::default()
        };
        gate.set_policy(&policy).expect("a policy");
        for sources in [1, 10_000, 1_000_000] {
            let source = "100.64.0.0";
            let frame = Packet::new().eth().ip(source).udp().build();
            let packets = Packets::new(frame, source, "192.0.2.1").flows(sources);
            let name = format!("{name}, sources: {}", amount(sources));
            let rounds = rounds(options, traffic, &gate, &packets, PacketReason::Pass);
            figures.add(Figure::new(GROUP, name, "ns", rounds));
        }
    }
    drop(gate);
    drop(pins);
    cookies(options, traffic, figures);
}

/// SYNs to a listener in a flood, from everywhere.
fn cookies(options: &Options, traffic: &mut Traffic, figures: &mut Figures) {
    let Some(cable) = Cable::new() else {
        figures.note("SYN cookies were not measured: network namespaces cannot be made here");
        return;
    };
    let pins = PinDir::new();
    let bans = support::bans();
    cable.at_gate(|| {
        // They are made where the stack would check them in any case.
        std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").expect("a setting");
        let mut gate = pins.gate(&bans);
        for (server, source) in [("127.0.0.1", "100.64.0.0"), ("::1", "2001:db8::100:0")] {
            let listener = TcpListener::bind((server, 0)).expect("a listener");
            let port = listener.local_addr().expect("an address").port();
            for (what, syn_cookies, reason) in [
                ("a SYN cookie", true, PacketReason::AnswerSynCookie),
                ("a SYN beyond the limit", false, PacketReason::DropFlood),
            ] {
                let policy = GatePolicy {
                    flood: Some(FloodPolicy {
                        new_connections: Some(1),
                        syn_cookies,
                        limit: true,
                    }),
                    ..GatePolicy::default()
                };
                gate.set_policy(&policy).expect("a policy");
                let frame = Packet::new().eth().ip(source).to(server).tcp(SYN);
                let frame = frame.tcp_options(&MSS).build();
                let mut packets = Packets::new(frame, source, server)
                    .flows(1 << 20)
                    .port_bits(3)
                    .keep_flags();
                packets.plan.destination_port = port;
                let version = if server.contains(':') { "IPv6" } else { "IPv4" };
                let rounds = rounds(options, traffic, &gate, &packets, reason);
                figures.add(Figure::new(
                    GROUP,
                    format!("{what}, {version}"),
                    "ns",
                    rounds,
                ));
            }
        }
    });
}

fn rounds(
    options: &Options,
    traffic: &mut Traffic,
    gate: &Gate,
    packets: &Packets,
    reason: PacketReason,
) -> Vec<f64> {
    let repeat = options.size(REPEAT, 10_000);
    let counted = || gate.counters().sum(reason).expect("counters").packets;
    traffic.warm(gate, packets, repeat);
    let before = counted();
    let costs = (0..options.rounds)
        .map(|_| traffic.cost(gate, packets, repeat))
        .collect();
    let all = (u64::from(repeat) * options.rounds as u64) as f64;
    // A flood lets the first packets of a second pass.
    let share = (counted() - before) as f64 / all;
    assert!(share > 0.99, "{share} of the packets are {reason:?}");
    costs
}
