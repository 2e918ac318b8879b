//! Packet tables: a packet in, the verdict and the counter out.

mod support;

use kernel::PacketReason;
use std::time::Duration;
use support::bench::Bench;
use support::kernel_path_is_there;
use support::packet::{ACK, FIN, ICMP, ICMPV6, PSH, Packet, RST, SYN, TCP, UDP, URG};

fn eth() -> Packet {
    Packet::new().eth()
}

#[test]
fn bans_drop_and_everything_else_passes() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    for target in [
        "203.0.113.7",
        "198.51.100.0/24",
        "2001:db8::7",
        "2001:db8:1::/48",
    ] {
        bench.ban(target, None);
    }
    use PacketReason::*;
    let table = [
        ("another v4", eth().ipv4("203.0.113.8").udp(), Pass),
        ("banned v4", eth().ipv4("203.0.113.7").udp(), DropExactV4),
        (
            "banned v4, options",
            eth().ipv4_with_options("203.0.113.7", 10).udp(),
            DropExactV4,
        ),
        (
            "banned v4, VLAN",
            eth().vlan(7).ipv4("203.0.113.7").udp(),
            DropExactV4,
        ),
        (
            "banned v4, two VLANs",
            eth().service_vlan(7).vlan(9).ipv4("203.0.113.7").udp(),
            DropExactV4,
        ),
        (
            "v4 prefix, first",
            eth().ipv4("198.51.100.0").udp(),
            DropPrefixV4,
        ),
        (
            "v4 prefix, last",
            eth().ipv4("198.51.100.255").udp(),
            DropPrefixV4,
        ),
        (
            "behind the v4 prefix",
            eth().ipv4("198.51.101.0").udp(),
            Pass,
        ),
        ("another v6", eth().ipv6("2001:db8::8").udp(), Pass),
        ("banned v6", eth().ipv6("2001:db8::7").udp(), DropExactV6),
        (
            "banned v6, VLAN",
            eth().vlan(1).ipv6("2001:db8::7").udp(),
            DropExactV6,
        ),
        (
            "banned v6, extensions",
            eth()
                .ipv6("2001:db8::7")
                .extension(0, 1)
                .extension(60, 0)
                .udp(),
            DropExactV6,
        ),
        (
            "v6 prefix",
            eth().ipv6("2001:db8:1:ffff::1").udp(),
            DropPrefixV6,
        ),
        (
            "behind the v6 prefix",
            eth().ipv6("2001:db8:2::").udp(),
            Pass,
        ),
        ("ARP", eth().ether_type(0x0806), PassNotIp),
        ("ARP in a VLAN", eth().vlan(7).ether_type(0x0806), PassNotIp),
    ];
    for (name, packet, reason) in table {
        bench.expect(name, &packet.build(), reason);
    }
}

#[test]
fn broken_ip_headers_are_dropped() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let v4 = || eth().ipv4("203.0.113.7").udp();
    let v6 = || eth().ipv6("2001:db8::7").udp();
    let tagged = eth().vlan(7).ipv4("203.0.113.7");
    let three_tags = eth().vlan(1).vlan(2).vlan(3).ipv4("203.0.113.7");
    let padded = |mut packet: Vec<u8>| {
        packet.resize(80, 0);
        packet
    };
    use PacketReason::*;
    let table = [
        ("v4, half a header", v4().cut(14 + 19), DropMalformed),
        ("v4, version 5", v4().with(14, 0x55), DropMalformed),
        ("v4, 4 words of header", v4().with(14, 0x44), DropMalformed),
        ("v4, total below header", v4().with(17, 19), DropMalformed),
        ("v4, total 0", v4().with(17, 0), DropMalformed),
        ("v4, total beyond frame", v4().with(17, 33), DropMalformed),
        ("v4, padded", padded(v4().build()), Pass),
        ("v6, half a header", v6().cut(14 + 39), DropMalformed),
        ("v6, version 4", v6().with(14, 0x40), DropMalformed),
        ("v6, length beyond frame", v6().with(19, 13), DropMalformed),
        (
            "v6, length 0 before a header",
            v6().with(19, 0),
            DropMalformed,
        ),
        ("v6, padded", padded(v6().build()), Pass),
        ("half a VLAN tag", tagged.cut(15), DropMalformed),
        ("three VLANs", three_tags.udp().build(), PassVlanDepth),
    ];
    for (name, packet, reason) in table {
        bench.expect(name, &packet, reason);
    }
}

#[test]
fn broken_transport_headers_are_dropped() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    for source in ["203.0.113.7", "2001:db8::7"] {
        let tcp = || eth().ip(source).tcp(SYN);
        let udp = || eth().ip(source).udp();
        let icmp = || eth().ip(source).icmp(128, 0);
        let l4 = if source.contains(':') { 54 } else { 34 };
        let icmp_least = if source.contains(':') { 4 } else { 8 };
        // The lengths of the IP header are those of what is there.
        let short = |number: u8, bytes: usize| {
            let packet = eth().ip(source).protocol(number);
            packet.payload(&vec![0x50; bytes]).build()
        };
        use PacketReason::*;
        let table = [
            ("TCP", tcp().build(), Pass),
            ("TCP, options", tcp().tcp_options(&[1; 40]).build(), Pass),
            ("TCP, 19 bytes", short(TCP, 19), DropMalformed),
            ("TCP, no ports", short(TCP, 3), DropMalformed),
            ("TCP, nothing", short(TCP, 0), DropMalformed),
            ("TCP, 4 words", tcp().with(l4 + 12, 0x40), DropMalformed),
            (
                "TCP, options lost",
                tcp().with(l4 + 12, 0x60),
                DropMalformed,
            ),
            ("UDP", udp().build(), Pass),
            (
                "UDP without data",
                eth().ip(source).udp_header().build(),
                Pass,
            ),
            ("UDP, 7 bytes", short(UDP, 7), DropMalformed),
            ("UDP, length 7", udp().with(l4 + 5, 7), DropMalformed),
            ("UDP, length 0", udp().with(l4 + 5, 0), DropMalformed),
            ("UDP, length beyond", udp().with(l4 + 5, 13), DropMalformed),
            ("UDP, length below", udp().with(l4 + 5, 8), Pass),
            ("ICMP", icmp().build(), Pass),
            ("another protocol", short(47, 1), Pass),
        ];
        for (name, packet, reason) in table {
            bench.expect(&format!("{name}, {source}"), &packet, reason);
        }
        let number = if source.contains(':') { ICMPV6 } else { ICMP };
        bench.expect("least ICMP", &short(number, icmp_least), Pass);
        bench.expect("less ICMP", &short(number, icmp_least - 1), DropMalformed);
    }
}

#[test]
fn flags_that_no_tcp_sends_are_dropped() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let meant = [
        SYN,
        SYN | ACK,
        SYN | URG,
        ACK,
        ACK | PSH,
        ACK | URG,
        FIN | ACK,
        FIN | ACK | PSH | URG,
        RST,
        RST | ACK,
        RST | ACK | PSH,
    ];
    for flags in 0..64_u8 {
        // PSH says nothing about a connection.
        let reason = if meant.iter().any(|meant| meant & !PSH == flags & !PSH) {
            PacketReason::Pass
        } else {
            PacketReason::DropTcpFlags
        };
        for source in ["203.0.113.7", "2001:db8::7"] {
            let packet = eth().ip(source).tcp(flags).build();
            bench.expect(&format!("flags {flags:#x}, {source}"), &packet, reason);
        }
        // ECE and CWR go with each of them.
        let packet = eth().ipv4("203.0.113.7").tcp(flags | 0xc0).build();
        bench.expect(&format!("flags {flags:#x} and ECN"), &packet, reason);
    }
}

#[test]
fn fragments_that_cannot_be_are_dropped() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    for source in ["203.0.113.7", "2001:db8::7"] {
        let part = |number: u8, offset: u16, more: bool, bytes: usize| {
            let packet = eth().ip(source).fragment(offset, more).protocol(number);
            packet.payload(&vec![0x50; bytes]).build()
        };
        let first = |packet: Packet| packet.payload(&[0; 12]).build();
        let ip = || eth().ip(source).fragment(0, true);
        use PacketReason::*;
        let table = [
            ("first, UDP", first(ip().udp()), Pass),
            ("first, TCP", first(ip().tcp(SYN).payload(&[0; 8])), Pass),
            ("first, flags", first(ip().tcp(SYN | FIN)), DropTcpFlags),
            (
                "first, half a TCP header",
                part(TCP, 0, true, 16),
                DropMalformed,
            ),
            (
                "first, no whole words",
                part(UDP, 0, true, 20),
                DropMalformed,
            ),
            (
                "over the TCP header",
                part(TCP, 1, false, 16),
                DropMalformed,
            ),
            ("over the TCP flags", part(TCP, 2, true, 16), DropMalformed),
            ("behind the TCP header", part(TCP, 3, true, 16), Pass),
            ("second of UDP", part(UDP, 1, true, 16), Pass),
            (
                "middle, no whole words",
                part(UDP, 1, true, 12),
                DropMalformed,
            ),
            ("last", part(UDP, 100, false, 12), Pass),
            ("empty", part(UDP, 100, false, 0), DropMalformed),
            ("the very last bytes", part(UDP, 8188, false, 8), Pass),
            (
                "beyond the largest",
                part(UDP, 8191, false, 8),
                DropMalformed,
            ),
        ];
        for (name, packet, reason) in table {
            bench.expect(&format!("{name}, {source}"), &packet, reason);
        }
    }
}

#[test]
fn extension_headers_are_walked_to_a_limit() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let v6 = || eth().ipv6("2001:db8::8");
    let each = v6().extension(0, 0).extension(43, 2).extension(51, 4);
    let cut_at = |bytes: usize| 14 + 40 + bytes;
    // The last header of these is lost.
    let lost = |before: Packet| before.extension(60, 0).cut(cut_at(8));
    use PacketReason::*;
    let table = [
        ("each", each.extension(60, 0).udp().build(), Pass),
        ("eight", extensions(8), Pass),
        ("nine", extensions(9), DropHeaderDepth),
        (
            "none there",
            v6().extension(0, 0).cut(cut_at(0)),
            DropMalformed,
        ),
        ("second lost", lost(v6().extension(0, 0)), DropMalformed),
        (
            "longer than the packet",
            v6().extension(0, 0).with(cut_at(1), 1),
            DropMalformed,
        ),
        (
            "atomic fragment",
            v6().fragment(0, false).udp().build(),
            Pass,
        ),
        (
            "flags behind extensions",
            v6().extension(0, 1).tcp(SYN | FIN).build(),
            DropTcpFlags,
        ),
        (
            "extensions behind a later fragment's",
            v6().fragment(100, false)
                .protocol(60)
                .payload(&[0; 8])
                .build(),
            Pass,
        ),
    ];
    for (name, packet, reason) in table {
        bench.expect(name, &packet, reason);
    }
}

fn extensions(count: usize) -> Vec<u8> {
    (0..count)
        .fold(eth().ipv6("2001:db8::8"), |packet, _| {
            packet.extension(60, 0)
        })
        .udp()
        .build()
}

#[test]
fn a_ban_ends_in_the_kernel_by_itself() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let soon = Some(Duration::from_millis(200));
    bench.ban("203.0.113.7", soon);
    bench.ban("2001:db8:1::/48", soon);
    let v4 = eth().ipv4("203.0.113.7").udp().build();
    let v6 = eth().ipv6("2001:db8:1::1").udp().build();
    bench.expect("v4 before", &v4, PacketReason::DropExactV4);
    bench.expect("v6 before", &v6, PacketReason::DropPrefixV6);

    std::thread::sleep(Duration::from_millis(250));
    bench.expect("v4 after", &v4, PacketReason::PassExpired);
    bench.expect("v6 after", &v6, PacketReason::PassExpired);

    assert_eq!(bench.bans.sweep().expect("swept"), 2);
    bench.expect("v4 swept", &v4, PacketReason::Pass);
    bench.expect("v6 swept", &v6, PacketReason::Pass);
}

#[test]
fn an_expired_prefix_does_not_hide_a_shorter_one() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let now = Some(Duration::from_nanos(1));
    bench.ban("198.51.0.0/16", None);
    for expired in [
        "198.51.100.7",
        "198.51.100.0/24",
        "198.51.100.0/25",
        "198.51.96.0/20",
    ] {
        bench.ban(expired, now);
    }
    let packet = eth().ipv4("198.51.100.7").udp().build();
    bench.expect("behind three", &packet, PacketReason::DropPrefixV4);
    // As many as are looked past: the packet passes until the sweep.
    bench.ban("198.51.100.0/26", now);
    bench.expect("behind four", &packet, PacketReason::PassExpired);
    bench.bans.sweep().expect("swept");
    bench.expect("swept", &packet, PacketReason::DropPrefixV4);
}

#[test]
fn a_lifted_ban_no_longer_drops() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let packet = eth().ipv4("203.0.113.7").udp().build();
    bench.ban("203.0.113.7", None);
    bench.expect("banned", &packet, PacketReason::DropExactV4);
    let target = kernel::parse_target("203.0.113.7").expect("a target");
    assert!(bench.bans.del(target).expect("lifted"));
    bench.expect("lifted", &packet, PacketReason::Pass);

    bench.ban("203.0.113.7", None);
    bench.ban("203.0.113.0/24", None);
    assert_eq!(bench.bans.flush().expect("flushed"), 2);
    bench.expect("flushed", &packet, PacketReason::Pass);
}

#[test]
fn each_ban_counts_what_it_drops() {
    if !kernel_path_is_there() {
        return;
    }
    let bench = Bench::new();
    let target = |text: &str| kernel::parse_target(text).expect("a target");
    let packets = |text: &str| {
        let list = bench.bans.list();
        let ban = list.iter().find(|ban| ban.target == target(text));
        ban.map(|ban| ban.packets)
    };
    let table = [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.0/24", "198.51.100.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:db8:1::/48", "2001:db8:1::9"),
    ];
    for (banned, source) in table {
        bench.ban(banned, None);
        assert_eq!(packets(banned), Some(0), "{banned}");
        let packet = eth().ip(source).udp().build();
        bench.gate.run(&packet, 1234).expect("it runs");
        assert_eq!(packets(banned), Some(1234), "{banned}");
        // Another time and reason are no other ban.
        bench.ban(banned, Some(Duration::from_secs(600)));
        bench.gate.run(&packet, 1).expect("it runs");
        assert_eq!(packets(banned), Some(1235), "{banned}");
    }
    // Beyond a number it is an estimate.
    let packet = eth().ipv4("203.0.113.7").udp().build();
    bench.gate.run(&packet, 1_000_000).expect("it runs");
    let counted = packets("203.0.113.7").expect("a ban");
    assert!((900_000..1_100_000).contains(&counted), "{counted}");
}
