//! Samples of dropped packets, floods that somebody declares, and how many sources are remembered.

mod support;

use kernel::{
    Action, BanLimits, Bans, FloodPolicy, GatePolicy, GateSpec, Mode, PacketReason, RateLimit,
    SourceLimits,
};
use std::net::IpAddr;
use support::bench::Bench;
use support::packet::{Packet, SYN};
use support::{PinDir, kernel_path_is_there};
use types::IpNet;

fn every(sample_every: u32) -> GatePolicy {
    GatePolicy {
        sample_every,
        ..GatePolicy::default()
    }
}

fn syn(source: &str) -> Vec<u8> {
    Packet::new().eth().ip(source).tcp(SYN).build()
}

fn target(text: &str) -> IpNet {
    kernel::parse_target(text).expect("a target")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn one_in_so_many_dropped_packets_is_sampled_and_the_first_of_each_ban() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::with(&every(10));
    bench.ban("203.0.113.7", None);
    bench.ban("2001:db8::/32", None);
    let samples = bench.gate.samples();
    // One run of many packets stays on one CPU, where one in ten is the tenth.
    bench.gate.run(&syn("203.0.113.7"), 30).expect("it runs");
    bench.gate.run(&syn("2001:db8::7"), 1).expect("it runs");
    bench.gate.run(&syn("192.0.2.9"), 50).expect("it runs");
    let of_address = samples.of_ban(&target("203.0.113.7"));
    assert!((3..=5).contains(&of_address.len()), "{of_address:?}");
    let one = &of_address[0];
    assert_eq!(one.reason, PacketReason::DropExactV4);
    assert_eq!(one.source, address("203.0.113.7"));
    assert_eq!(one.bytes as usize, syn("203.0.113.7").len());
    let told = one.headers().to_string();
    assert!(
        told.starts_with("tcp 203.0.113.7:") && told.ends_with("SYN"),
        "{told}"
    );
    // Ethernet, IPv4 and TCP, and not a byte behind them.
    assert_eq!(one.head.len(), 14 + 20 + 20);
    assert!(of_address.windows(2).all(|two| two[0].age <= two[1].age));

    let of_prefix = samples.of_ban(&target("2001:db8::/32"));
    assert_eq!(
        of_prefix.len(),
        1,
        "the first packet of a ban is always one"
    );
    assert_eq!(of_prefix[0].source, address("2001:db8::7"));
    assert!(samples.of_source(address("192.0.2.9")).is_empty());
    assert_eq!(samples.counts().lost, 0);
}

#[test]
fn what_no_ban_dropped_is_kept_by_its_source() {
    if !kernel_path_is_there() {
        return;
    }
    let policy = GatePolicy {
        address: SourceLimits {
            syns: Some(RateLimit {
                per_second: 1,
                burst: 1,
            }),
            ..SourceLimits::default()
        },
        ..every(1)
    };
    let bench = Bench::with(&policy);
    bench.gate.run(&syn("203.0.113.7"), 4).expect("it runs");
    let samples = bench.gate.samples().of_source(address("203.0.113.7"));
    assert_eq!(samples.len(), 3);
    assert_eq!(samples[0].reason, PacketReason::DropAddressSyns);
    assert_eq!(samples[0].ban, None);
}

#[test]
fn a_ring_that_nobody_reads_loses_samples_and_counts_them() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::with(&every(1));
    bench.ban("203.0.113.7", None);
    let result = bench
        .gate
        .run(&syn("203.0.113.7"), 10_000)
        .expect("it runs");
    assert_eq!(result.action, Action::Drop);
    let samples = bench.gate.samples();
    samples.read();
    let counts = samples.counts();
    assert!(counts.taken > 1000 && counts.lost > 1000, "{counts:?}");
    assert_eq!(counts.taken + counts.lost, 10_000);
    assert_eq!(bench.bans.list()[0].packets, 10_000, "all were counted");
    // There is room again.
    bench.gate.run(&syn("203.0.113.7"), 1).expect("it runs");
    samples.read();
    assert_eq!(samples.counts().taken, counts.taken + 1);
}

#[test]
fn a_flood_can_be_declared() {
    if !kernel_path_is_there() {
        return;
    }
    let policy = GatePolicy {
        address: SourceLimits {
            packets: Some(RateLimit {
                per_second: 1,
                burst: 1,
            }),
            ..SourceLimits::default()
        },
        flood: Some(FloodPolicy {
            new_connections: None,
            syn_cookies: false,
            limit: true,
        }),
        ..GatePolicy::default()
    };
    let mut bench = Bench::with(&policy);
    let packet = Packet::new().eth().ip("203.0.113.7").udp().build();
    assert!(!bench.gate.flood().expect("a state").on);
    bench.gate.declare_flood().expect("declared");
    bench.gate.declare_flood().expect("declared again");
    let flood = bench.gate.flood().expect("a state");
    assert!(flood.on && flood.begun == 1);
    // Sources that are not known are not remembered, so the limit does not reach them; nothing else is dropped.
    for _ in 0..3 {
        let result = bench.gate.run(&packet, 1).expect("it runs");
        assert_eq!(result.action, Action::Pass);
    }
    let result = bench.gate.run(&syn("203.0.113.8"), 100).expect("it runs");
    assert_eq!(result.action, Action::Pass);
}

#[test]
fn as_many_sources_are_remembered_as_the_operator_says() {
    if !kernel_path_is_there() {
        return;
    }
    let pins = PinDir::new();
    let attach = |sources| {
        let bans = Bans::new(BanLimits {
            addresses: 64,
            prefixes: 64,
        });
        let spec = GateSpec {
            interfaces: Vec::new(),
            mode: Mode::Auto,
            pin_dir: pins.0.clone(),
            policy: GatePolicy {
                sources,
                ..GatePolicy::default()
            },
        };
        let gate = kernel::Gate::attach(&spec, &bans).expect("it loads");
        (gate, bans)
    };
    let entries = |name: &str| {
        let info = aya::maps::MapInfo::from_pin(pins.0.join(name)).expect("a map");
        info.max_entries()
    };
    let (gate, bans) = attach(4096);
    bans.add(target("203.0.113.7"), None, "").expect("banned");
    gate.run(&syn("203.0.113.7"), 3).expect("it runs");
    assert_eq!(entries(abi::maps::SOURCES), 4096);
    assert_eq!(entries(abi::maps::SOURCE_PREFIXES), 4096);
    drop((gate, bans));

    let (gate, bans) = attach(0);
    assert_eq!(entries(abi::maps::SOURCES), abi::limits::SOURCES);
    assert_eq!(bans.list().len(), 1, "everything else stays");
    let dropped = gate
        .counters()
        .sum(PacketReason::DropExactV4)
        .expect("counters");
    assert_eq!(dropped.packets, 3);
}
