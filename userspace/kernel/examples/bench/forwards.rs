//! Frames that are forwarded from cable to cable: by the services, and by nftables.

use crate::bans::amount;
use crate::figures::{Bound, Figure, Figures};
use crate::options::Options;
use crate::support::packet::Packet;
use crate::support::{self, PinDir};
use crate::traffic::{self, Packets, Traffic};
use crate::wire::{At, End, SENDER, SERVER, Wire};
use kernel::{Forwarding, Gate, Mode, PacketReason, Protocol, ServiceEndpoint, ServiceSpec};
use std::time::Duration;

const GROUP: &str = "NAT from cable to cable, packets a CPU second";
/// What a download consists of: two of these, and an acknowledgement.
pub(crate) const DOWNLOAD: &str =
    "downloads in frames as from a driver, MB a CPU second of the box";
const FULL_FRAME_BYTES: usize = 1514;
/// Of them the content of a TCP segment with timestamps.
const CONTENT_BYTES: f64 = 1448.0;
const FRAMES: u32 = 500_000;
const VIP: &str = "10.98.0.1";
const CLIENT: &str = "100.64.0.0";
/// Flows of one address, as a power of two.
const PORT_BITS: u32 = 3;

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Services,
    Nft,
}

impl Contestant {
    const ALL: [Self; 2] = [Self::Services, Self::Nft];

    const fn name(self) -> &'static str {
        match self {
            Self::Services => "bascule",
            Self::Nft => "nftables, DNAT",
        }
    }

    /// The rules, where it is nftables.
    fn rules(self) -> Option<String> {
        (self == Self::Nft).then(|| {
            format!(
                "add table ip forwards\n\
                 add chain ip forwards nat {{ type nat hook prerouting priority -100; }}\n\
                 add rule ip forwards nat ip daddr {VIP} udp dport 80 dnat to {SERVER}:80\n"
            )
        })
    }
}

pub(crate) fn measure(options: &Options, traffic: &mut Traffic, figures: &mut Figures) {
    let wire = match Wire::new() {
        Ok(wire) => wire,
        Err(why) => return figures.note(format!("forwarding was not measured: {why}")),
    };
    wire.gather();
    wire.introduce(End::Server, End::BoxOut, SERVER);
    wire.introduce(End::Sender, End::BoxIn, SENDER);
    wire.route_to_sender("100.64.0.0/10");
    let pins = PinDir::new();
    let bans = support::bans();
    let mut gate = wire.inside(At::Box, || pins.gate(&bans));
    let sink = traffic.sink();
    let end = wire.interface(End::Server);
    let _link = wire.inside(At::Server, || traffic::attach(&sink, &end));
    for (flows, bytes) in [(1, 60), (10_000, 60), (10_000, FULL_FRAME_BYTES)] {
        let packets = packets(flows, bytes);
        let field = Contestant::ALL;
        let mut rounds = vec![Vec::new(); field.len()];
        for round in 0..options.rounds {
            for turn in 0..field.len() {
                let index = (turn + round) % field.len();
                let mut stage = Stage {
                    wire: &wire,
                    gate: &mut gate,
                    traffic,
                    packets: &packets,
                    frames: options.size(FRAMES, 100_000),
                };
                match stage.sample(field[index]) {
                    Ok(sample) => rounds[index].push(sample),
                    Err(why) => figures.note(why),
                }
            }
        }
        for (contestant, rounds) in field.iter().zip(rounds) {
            let name = name(flows, bytes, *contestant);
            figures.add(Figure::new(GROUP, name, "packets", rounds));
        }
        let [ours, theirs] = Contestant::ALL.map(|it| name(flows, bytes, it));
        figures.aim_at_ratio(GROUP, [&ours, &theirs], Bound::AtLeast(1.0));
    }
    for contestant in Contestant::ALL {
        let rate = |bytes| figures.median_of(GROUP, &name(10_000, bytes, contestant));
        let megabytes = download(rate(FULL_FRAME_BYTES), rate(60));
        figures.add(Figure::new(
            DOWNLOAD,
            contestant.name(),
            "MB",
            vec![megabytes],
        ));
    }
}

fn name(flows: u32, bytes: usize, contestant: Contestant) -> String {
    let flows = amount(flows);
    format!("flows: {flows}, frames of {bytes} B, {}", contestant.name())
}

fn packets(flows: u32, bytes: usize) -> Packets {
    let head = Packet::new().eth().ip(CLIENT).to(VIP).udp_header();
    let content = vec![0; bytes - head.clone().build().len()];
    let frame = head.payload(&content).build();
    Packets::new(without_checksum(frame), CLIENT, VIP)
        .flows(flows)
        .port_bits(PORT_BITS)
}

/// Megabytes of a download that pass in a CPU second, from the rates of full frames and of acknowledgements.
fn download(full: f64, small: f64) -> f64 {
    2.0 * CONTENT_BYTES / (2.0 / full + 1.0 / small) / 1e6
}

struct Stage<'a> {
    wire: &'a Wire,
    gate: &'a mut Gate,
    traffic: &'a mut Traffic,
    packets: &'a Packets,
    frames: u32,
}

impl Stage<'_> {
    fn sample(&mut self, contestant: Contestant) -> Result<f64, String> {
        let wire = self.wire;
        let Some(rules) = contestant.rules() else {
            let interfaces = [End::BoxIn, End::BoxOut].map(|end| wire.interface(end));
            let gate = &mut *self.gate;
            wire.inside(At::Box, || gate.set_interfaces(&interfaces, Mode::Driver))
                .expect("attached");
            gate.services().apply(&[service()]).expect("applied");
            let result = self.flood(contestant);
            self.gate.services().apply(&[]).expect("applied");
            self.gate
                .set_interfaces(&[], Mode::Driver)
                .expect("detached");
            return result;
        };
        wire.nft(&rules)?;
        let result = self.flood(contestant);
        wire.nft("delete table ip forwards")?;
        result
    }

    /// Packets that go out again in a second of the box's CPU time.
    fn flood(&mut self, contestant: Contestant) -> Result<f64, String> {
        let wire = self.wire;
        let counters = self.gate.counters();
        let by_nat = || {
            let counter = counters.sum(PacketReason::ForwardNat);
            counter.expect("counters").packets
        };
        wire.flood(self.traffic, self.packets, self.frames / 4);
        let before = (wire.received(End::Server), by_nat());
        let flood = wire.flood(self.traffic, self.packets, self.frames);
        let (out, by_nat) = (wire.received(End::Server) - before.0, by_nat() - before.1);
        let share = |packets| packets as f64 / flood.packets as f64;
        if share(out) < 0.95 {
            let (name, share) = (contestant.name(), share(out));
            return Err(format!("{name}: {share:.2} of the packets came out"));
        }
        if contestant == Contestant::Services {
            assert!(share(by_nat) > 0.99, "the services forward");
        }
        Ok(out as f64 / flood.seconds)
    }
}

fn service() -> ServiceSpec {
    let host = |address: &str| format!("{address}:80").parse().expect("an address");
    ServiceSpec {
        name: "forwards".to_owned(),
        address: host(VIP),
        protocol: Protocol::Udp,
        forwarding: Forwarding::Nat,
        affinity: balance::Affinity::Flow,
        idle: Duration::from_secs(600),
        endpoints: vec![ServiceEndpoint::new(host(SERVER))],
    }
}

/// A UDP packet that says that it has no checksum: it fits all flows.
fn without_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    frame[40..42].fill(0);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_two_full_frames_and_an_acknowledgement() {
        // 3 µs for 2,896 bytes.
        assert!((download(1e6, 1e6) - 2896.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn frames_are_as_long_as_they_are_asked_for() {
        for bytes in [60, FULL_FRAME_BYTES] {
            let packets = packets(10, bytes);
            assert_eq!((packets.frame.len(), packets.plan.flows), (bytes, 10));
            assert_eq!(packets.frame[40..42], [0, 0], "no checksum");
        }
    }
}
