//! Packets in fragments: all of them go where the first one goes.

use crate::bench::{Bench, V4, V6, VIP_V4, VIP_V6, address, service};
use crate::support::packet::{Packet, UDP};
use crate::support::seen;
use kernel::{Forwarding, PacketReason, Protocol};
use std::net::{IpAddr, SocketAddr};

const ENDS: [(&str, &str, &str); 2] = [
    (VIP_V4, "10.99.0.50:4000", "10.99.0.51:53"),
    (VIP_V6, "[fd99::50]:4000", "[fd99::51]:53"),
];

/// A datagram of 32 bytes in two fragments.
fn pieces(from: SocketAddr, to: SocketAddr, id: u16) -> [Packet; 2] {
    let start = || {
        Packet::new()
            .eth()
            .ip(&from.ip().to_string())
            .to(&to.ip().to_string())
            .id(id)
    };
    let first = start()
        .fragment(0, true)
        .udp_header()
        .ports(from.port(), to.port())
        .payload(&[1; 16]);
    let later = start().fragment(3, false).protocol(UDP).payload(&[2; 8]);
    [first, later]
}

fn addresses(frame: &[u8]) -> (IpAddr, IpAddr) {
    let (source, destination, ..) = seen::open(seen::network(frame));
    (source, destination)
}

#[test]
fn both_directions_of_nat_carry_them() {
    let Some(bench) = Bench::new() else { return };
    for (vip, from, endpoint) in ENDS {
        bench.apply(&[service(vip, Protocol::Udp, &[endpoint])]);
        let (vip, from, endpoint) = (address(vip), address(from), address(endpoint));
        let [first, later] = pieces(from, vip, 7);
        // Before the first one nobody knows where it belongs.
        bench.dropped(&later.clone().build(), PacketReason::DropServiceFragment);
        for piece in [first, later.clone()] {
            let out = bench.forwarded(piece, PacketReason::ForwardNat);
            assert_eq!(addresses(&out), (from.ip(), endpoint.ip()));
            assert_eq!(seen::receiver(&out), [2, 0, 0, 0, 1, 1]);
        }
        // Another packet's.
        let [_, stray] = pieces(from, vip, 8);
        bench.dropped(&stray.build(), PacketReason::DropServiceFragment);
        let [first, later] = pieces(endpoint, from, 9);
        for piece in [first, later] {
            let out = bench.forwarded(piece, PacketReason::ForwardReply);
            assert_eq!(addresses(&out), (vip.ip(), from.ip()));
        }
        // What is no service's passes.
        for piece in pieces(from, endpoint, 10) {
            bench.passed(&piece.build());
        }
    }
}

#[test]
fn endpoints_that_answer_directly_get_them_as_they_are() {
    let Some(bench) = Bench::new() else { return };
    for (family, (vip, from, _)) in ENDS.into_iter().enumerate() {
        let endpoint = SocketAddr::new([V4, V6][family][2].parse().expect("an address"), 80);
        let mut spec = service(vip, Protocol::Udp, &[&endpoint.to_string()]);
        spec.forwarding = Forwarding::L2Dsr;
        bench.apply(&[spec]);
        for piece in pieces(address(from), address(vip), 3) {
            let out = bench.forwarded(piece.clone(), PacketReason::ForwardL2Dsr);
            assert_eq!(out[12..], piece.build()[12..]);
        }
    }
}
