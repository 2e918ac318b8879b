//! ICMP errors about packets of flows, and packets that are too big.

use crate::bench::{Bench, VIP_V4, VIP_V6, address, client, packet, service};
use crate::support::packet::{ACK, FROM_MAC, ICMP, ICMPV6, Packet, SYN, sum};
use crate::support::seen;
use kernel::{Action, Forwarding, PacketReason, Protocol, ServiceSpec};
use std::net::IpAddr;

/// Type and code of "too big".
const TOO_BIG: [(u8, u8); 2] = [(3, 4), (2, 0)];
const ROUTER: [&str; 2] = ["203.0.113.9", "2001:db8:9::9"];
const OURS: [&str; 2] = ["10.99.0.1", "fd99::1"];
/// Service, client and endpoint, of each family.
const ENDS: [(&str, &str, &str); 2] = [
    (VIP_V4, "10.99.0.50:4000", "10.99.0.51:8080"),
    (VIP_V6, "[fd99::50]:4000", "[fd99::51]:8080"),
];

/// What a router says of the IP packet in a frame.
fn error(family: usize, from: &str, to: IpAddr, frame: &[u8], mtu: u32) -> Packet {
    let (kind, code) = TOO_BIG[family];
    let quoted = seen::network(frame);
    Packet::new()
        .eth()
        .ip(from)
        .to(&to.to_string())
        .icmp_with(kind, code, mtu)
        .payload(&quoted[..quoted.len().min(500)])
}

/// Addresses of an error and what it quotes; panics where a checksum is wrong.
fn open(frame: &[u8]) -> (IpAddr, IpAddr, Vec<u8>) {
    let (source, destination, protocol, _, message) = seen::open(seen::network(frame));
    match protocol {
        ICMP => assert_eq!(sum(message), 0xffff, "the checksum of ICMP"),
        ICMPV6 => assert_eq!(
            seen::covered(source, destination, protocol, message),
            0xffff,
            "the checksum of ICMPv6"
        ),
        other => panic!("protocol {other}"),
    }
    (source, destination, message[8..].to_vec())
}

fn mtu_of(frame: &[u8]) -> u32 {
    let message = seen::open(seen::network(frame)).4;
    u32::from_be_bytes(message[4..8].try_into().expect("four bytes"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn nat_translates_errors_in_both_directions() {
    let Some(bench) = Bench::new() else { return };
    for (family, (vip, from, endpoint)) in ENDS.into_iter().enumerate() {
        for (protocol, is_hidden) in [
            (Protocol::Tcp, false),
            (Protocol::Udp, false),
            (Protocol::Tcp, true),
            (Protocol::Udp, true),
        ] {
            let mut spec = service(vip, protocol, &[endpoint]);
            spec.endpoints[0].source = is_hidden.then(|| ip(OURS[family]));
            bench.apply(&[spec]);
            let (vip, from, endpoint) = (address(vip), address(from), address(endpoint));
            let asked = packet(from, vip, protocol, SYN);
            let asked = bench.forwarded(asked, PacketReason::ForwardNat);
            let seen_there = seen::read(&asked);
            let answer = packet(endpoint, seen_there.source, protocol, SYN | ACK);
            let answered = bench.forwarded(answer, PacketReason::ForwardReply);

            // A router between us and the client, about the answer: the endpoint is told about its own packet.
            let told = error(family, ROUTER[family], vip.ip(), &answered, 1400);
            let out = bench.forwarded(told, PacketReason::ForwardIcmp);
            let (source, destination, quoted) = open(&out);
            assert_eq!((source, destination), (ip(ROUTER[family]), endpoint.ip()));
            let quoted = seen::read_ip(&quoted);
            assert_eq!(
                (quoted.source, quoted.destination),
                (endpoint, seen_there.source)
            );
            assert_eq!(mtu_of(&out), 1400);
            assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 1]);

            // A router between us and the endpoint, about the question: the client is told.
            let told = error(family, ROUTER[family], seen_there.source.ip(), &asked, 1300);
            let out = bench.forwarded(told, PacketReason::ForwardIcmp);
            let (source, destination, quoted) = open(&out);
            assert_eq!((source, destination), (ip(ROUTER[family]), from.ip()));
            let quoted = seen::read_ip(&quoted);
            assert_eq!((quoted.source, quoted.destination), (from, vip));
            assert_eq!(mtu_of(&out), 1300);

            // What the endpoint itself says comes from the service.
            let own = endpoint.ip().to_string();
            let told = error(family, &own, seen_there.source.ip(), &asked, 0);
            let out = bench.forwarded(told, PacketReason::ForwardIcmp);
            assert_eq!(open(&out).0, vip.ip());
        }
    }
}

/// A router may quote no more than the ports, which is less than a checksum of TCP takes.
#[test]
fn eight_bytes_of_a_segment_are_enough() {
    let Some(bench) = Bench::new() else { return };
    let (vip, from, endpoint) = ENDS[0];
    bench.apply(&[service(vip, Protocol::Tcp, &[endpoint])]);
    let asked = packet(address(from), address(vip), Protocol::Tcp, SYN);
    let asked = bench.forwarded(asked, PacketReason::ForwardNat);
    let told = Packet::new()
        .eth()
        .ip(ROUTER[0])
        .to("10.99.0.50")
        .icmp(3, 1)
        .payload(&seen::network(&asked)[..28]);
    let out = bench.forwarded(told, PacketReason::ForwardIcmp);
    let (_, _, quoted) = open(&out);
    assert_eq!(sum(&quoted[..20]), 0xffff);
    assert_eq!(quoted[12..20], [10, 99, 0, 50, 192, 0, 2, 1]);
    assert_eq!(quoted[20..24], [0x0f, 0xa0, 0, 80]);
}

#[test]
fn errors_about_what_is_not_ours_pass() {
    let Some(bench) = Bench::new() else { return };
    let (vip, from, endpoint) = ENDS[0];
    bench.apply(&[service(vip, Protocol::Tcp, &[endpoint])]);
    let asked = packet(address(from), address(vip), Protocol::Tcp, SYN);
    let asked = bench.forwarded(asked, PacketReason::ForwardNat);
    // About another flow; to another host than the one that it says has sent the packet; about nothing at all.
    let other = packet(
        address("10.99.0.50:4001"),
        address(endpoint),
        Protocol::Tcp,
        SYN,
    )
    .build();
    bench.passed(&error(0, ROUTER[0], ip("10.99.0.50"), &other, 1300).build());
    bench.passed(&error(0, ROUTER[0], ip("10.99.0.54"), &asked, 1300).build());
    let ping = Packet::new().eth().ip(ROUTER[0]).icmp(8, 0).build();
    bench.passed(&ping);
    let empty = Packet::new().eth().ip(ROUTER[0]).icmp(3, 4).build();
    let needed = bench.count(PacketReason::PassIcmpNeeded);
    bench.passed(&empty);
    assert_eq!(bench.count(PacketReason::PassIcmpNeeded), needed + 1);
}

fn direct(vip: &str, forwarding: Forwarding, endpoint: &str, family: usize) -> ServiceSpec {
    let mut spec = service(vip, Protocol::Tcp, &[endpoint]);
    spec.forwarding = forwarding;
    if forwarding == Forwarding::Tunnel {
        spec.endpoints[0].source = Some(ip(OURS[family]));
    }
    spec
}

/// With direct server return a router tells the service's address of answers that did not come through here.
#[test]
fn errors_reach_the_endpoint_that_answers_directly() {
    let Some(bench) = Bench::new() else { return };
    for (family, endpoint) in ["10.99.0.52:80", "[fd99::52]:80"].into_iter().enumerate() {
        let (vip, from, _) = ENDS[family];
        for is_known in [true, false] {
            for forwarding in [Forwarding::L2Dsr, Forwarding::Tunnel] {
                bench.apply(&[direct(vip, forwarding, endpoint, family)]);
                if is_known {
                    bench.run(&packet(address(from), address(vip), Protocol::Tcp, SYN).build());
                }
                let answer = packet(address(vip), address(from), Protocol::Tcp, ACK).build();
                let told = error(family, ROUTER[family], address(vip).ip(), &answer, 1400);
                let out = bench.forwarded(told.clone(), PacketReason::ForwardIcmp);
                assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 2]);
                if forwarding == Forwarding::L2Dsr {
                    assert_eq!(out[12..], told.build()[12..]);
                } else {
                    let (_, destination, _, _, inside) = seen::open(seen::network(&out));
                    assert_eq!(destination, address(endpoint).ip());
                    assert_eq!(inside, &told.build()[14..]);
                }
            }
        }
    }
}

/// A packet of so many bytes behind the TCP header, and what the client is told of it.
fn told_of(bench: &Bench, from: &str, vip: &str, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let big = packet(address(from), address(vip), Protocol::Tcp, ACK).payload(&vec![7; bytes]);
    let big = big.build();
    let before = bench.count(PacketReason::AnswerTooBig);
    let (action, out) = bench.run(&big);
    assert_eq!(action, Action::Send);
    assert_eq!(bench.count(PacketReason::AnswerTooBig), before + 1);
    (big, out)
}

#[test]
fn clients_are_told_of_packets_that_are_too_big_for_a_tunnel() {
    let Some(bench) = Bench::new() else { return };
    for (vip, from, endpoint, ours, fits) in [
        (VIP_V4, "10.99.0.50:4000", "10.99.0.53:80", OURS[0], 1480),
        (VIP_V6, "[fd99::50]:4000", "[fd99::53]:80", OURS[1], 1460),
        (VIP_V6, "[fd99::50]:4000", "10.99.0.53:80", OURS[0], 1480),
        (VIP_V4, "10.99.0.50:4000", "[fd99::53]:80", OURS[1], 1460),
    ] {
        let mut spec = service(vip, Protocol::Tcp, &[endpoint]);
        spec.forwarding = Forwarding::Tunnel;
        spec.endpoints[0].source = Some(ip(ours));
        bench.apply(&[spec]);
        let (vip_at, from_at) = (address(vip), address(from));
        let headers = if vip_at.is_ipv4() { 40 } else { 60 } + b"hello".len();
        let small = packet(from_at, vip_at, Protocol::Tcp, ACK).payload(&vec![7; fits - headers]);
        bench.forwarded(small, PacketReason::ForwardTunnel);

        let (big, out) = told_of(&bench, from, vip, fits - headers + 1);
        assert_eq!(seen::receiver(&out), FROM_MAC);
        let (source, destination, quoted) = open(&out);
        assert_eq!((source, destination), (vip_at.ip(), from_at.ip()));
        assert_eq!(mtu_of(&out), fits as u32);
        assert_eq!(quoted, big[14..14 + quoted.len()]);
        assert!(quoted.len() >= 500);
    }
}

#[test]
fn a_tag_of_the_packet_is_on_the_answer() {
    let Some(bench) = Bench::new() else { return };
    let (vip, from, endpoint) = ENDS[0];
    bench.apply(&[service(vip, Protocol::Tcp, &[endpoint])]);
    bench.endpoint_of(packet(address(from), address(vip), Protocol::Tcp, SYN));
    for tags in [1, 2] {
        let frame = Packet::new().eth();
        let frame = if tags == 2 {
            frame.service_vlan(9)
        } else {
            frame
        };
        let big = frame
            .vlan(7)
            .ip("10.99.0.50")
            .to("192.0.2.1")
            .tcp(ACK)
            .ports(4000, 80)
            .payload(&[7; 1500])
            .build();
        let (action, out) = bench.run(&big);
        assert_eq!(action, Action::Send);
        let link = 14 + tags * 4;
        assert_eq!(out[12..link], big[12..link]);
        assert_eq!(seen::receiver(&out), FROM_MAC);
        let plain = [&out[..12], &out[link - 2..]].concat();
        assert_eq!(open(&plain).1, ip("10.99.0.50"));
    }
}

#[test]
fn answers_have_a_pace() {
    let Some(bench) = Bench::new() else { return };
    let (vip, from, endpoint) = ENDS[0];
    bench.apply(&[service(vip, Protocol::Tcp, &[endpoint])]);
    bench.endpoint_of(packet(address(from), address(vip), Protocol::Tcp, SYN));
    let big = packet(address(from), address(vip), Protocol::Tcp, ACK).payload(&[7; 1500]);
    let big = big.build();
    for _ in 0..20_000 {
        bench.gate.run(&big, 1).expect("it runs");
        if bench.count(PacketReason::DropServiceTooBig) > 0 {
            break;
        }
    }
    assert!(bench.count(PacketReason::DropServiceTooBig) > 0);
    assert!(bench.count(PacketReason::AnswerTooBig) >= 1000);
}

/// A router within the tunnel's way says that it takes less than the first hop does.
#[test]
fn the_way_of_a_tunnel_is_learnt() {
    let Some(bench) = Bench::new() else { return };
    let (vip, from, _) = ENDS[0];
    let spec = direct(vip, Forwarding::Tunnel, "10.99.0.53:80", 0);
    bench.apply(&[spec]);
    let packet_of =
        |bytes| packet(client(4000), address(vip), Protocol::Tcp, ACK).payload(&vec![7; bytes]);
    let sent = bench.forwarded(packet_of(1380), PacketReason::ForwardTunnel);
    // Nobody's tunnel is made smaller by somebody who never saw a packet of it.
    let mut other = sent.clone();
    other[14 + 20 + 20] ^= 1;
    bench.passed(&error(0, ROUTER[0], ip(OURS[0]), &other, 1300).build());
    bench.forwarded(packet_of(1380), PacketReason::ForwardTunnel);

    bench.passed(&error(0, ROUTER[0], ip(OURS[0]), &sent, 1300).build());
    let (_, out) = told_of(&bench, from, vip, 1380);
    assert_eq!(mtu_of(&out), 1280);
    bench.forwarded(packet_of(1200), PacketReason::ForwardTunnel);
}
