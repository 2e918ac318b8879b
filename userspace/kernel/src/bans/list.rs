//! What ban lists ban: sorted, never changed, replaced as a whole. A list of a million IPv4 addresses takes 16 MB.

use super::FileBan;
use super::entry::{self, Reason};
use super::kind::Kind;
use super::target::{self, TargetError};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use types::IpNet;

/// The bans of one list, or of several put together.
#[derive(Clone, Debug, Default)]
pub struct BanList {
    pub(super) addresses_v4: Sorted<[u8; 4]>,
    pub(super) addresses_v6: Sorted<[u8; 16]>,
    pub(super) prefixes_v4: Sorted<[u8; 4]>,
    pub(super) prefixes_v6: Sorted<[u8; 16]>,
    causes: Vec<Cause>,
}

/// Why a list bans something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cause {
    /// The list: a file, a URL, or the name that it was loaded under. Empty where it is not known yet, after a restart.
    pub(super) source: Arc<str>,
    pub(super) reason: Reason,
}

/// The octets of an address, in network order: they sort as addresses do.
pub(super) trait Octets: Copy + Ord + AsRef<[u8]> {
    fn address(self) -> IpAddr;
    /// The address with nothing behind its first bits.
    fn cut(self, bits: u8) -> Self;
}

impl Octets for [u8; 4] {
    fn address(self) -> IpAddr {
        self.into()
    }

    fn cut(self, bits: u8) -> Self {
        let mask = u32::MAX
            .checked_shl(32 - u32::from(bits.min(32)))
            .unwrap_or(0);
        (u32::from_be_bytes(self) & mask).to_be_bytes()
    }
}

impl Octets for [u8; 16] {
    fn address(self) -> IpAddr {
        self.into()
    }

    fn cut(self, bits: u8) -> Self {
        let mask = u128::MAX
            .checked_shl(128 - u32::from(bits.min(128)))
            .unwrap_or(0);
        (u128::from_be_bytes(self) & mask).to_be_bytes()
    }
}

/// One ban of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed<A> {
    pub(super) address: A,
    /// Bits of the prefix; all of them for an address.
    pub(super) length: u8,
    /// A wider prefix of the same list has all of it.
    pub(super) is_nested: bool,
    /// The index of its cause.
    cause: u32,
    /// Seconds of the boot clock when a list had it first; 0 where that is not known yet.
    pub(super) added_s: u32,
}

impl<A: Octets> Listed<A> {
    /// The order of lists: wider prefixes stand before what they have in them.
    pub(super) fn place(&self) -> (A, u8) {
        (self.address, self.length)
    }

    pub(super) fn target(&self) -> Option<IpNet> {
        IpNet::new(self.address.address(), self.length).ok()
    }
}

/// The bans of one kind in their order, each target once.
#[derive(Clone, Debug)]
pub(super) struct Sorted<A> {
    entries: Vec<Listed<A>>,
    /// Lengths that there are: a look-up tries these alone.
    lengths: Vec<u8>,
}

impl<A> Default for Sorted<A> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            lengths: Vec::new(),
        }
    }
}

impl<A: Octets> Sorted<A> {
    /// Of several entries for one target the first stays.
    fn new(mut entries: Vec<Listed<A>>) -> Self {
        entries.sort_by_key(Listed::place);
        entries.dedup_by_key(|entry| entry.place());
        entries.shrink_to_fit();
        let mut has_length = [false; 129];
        // The last prefix that is in no other.
        let mut around: Option<(A, u8)> = None;
        for entry in &mut entries {
            entry.is_nested = around.is_some_and(|(address, length)| {
                length < entry.length && entry.address.cut(length) == address
            });
            if !entry.is_nested {
                around = Some(entry.place());
            }
            if let Some(has) = has_length.get_mut(usize::from(entry.length)) {
                *has = true;
            }
        }
        let lengths = (0..=128).filter(|length| has_length[usize::from(*length)]);
        Self {
            entries,
            lengths: lengths.collect(),
        }
    }

    pub(super) fn entries(&self) -> &[Listed<A>] {
        &self.entries
    }

    fn get(&self, address: A, length: u8) -> Option<&Listed<A>> {
        let place = (address, length);
        let index = self.entries.binary_search_by_key(&place, Listed::place);
        self.entries.get(index.ok()?)
    }

    /// Every entry that has the address in it, the widest first.
    fn around(&self, address: A) -> impl Iterator<Item = &Listed<A>> {
        let lengths = self.lengths.iter();
        lengths.filter_map(move |length| self.get(address.cut(*length), *length))
    }
}

impl BanList {
    /// The bans of a list. What comes twice counts once, with the first reason.
    ///
    /// # Errors
    /// A target that cannot be banned; [`parse_ban_file`](super::parse_ban_file) finds those earlier, with their lines.
    pub fn new(source: &str, bans: &[FileBan]) -> Result<Self, TargetError> {
        let source: Arc<str> = source.into();
        let mut builder = Builder::default();
        let mut before: Option<(&str, u32)> = None;
        for ban in bans {
            let target = target::check(ban.target)?;
            // Most lines of a list have the same reason as the one before.
            let cause = match before {
                Some((reason, cause)) if reason == &*ban.reason => cause,
                _ => builder.cause(Cause {
                    source: Arc::clone(&source),
                    reason: entry::kept(&ban.reason),
                }),
            };
            before = Some((&ban.reason, cause));
            builder.add(&target, cause, 0);
        }
        Ok(builder.build())
    }

    /// Bans that maps of an earlier process have.
    pub(super) fn of_maps<'a>(bans: impl Iterator<Item = &'a (IpNet, abi::Ban)>) -> Self {
        let source: Arc<str> = "".into();
        let mut builder = Builder::default();
        for (target, ban) in bans {
            let cause = builder.cause(Cause {
                source: Arc::clone(&source),
                reason: Reason::of(ban),
            });
            builder.add(target, cause, ban.added_s);
        }
        builder.build()
    }

    /// Several lists as one. Of a target that several have the first list's reason counts.
    pub(super) fn joined(lists: &[Arc<Self>]) -> Self {
        let mut builder = Builder::default();
        for list in lists {
            let causes: Vec<u32> = list
                .causes
                .iter()
                .map(|cause| builder.cause(cause.clone()))
                .collect();
            let with_cause = |at: u32| causes.get(at as usize).copied().unwrap_or_default();
            extend(&mut builder.addresses_v4, &list.addresses_v4, with_cause);
            extend(&mut builder.addresses_v6, &list.addresses_v6, with_cause);
            extend(&mut builder.prefixes_v4, &list.prefixes_v4, with_cause);
            extend(&mut builder.prefixes_v6, &list.prefixes_v6, with_cause);
        }
        builder.build()
    }

    /// Dates every ban: what `old` has since when that has it, everything else `now_s`.
    pub(super) fn date(&mut self, old: &Self, now_s: u32) {
        date(&mut self.addresses_v4, &old.addresses_v4, now_s);
        date(&mut self.addresses_v6, &old.addresses_v6, now_s);
        date(&mut self.prefixes_v4, &old.prefixes_v4, now_s);
        date(&mut self.prefixes_v6, &old.prefixes_v6, now_s);
    }

    /// How many bans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        Kind::ALL.iter().map(|kind| self.count(*kind)).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::AddressV4 => self.addresses_v4.entries.len(),
            Kind::AddressV6 => self.addresses_v6.entries.len(),
            Kind::PrefixV4 => self.prefixes_v4.entries.len(),
            Kind::PrefixV6 => self.prefixes_v6.entries.len(),
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                let octets = v4.octets();
                self.addresses_v4.get(octets, 32).is_some()
                    || self.prefixes_v4.around(octets).next().is_some()
            }
            IpAddr::V6(v6) => {
                let octets = v6.octets();
                self.addresses_v6.get(octets, 128).is_some()
                    || self.prefixes_v6.around(octets).next().is_some()
            }
        }
    }

    /// The ban of this very target, as maps have it.
    pub(super) fn get(&self, target: &IpNet) -> Option<abi::Ban> {
        let (length, cause, added_s, _) = self.find(target)?;
        Some(entry::listed(length, added_s, cause.reason))
    }

    /// The list that has this very target.
    pub(super) fn source(&self, target: &IpNet) -> Option<Arc<str>> {
        let (_, cause, ..) = self.find(target)?;
        (!cause.source.is_empty()).then(|| Arc::clone(&cause.source))
    }

    /// Whether a wider prefix has all of this very target, which is in the list.
    pub(super) fn is_nested(&self, target: &IpNet) -> bool {
        self.find(target).is_some_and(|(.., is_nested)| is_nested)
    }

    fn find(&self, target: &IpNet) -> Option<(u8, &Cause, u32, bool)> {
        let length = target.prefix_len();
        let is_address = matches!(Kind::of(target), Kind::AddressV4 | Kind::AddressV6);
        match (target.addr(), is_address) {
            (IpAddr::V4(v4), true) => self.told(self.addresses_v4.get(v4.octets(), length)),
            (IpAddr::V4(v4), false) => self.told(self.prefixes_v4.get(v4.octets(), length)),
            (IpAddr::V6(v6), true) => self.told(self.addresses_v6.get(v6.octets(), length)),
            (IpAddr::V6(v6), false) => self.told(self.prefixes_v6.get(v6.octets(), length)),
        }
    }

    fn told<A>(&self, entry: Option<&Listed<A>>) -> Option<(u8, &Cause, u32, bool)> {
        let entry = entry?;
        let cause = self.cause(entry)?;
        Some((entry.length, cause, entry.added_s, entry.is_nested))
    }

    /// Every target, kind by kind in order.
    pub(super) fn targets(&self) -> impl Iterator<Item = IpNet> {
        let v4 = [&self.addresses_v4, &self.prefixes_v4];
        let v6 = [&self.addresses_v6, &self.prefixes_v6];
        let v4 = v4.into_iter().flat_map(Sorted::entries);
        let v6 = v6.into_iter().flat_map(Sorted::entries);
        v4.filter_map(Listed::target)
            .chain(v6.filter_map(Listed::target))
    }

    /// Every target that has the address in it.
    pub(super) fn around(&self, address: IpAddr) -> Vec<IpNet> {
        match address {
            IpAddr::V4(v4) => {
                let octets = v4.octets();
                let prefixes = self.prefixes_v4.around(octets);
                let all = prefixes.chain(self.addresses_v4.around(octets));
                all.filter_map(Listed::target).collect()
            }
            IpAddr::V6(v6) => {
                let octets = v6.octets();
                let prefixes = self.prefixes_v6.around(octets);
                let all = prefixes.chain(self.addresses_v6.around(octets));
                all.filter_map(Listed::target).collect()
            }
        }
    }

    /// Why an entry is banned.
    pub(super) fn cause<A>(&self, entry: &Listed<A>) -> Option<&Cause> {
        self.causes.get(entry.cause as usize)
    }

    /// An entry of this list as maps have it.
    pub(super) fn ban<A>(&self, entry: &Listed<A>) -> abi::Ban {
        let reason = self.cause(entry).map(|cause| cause.reason);
        entry::listed(entry.length, entry.added_s, reason.unwrap_or_default())
    }
}

fn extend<A: Octets>(to: &mut Vec<Listed<A>>, from: &Sorted<A>, cause: impl Fn(u32) -> u32) {
    to.extend(from.entries.iter().map(|entry| Listed {
        cause: cause(entry.cause),
        ..*entry
    }));
}

fn date<A: Octets>(new: &mut Sorted<A>, old: &Sorted<A>, now_s: u32) {
    let mut rest = old.entries.as_slice();
    for entry in &mut new.entries {
        let place = entry.place();
        let skipped = rest.iter().take_while(|old| old.place() < place).count();
        rest = rest.get(skipped..).unwrap_or_default();
        let same = rest.first().filter(|old| old.place() == place);
        entry.added_s = same.map_or(now_s, |old| old.added_s);
    }
}

/// A list that comes into being.
#[derive(Default)]
struct Builder {
    addresses_v4: Vec<Listed<[u8; 4]>>,
    addresses_v6: Vec<Listed<[u8; 16]>>,
    prefixes_v4: Vec<Listed<[u8; 4]>>,
    prefixes_v6: Vec<Listed<[u8; 16]>>,
    causes: HashMap<Cause, u32>,
}

impl Builder {
    fn cause(&mut self, cause: Cause) -> u32 {
        let next = self.causes.len() as u32;
        *self.causes.entry(cause).or_insert(next)
    }

    fn add(&mut self, target: &IpNet, cause: u32, added_s: u32) {
        match (target.addr(), Kind::of(target)) {
            (IpAddr::V4(v4), kind) => {
                let entry = listed(v4.octets(), target, cause, added_s);
                match kind {
                    Kind::AddressV4 => self.addresses_v4.push(entry),
                    _ => self.prefixes_v4.push(entry),
                }
            }
            (IpAddr::V6(v6), kind) => {
                let entry = listed(v6.octets(), target, cause, added_s);
                match kind {
                    Kind::AddressV6 => self.addresses_v6.push(entry),
                    _ => self.prefixes_v6.push(entry),
                }
            }
        }
    }

    fn build(self) -> BanList {
        let mut causes: Vec<(Cause, u32)> = self.causes.into_iter().collect();
        causes.sort_unstable_by_key(|(_, index)| *index);
        BanList {
            addresses_v4: Sorted::new(self.addresses_v4),
            addresses_v6: Sorted::new(self.addresses_v6),
            prefixes_v4: Sorted::new(self.prefixes_v4),
            prefixes_v6: Sorted::new(self.prefixes_v6),
            causes: causes.into_iter().map(|(cause, _)| cause).collect(),
        }
    }
}

fn listed<A>(address: A, target: &IpNet, cause: u32, added_s: u32) -> Listed<A> {
    Listed {
        address,
        length: target.prefix_len(),
        is_nested: false,
        cause,
        added_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(targets: &[&str]) -> BanList {
        let ban = |target: &&str| FileBan {
            target: target.parse().expect("a prefix"),
            reason: "why".into(),
        };
        let bans: Vec<FileBan> = targets.iter().map(ban).collect();
        BanList::new("list.txt", &bans).expect("a list")
    }

    fn nested(list: &BanList) -> Vec<String> {
        let v4 = list.prefixes_v4.entries().iter();
        let v6 = list.prefixes_v6.entries().iter();
        let v4 = v4.filter(|e| e.is_nested).filter_map(Listed::target);
        let v6 = v6.filter(|e| e.is_nested).filter_map(Listed::target);
        v4.chain(v6).map(|target| target.to_string()).collect()
    }

    #[test]
    fn what_lies_in_a_wider_prefix_is_known() {
        let list = list(&[
            "10.1.0.0/16",
            "10.1.2.0/24",
            "10.0.0.0/8",
            "11.0.0.0/8",
            "10.1.2.3/32",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "2001:db9::/48",
        ]);
        let expected = ["10.1.0.0/16", "10.1.2.0/24", "2001:db8:1::/48"];
        assert_eq!(nested(&list), expected);
        assert_eq!((list.len(), list.count(Kind::AddressV4)), (8, 1));
    }

    #[test]
    fn addresses_are_found_by_any_prefix_around_them() {
        let list = list(&[
            "10.1.0.0/16",
            "203.0.113.7/32",
            "2001:db8::/33",
            "0.0.0.0/1",
        ]);
        for (address, found) in [
            ("10.1.255.255", 2),
            ("10.2.0.0", 1),
            ("203.0.113.7", 1),
            ("203.0.113.8", 0),
            ("2001:db8:7fff::1", 1),
            ("2001:db8:8000::1", 0),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(list.around(address).len(), found, "{address}");
            assert_eq!(list.contains(address), found > 0, "{address}");
        }
    }

    #[test]
    fn lists_are_joined_and_keep_their_dates() {
        let mut old = list(&["10.0.0.1/32", "10.0.0.3/32"]);
        old.date(&BanList::default(), 5);
        let again = ["10.0.0.3/32", "10.0.0.2/32", "10.0.0.3/32"];
        let mut new = BanList::joined(&[Arc::new(list(&again)), Arc::new(list(&["10.0.0.9/32"]))]);
        new.date(&old, 7);
        let dates: Vec<u32> = new
            .addresses_v4
            .entries()
            .iter()
            .map(|e| e.added_s)
            .collect();
        assert_eq!(dates, [7, 5, 7]);
    }
}
