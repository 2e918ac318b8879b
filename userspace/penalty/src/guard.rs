//! Who is never banned, whatever was done in its name.

use std::collections::{BTreeSet, HashMap};
use types::IpNet;

/// Addresses and prefixes that no ban may hit, each with the reason why.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    nets: HashMap<IpNet, &'static str>,
    /// The lengths in use of each version.
    lengths_v4: BTreeSet<u8>,
    lengths_v6: BTreeSet<u8>,
}

/// What kept somebody from being banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// The entry.
    pub net: IpNet,
    /// Why it is there.
    pub why: &'static str,
}

impl Guard {
    /// Adds an entry; the first reason stays.
    pub fn add(&mut self, net: IpNet, why: &'static str) {
        let net = net.trunc();
        self.nets.entry(net).or_insert(why);
        match net {
            IpNet::V4(_) => self.lengths_v4.insert(net.prefix_len()),
            IpNet::V6(_) => self.lengths_v6.insert(net.prefix_len()),
        };
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nets.len()
    }

    /// Nobody is guarded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }

    /// The entry that a ban of `target` would hit: one around it, or, for a prefix, one within it.
    #[must_use]
    pub fn hit_by(&self, target: &IpNet) -> Option<Guarded> {
        let lengths = match target {
            IpNet::V4(_) => &self.lengths_v4,
            IpNet::V6(_) => &self.lengths_v6,
        };
        let around = lengths
            .range(..=target.prefix_len())
            .filter_map(|length| IpNet::new(target.addr(), *length).ok())
            .find_map(|net| self.entry(&net.trunc()));
        if around.is_some() || target.prefix_len() == target.max_prefix_len() {
            return around;
        }
        // A prefix comes once in many offences, and guards are few.
        let within = self.nets.keys().find(|net| target.contains(*net))?;
        self.entry(within)
    }

    fn entry(&self, net: &IpNet) -> Option<Guarded> {
        let (net, why) = self.nets.get_key_value(net)?;
        Some(Guarded { net: *net, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_hits_what_is_around_and_what_is_within() {
        let mut guard = Guard::default();
        for net in ["10.0.0.0/8", "203.0.113.7/32", "2001:db8::/32"] {
            guard.add(net.parse().expect(net), "test");
        }
        for (target, hit) in [
            ("10.1.2.3/32", Some("10.0.0.0/8")),
            ("10.1.2.0/24", Some("10.0.0.0/8")),
            ("203.0.113.0/24", Some("203.0.113.7/32")),
            ("203.0.113.7/32", Some("203.0.113.7/32")),
            ("203.0.113.8/32", None),
            ("203.0.112.0/24", None),
            ("2001:db8:1:2::/64", Some("2001:db8::/32")),
            ("2001:db9:1:2::/64", None),
        ] {
            let target: IpNet = target.parse().expect(target);
            let hit = hit.map(|net| net.parse().expect(net));
            assert_eq!(guard.hit_by(&target).map(|hit| hit.net), hit, "{target}");
        }
    }
}
