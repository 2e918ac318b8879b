//! Time of a packet that is forwarded: by mode, by flows and by services.

use crate::bans::amount;
use crate::figures::{Bound, Figure, Figures};
use crate::options::Options;
use crate::support::namespace::{Cable, INTERFACE};
use crate::support::packet::{ACK, Packet, SYN};
use crate::support::{self, PinDir};
use crate::traffic::{Packets, Traffic};
use kernel::{Forwarding, Gate, PacketReason, Protocol, ServiceEndpoint, ServiceSpec};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const GROUP: &str = "services, ns a packet";
const REPEAT: u32 = 500_000;
/// Flows of one address, as a power of two.
const PORT_BITS: u32 = 3;
/// Turns over all flows before they are measured, in eighths: in one each comes about once.
const TURNS_EIGHTHS: u32 = 10;
/// As many as a new flow for each packet needs.
const ENDLESS: u32 = 1 << 30;

/// One way through the services.
struct Case {
    mode: &'static str,
    forwarding: Forwarding,
    is_v6: bool,
    flows: u32,
    services: u32,
}

impl Case {
    const fn new(mode: &'static str, forwarding: Forwarding, is_v6: bool) -> Self {
        Self {
            mode,
            forwarding,
            is_v6,
            flows: 1,
            services: 1,
        }
    }

    const fn of(mut self, flows: u32, services: u32) -> Self {
        (self.flows, self.services) = (flows, services);
        self
    }

    fn name(&self) -> String {
        let flows = if self.flows == ENDLESS {
            "each packet a new flow".to_owned()
        } else {
            format!("flows: {}", amount(self.flows))
        };
        format!(
            "{}, {flows}, services: {}",
            self.mode,
            amount(self.services)
        )
    }

    /// Directions of flows that there has to be room for, and some more.
    fn room(&self) -> u32 {
        if self.flows == ENDLESS {
            return abi::limits::FLOWS;
        }
        (self.flows * 3).max(abi::limits::FLOWS)
    }

    /// What counts the packets.
    fn reason(&self) -> PacketReason {
        match self.forwarding {
            Forwarding::Nat => PacketReason::ForwardNat,
            Forwarding::L2Dsr => PacketReason::ForwardL2Dsr,
            Forwarding::Tunnel => PacketReason::ForwardTunnel,
        }
    }

    fn specs(&self) -> Vec<ServiceSpec> {
        let (vip, endpoint, ours) = if self.is_v6 {
            ("fd99::a00:0", "fd99::61", "fd99::1")
        } else {
            ("10.98.0.0", "10.99.0.61", "10.99.0.1")
        };
        let of_number = |number: u32| {
            let mut to = ServiceEndpoint::new(host(endpoint, 0));
            if self.forwarding == Forwarding::Tunnel {
                to.source = Some(ours.parse().expect("an address"));
            }
            ServiceSpec {
                name: number.to_string(),
                address: host(vip, number),
                protocol: Protocol::Tcp,
                forwarding: self.forwarding,
                affinity: balance::Affinity::Flow,
                idle: Duration::from_secs(600),
                endpoints: vec![to],
            }
        };
        (0..self.services).map(of_number).collect()
    }

    fn packets(&self, flags: u8) -> Packets {
        let (from, to) = if self.is_v6 {
            ("fd98::a00:0", "fd99::a00:0")
        } else {
            ("100.64.0.0", "10.98.0.0")
        };
        let frame = Packet::new().eth().ip(from).to(to).tcp(flags);
        Packets::new(frame.build(), from, to)
            .flows(self.flows)
            .port_bits(PORT_BITS)
            .destinations(self.services)
    }
}

fn cases(options: &Options) -> Vec<Case> {
    let many = options.size(1_000_000, 20_000);
    let nat_v4 = || Case::new("NAT, IPv4", Forwarding::Nat, false);
    let nat_v6 = || Case::new("NAT, IPv6", Forwarding::Nat, true);
    let l2 = || Case::new("L2 DSR, IPv4", Forwarding::L2Dsr, false);
    let tunnel = || Case::new("IPIP, IPv4", Forwarding::Tunnel, false);
    vec![
        nat_v4(),
        nat_v4().of(10_000, 1),
        nat_v4().of(10_000, 100),
        nat_v4().of(10_000, 1_000),
        nat_v4().of(many, 1),
        nat_v4().of(ENDLESS, 1),
        nat_v6(),
        nat_v6().of(10_000, 1),
        nat_v6().of(10_000, 1_000),
        nat_v6().of(many, 1),
        l2(),
        l2().of(10_000, 1),
        l2().of(many, 1),
        tunnel(),
        tunnel().of(10_000, 1),
        tunnel().of(many, 1),
    ]
}

pub(crate) fn measure(options: &Options, traffic: &mut Traffic, figures: &mut Figures) {
    let Some(cable) = Cable::new() else {
        figures.note("services were not measured: network namespaces cannot be made here");
        return;
    };
    cable.forward_packets();
    for (address, number) in [("10.99.0.61", 1), ("fd99::61", 2)] {
        cable.know_neighbour(address, number);
    }
    let bans = support::bans();
    for case in cases(options) {
        // New maps, so that no flow of the case before has to be kept.
        let pins = PinDir::new();
        let gate = cable
            .at_gate(|| pins.attach(&[INTERFACE], &bans))
            .expect("attached");
        gate.services().set_flows(case.room());
        gate.services().apply(&case.specs()).expect("applied");
        let rounds = rounds(options, &cable, traffic, &gate, &case);
        figures.add(Figure::new(GROUP, case.name(), "ns", rounds));
    }
    for case in cases(options).iter().filter(|case| {
        case.forwarding == Forwarding::Nat && case.flows != ENDLESS && case.services == 1
    }) {
        figures.aim(GROUP, &case.name(), Bound::AtMost(150.0));
    }
}

fn rounds(
    options: &Options,
    cable: &Cable,
    traffic: &mut Traffic,
    gate: &Gate,
    case: &Case,
) -> Vec<f64> {
    let is_new = case.flows == ENDLESS;
    let repeat = options.size(REPEAT, 10_000);
    let (open, go_on) = (case.packets(SYN), case.packets(ACK));
    let forwarded = || {
        gate.counters()
            .sum(case.reason())
            .expect("counters")
            .packets
    };
    cable.at_gate(|| {
        if !is_new {
            let turns = case.flows.max(10) / 8 * TURNS_EIGHTHS;
            traffic.warm(gate, &open, turns.max(10));
            traffic.warm(gate, &go_on, turns.max(repeat));
        }
        let packets = if is_new { &open } else { &go_on };
        let before = forwarded();
        let costs = (0..options.rounds)
            .map(|_| traffic.cost(gate, packets, repeat))
            .collect();
        let expected = u64::from(repeat) * options.rounds as u64;
        assert_eq!(forwarded() - before, expected, "{}", case.name());
        costs
    })
}

/// The address with a number added to it.
fn host(address: &str, number: u32) -> SocketAddr {
    let address = match address.parse().expect("an address") {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address) + number).into()),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) + u128::from(number)).into()),
    };
    SocketAddr::new(address, 80)
}
