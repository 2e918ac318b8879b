//! Bans: who may not talk to us, until when, and why.

mod allowed;
mod entry;
mod error;
mod file;
mod kind;
mod list;
mod listener;
mod maps;
mod mirror;
mod replace;
mod score;
mod table;
mod target;
#[cfg(test)]
mod tests;

pub use entry::Ban;
pub use error::BanError;
pub use file::{BanFileError, BanLineError, FileBan, parse_ban_file, read_ban_file};
pub use list::BanList;
pub(crate) use maps::BanMaps;
pub use score::ScoreBan;
pub use target::{TargetError, parse_target};

use crate::clock;
use abi::Origin;
use allowed::Allowed;
use kind::Kind;
use replace::{Lists, Next};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use table::Table;
use types::IpNet;

/// How many bans there may be at one time, for each IP version. A ban beyond is refused with [`BanError::Full`] and
/// counted ([`Bans::refused`]); expired ones make room first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanLimits {
    /// Single addresses. 1,048,576 by default; each takes 16 or 28 bytes here where a list has it and about 100 where it
    /// was added, 130 in the kernel, once used, and 32 in the kernel for a place.
    pub addresses: u32,
    /// Prefixes. 1,048,576 by default; each takes as much here and up to 260 bytes in the kernel, once used.
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
    /// A ban list bans the target without end. The ban is kept, for when the list does so no longer.
    InFile,
}

/// What [`Bans::replace_lists`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListChange {
    /// Bans that are new.
    pub added: usize,
    /// Bans that no list has any more.
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
    /// What was added. A target may be in a list as well, whose ban counts then.
    table: Table,
    /// What lists ban.
    lists: RwLock<Lists>,
    /// Bans of all lists, readable without a lock.
    listed: AtomicUsize,
    /// Who is never banned.
    allowed: RwLock<Allowed>,
    limits: BanLimits,
    /// Held for every change; the maps are there while a gate is.
    writer: Mutex<Option<BanMaps>>,
    /// Who waits for `writer` to change one ban.
    waiting: AtomicUsize,
    /// Held while lists are replaced.
    replacing: Mutex<()>,
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
                lists: RwLock::default(),
                listed: AtomicUsize::new(0),
                allowed: RwLock::default(),
                limits,
                writer: Mutex::new(None),
                waiting: AtomicUsize::new(0),
                replacing: Mutex::default(),
                refused: AtomicU64::new(0),
                searched_ns: AtomicU64::new(0),
                listener: listener::Told::default(),
            }),
        }
    }

    /// Whether a client at this address is banned now. Without any bans it costs two loads; else it takes a lock that
    /// is free almost always. Made to be asked at accept.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_listed = || {
            self.shared.listed.load(Ordering::Relaxed) != 0 && self.lists().now.contains(address)
        };
        (self.shared.table.contains(address, clock::boot_ns) || is_listed())
            && !self.is_allowed(address)
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
        let mut writer = self.writer_soon();
        let now_ns = clock::boot_ns();
        let old = self.shared.table.get(&target);
        if old.is_none() {
            self.make_room(&mut writer, &target, now_ns)?;
        }
        let mut ban = entry::new(&target, now_ns, ttl, origin, reason);
        ban.repetition = repetition;
        self.enter(&mut writer, &target, Some(ban))?;
        self.shared.table.insert(target, ban);
        drop(writer);
        self.shared.listener.tell();
        let was_banned = old.is_some_and(|old| !old.is_expired(now_ns));
        Ok(if self.lists().now.get(&target).is_some() {
            Added::InFile
        } else if was_banned {
            Added::Updated
        } else {
            Added::New
        })
    }

    /// Lifts a ban. Says whether there was one; only the very target that was banned is lifted, not a prefix around it.
    ///
    /// # Errors
    /// [`BanError::FromFile`] where a ban list has the target, [`BanError::Kernel`] where the map does not let go.
    pub fn del(&self, target: IpNet) -> Result<bool, BanError> {
        let target = target::check(target)?;
        let mut writer = self.writer_soon();
        let old = self.shared.table.get(&target);
        if old.is_some() {
            self.take(&mut writer, &target)?;
        }
        if self.lists().now.get(&target).is_some() {
            return Err(BanError::FromFile { target });
        }
        Ok(old.is_some_and(|old| !old.is_expired(clock::boot_ns())))
    }

    /// Every ban that holds now, ordered by target.
    #[must_use]
    pub fn list(&self) -> Vec<Ban> {
        let listed = self.lists().now;
        let added = self.shared.table.all();
        let added = added.iter().map(|(target, _)| *target);
        let added = added.filter(|target| listed.get(target).is_none());
        let mut targets: Vec<IpNet> = listed.targets().chain(added).collect();
        targets.sort_unstable();
        self.described(&listed, &targets)
    }

    /// Every ban that was added and holds now, ordered by target.
    #[must_use]
    pub fn added_bans(&self) -> Vec<Ban> {
        let now_ns = clock::boot_ns();
        let mut added = self.shared.table.all();
        added.retain(|(_, ban)| !ban.is_expired(now_ns));
        added.sort_unstable_by_key(|(target, _)| *target);
        let bans = added.into_iter();
        bans.map(|(target, ban)| Ban::new(target, &ban, now_ns, None))
            .collect()
    }

    /// The bans that concern an address, the narrowest first: its own and those of prefixes around it.
    #[must_use]
    pub fn covering(&self, address: IpAddr) -> Vec<Ban> {
        let address = address.to_canonical();
        let listed = self.lists().now;
        let mut targets = listed.around(address);
        targets.extend(self.shared.table.around(address));
        targets.sort_unstable_by_key(|target| std::cmp::Reverse(target.prefix_len()));
        targets.dedup();
        self.described(&listed, &targets)
    }

    /// The bans of these targets that hold.
    fn described(&self, listed: &BanList, targets: &[IpNet]) -> Vec<Ban> {
        let now_ns = clock::boot_ns();
        let counted = self.packets(targets);
        let describe = |target: &IpNet| {
            let (ban, source) = match listed.get(target) {
                Some(ban) => (ban, listed.source(target)),
                None => (self.added(target)?, None),
            };
            let mut ban = Ban::new(*target, &ban, now_ns, source);
            ban.packets = counted.get(target).copied().unwrap_or(0);
            Some(ban)
        };
        targets.iter().filter_map(describe).collect()
    }

    /// Lifts every ban that was added at run time, and says how many. Bans of lists stay: their sources say so.
    ///
    /// # Errors
    /// [`BanError::Kernel`]; bans lifted before stay lifted.
    pub fn flush(&self) -> Result<usize, BanError> {
        self.take_all(|_| true)
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

    /// How many bans lists have.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.shared.listed.load(Ordering::Relaxed)
    }

    /// Bans of lists and those that were added, expired ones that wait for the sweep included. What both have counts
    /// twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed() + self.shared.table.len()
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

    /// As `writer`, for one ban: whoever replaces lists lets go soon.
    fn writer_soon(&self) -> MutexGuard<'_, Option<BanMaps>> {
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        let writer = self.writer();
        self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
        writer
    }

    fn replacing(&self) -> MutexGuard<'_, ()> {
        self.shared
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> Lists {
        self.shared
            .lists
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_lists(&self, now: &Arc<BanList>, next: Option<Next>) {
        let now = Arc::clone(now);
        self.shared.listed.store(now.len(), Ordering::Relaxed);
        let mut lists = self
            .shared
            .lists
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *lists = Lists { now, next };
    }

    /// The ban of a target that was added, if it still holds.
    fn added(&self, target: &IpNet) -> Option<abi::Ban> {
        let ban = self.shared.table.get(target);
        ban.filter(|ban| !ban.is_expired(clock::boot_ns()))
    }

    fn take(&self, maps: &mut Option<BanMaps>, target: &IpNet) -> Result<(), BanError> {
        self.enter(maps, target, None)?;
        self.shared.table.remove(target);
        Ok(())
    }

    fn take_all(&self, chosen: impl Fn(&abi::Ban) -> bool) -> Result<usize, BanError> {
        if self.shared.table.len() == 0 {
            return Ok(0);
        }
        let mut all = self.shared.table.all();
        all.retain(|(_, ban)| chosen(ban));
        for (target, _) in &all {
            let mut writer = self.writer_soon();
            // Whoever banned it again in the meantime wants it banned.
            if self
                .shared
                .table
                .get(target)
                .is_some_and(|ban| chosen(&ban))
            {
                self.take(&mut writer, target)?;
            }
        }
        Ok(all.len())
    }

    fn full(&self, kind: Kind) -> BanError {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        BanError::Full {
            kind: kind.name(),
            limit: kind.limit(self.shared.limits),
            setting: kind.setting(),
        }
    }

    /// Whether there is a place for one more.
    fn has_room(&self, kind: Kind) -> bool {
        let lists = self.lists();
        let next = lists.next.map_or(0, |next| next.list.count(kind));
        let listed = lists.now.count(kind).max(next);
        listed + self.shared.table.count(kind) < kind.limit(self.shared.limits) as usize
    }

    /// One more of the target's kind: expired ones leave first where there is no place.
    fn make_room(
        &self,
        maps: &mut Option<BanMaps>,
        target: &IpNet,
        now_ns: u64,
    ) -> Result<(), BanError> {
        let kind = Kind::of(target);
        if self.has_room(kind) {
            return Ok(());
        }
        let searched_ns = self.shared.searched_ns.load(Ordering::Relaxed);
        if now_ns.saturating_sub(searched_ns) < SEARCH_GAP_NS {
            return Err(self.full(kind));
        }
        self.shared.searched_ns.store(now_ns, Ordering::Relaxed);
        for (expired, ban) in self.shared.table.all() {
            if ban.is_expired(now_ns) {
                self.take(maps, &expired)?;
            }
        }
        if self.has_room(kind) {
            return Ok(());
        }
        Err(self.full(kind))
    }
}
