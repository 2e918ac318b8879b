//! What one packet costs in the XDP gate, without a network card: `cargo run --release -p bascule-kernel --example
//! packet_cost`, as root. It fills the maps with bans, runs packets through the program and prints nanoseconds each.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it is a tool for people"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use kernel::{BanLimits, Bans, FileBan};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use support::PinDir;
use support::packet::Packet;

/// Runs of each packet in a round; the fastest of the rounds counts.
const REPEAT: u32 = 1_000_000;
const ROUNDS: u32 = 5;
/// Bans of each kind in the tables.
const BANS: [u32; 3] = [0, 10_000, 1_000_000];

fn main() {
    if !support::kernel_path_is_there() {
        return;
    }
    print!(
        "{}",
        kernel::HostReport::probe(&[], Path::new(kernel::DEFAULT_PIN_DIR))
    );
    let pins = PinDir::new();
    let bans = Bans::new(BanLimits::default());
    let gate = pins.gate(&bans);

    let eth = || Packet::new().eth();
    let table = [
        ("IPv4", eth().ipv4("192.0.2.9").udp()),
        (
            "IPv4 in two VLANs",
            eth().service_vlan(1).vlan(2).ipv4("192.0.2.9").udp(),
        ),
        ("IPv4, banned address", eth().ipv4("10.0.0.1").udp()),
        ("IPv4, banned prefix", eth().ipv4("172.0.1.1").udp()),
        ("IPv6", eth().ipv6("2001:db8::9").udp()),
        (
            "IPv6, four extensions",
            (0..4)
                .fold(eth().ipv6("2001:db8::9"), |p, _| p.extension(60, 0))
                .udp(),
        ),
        ("IPv6, banned address", eth().ipv6("fd00::1").udp()),
        ("IPv6, banned prefix", eth().ipv6("fd01:0:0:1::1").udp()),
        ("ARP", eth().ether_type(0x0806)),
    ];
    for count in BANS {
        bans.replace_file_bans(&file_bans(count)).expect("banned");
        println!("\n{count} bans of each kind");
        for (name, packet) in table.clone() {
            let packet = packet.build();
            let rounds = (0..ROUNDS).map(|_| gate.run(&packet, REPEAT).expect("it runs"));
            let best = rounds.min_by_key(|round| round.duration).expect("a round");
            println!(
                "  {name:<22} {:>4} ns  {:?}",
                best.duration.as_nanos(),
                best.action
            );
        }
    }
}

fn file_bans(count: u32) -> Vec<FileBan> {
    let ban = |target: String| FileBan {
        target: kernel::parse_target(&target).expect("a target"),
        reason: "".into(),
    };
    let of_number = |number: u32| {
        let v4 = |first: u32, low: u32| IpAddr::V4(Ipv4Addr::from_bits((first << 24) + low));
        let v6 = |first: u128, shift: u32| {
            IpAddr::V6(Ipv6Addr::from_bits(
                first << 112 | u128::from(number) << shift,
            ))
        };
        [
            ban(v4(10, number).to_string()),
            ban(format!("{}/24", v4(172, number << 8))),
            ban(v6(0xfd00, 0).to_string()),
            ban(format!("{}/64", v6(0xfd01, 64))),
        ]
    };
    (1..=count).flat_map(of_number).collect()
}
