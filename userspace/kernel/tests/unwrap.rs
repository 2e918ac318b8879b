//! Packets that come through tunnels, at their end.

mod support;

use kernel::{Action, Mode, Unwrap, UnwrapCounts};
use support::kernel_path_is_there;
use support::packet::{Packet, SYN, sum};

const FROM: [&str; 2] = ["10.99.0.1", "fd99::1"];
const CLIENT: [&str; 2] = ["203.0.113.7", "2001:db8::7"];

fn end_of_tunnels() -> Option<Unwrap> {
    if !kernel_path_is_there() {
        return None;
    }
    let from = FROM.map(|one| one.parse().expect("an address"));
    Some(Unwrap::attach(&[], Mode::Auto, &from).expect("loaded"))
}

fn packet(from: &str) -> Packet {
    Packet::new().eth().ip(from).tcp(SYN).payload(b"hello")
}

/// The packet inside another one from there.
fn wrapped(outer: &str, inner: &[u8]) -> Packet {
    let inside = &inner[14..];
    let number = if inside[0] >> 4 == 4 { 4 } else { 41 };
    Packet::new()
        .eth()
        .ip(outer)
        .protocol(number)
        .payload(inside)
}

#[test]
fn all_four_combinations_are_taken_out() {
    let Some(unwrap) = end_of_tunnels() else {
        return;
    };
    for outer in FROM {
        for inner in CLIENT {
            let inner = packet(inner).build();
            let result = unwrap
                .run(&wrapped(outer, &inner).build())
                .expect("it runs");
            assert_eq!((result.action, &result.packet), (Action::Pass, &inner));
        }
    }
    assert_eq!(unwrap.counts().expect("counts").unwrapped, 4);
}

#[test]
fn what_is_no_tunnel_of_ours_passes_as_it_is() {
    let Some(unwrap) = end_of_tunnels() else {
        return;
    };
    let inner = packet(CLIENT[0]).build();
    for frame in [
        packet(CLIENT[0]).build(),
        packet(CLIENT[1]).build(),
        packet(FROM[0]).build(),
        wrapped("10.99.0.9", &inner).build(),
        wrapped("fd99::9", &inner).build(),
        Packet::new()
            .eth()
            .ip(FROM[0])
            .fragment(0, true)
            .protocol(4)
            .payload(&inner[14..])
            .build(),
        Packet::new().eth().ether_type(0x0806).build(),
    ] {
        let result = unwrap.run(&frame).expect("it runs");
        assert_eq!((result.action, result.packet), (Action::Pass, frame));
    }
    let expected = UnwrapCounts {
        others: 3,
        ..UnwrapCounts::default()
    };
    assert_eq!(unwrap.counts().expect("counts"), expected);
}

#[test]
fn what_cannot_be_meant_is_dropped() {
    let Some(unwrap) = end_of_tunnels() else {
        return;
    };
    let inner = packet(CLIENT[0]).build();
    let empty = Packet::new().eth().ip(FROM[0]).protocol(4).build();
    let other_version = Packet::new()
        .eth()
        .ip(FROM[0])
        .protocol(41)
        .payload(&inner[14..]);
    for frame in [empty, other_version.build()] {
        assert_eq!(unwrap.run(&frame).expect("it runs").action, Action::Drop);
    }
    assert_eq!(unwrap.counts().expect("counts").dropped, 2);
}

/// The lower two bits of the traffic class, by RFC 6040.
#[test]
fn congestion_of_the_tunnel_is_that_of_the_packet() {
    let Some(unwrap) = end_of_tunnels() else {
        return;
    };
    let with_v4 = |bits: u8| {
        let mut frame = packet(CLIENT[0]).build();
        frame[15] = 0xb8 | bits;
        frame[24..26].copy_from_slice(&[0, 0]);
        let sum = !sum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame
    };
    let with_v6 = |bits: u8| packet(CLIENT[1]).with(15, bits << 4);
    let inside: [&dyn Fn(u8) -> Vec<u8>; 2] = [&with_v4, &with_v6];
    for inner in inside {
        for outer in FROM {
            for (bits, marked) in [(0, None), (1, Some(3)), (2, Some(3)), (3, Some(3))] {
                let at = 15;
                let congested = if outer.contains(':') { 0x30 } else { 0x03 };
                let frame = wrapped(outer, &inner(bits));
                let plain = unwrap.run(&frame.clone().build()).expect("it runs");
                assert_eq!(plain.packet, inner(bits), "as it was without congestion");
                let result = unwrap.run(&frame.with(at, congested)).expect("it runs");
                match marked {
                    None => assert_eq!(result.action, Action::Drop),
                    Some(bits) => assert_eq!(result.packet, inner(bits)),
                }
            }
        }
    }
}
