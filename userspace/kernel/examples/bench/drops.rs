//! Frames that are dropped at the end of a cable: by the gate, and by nftables with a set of as many addresses.

use crate::bans::amount;
use crate::figures::{Bound, Figure, Figures};
use crate::options::Options;
use crate::support::PinDir;
use crate::support::packet::Packet;
use crate::traffic::{Packets, Traffic};
use crate::wire::{At, End, Wire};
use kernel::{BanLimits, Bans, FileBan, Gate, Mode, PacketReason};
use std::fmt::Write;
use std::net::Ipv4Addr;

const GROUP: &str = "drops at a cable's end, packets a CPU second";
/// Beyond what the cable takes, which is that of an empty XDP program.
const OWN: &str = "drops at a cable's end, ns a packet of its own";
const TABLES: [u32; 2] = [10_000, 1_000_000];
const FRAMES: u32 = 1_000_000;
/// The first banned address; the others follow it.
const FIRST: &str = "10.0.0.1";
/// Nobody's address: what is not dropped ends at the routing table.
const NOBODY: &str = "198.51.100.1";
/// Elements in one transaction of nftables.
const NFT_CHUNK: usize = 65_536;

/// Who drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    /// A program that does nothing else: what the cable itself costs.
    Nothing,
    Gate,
    /// nftables in the hook that comes first, behind the driver.
    NftIngress,
    /// nftables before routing and connection tracking.
    NftPrerouting,
}

impl Contestant {
    const ALL: [Self; 4] = [
        Self::Nothing,
        Self::Gate,
        Self::NftIngress,
        Self::NftPrerouting,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "an empty XDP program",
            Self::Gate => "bascule",
            Self::NftIngress => "nftables, ingress",
            Self::NftPrerouting => "nftables, prerouting",
        }
    }

    /// The table of nftables and the head of its chain.
    fn table(self, wire: &Wire) -> (&'static str, String) {
        let interface = wire.interface(End::BoxIn);
        match self {
            Self::NftIngress => (
                "netdev drops",
                format!("type filter hook ingress device \"{interface}\" priority -500"),
            ),
            _ => (
                "ip drops",
                "type filter hook prerouting priority -300".to_owned(),
            ),
        }
    }
}

pub(crate) fn measure(options: &Options, traffic: &mut Traffic, figures: &mut Figures) {
    let wire = match Wire::new() {
        Ok(wire) => wire,
        Err(why) => return figures.note(format!("drops were not measured: {why}")),
    };
    wire.gather();
    let pins = PinDir::new();
    let bans = Bans::new(BanLimits::default());
    let mut gate = wire.inside(At::Box, || pins.gate(&bans));
    for table in TABLES {
        if options.quick && table > 10_000 {
            continue;
        }
        bans.replace_file_bans(&file_bans(table)).expect("banned");
        let has_nft = [Contestant::NftIngress, Contestant::NftPrerouting]
            .iter()
            .try_for_each(|it| fill(*it, &wire, table));
        if let Err(why) = &has_nft {
            figures.note(format!("nftables takes no part: {why}"));
        }
        for sources in [1, table] {
            let frame = Packet::new().eth().ip(FIRST).to(NOBODY).udp();
            let frame = frame.payload(&[0; 14]).build();
            let packets = Packets::new(frame, FIRST, NOBODY).flows(sources);
            let mut field = Contestant::ALL.to_vec();
            field.retain(|it| {
                has_nft.is_ok() || matches!(it, Contestant::Nothing | Contestant::Gate)
            });
            let mut stage = Stage {
                wire: &wire,
                gate: &mut gate,
                traffic,
                packets,
                frames: options.size(FRAMES, 200_000),
            };
            let rounds = stage.rounds(&field, options.rounds);
            let what = format!("{} of {} in turn", amount(sources), amount(table));
            for (contestant, rounds) in field.iter().zip(rounds) {
                let name = format!("{what}, {}", contestant.name());
                figures.add(Figure::new(GROUP, name, "packets", rounds));
            }
            let own = |it: Contestant| {
                let time = |it: Contestant| {
                    1e9 / figures.median_of(GROUP, &format!("{what}, {}", it.name()))
                };
                time(it) - time(Contestant::Nothing)
            };
            let own: Vec<f64> = field.iter().map(|it| own(*it)).collect();
            for (contestant, own) in field.iter().zip(own).skip(1) {
                let name = format!("{what}, {}", contestant.name());
                figures.add(Figure::new(OWN, name, "ns", vec![own]));
            }
            for peer in [Contestant::NftIngress, Contestant::NftPrerouting] {
                let [ours, theirs] =
                    [Contestant::Gate, peer].map(|it| format!("{what}, {}", it.name()));
                figures.aim_at_ratio(OWN, [&theirs, &ours], Bound::AtLeast(5.0));
                let [ours, theirs] =
                    [Contestant::Gate, peer].map(|it| format!("{what}, {}", it.name()));
                figures.aim_at_ratio(GROUP, [&ours, &theirs], Bound::AtLeast(5.0));
            }
        }
        let _ = wire.nft("delete table netdev drops\ndelete table ip drops");
    }
}

/// Fills a set of nftables.
fn fill(contestant: Contestant, wire: &Wire, count: u32) -> Result<(), String> {
    let (table, _) = contestant.table(wire);
    wire.nft(&format!(
        "add table {table}\nadd set {table} banned {{ type ipv4_addr; size {count}; }}"
    ))?;
    let addresses: Vec<Ipv4Addr> = addresses(count).collect();
    for chunk in addresses.chunks(NFT_CHUNK) {
        let mut script = format!("add element {table} banned {{");
        for address in chunk {
            let _ = write!(script, "{address},");
        }
        script.push('}');
        wire.nft(&script)?;
    }
    Ok(())
}

/// Where contestants take turns.
struct Stage<'a> {
    wire: &'a Wire,
    gate: &'a mut Gate,
    traffic: &'a mut Traffic,
    packets: Packets,
    frames: u32,
}

impl Stage<'_> {
    /// Samples of each contestant. They take turns within a round, and another one begins in the next.
    fn rounds(&mut self, field: &[Contestant], rounds: usize) -> Vec<Vec<f64>> {
        let mut samples = vec![Vec::new(); field.len()];
        for round in 0..rounds {
            for turn in 0..field.len() {
                let index = (turn + round) % field.len();
                samples[index].push(self.sample(field[index]));
            }
        }
        samples
    }

    /// Packets that the contestant drops in a second of the box's CPU time.
    fn sample(&mut self, contestant: Contestant) -> f64 {
        let wire = self.wire;
        let interface = wire.interface(End::BoxIn);
        match contestant {
            Contestant::Nothing => {
                let sink = self.traffic.sink();
                let link = wire.inside(At::Box, || crate::traffic::attach(&sink, &interface));
                let result = self.flood(contestant);
                drop(link);
                result
            }
            Contestant::Gate => {
                let interfaces = [interface];
                let gate = &mut *self.gate;
                wire.inside(At::Box, || gate.set_interfaces(&interfaces, Mode::Driver))
                    .expect("attached");
                let result = self.flood(contestant);
                self.gate
                    .set_interfaces(&[], Mode::Driver)
                    .expect("detached");
                result
            }
            Contestant::NftIngress | Contestant::NftPrerouting => {
                let (table, head) = contestant.table(wire);
                wire.nft(&format!(
                    "add chain {table} gate {{ {head}; policy accept; }}\n\
                     add rule {table} gate ip saddr @banned drop"
                ))
                .expect("rules");
                let result = self.flood(contestant);
                wire.nft(&format!("delete chain {table} gate"))
                    .expect("removed");
                result
            }
        }
    }

    fn flood(&mut self, contestant: Contestant) -> f64 {
        let wire = self.wire;
        let counters = self.gate.counters();
        let dropped = || {
            let counter = counters.sum(PacketReason::DropExactV4);
            counter.expect("counters").packets
        };
        let routed = || wire.inside(At::Box, unroutable);
        wire.flood(self.traffic, &self.packets, self.frames / 4);
        let before = (dropped(), routed());
        let flood = wire.flood(self.traffic, &self.packets, self.frames);
        let share = |packets| packets as f64 / flood.packets as f64;
        if contestant == Contestant::Gate {
            let share = share(dropped() - before.0);
            assert!(share > 0.99, "{share} of the packets are dropped");
        }
        let missed = share(routed() - before.1);
        assert!(
            missed < 0.01,
            "{contestant:?} lets {missed} of the packets by"
        );
        flood.packets as f64 / flood.seconds
    }
}

/// Packets that this thread's namespace knew no way for.
fn unroutable() -> u64 {
    let table = std::fs::read_to_string("/proc/thread-self/net/netstat").expect("counters");
    counter(&table, "IpExt:", "InNoRoutes").expect("a counter")
}

/// A counter of a table in which a line of names stands above one of numbers.
fn counter(table: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|line| line.starts_with(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|it| it == name)?;
    numbers.split(' ').nth(at)?.parse().ok()
}

fn addresses(count: u32) -> impl Iterator<Item = Ipv4Addr> {
    let first: Ipv4Addr = FIRST.parse().expect("an address");
    (0..count).map(move |number| Ipv4Addr::from(u32::from(first) + number))
}

fn file_bans(count: u32) -> Vec<FileBan> {
    let ban = |address: Ipv4Addr| FileBan {
        target: kernel::parse_target(&address.to_string()).expect("a target"),
        reason: "".into(),
    };
    addresses(count).map(ban).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let table = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes C\nIpExt: 3 4\n";
        assert_eq!(counter(table, "IpExt:", "InNoRoutes"), Some(3));
        assert_eq!(counter(table, "TcpExt:", "B"), Some(2));
        assert_eq!(counter(table, "IpExt:", "B"), None);
    }

    #[test]
    fn as_many_addresses_follow_each_other_as_are_asked_for() {
        let all: Vec<String> = addresses(256).map(|it| it.to_string()).collect();
        assert_eq!((all[0].as_str(), all[255].as_str()), (FIRST, "10.0.1.0"));
    }
}
