//! A gate with services, run on single packets.

use crate::support::namespace::{Cable, INTERFACE};
use crate::support::packet::{ACK, Packet, SYN};
use crate::support::{PinDir, bans, kernel_path_is_there, seen};
use kernel::{
    Action, Forwarding, Gate, PacketReason, Protocol, ServiceEndpoint, ServiceEndpointStatus,
    ServiceSpec,
};
use std::net::SocketAddr;
use std::time::Duration;

/// A gate at a cable whose other end has all clients and endpoints, with their MAC addresses known.
pub(crate) struct Bench {
    pub(crate) cable: Cable,
    pub(crate) gate: Gate,
    pub(crate) pins: PinDir,
}

/// The last number of each is that of its MAC address.
pub(crate) const V4: [&str; 5] = [
    "10.99.0.50",
    "10.99.0.51",
    "10.99.0.52",
    "10.99.0.53",
    "10.99.0.54",
];
pub(crate) const V6: [&str; 5] = ["fd99::50", "fd99::51", "fd99::52", "fd99::53", "fd99::54"];
pub(crate) const VIP_V4: &str = "192.0.2.1:80";
pub(crate) const VIP_V6: &str = "[2001:db8::1]:80";

impl Bench {
    pub(crate) fn new() -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        let cable = Cable::new()?;
        cable.forward_packets();
        for neighbours in [V4, V6] {
            for (number, neighbour) in neighbours.iter().enumerate() {
                cable.know_neighbour(neighbour, number as u8);
            }
        }
        let pins = PinDir::new();
        let gate = cable.at_gate(|| pins.attach(&[INTERFACE], &bans()));
        Some(Self {
            cable,
            gate: gate.expect("attached"),
            pins,
        })
    }

    pub(crate) fn apply(&self, specs: &[ServiceSpec]) {
        self.gate.services().apply(specs).expect("applied");
    }

    /// What becomes of a frame.
    pub(crate) fn run(&self, frame: &[u8]) -> (Action, Vec<u8>) {
        let result = self.cable.at_gate(|| self.gate.run(frame, 1));
        let result = result.expect("it runs");
        (result.action, result.packet)
    }

    /// The frame is sent on by another interface than it came by, and counted so.
    pub(crate) fn forwarded(&self, packet: Packet, reason: PacketReason) -> Vec<u8> {
        let frame = packet.build();
        let before = self.count(reason);
        let (action, out) = self.run(&frame);
        assert_eq!(
            action,
            Action::Redirect,
            "{:?}",
            self.gate.counters().read()
        );
        assert_eq!(self.count(reason), before + 1, "{}", reason.name());
        out
    }

    pub(crate) fn dropped(&self, frame: &[u8], reason: PacketReason) {
        let before = self.count(reason);
        assert_eq!(self.run(frame).0, Action::Drop);
        assert_eq!(self.count(reason), before + 1, "{}", reason.name());
    }

    /// The frame goes to the stack as it is.
    pub(crate) fn passed(&self, frame: &[u8]) {
        let (action, out) = self.run(frame);
        assert_eq!(action, Action::Pass);
        assert_eq!(out, frame);
    }

    pub(crate) fn count(&self, reason: PacketReason) -> u64 {
        let counter = self.gate.counters().sum(reason);
        counter.expect("counters").packets
    }

    /// Where a client's packet goes, by NAT.
    pub(crate) fn endpoint_of(&self, packet: Packet) -> SocketAddr {
        seen::read(&self.forwarded(packet, PacketReason::ForwardNat)).destination
    }

    pub(crate) fn endpoints(&self) -> Vec<ServiceEndpointStatus> {
        let status = self.gate.services().status().expect("status");
        status.into_iter().flat_map(|one| one.endpoints).collect()
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

pub(crate) fn service(vip: &str, protocol: Protocol, endpoints: &[&str]) -> ServiceSpec {
    let endpoint = |text: &&str| ServiceEndpoint::new(address(text));
    ServiceSpec {
        name: "web".to_owned(),
        address: address(vip),
        protocol,
        forwarding: Forwarding::Nat,
        affinity: balance::Affinity::Flow,
        idle: Duration::from_secs(60),
        endpoints: endpoints.iter().map(endpoint).collect(),
    }
}

/// A packet from one to the other, TCP or UDP.
pub(crate) fn packet(from: SocketAddr, to: SocketAddr, protocol: Protocol, flags: u8) -> Packet {
    let packet = Packet::new().eth().ip(&from.ip().to_string());
    let packet = packet.to(&to.ip().to_string());
    match protocol {
        Protocol::Tcp => packet.tcp(flags),
        Protocol::Udp => packet.udp_header(),
    }
    .ports(from.port(), to.port())
    .payload(b"hello")
}

pub(crate) fn client(port: u16) -> SocketAddr {
    SocketAddr::new(V4[0].parse().expect("an address"), port)
}

pub(crate) fn syn(port: u16) -> Packet {
    packet(client(port), address(VIP_V4), Protocol::Tcp, SYN)
}

pub(crate) fn ack(port: u16) -> Packet {
    packet(client(port), address(VIP_V4), Protocol::Tcp, ACK)
}
