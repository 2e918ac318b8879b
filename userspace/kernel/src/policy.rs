//! What the gate does beyond bans: the operator's policy, as the programs read it.

use abi::{Settings, flags};
use types::IpNet;

/// What the gate does with packets that no ban names. The default drops what is malformed and limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatePolicy {
    /// Malformed packets go on to the stack, which refuses them itself; only bans and limits concern them here.
    pub pass_malformed: bool,
    /// Fragments are dropped, whoever sends them.
    pub drop_fragments: bool,
    /// Who is never banned, limited or part of a flood. At most [`abi::limits::ALLOWED`] prefixes of each IP version.
    pub allow: Vec<IpNet>,
    /// What one address may send.
    pub address: SourceLimits,
    /// What a /24 of IPv4 or a /64 of IPv6 may send.
    pub prefix: SourceLimits,
    /// Sources that are remembered, addresses and prefixes each, where sources have limits; 0 is the usual number. It
    /// counts when the gate is attached.
    pub sources: u32,
    /// When there is a flood of new connections, and what is done then.
    pub flood: Option<FloodPolicy>,
    /// One in so many dropped packets is sampled; 0: none.
    pub sample_every: u32,
}

/// What a source may send. None: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLimits {
    /// Packets.
    pub packets: Option<RateLimit>,
    /// TCP packets that open a connection.
    pub syns: Option<RateLimit>,
    /// Bytes, from the Ethernet header on.
    pub bytes: Option<RateLimit>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What flows in.
    pub per_second: u64,
    /// What it holds. A packet of more bytes than that never passes.
    pub burst: u64,
}

/// When new connections are a flood, and what is done then. Sources that are not known by then are not remembered in the
/// table of limits, so that spoofed ones do not push out others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodPolicy {
    /// New connections a second, over all sources, that are none yet. None: only [`Gate::declare_flood`](crate::Gate) begins
    /// a flood.
    pub new_connections: Option<u32>,
    /// SYNs to listeners of this host are answered with SYN cookies, before the stack sees them.
    pub syn_cookies: bool,
    /// SYNs beyond the limit are dropped where no cookie answers them; else they pass.
    pub limit: bool,
}

impl SourceLimits {
    fn is_set(&self) -> bool {
        self.packets.is_some() || self.syns.is_some() || self.bytes.is_some()
    }

    fn spec(&self) -> abi::Limits {
        let rate = |limit: Option<RateLimit>| {
            limit.map_or_else(abi::Rate::default, |limit| {
                abi::Rate::new(limit.per_second, limit.burst)
            })
        };
        abi::Limits {
            packets: rate(self.packets),
            syns: rate(self.syns),
            bytes: rate(self.bytes),
        }
    }
}

impl GatePolicy {
    /// How many sources are remembered.
    pub(crate) fn table_of_sources(&self) -> u32 {
        match self.sources {
            0 => abi::limits::SOURCES,
            sources => sources,
        }
    }

    /// The settings that say it, in a generation of the lists.
    pub(crate) fn settings(&self, generation: u32) -> Settings {
        let flood = self.flood;
        let wishes = [
            (flags::PASS_MALFORMED, self.pass_malformed),
            (flags::DROP_FRAGMENTS, self.drop_fragments),
            (flags::ALLOW, !self.allow.is_empty()),
            (flags::ADDRESS_LIMITS, self.address.is_set()),
            (flags::PREFIX_LIMITS, self.prefix.is_set()),
            (flags::FLOOD, flood.is_some()),
            (
                flags::SYN_COOKIES,
                flood.is_some_and(|flood| flood.syn_cookies),
            ),
            (flags::LIMIT_SYNS, flood.is_some_and(|flood| flood.limit)),
        ];
        Settings {
            flags: wishes
                .iter()
                .filter(|(_, wished)| *wished)
                .fold(0, |flags, (flag, _)| flags | flag),
            generation,
            sample_every: self.sample_every,
            flood_connections: flood
                .and_then(|flood| flood.new_connections)
                .unwrap_or(u32::MAX),
            address: self.address.spec(),
            prefix: self.prefix.spec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_for_is_nothing_done() {
        let settings = GatePolicy::default().settings(7);
        let expected = Settings {
            generation: 7,
            flood_connections: u32::MAX,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn rates_are_times() {
        let rate = abi::Rate::new(1000, 10);
        assert_eq!(rate.time_of(1), 1_000_000);
        assert_eq!(rate.full_ns, 10_000_000);
        // 100 Gbit/s: a byte takes 0.08 ns.
        let fast = abi::Rate::new(12_500_000_000, 12_500_000_000);
        assert!((119..=121).contains(&fast.time_of(1500)), "{fast:?}");
        // Neither the slowest nor the fastest overflows.
        assert!(abi::Rate::new(1, u64::MAX).full_ns > 1 << 57);
        assert_eq!(abi::Rate::new(u64::MAX, 1).cost, 1);
        assert_eq!(abi::Rate::new(1, 1).time_of(1), 1_000_000_000);
    }
}
