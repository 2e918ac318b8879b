//! What becomes of a packet in each mode.

use crate::bench::{Bench, VIP_V4, VIP_V6, ack, address, client, packet, service, syn};
use crate::support::packet::{ACK, Packet, SYN, UDP, sum};
use crate::support::seen::{self, Seen};
use kernel::{Action, Forwarding, PacketReason, Protocol};
use std::collections::HashMap;
use std::net::SocketAddr;

#[test]
fn nat_rewrites_both_directions() {
    let Some(bench) = Bench::new() else { return };
    for (vip, from, endpoint) in [
        (VIP_V4, "10.99.0.50:4000", "10.99.0.51:8080"),
        (VIP_V6, "[fd99::50]:4000", "[fd99::51]:8080"),
    ] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            bench.apply(&[service(vip, protocol, &[endpoint])]);
            let (from, vip, endpoint) = (address(from), address(vip), address(endpoint));
            // The answer to nothing is not ours.
            bench.passed(&packet(endpoint, from, protocol, ACK).build());
            for flags in [SYN, ACK] {
                let there = packet(from, vip, protocol, flags);
                let out = bench.forwarded(there, PacketReason::ForwardNat);
                assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 1]);
                let expected = Seen {
                    source: from,
                    destination: endpoint,
                    protocol: protocol as u8,
                    hops: 63,
                    payload: b"hello".to_vec(),
                };
                assert_eq!(seen::read(&out), expected);

                let back = packet(endpoint, from, protocol, flags | ACK);
                let out = bench.forwarded(back, PacketReason::ForwardReply);
                assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 0]);
                assert_eq!(seen::read(&out).path(), format!("{vip} > {from}"));
            }
            let got = bench.endpoints()[0];
            assert_eq!((got.packets, got.reply_packets, got.flows), (2, 2, 1));
        }
    }
}

#[test]
fn nat_can_hide_the_client_behind_an_address_of_ours() {
    let Some(bench) = Bench::new() else { return };
    for (vip, from, endpoint, ours) in [
        (VIP_V4, "10.99.0.50", "10.99.0.51:8080", "10.99.0.1"),
        (VIP_V6, "fd99::50", "[fd99::51]:8080", "fd99::1"),
    ] {
        let mut spec = service(vip, Protocol::Tcp, &[endpoint]);
        spec.endpoints[0].source = Some(ours.parse().expect("an address"));
        bench.apply(&[spec]);
        let (vip, endpoint) = (address(vip), address(endpoint));
        let mut ports = HashMap::new();
        for number in 0..200 {
            let from = SocketAddr::new(from.parse().expect("an address"), 2000 + number);
            let there = packet(from, vip, Protocol::Tcp, SYN);
            let out = seen::read(&bench.forwarded(there, PacketReason::ForwardNat));
            assert_eq!(out.destination, endpoint);
            assert_eq!(out.source.ip().to_string(), ours);
            assert!((1024..32_768).contains(&out.source.port()), "{out:?}");
            assert_eq!(ports.insert(out.source, from), None, "a port is given once");
            // The next packet has the same one.
            let there = packet(from, vip, Protocol::Tcp, ACK);
            let again = seen::read(&bench.forwarded(there, PacketReason::ForwardNat));
            assert_eq!(again.source, out.source);
        }
        for (ours, from) in ports {
            let back = packet(endpoint, ours, Protocol::Tcp, ACK);
            let out = seen::read(&bench.forwarded(back, PacketReason::ForwardReply));
            assert_eq!(out.path(), format!("{vip} > {from}"));
        }
    }
}

#[test]
fn l2_dsr_changes_the_mac_addresses_alone() {
    let Some(bench) = Bench::new() else { return };
    for (vip, from, endpoint) in [
        (VIP_V4, "10.99.0.50:4000", "10.99.0.52:80"),
        (VIP_V6, "[fd99::50]:4000", "[fd99::52]:80"),
        (VIP_V4, "10.99.0.50:4000", "[fd99::52]:80"),
    ] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let mut spec = service(vip, protocol, &[endpoint]);
            spec.forwarding = Forwarding::L2Dsr;
            bench.apply(&[spec]);
            let there = packet(address(from), address(vip), protocol, SYN);
            let out = bench.forwarded(there.clone(), PacketReason::ForwardL2Dsr);
            assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 2]);
            assert_eq!(out[12..], there.build()[12..]);
        }
    }
}

#[test]
fn a_tunnel_wraps_the_packet_as_it_is() {
    let Some(bench) = Bench::new() else { return };
    for (vip, from, endpoint, ours, number) in [
        (VIP_V4, "10.99.0.50:4000", "10.99.0.53:80", "10.99.0.1", 4),
        (VIP_V6, "[fd99::50]:4000", "[fd99::53]:80", "fd99::1", 41),
        (VIP_V6, "[fd99::50]:4000", "10.99.0.53:80", "10.99.0.1", 41),
        (VIP_V4, "10.99.0.50:4000", "[fd99::53]:80", "fd99::1", 4),
    ] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let mut spec = service(vip, protocol, &[endpoint]);
            spec.forwarding = Forwarding::Tunnel;
            spec.endpoints[0].source = Some(ours.parse().expect("an address"));
            bench.apply(&[spec]);
            let there = packet(address(from), address(vip), protocol, SYN);
            let out = bench.forwarded(there.clone(), PacketReason::ForwardTunnel);
            assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 3]);
            let (source, destination, protocol, hops, inside) = seen::open(seen::network(&out));
            assert_eq!(source.to_string(), ours);
            assert_eq!(destination, address(endpoint).ip());
            assert_eq!((protocol, hops), (number, 64));
            assert_eq!(inside, &there.build()[14..]);
        }
    }
}

#[test]
fn what_is_no_service_passes() {
    let Some(bench) = Bench::new() else { return };
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &["10.99.0.51:8080"])]);
    let vip = address(VIP_V4);
    let other_port = SocketAddr::new(vip.ip(), 81);
    bench.passed(&packet(client(1), other_port, Protocol::Tcp, SYN).build());
    bench.passed(&packet(client(1), vip, Protocol::Udp, 0).build());
    bench.passed(&packet(client(1), address("192.0.2.2:80"), Protocol::Tcp, SYN).build());
}

#[test]
fn what_cannot_be_forwarded_is_dropped_with_its_reason() {
    let Some(bench) = Bench::new() else { return };
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &["10.99.0.51:80"])]);
    let last_hop = syn(1).ttl(1).build();
    bench.dropped(&last_hop, PacketReason::DropServiceHops);

    bench.apply(&[service(VIP_V4, Protocol::Tcp, &[])]);
    bench.dropped(&syn(2).build(), PacketReason::DropServiceNoEndpoint);

    // Nobody knows a way there.
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &["203.0.113.1:80"])]);
    bench.dropped(&syn(3).build(), PacketReason::DropServiceNoRoute);
}

#[test]
fn an_unknown_neighbour_is_found_by_the_stack() {
    let Some(bench) = Bench::new() else { return };
    bench.apply(&[service(VIP_V4, Protocol::Tcp, &["10.99.0.77:80"])]);
    let (action, out) = bench.run(&syn(1).build());
    assert_eq!(action, Action::Pass);
    // The stack gets the packet for the endpoint, with all its hops.
    let seen = seen::read(&out);
    assert_eq!(seen.destination, address("10.99.0.77:80"));
    assert_eq!(seen.hops, 64);
    assert_eq!(bench.count(PacketReason::PassServiceStack), 1);

    bench.cable.know_neighbour("10.99.0.77", 9);
    let out = bench.forwarded(ack(1), PacketReason::ForwardNat);
    assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 9]);
}

#[test]
fn a_udp_packet_without_checksum_stays_so() {
    let Some(bench) = Bench::new() else { return };
    bench.apply(&[service(VIP_V4, Protocol::Udp, &["10.99.0.51:80"])]);
    let mut frame = packet(client(1), address(VIP_V4), Protocol::Udp, 0).build();
    frame[40..42].copy_from_slice(&[0, 0]);
    let (action, out) = bench.run(&frame);
    assert_eq!(action, Action::Redirect);
    assert_eq!(out[40..42], [0, 0]);
    assert_eq!(seen::read(&out).destination, address("10.99.0.51:80"));
}

#[test]
fn checksums_hold_whatever_they_were() {
    let Some(bench) = Bench::new() else { return };
    bench.apply(&[
        service(VIP_V4, Protocol::Udp, &["10.99.0.51:8080"]),
        service(VIP_V6, Protocol::Udp, &["[fd99::51]:8080"]),
    ]);
    for (from, vip) in [("10.99.0.50:4000", VIP_V4), ("[fd99::50]:4000", VIP_V6)] {
        let (from, vip) = (address(from), address(vip));
        let base = |value: u16| {
            packet(from, vip, Protocol::Udp, 0)
                .payload(&[b'!', 0, 0])
                .payload(&value.to_be_bytes())
        };
        let endpoint = if from.is_ipv4() {
            "10.99.0.51:8080"
        } else {
            "[fd99::51]:8080"
        };
        let (mut low, mut high) = (0, 0);
        for value in (0..=u16::MAX)
            .step_by(7)
            .chain(zeros(&base, from, address(endpoint)))
        {
            let out = bench.run(&base(value).build()).1;
            let segment = seen::open(seen::network(&out)).4;
            let checksum = u16::from_be_bytes([segment[6], segment[7]]);
            assert_ne!(checksum, 0, "0 would say that there is none");
            low += u32::from(checksum < 0x8000);
            high += u32::from(checksum == 0xffff);
            let payload = [b"hello!\0\0".as_slice(), &value.to_be_bytes()].concat();
            assert_eq!(seen::read(&out).payload, payload);
        }
        assert!(low > 1000 && high > 0, "{low} {high}");
    }
}

/// The values whose packet has, behind NAT, a sum that UDP writes as 0xffff.
fn zeros(base: &impl Fn(u16) -> Packet, from: SocketAddr, endpoint: SocketAddr) -> Vec<u16> {
    let segment = |value: u16| {
        let frame = base(value).build();
        let mut segment = seen::open(seen::network(&frame)).4.to_vec();
        segment[2..4].copy_from_slice(&endpoint.port().to_be_bytes());
        segment[6..8].copy_from_slice(&[0, 0]);
        segment
    };
    let rest = seen::covered(from.ip(), endpoint.ip(), UDP, &segment(0));
    let value = sum(&[(!rest).to_be_bytes()].concat());
    let whole = seen::covered(from.ip(), endpoint.ip(), UDP, &segment(value));
    assert_eq!(whole, 0xffff, "the value was worked out");
    vec![value]
}
