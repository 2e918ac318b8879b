//! The bans that were added, in memory: what workers ask at accept, beside the lists.
//!
//! Pure: the caller passes the time. Reads are frequent and short, writes rare.

use super::kind::Kind;
use super::target::is_address;
use abi::Ban;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use types::IpNet;

/// Addresses are spread over as many maps, so that a write holds up few reads.
const SHARDS: usize = 16;

pub(super) struct Table {
    addresses: [RwLock<HashMap<IpAddr, Ban>>; SHARDS],
    prefixes: RwLock<Prefixes>,
    /// How many there are of each kind, readable without a lock: most hosts have none most of the time.
    counts: [AtomicUsize; Kind::ALL.len()],
    hasher: RandomState,
}

#[derive(Default)]
struct Prefixes {
    bans: HashMap<IpNet, Ban>,
    /// The lengths in use and how many prefixes have each: a lookup tries these alone.
    lengths_v4: BTreeMap<u8, usize>,
    lengths_v6: BTreeMap<u8, usize>,
}

impl Prefixes {
    fn lengths(&mut self, target: &IpNet) -> &mut BTreeMap<u8, usize> {
        match target {
            IpNet::V4(_) => &mut self.lengths_v4,
            IpNet::V6(_) => &mut self.lengths_v6,
        }
    }

    fn insert(&mut self, target: IpNet, ban: Ban) -> Option<Ban> {
        let old = self.bans.insert(target, ban);
        if old.is_none() {
            *self
                .lengths(&target)
                .entry(target.prefix_len())
                .or_default() += 1;
        }
        old
    }

    fn remove(&mut self, target: &IpNet) -> Option<Ban> {
        let old = self.bans.remove(target)?;
        let lengths = self.lengths(target);
        if let Some(count) = lengths.get_mut(&target.prefix_len()) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&target.prefix_len());
            }
        }
        Some(old)
    }

    fn covers(&self, address: IpAddr, now_ns: u64) -> bool {
        self.candidates(address)
            .filter_map(|net| self.bans.get(&net))
            .any(|ban| !ban.is_expired(now_ns))
    }

    fn around(&self, address: IpAddr) -> Vec<IpNet> {
        self.candidates(address)
            .filter(|net| self.bans.contains_key(net))
            .collect()
    }

    /// The prefixes around an address that may be banned.
    fn candidates(&self, address: IpAddr) -> impl Iterator<Item = IpNet> {
        let lengths = match address {
            IpAddr::V4(_) => &self.lengths_v4,
            IpAddr::V6(_) => &self.lengths_v6,
        };
        lengths
            .keys()
            .filter_map(move |length| IpNet::new(address, *length).ok())
            .map(|net| net.trunc())
    }
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            addresses: std::array::from_fn(|_| RwLock::default()),
            prefixes: RwLock::default(),
            counts: std::array::from_fn(|_| AtomicUsize::new(0)),
            hasher: RandomState::new(),
        }
    }

    /// Whether the address is banned. `now_ns` is only asked where an entry is found.
    pub(super) fn contains(&self, address: IpAddr, now_ns: impl Fn() -> u64) -> bool {
        let address = address.to_canonical();
        let (addresses, prefixes) = match address {
            IpAddr::V4(_) => (Kind::AddressV4, Kind::PrefixV4),
            IpAddr::V6(_) => (Kind::AddressV6, Kind::PrefixV6),
        };
        if self.count(addresses) != 0
            && read(self.shard(&address))
                .get(&address)
                .is_some_and(|ban| !ban.is_expired(now_ns()))
        {
            return true;
        }
        self.count(prefixes) != 0 && read(&self.prefixes).covers(address, now_ns())
    }

    pub(super) fn get(&self, target: &IpNet) -> Option<Ban> {
        if is_address(target) {
            read(self.shard(&target.addr()))
                .get(&target.addr())
                .copied()
        } else {
            read(&self.prefixes).bans.get(target).copied()
        }
    }

    pub(super) fn insert(&self, target: IpNet, ban: Ban) -> Option<Ban> {
        let old = if is_address(&target) {
            write(self.shard(&target.addr())).insert(target.addr(), ban)
        } else {
            write(&self.prefixes).insert(target, ban)
        };
        if old.is_none() {
            self.counter(&target).fetch_add(1, Ordering::Relaxed);
        }
        old
    }

    pub(super) fn remove(&self, target: &IpNet) -> Option<Ban> {
        let old = if is_address(target) {
            write(self.shard(&target.addr())).remove(&target.addr())
        } else {
            write(&self.prefixes).remove(target)
        };
        if old.is_some() {
            self.counter(target).fetch_sub(1, Ordering::Relaxed);
        }
        old
    }

    /// Bans of one kind.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    fn counter(&self, target: &IpNet) -> &AtomicUsize {
        &self.counts[Kind::of(target) as usize]
    }

    pub(super) fn len(&self) -> usize {
        Kind::ALL.iter().map(|kind| self.count(*kind)).sum()
    }

    /// Every target that has the address in it.
    pub(super) fn around(&self, address: IpAddr) -> Vec<IpNet> {
        let mut around = read(&self.prefixes).around(address);
        if read(self.shard(&address)).contains_key(&address) {
            around.push(address.into());
        }
        around
    }

    /// All bans, expired ones too, addresses first.
    pub(super) fn all(&self) -> Vec<(IpNet, Ban)> {
        let mut all = Vec::with_capacity(self.len());
        for shard in &self.addresses {
            all.extend(
                read(shard)
                    .iter()
                    .map(|(address, ban)| (IpNet::from(*address), *ban)),
            );
        }
        all.extend(
            read(&self.prefixes)
                .bans
                .iter()
                .map(|(net, ban)| (*net, *ban)),
        );
        all
    }

    fn shard(&self, address: &IpAddr) -> &RwLock<HashMap<IpAddr, Ban>> {
        // A hash with a secret: clients choose their IPv6 addresses.
        let hash = self.hasher.hash_one(address);
        &self.addresses[(hash % SHARDS as u64) as usize]
    }
}

/// A panic while a lock is held leaves the maps whole: every write is a single insert or remove.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
