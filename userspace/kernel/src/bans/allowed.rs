//! Who is never banned.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use types::IpNet;

/// The allow list, to be asked where a ban was found.
#[derive(Default)]
pub(super) struct Allowed {
    nets: HashSet<IpNet>,
    /// The lengths in use, longest last: a look-up tries these alone.
    lengths: BTreeSet<u8>,
}

impl Allowed {
    pub(super) fn new(nets: &[IpNet]) -> Self {
        Self {
            nets: nets.iter().map(IpNet::trunc).collect(),
            lengths: nets.iter().map(IpNet::prefix_len).collect(),
        }
    }

    pub(super) fn covers(&self, address: IpAddr) -> bool {
        self.around(&IpNet::from(address)).is_some()
    }

    /// The entry that has all of a prefix.
    pub(super) fn around(&self, target: &IpNet) -> Option<IpNet> {
        let lengths = self.lengths.range(..=target.prefix_len());
        lengths
            .filter_map(|length| IpNet::new(target.addr(), *length).ok())
            .map(|net| net.trunc())
            .find(|net| self.nets.contains(net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_what_lies_within_its_entries() {
        let nets = ["10.0.0.0/8", "203.0.113.7/32", "2001:db8::/32"];
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().expect(net)).collect();
        let allowed = Allowed::new(&nets);
        for (target, around) in [
            ("10.1.2.3/32", Some("10.0.0.0/8")),
            ("10.1.0.0/16", Some("10.0.0.0/8")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.0/7", None),
            ("203.0.113.7/32", Some("203.0.113.7/32")),
            ("203.0.113.6/32", None),
            ("2001:db8:1::/48", Some("2001:db8::/32")),
            ("2001:db9::/48", None),
        ] {
            let target: IpNet = target.parse().expect(target);
            let around = around.map(|net| net.parse().expect(net));
            assert_eq!(allowed.around(&target), around, "{target}");
        }
        assert!(!Allowed::default().covers("10.0.0.1".parse().expect("an address")));
    }
}
