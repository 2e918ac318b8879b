//! Time of a packet by the number of bans: what is dropped, and what passes.

use crate::figures::{Bound, Figure, Figures};
use crate::options::Options;
use crate::support::PinDir;
use crate::support::packet::Packet;
use crate::traffic::{Packets, Traffic};
use kernel::{BanLimits, Bans, FileBan, Gate};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

const GROUP: &str = "gate, ns a packet";
/// Bans of each of the four kinds.
const TABLES: [u32; 3] = [0, 10_000, 1_000_000];
const REPEAT: u32 = 1_000_000;

/// A packet's way through the gate.
struct Case {
    name: &'static str,
    packets: Packets,
    /// It is one of a banned source, so that an empty table has none.
    is_banned: bool,
}

pub(crate) fn measure(options: &Options, traffic: &mut Traffic, figures: &mut Figures) {
    let pins = PinDir::new();
    let bans = Bans::new(BanLimits::default());
    let gate = pins.gate(&bans);
    for bans_of_a_kind in TABLES {
        if options.quick && bans_of_a_kind > 10_000 {
            continue;
        }
        let list = file_bans(bans_of_a_kind);
        let begun = Instant::now();
        bans.replace_file_bans(&list).expect("banned");
        let took = begun.elapsed().as_secs_f64();
        figures.note(format!("{} bans were loaded in {took:.2} s", list.len()));
        drop(list);
        for sources in [1, bans_of_a_kind.max(10_000)] {
            for case in cases(sources) {
                if case.is_banned && bans_of_a_kind == 0 {
                    continue;
                }
                let name = format!(
                    "{}, {} bans, {}",
                    case.name,
                    amount(bans_of_a_kind),
                    from(sources)
                );
                let rounds = rounds(options, traffic, &gate, &case.packets);
                figures.add(Figure::new(GROUP, name, "ns", rounds));
            }
        }
    }
    for (family, sources) in [("IPv4", 1), ("IPv6", 1), ("IPv4", 1_000_000)] {
        let name = format!("drop, address, {family}, 1 M bans, {}", from(sources));
        figures.aim(GROUP, &name, Bound::AtMost(60.0));
    }
}

fn rounds(options: &Options, traffic: &mut Traffic, gate: &Gate, packets: &Packets) -> Vec<f64> {
    let repeat = options.size(REPEAT, 10_000);
    traffic.warm(gate, packets, repeat);
    (0..options.rounds)
        .map(|_| traffic.cost(gate, packets, repeat))
        .collect()
}

fn cases(sources: u32) -> Vec<Case> {
    let eth = || Packet::new().eth();
    let to_v4 = "192.0.2.1";
    let to_v6 = "2001:db8:ffff::1";
    let case = |name, frame: Packet, source: &str, is_banned| {
        let destination = if source.contains(':') { to_v6 } else { to_v4 };
        Case {
            name,
            packets: Packets::new(frame.build(), source, destination).flows(sources),
            is_banned,
        }
    };
    let prefixes = |mut case: Case, step, word| {
        case.packets = case.packets.step(step, word);
        case
    };
    vec![
        case(
            "drop, address, IPv4",
            eth().ipv4("10.0.0.1").udp(),
            "10.0.0.1",
            true,
        ),
        case(
            "drop, address, IPv6",
            eth().ipv6("fd00::1").udp(),
            "fd00::1",
            true,
        ),
        prefixes(
            case(
                "drop, prefix, IPv4",
                eth().ipv4("172.0.1.1").udp(),
                "172.0.1.1",
                true,
            ),
            256,
            3,
        ),
        prefixes(
            case(
                "drop, prefix, IPv6",
                eth().ipv6("fd01:0:0:1::1").udp(),
                "fd01:0:0:1::1",
                true,
            ),
            1,
            1,
        ),
        case(
            "pass, IPv4",
            eth().ipv4("192.0.2.9").udp(),
            "100.64.0.9",
            false,
        ),
        case(
            "pass, IPv6",
            eth().ipv6("2001:db8::9").udp(),
            "2001:db8::9",
            false,
        ),
    ]
}

fn from(sources: u32) -> String {
    match sources {
        1 => "one source".to_owned(),
        many => format!("{} sources in turn", amount(many)),
    }
}

pub(crate) fn amount(number: u32) -> String {
    match number {
        number if number >= 1_000_000 => format!("{} M", number / 1_000_000),
        number if number >= 1_000 => format!("{} k", number / 1_000),
        number => number.to_string(),
    }
}

/// So many bans of each kind: addresses and prefixes of both versions.
fn file_bans(count: u32) -> Vec<FileBan> {
    let ban = |target: String| FileBan {
        target: kernel::parse_target(&target).expect("a target"),
        reason: "".into(),
    };
    let of_number = |number: u32| {
        let v4 =
            |first: u32, low: u32| IpAddr::V4(Ipv4Addr::from_bits((first << 24).wrapping_add(low)));
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
