//! What the gate does beyond bans: the order of its steps, the allow list, limits of sources, floods.

mod support;

use kernel::{
    Action, BanError, FloodPolicy, GatePolicy, PacketReason, RateLimit, SourceLimits, parse_target,
};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use support::bench::Bench;
use support::kernel_path_is_there;
use support::namespace::Cable;
use support::packet::{ACK, FIN, FROM_MAC, Packet, SYN, TO_MAC, UDP};

fn eth() -> Packet {
    Packet::new().eth()
}

fn udp(source: &str) -> Vec<u8> {
    eth().ip(source).udp().build()
}

fn syn(source: &str) -> Vec<u8> {
    eth().ip(source).tcp(SYN).build()
}

fn nets(texts: &[&str]) -> Vec<types::IpNet> {
    let net = |text: &&str| parse_target(text).expect(text);
    texts.iter().map(net).collect()
}

fn a_second(per_second: u64, burst: u64) -> Option<RateLimit> {
    Some(RateLimit { per_second, burst })
}

/// How many of so many packets are dropped under a reason. Others have to pass. The counters are read at the ends alone:
/// the packets follow each other faster than a bucket fills up, also on a busy host.
fn dropped(bench: &Bench, packet: &[u8], count: u32, reason: PacketReason) -> u32 {
    let counted = || bench.gate.counters().sum(reason).expect("counters").packets;
    let before = counted();
    let runs = (0..count).map(|_| bench.gate.run(packet, 1).expect("it runs"));
    let dropped = runs.filter(|run| run.action == Action::Drop).count();
    assert_eq!(
        counted() - before,
        dropped as u64,
        "dropped for another reason"
    );
    dropped as u32
}

#[test]
fn who_is_allowed_is_not_banned_limited_or_flooding_but_may_be_malformed() {
    if !kernel_path_is_there() {
        return;
    }
    let mut policy = GatePolicy {
        allow: nets(&["203.0.113.0/24", "2001:db8:a::/48"]),
        address: SourceLimits {
            packets: a_second(1, 1),
            ..SourceLimits::default()
        },
        flood: Some(FloodPolicy {
            new_connections: Some(1),
            syn_cookies: false,
            limit: true,
        }),
        ..GatePolicy::default()
    };
    let mut bench = Bench::new();
    // Bans that were there before the list are without effect.
    for target in [
        "203.0.113.7",
        "203.0.0.0/16",
        "2001:db8:a::7",
        "2001:db8::/32",
    ] {
        bench.ban(target, None);
    }
    bench.gate.set_policy(&policy).expect("a policy");
    for source in ["203.0.113.7", "203.0.113.200", "2001:db8:a::7"] {
        for _ in 0..5 {
            bench.expect(source, &syn(source), PacketReason::PassAllowed);
        }
        let xmas = eth().ip(source).tcp(FIN).build();
        bench.expect("malformed", &xmas, PacketReason::DropTcpFlags);
        let address: IpAddr = source.parse().expect(source);
        assert!(!bench.bans.contains(address), "at accept as well");
    }
    bench.expect("beside", &udp("203.0.114.7"), PacketReason::DropPrefixV4);
    bench.expect("beside", &udp("2001:db8:b::7"), PacketReason::DropPrefixV6);

    // The operator hears that a ban would do nothing; one of a larger prefix does something.
    let refused = bench.bans.add(nets(&["203.0.113.9"])[0], None, "");
    assert!(
        matches!(refused, Err(BanError::Allowed { .. })),
        "{refused:?}"
    );
    bench
        .bans
        .add(nets(&["203.0.112.0/23"])[0], None, "")
        .expect("a larger prefix");

    policy.allow = nets(&["198.51.100.0/24"]);
    bench.gate.set_policy(&policy).expect("a policy");
    bench.expect("no longer", &udp("203.0.113.7"), PacketReason::DropExactV4);
    bench.expect("now", &udp("198.51.100.1"), PacketReason::PassAllowed);
    policy.allow.clear();
    bench.gate.set_policy(&policy).expect("a policy");
    bench.expect("nobody", &udp("198.51.100.1"), PacketReason::Pass);
}

#[test]
fn from_an_address_to_itself_is_an_attack() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    for (source, loopback) in [("203.0.113.7", "127.0.0.9"), ("2001:db8::7", "::1")] {
        let to_itself = |address: &str| eth().ip(address).to(address);
        use PacketReason::*;
        let table = [
            ("TCP", to_itself(source).tcp(SYN).ports(80, 80), DropLand),
            (
                "UDP",
                to_itself(source).udp_header().ports(53, 53),
                DropLand,
            ),
            (
                "other ports",
                to_itself(source).tcp(SYN).ports(81, 80),
                Pass,
            ),
            (
                "other address",
                eth().ip(source).tcp(SYN).ports(80, 80),
                Pass,
            ),
            ("loopback", to_itself(loopback).tcp(SYN).ports(80, 80), Pass),
            (
                "no ports",
                to_itself(source).protocol(47).payload(&[0; 8]),
                Pass,
            ),
        ];
        for (name, packet, reason) in table {
            bench.expect(&format!("{name}, {source}"), &packet.build(), reason);
        }
    }
}

#[test]
fn fragments_and_malformed_packets_follow_the_policy() {
    if !kernel_path_is_there() {
        return;
    }
    let strict = Bench::with(&GatePolicy {
        drop_fragments: true,
        ..GatePolicy::default()
    });
    let lenient = Bench::with(&GatePolicy {
        pass_malformed: true,
        ..GatePolicy::default()
    });
    lenient.ban("203.0.113.9", None);
    lenient.ban("2001:db8::9", None);
    use PacketReason::*;
    for (source, banned) in [
        ("203.0.113.7", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::9"),
    ] {
        let part = |offset, more| {
            let packet = eth().ip(source).fragment(offset, more).protocol(UDP);
            packet.payload(&[0; 16]).build()
        };
        strict.expect("later fragment", &part(10, false), DropFragment);
        strict.expect("whole", &udp(source), Pass);
        lenient.expect("later fragment", &part(10, false), Pass);

        let xmas = |source| eth().ip(source).tcp(FIN).build();
        lenient.expect("flags", &xmas(source), PassMalformed);
        let ban = if source.contains(':') {
            DropExactV6
        } else {
            DropExactV4
        };
        lenient.expect("flags, banned", &xmas(banned), ban);
        let cut = eth().ip(source).udp().cut(14 + 12);
        lenient.expect("cut", &cut, PassMalformed);
    }
    let deep = (0..9).fold(eth().ipv6("2001:db8::7"), |packet, _| {
        packet.extension(60, 0)
    });
    lenient.expect("depth", &deep.clone().udp().build(), PassHeaderDepth);
    strict.expect("depth", &deep.udp().build(), DropHeaderDepth);
}

#[test]
fn icmp_that_connections_need_passes_whoever_sends_it() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::with(&GatePolicy {
        prefix: SourceLimits {
            packets: a_second(1, 1),
            ..SourceLimits::default()
        },
        ..GatePolicy::default()
    });
    for target in [
        "203.0.113.7",
        "198.51.100.0/24",
        "2001:db8::7",
        "2001:db8:1::/48",
    ] {
        bench.ban(target, None);
    }
    let icmp = |source: &str, kind, code| eth().ip(source).icmp(kind, code);
    use PacketReason::*;
    let mut table = vec![
        (
            "v4 too big, banned",
            icmp("203.0.113.7", 3, 4),
            PassIcmpNeeded,
        ),
        (
            "v4 too big, prefix",
            icmp("198.51.100.7", 3, 4),
            PassIcmpNeeded,
        ),
        ("v4 unreachable", icmp("203.0.113.7", 3, 1), DropExactV4),
        ("v4 echo", icmp("198.51.100.7", 8, 0), DropPrefixV4),
        (
            "v6 too big, banned",
            icmp("2001:db8::7", 2, 0),
            PassIcmpNeeded,
        ),
        (
            "v6 too big, prefix",
            icmp("2001:db8:1::1", 2, 0),
            PassIcmpNeeded,
        ),
        ("v6 unreachable", icmp("2001:db8::7", 1, 0), DropExactV6),
        ("v6 echo", icmp("2001:db8:1::1", 128, 0), DropPrefixV6),
        // The same numbers in the other protocol say something else.
        ("v4 type 2", icmp("203.0.113.7", 2, 0), DropExactV4),
        ("v6 type 3", icmp("2001:db8::7", 3, 4), DropExactV6),
    ];
    for kind in 133..=137 {
        let near = icmp("2001:db8::7", kind, 0).ttl(255);
        table.push(("neighbour", near, PassIcmpNeeded));
        table.push((
            "neighbour from afar",
            icmp("2001:db8::7", kind, 0),
            DropExactV6,
        ));
    }
    for (name, packet, reason) in table {
        let packet = packet.payload(&[0; 28]).build();
        bench.expect(name, &packet, reason);
        bench.expect(&format!("{name}, again"), &packet, reason);
    }
    let broken = icmp("203.0.113.7", 3, 4).cut(14 + 20 + 4);
    bench.expect("half", &broken, DropMalformed);
}

#[test]
fn an_address_sends_what_its_bucket_holds() {
    if !kernel_path_is_there() {
        return;
    }
    for (limited, other) in [
        ("203.0.113.7", "203.0.113.8"),
        ("2001:db8::7", "2001:db8::8"),
    ] {
        let mut policy = GatePolicy::default();
        policy.address.packets = a_second(1, 10);
        let mut bench = Bench::with(&policy);
        let packet = udp(limited);
        let over = PacketReason::DropAddressPackets;
        assert_eq!(dropped(&bench, &packet, 30, over), 20, "{limited}");
        assert_eq!(dropped(&bench, &udp(other), 10, over), 0, "{other}");

        // From the next packet on there is no limit, then another one.
        bench
            .gate
            .set_policy(&GatePolicy::default())
            .expect("a policy");
        assert_eq!(dropped(&bench, &packet, 30, over), 0);
        policy.address.packets = a_second(100, 50);
        bench.gate.set_policy(&policy).expect("a policy");
        std::thread::sleep(Duration::from_millis(300));
        // The old bucket was empty for 10 seconds; measured by the new rate it is as far behind as it was.
        policy.address.packets = a_second(1_000_000, 100_000_000);
        bench.gate.set_policy(&policy).expect("a policy");
        assert_eq!(dropped(&bench, &packet, 30, over), 0);
    }
}

#[test]
fn buckets_fill_up_again() {
    if !kernel_path_is_there() {
        return;
    }
    let mut policy = GatePolicy::default();
    policy.address.packets = a_second(20, 5);
    let bench = Bench::with(&policy);
    let packet = udp("203.0.113.7");
    let over = PacketReason::DropAddressPackets;
    assert!(dropped(&bench, &packet, 20, over) >= 13);
    std::thread::sleep(Duration::from_millis(150));
    let verdicts: Vec<_> = (0..3).map(|_| bench.verdict(&packet)).collect();
    assert!(
        verdicts.iter().all(|verdict| !verdict.drops()),
        "{verdicts:?}"
    );
}

#[test]
fn syns_and_bytes_have_limits_of_their_own() {
    if !kernel_path_is_there() {
        return;
    }
    let mut policy = GatePolicy::default();
    policy.address.syns = a_second(1, 3);
    policy.address.bytes = a_second(1, 1000);
    let bench = Bench::with(&policy);
    let syn = syn("203.0.113.7");
    let over = PacketReason::DropAddressSyns;
    assert_eq!(dropped(&bench, &syn, 10, over), 7);
    let ack = eth().ipv4("203.0.113.7").tcp(ACK).build();
    bench.expect("no SYN", &ack, PacketReason::Pass);

    let large = eth().ipv4("203.0.113.9").udp_header();
    let large = large.payload(&[0; 400 - 14 - 20 - 8]).build();
    let over = PacketReason::DropAddressBytes;
    assert_eq!(
        dropped(&bench, &large, 5, over),
        3,
        "two of 400 bytes in 1000"
    );
    // What was dropped took nothing: a small one still fits.
    bench.expect("a small one", &udp("203.0.113.9"), PacketReason::Pass);
}

#[test]
fn a_prefix_has_one_bucket_for_all_its_addresses() {
    if !kernel_path_is_there() {
        return;
    }
    let mut policy = GatePolicy::default();
    policy.prefix.packets = a_second(1, 10);
    policy.address.packets = a_second(1, 4);
    let bench = Bench::with(&policy);
    let v4 = |number: u32| format!("203.0.113.{number}");
    let v6 = |number: u32| format!("2001:db8::{number}:1");
    let of: [&dyn Fn(u32) -> String; 2] = [&v4, &v6];
    for source in of {
        let over = PacketReason::DropPrefixPackets;
        let passed = |number| 4 - dropped(&bench, &udp(&source(number)), 4, over);
        assert_eq!((1..=5).map(passed).sum::<u32>(), 10);
    }
    for beside in ["203.0.114.1", "2001:db8:0:1::1"] {
        bench.expect(beside, &udp(beside), PacketReason::Pass);
    }
}

#[test]
fn a_flood_is_limited_and_ends() {
    if !kernel_path_is_there() {
        return;
    }
    const LIMIT: u64 = 100;
    const SYNS: u64 = 3000;
    let mut policy = GatePolicy {
        flood: Some(FloodPolicy {
            new_connections: Some(LIMIT as u32),
            syn_cookies: false,
            limit: true,
        }),
        ..GatePolicy::default()
    };
    policy.address.packets = a_second(1, 2);
    let bench = Bench::with(&policy);
    // Without a look at the counters between, so that a busy host floods as well.
    let is_dropped =
        |packet: &[u8]| bench.gate.run(packet, 1).expect("it runs").action == Action::Drop;
    let source = |number: u64| format!("10.0.{}.{}", number >> 8, number & 255);
    assert!(!bench.gate.flood().expect("a state").on);
    let begun = Instant::now();
    let syns: Vec<_> = (0..SYNS).map(|number| syn(&source(number))).collect();
    let dropped = syns.iter().filter(|syn| is_dropped(syn)).count() as u64;
    // The limit's worth passes in each second that began.
    let seconds = begun.elapsed().as_secs() + 2;
    assert!(
        (SYNS.saturating_sub(LIMIT * seconds)..=SYNS - LIMIT).contains(&dropped),
        "{dropped} in {seconds} s"
    );
    let flood = bench.gate.flood().expect("a state");
    assert!(flood.on && flood.begun >= 1, "{flood:?}");

    // Whoever is unknown now is not remembered, so no limit of its own concerns it. Who was known before is.
    let ack = |source: &str| eth().ipv4(source).tcp(ACK).build();
    let (unknown, known) = (ack("192.0.2.99"), ack(&source(1)));
    let drops = |packet: &[u8]| (0..10).filter(|_| is_dropped(packet)).count();
    let (unknown, known) = (drops(&unknown), drops(&known));
    if bench.gate.flood().expect("a state").on {
        assert_eq!(unknown, 0);
    }
    assert!(known >= 5, "{known} of 10");

    let patience = Instant::now() + Duration::from_secs(20);
    while bench.gate.flood().expect("a state").on && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!bench.gate.flood().expect("a state").on);
    bench.expect("afterwards", &syn("192.0.2.98"), PacketReason::Pass);
}

#[test]
fn in_a_flood_listeners_answer_with_cookies_that_the_stack_knows() {
    if !kernel_path_is_there() {
        return;
    }
    // The setting belongs to a namespace, and so do the listeners that the program finds.
    let Some(cable) = Cable::new() else {
        return;
    };
    cable.at_gate(|| {
        std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").expect("a setting");
        cookies_are_made_and_checked();
    });
}

fn cookies_are_made_and_checked() {
    let bench = Bench::with(&GatePolicy {
        flood: Some(FloodPolicy {
            new_connections: Some(1),
            syn_cookies: true,
            limit: true,
        }),
        ..GatePolicy::default()
    });
    for (client, server) in [("127.0.0.9", "127.0.0.1"), ("::1", "::1")] {
        let listener = std::net::TcpListener::bind((server, 0)).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let to = |flags| eth().vlan(7).ip(client).to(server).tcp(flags);
        let mss = [2, 4, 5, 180];
        let syn = to(SYN)
            .ports(40_000, port)
            .tcp_options(&mss)
            .numbers(77, 0)
            .build();
        // The first ones bring the flood about.
        for _ in 0..3 {
            bench.gate.run(&syn, 1).expect("it runs");
        }
        let answer = bench.gate.run(&syn, 1).expect("it runs");
        assert_eq!(answer.action, Action::Send, "{server}");
        let tcp = answer.packet.len() - 24;
        let cookie = u32::from_be_bytes(answer.packet[tcp + 4..tcp + 8].try_into().expect("4"));
        let expected = Packet::new()
            .eth()
            .vlan(7)
            .ip(server)
            .to(client)
            .tcp(SYN | ACK);
        let sent_mss = answer.packet[tcp + 20..].to_vec();
        let mut expected = expected
            .ports(port, 40_000)
            .numbers(cookie, 78)
            .tcp_options(&sent_mss);
        expected = expected.window(64_240).do_not_fragment();
        let mut expected = expected.build();
        let (receiver, sender) = (answer.packet[..6].to_vec(), answer.packet[6..12].to_vec());
        assert_eq!(
            (receiver.as_slice(), sender.as_slice()),
            (&FROM_MAC[..], &TO_MAC[..])
        );
        expected[..12].copy_from_slice(&answer.packet[..12]);
        assert_eq!(answer.packet, expected, "{server}");
        assert_eq!(sent_mss[..2], [2, 4]);

        let ack = |number| to(ACK).ports(40_000, port).numbers(78, number).build();
        bench.expect("valid", &ack(cookie.wrapping_add(1)), PacketReason::Pass);
        bench.expect(
            "forged",
            &ack(cookie.wrapping_add(9)),
            PacketReason::DropFloodAck,
        );
        // No socket of this host: the limit decides, and ACKs go on.
        let elsewhere = eth().ip(client).tcp(SYN).build();
        bench.expect("no listener", &elsewhere, PacketReason::DropFlood);
    }
}
