//! Bans: who may not talk to us, until when, and why.

mod allowed;
mod entry;
mod error;
mod file;
mod listener;
mod maps;
mod score;
mod table;
mod target;
#[cfg(test)]
mod tests;

pub use entry::Ban;
pub use error::BanError;
pub use file::{BanFileError, BanLineError, FileBan, parse_ban_file, read_ban_file};
pub(crate) use maps::BanMaps;
pub use score::ScoreBan;
pub use target::{TargetError, parse_target};

use crate::clock;
use abi::Origin;
use allowed::Allowed;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use table::Table;
use target::is_address;
use types::IpNet;

/// How many bans there may be at one time, for each IP version. A ban beyond is refused with [`BanError::Full`] and
/// counted ([`Bans::refused`]); expired ones make room first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanLimits {
    /// Single addresses. 1,048,576 by default; each takes about 100 bytes here and 130 in the kernel, once used, and 16
    /// in the kernel for a place.
    pub addresses: u32,
    /// Prefixes. 1,048,576 by default; each takes about 100 bytes here and up to 260 in the kernel, once used.
    pub prefixes: u32,
}

impl Default for BanLimits {
    fn default() -> Self {
        Self {
            addresses: abi::limits::ADDRESSES,
            prefixes: abi::limits::PREFIXES,
        }
    }
}

/// What [`Bans::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// A new ban.
    New,
    /// The target was banned already; time and reason are the new ones.
    Updated,
    /// A ban file bans the target without end: nothing to add.
    InFile,
}

/// What [`Bans::replace_file_bans`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileChange {
    /// Bans that are new.
    pub added: usize,
    /// Bans that no file names any more.
    pub removed: usize,
}

/// The list of bans. Cheap to clone, shared by all threads.
///
/// Where a [`Gate`](crate::Gate) is attached, every change reaches the kernel before this list.
#[derive(Clone)]
pub struct Bans {
    shared: Arc<Shared>,
}

struct Shared {
    table: Table,
    /// Who is never banned.
    allowed: RwLock<Allowed>,
    limits: BanLimits,
    /// Held for every change; the maps are there while a gate is.
    writer: Mutex<Option<BanMaps>>,
    refused: AtomicU64,
    /// When a full list last looked for expired bans.
    searched_ns: AtomicU64,
    /// Who is told that there are more bans.
    listener: listener::Told,
}

/// How often a full list looks through all bans for expired ones at most. Between, a further ban is refused at once, so
/// that a flood of bans does not turn into a flood of searches.
const SEARCH_GAP_NS: u64 = 100_000_000;

impl Bans {
    /// An empty list without the kernel path.
    #[must_use]
    pub fn new(limits: BanLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                table: Table::new(),
                allowed: RwLock::default(),
                limits,
                writer: Mutex::new(None),
                refused: AtomicU64::new(0),
                searched_ns: AtomicU64::new(0),
                listener: listener::Told::default(),
            }),
        }
    }

    /// Whether a client at this address is banned now. Without any bans it costs one load; else it takes a lock that
    /// is free almost always. Made to be asked at accept.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.shared.table.contains(address, clock::boot_ns) && !self.is_allowed(address)
    }

    /// Whether the address is on the allow list, where no ban concerns it.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        self.allowed().covers(address.to_canonical())
    }

    /// Makes these the addresses and prefixes that no ban concerns. Bans of them stay in the list, without effect.
    pub fn set_allowed(&self, nets: &[IpNet]) {
        let mut allowed = self
            .shared
            .allowed
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *allowed = Allowed::new(nets);
    }

    fn allowed(&self) -> RwLockReadGuard<'_, Allowed> {
        self.shared
            .allowed
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Bans an address or prefix: for `ttl`, or without end. The reason is shown in lists and logs; 36 bytes of it
    /// are kept.
    ///
    /// # Errors
    /// [`BanError`]; nothing changed then.
    pub fn add(
        &self,
        target: IpNet,
        ttl: Option<Duration>,
        reason: &str,
    ) -> Result<Added, BanError> {
        self.make(target, ttl, reason, Origin::Added, 0)
    }

    fn make(
        &self,
        target: IpNet,
        ttl: Option<Duration>,
        reason: &str,
        origin: Origin,
        repetition: u8,
    ) -> Result<Added, BanError> {
        let target = target::check(target)?;
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            return Err(BanError::ZeroTtl { target });
        }
        if let Some(allowed) = self.allowed().around(&target) {
            return Err(BanError::Allowed { target, allowed });
        }
        let mut writer = self.writer();
        let now_ns = clock::boot_ns();
        let old = self.shared.table.get(&target);
        if old.is_some_and(|old| old.origin == Origin::List as u8) {
            return Ok(Added::InFile);
        }
        if old.is_none() {
            self.make_room(&mut writer, &target, now_ns)?;
        }
        let mut ban = entry::new(&target, now_ns, ttl, origin, reason);
        ban.repetition = repetition;
        if old.is_some() {
            ban.packets = packets(writer.as_ref(), &target);
        }
        self.put(&mut writer, target, ban)?;
        drop(writer);
        self.shared.listener.tell();
        let was_banned = old.is_some_and(|old| !old.is_expired(now_ns));
        Ok(if was_banned {
            Added::Updated
        } else {
            Added::New
        })
    }

    /// Lifts a ban. Says whether there was one; only the very target that was banned is lifted, not a prefix around it.
    ///
    /// # Errors
    /// [`BanError::FromFile`] where a ban file names the target, [`BanError::Kernel`] where the map does not let go.
    pub fn del(&self, target: IpNet) -> Result<bool, BanError> {
        let target = target::check(target)?;
        let mut writer = self.writer();
        let Some(old) = self.shared.table.get(&target) else {
            return Ok(false);
        };
        if old.origin == Origin::List as u8 {
            return Err(BanError::FromFile { target });
        }
        self.take(&mut writer, &target)?;
        Ok(!old.is_expired(clock::boot_ns()))
    }

    /// Every ban that holds now, ordered by target.
    #[must_use]
    pub fn list(&self) -> Vec<Ban> {
        let now_ns = clock::boot_ns();
        let mut bans: Vec<Ban> = self
            .shared
            .table
            .all()
            .into_iter()
            .filter(|(_, ban)| !ban.is_expired(now_ns))
            .map(|(target, ban)| Ban::new(target, &ban, now_ns))
            .collect();
        bans.sort_unstable_by_key(|ban| ban.target);
        let maps = self.writer();
        for ban in &mut bans {
            ban.packets = packets(maps.as_ref(), &ban.target);
        }
        bans
    }

    /// The bans that concern an address, the narrowest first: its own and those of prefixes around it.
    #[must_use]
    pub fn covering(&self, address: IpAddr) -> Vec<Ban> {
        let address = address.to_canonical();
        let mut bans = self.list();
        bans.retain(|ban| ban.target.contains(&address));
        bans.sort_unstable_by_key(|ban| std::cmp::Reverse(ban.target.prefix_len()));
        bans
    }

    /// Lifts every ban that was added at run time, and says how many. Bans from files stay: their files say so.
    ///
    /// # Errors
    /// [`BanError::Kernel`]; bans lifted before stay lifted.
    pub fn flush(&self) -> Result<usize, BanError> {
        self.take_all(|ban| ban.origin != Origin::List as u8)
    }

    /// Removes what has expired, here and in the kernel, and says how much. To be called every few seconds: an expired
    /// ban has no effect, but takes a place.
    ///
    /// # Errors
    /// As [`Bans::flush`].
    pub fn sweep(&self) -> Result<usize, BanError> {
        let now_ns = clock::boot_ns();
        self.take_all(|ban| ban.is_expired(now_ns))
    }

    /// Makes the bans from files exactly these: all of them, or none where they exceed the limits.
    ///
    /// # Errors
    /// [`BanError::Full`] before anything changed; [`BanError::Kernel`] where the map refuses one of them.
    pub fn replace_file_bans(&self, bans: &[FileBan]) -> Result<FileChange, BanError> {
        let mut wanted = HashMap::with_capacity(bans.len());
        for ban in bans {
            wanted.insert(target::check(ban.target)?, ban.reason.as_str());
        }
        let mut writer = self.writer();
        let present = self.shared.table.all();
        let is_stale = |(target, ban): &&(IpNet, abi::Ban)| {
            ban.origin == Origin::List as u8 && !wanted.contains_key(target)
        };
        let stale: Vec<IpNet> = present
            .iter()
            .filter(is_stale)
            .map(|(target, _)| *target)
            .collect();
        self.check_room(&stale, wanted.keys())?;

        for target in &stale {
            self.take(&mut writer, target)?;
        }
        let now_ns = clock::boot_ns();
        let mut added = 0;
        for (target, reason) in wanted {
            let ban = entry::new(&target, now_ns, None, Origin::List, reason);
            let old = self.shared.table.get(&target);
            if old.is_some_and(|old| entry::says_the_same(&old, &ban)) {
                continue;
            }
            self.put(&mut writer, target, ban)?;
            added += usize::from(old.is_none_or(|old| old.origin != Origin::List as u8));
        }
        drop(writer);
        self.shared.listener.tell();
        Ok(FileChange {
            added,
            removed: stale.len(),
        })
    }

    /// Bans in the list, expired ones that wait for the sweep included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.table.len()
    }

    /// Nobody is banned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bans that were refused because a limit was reached, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The limits of this list.
    #[must_use]
    pub fn limits(&self) -> BanLimits {
        self.shared.limits
    }

    /// Whether bans reach the kernel, where they drop packets.
    #[must_use]
    pub fn in_kernel(&self) -> bool {
        self.writer().is_some()
    }

    /// Takes over what the kernel's maps hold and writes every change through to them from now on.
    pub(crate) fn bind(&self, mut maps: BanMaps) -> Result<(), BanError> {
        let now_ns = clock::boot_ns();
        let mut writer = self.writer();
        for (target, ban) in maps
            .all()
            .map_err(|error| BanError::Read(Box::new(error)))?
        {
            if ban.is_expired(now_ns) {
                maps.remove(&target)?;
            } else if self.shared.table.get(&target).is_none() {
                self.shared.table.insert(target, ban);
            }
        }
        let all = self.shared.table.all();
        for (target, ban) in &all {
            let (kind, limit) = self.limit(target);
            if self.shared.table.count_like(target) > limit as usize {
                return Err(BanError::Full { kind, limit });
            }
            maps.insert(target, ban)?;
        }
        *writer = Some(maps);
        drop(writer);
        self.shared.listener.tell();
        Ok(())
    }

    /// Takes over what maps of an older layout hold, and leaves them as they are.
    pub(crate) fn absorb_old(&self, maps: &BanMaps) -> Result<(), BanError> {
        let now_ns = clock::boot_ns();
        let _writer = self.writer();
        let all = maps
            .all()
            .map_err(|error| BanError::Read(Box::new(error)))?;
        for (target, misread) in all {
            let ban = abi::Ban::from_old(&misread);
            if !ban.is_expired(now_ns) && self.shared.table.get(&target).is_none() {
                self.shared.table.insert(target, ban);
            }
        }
        Ok(())
    }

    /// From now on the list stands alone; what is in the maps stays there.
    pub(crate) fn unbind(&self) {
        *self.writer() = None;
    }

    fn writer(&self) -> MutexGuard<'_, Option<BanMaps>> {
        // Every change is whole at each step: the kernel first, then the table.
        self.shared
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn put(
        &self,
        maps: &mut Option<BanMaps>,
        target: IpNet,
        ban: abi::Ban,
    ) -> Result<(), BanError> {
        if let Some(maps) = maps {
            maps.insert(&target, &ban)?;
        }
        self.shared.table.insert(target, ban);
        Ok(())
    }

    fn take(&self, maps: &mut Option<BanMaps>, target: &IpNet) -> Result<(), BanError> {
        if let Some(maps) = maps {
            maps.remove(target)?;
        }
        self.shared.table.remove(target);
        Ok(())
    }

    fn take_all(&self, chosen: impl Fn(&abi::Ban) -> bool) -> Result<usize, BanError> {
        let mut writer = self.writer();
        let mut count = 0;
        for (target, ban) in self.shared.table.all() {
            if chosen(&ban) {
                self.take(&mut writer, &target)?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn limit(&self, target: &IpNet) -> (&'static str, u32) {
        let limits = self.shared.limits;
        match (target, is_address(target)) {
            (IpNet::V4(_), true) => ("IPv4 addresses", limits.addresses),
            (IpNet::V6(_), true) => ("IPv6 addresses", limits.addresses),
            (IpNet::V4(_), false) => ("IPv4 prefixes", limits.prefixes),
            (IpNet::V6(_), false) => ("IPv6 prefixes", limits.prefixes),
        }
    }

    fn full(&self, target: &IpNet) -> BanError {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let (kind, limit) = self.limit(target);
        BanError::Full { kind, limit }
    }

    /// One more of the target's kind: expired ones leave first where there is no place.
    fn make_room(
        &self,
        maps: &mut Option<BanMaps>,
        target: &IpNet,
        now_ns: u64,
    ) -> Result<(), BanError> {
        let limit = self.limit(target).1 as usize;
        if self.shared.table.count_like(target) < limit {
            return Ok(());
        }
        let searched_ns = self.shared.searched_ns.load(Ordering::Relaxed);
        if now_ns.saturating_sub(searched_ns) < SEARCH_GAP_NS {
            return Err(self.full(target));
        }
        self.shared.searched_ns.store(now_ns, Ordering::Relaxed);
        for (expired, ban) in self.shared.table.all() {
            if ban.is_expired(now_ns) {
                self.take(maps, &expired)?;
            }
        }
        if self.shared.table.count_like(target) < limit {
            return Ok(());
        }
        Err(self.full(target))
    }

    /// Whether there is room for all of `wanted` once `leaving` are gone.
    fn check_room<'a>(
        &self,
        leaving: &[IpNet],
        wanted: impl Iterator<Item = &'a IpNet>,
    ) -> Result<(), BanError> {
        let mut more: HashMap<&'static str, i64> = HashMap::new();
        for target in leaving {
            *more.entry(self.limit(target).0).or_default() -= 1;
        }
        for target in wanted.filter(|target| self.shared.table.get(target).is_none()) {
            let (kind, limit) = self.limit(target);
            let more = more.entry(kind).or_default();
            *more += 1;
            let present = i64::try_from(self.shared.table.count_like(target)).unwrap_or(i64::MAX);
            if present.saturating_add(*more) > i64::from(limit) {
                return Err(self.full(target));
            }
        }
        Ok(())
    }
}

/// Packets that a ban has dropped, as the program counted them.
fn packets(maps: Option<&BanMaps>, target: &IpNet) -> u64 {
    maps.and_then(|maps| maps.packets(target)).unwrap_or(0)
}
