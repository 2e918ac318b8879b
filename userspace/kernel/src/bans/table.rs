//! The list of bans in memory: what workers ask at accept and what the maps in the kernel mirror.
//!
//! Pure: the caller passes the time. Reads are frequent and short, writes rare.

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
    counts: Counts,
    hasher: RandomState,
}

/// How many there are, readable without a lock: most hosts have none most of the time.
#[derive(Default)]
struct Counts {
    addresses_v4: AtomicUsize,
    addresses_v6: AtomicUsize,
    prefixes_v4: AtomicUsize,
    prefixes_v6: AtomicUsize,
}

impl Counts {
    fn of(&self, target: &IpNet) -> &AtomicUsize {
        match (target, is_address(target)) {
            (IpNet::V4(_), true) => &self.addresses_v4,
            (IpNet::V6(_), true) => &self.addresses_v6,
            (IpNet::V4(_), false) => &self.prefixes_v4,
            (IpNet::V6(_), false) => &self.prefixes_v6,
        }
    }
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
        let lengths = match address {
            IpAddr::V4(_) => &self.lengths_v4,
            IpAddr::V6(_) => &self.lengths_v6,
        };
        lengths.keys().any(|length| {
            IpNet::new(address, *length)
                .ok()
                .and_then(|net| self.bans.get(&net.trunc()))
                .is_some_and(|ban| !ban.is_expired(now_ns))
        })
    }
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            addresses: std::array::from_fn(|_| RwLock::default()),
            prefixes: RwLock::default(),
            counts: Counts::default(),
            hasher: RandomState::new(),
        }
    }

    /// Whether the address is banned. `now_ns` is only asked where an entry is found.
    pub(super) fn contains(&self, address: IpAddr, now_ns: impl Fn() -> u64) -> bool {
        let address = address.to_canonical();
        let (addresses, prefixes) = match address {
            IpAddr::V4(_) => (&self.counts.addresses_v4, &self.counts.prefixes_v4),
            IpAddr::V6(_) => (&self.counts.addresses_v6, &self.counts.prefixes_v6),
        };
        if addresses.load(Ordering::Relaxed) != 0
            && read(self.shard(&address))
                .get(&address)
                .is_some_and(|ban| !ban.is_expired(now_ns()))
        {
            return true;
        }
        prefixes.load(Ordering::Relaxed) != 0 && read(&self.prefixes).covers(address, now_ns())
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
            self.counts.of(&target).fetch_add(1, Ordering::Relaxed);
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
            self.counts.of(target).fetch_sub(1, Ordering::Relaxed);
        }
        old
    }

    /// Bans of the target's kind (version, address or prefix).
    pub(super) fn count_like(&self, target: &IpNet) -> usize {
        self.counts.of(target).load(Ordering::Relaxed)
    }

    pub(super) fn len(&self) -> usize {
        let counts = &self.counts;
        [
            &counts.addresses_v4,
            &counts.addresses_v6,
            &counts.prefixes_v4,
            &counts.prefixes_v6,
        ]
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum()
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
