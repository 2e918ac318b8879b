//! The bans in the kernel's maps: taken over at the start, written through from then on.

use super::kind::Kind;
use super::list::BanList;
use super::replace::{settled, staged};
use super::{BanError, BanMaps, Bans};
use crate::clock;
use abi::{Lists as Generations, Origin};
use std::collections::HashMap;
use std::sync::Arc;
use types::IpNet;

/// Counters that are asked for one by one. More are read with the whole map.
const PACKETS_READ_SINGLY: usize = 256;

/// What maps had in them.
#[derive(Default)]
struct Found {
    listed: Vec<(IpNet, abi::Ban)>,
    added: HashMap<IpNet, abi::Ban>,
}

impl Found {
    fn take(&mut self, target: IpNet, ban: abi::Ban) {
        if ban.origin == Origin::List as u8 {
            self.listed.push((target, ban));
        } else {
            self.added.insert(target, ban);
        }
    }
}

impl Bans {
    /// Takes over what the kernel's maps hold and writes every change through to them from now on.
    pub(crate) fn bind(&self, mut maps: BanMaps) -> Result<(), BanError> {
        let before = {
            let _one_at_a_time = self.replacing();
            let mut writer = self.writer();
            let found = self.adopt(&mut maps)?;
            let before = self.lists().now;
            self.set_lists(&Arc::new(BanList::of_maps(found.listed.iter())), None);
            self.check_limits()?;
            for (target, ban) in self.shared.table.all() {
                if found.added.get(&target) != Some(&ban) && self.lists().now.get(&target).is_none()
                {
                    maps.put(&target, &ban)?;
                }
            }
            *writer = Some(maps);
            before
        };
        // What was loaded here is newer than what another process left.
        if !before.is_empty() {
            self.replace_lists(&[before])?;
        }
        self.shared.listener.tell();
        Ok(())
    }

    /// Reads the maps; what has expired or counts no more leaves them, and what was added joins ours.
    fn adopt(&self, maps: &mut BanMaps) -> Result<Found, BanError> {
        let now_ns = clock::boot_ns();
        let generation = maps.generation().map_err(BanError::Read)?;
        let next = generation.wrapping_add(1) & Generations::LAST;
        let mut found = Found::default();
        let mut stale = Vec::new();
        let mut marked = Vec::new();
        maps.read(|target, mut ban| {
            if ban.is_expired(now_ns) || !ban.lists.hold_in(generation) {
                stale.push(target);
                return;
            }
            if !ban.lists.hold_in(next) {
                // A process died while it replaced the lists: the next replacement would end it.
                ban.lists = Generations::ALWAYS;
                marked.push((target, ban));
            }
            found.take(target, ban);
        })
        .map_err(BanError::Read)?;
        stale.iter().try_for_each(|target| maps.remove(target))?;
        marked
            .iter()
            .try_for_each(|(target, ban)| maps.put(target, ban))?;
        self.join(&found);
        Ok(found)
    }

    /// Takes over what maps of an older layout hold, and leaves them as they are.
    pub(crate) fn absorb_old(&self, mut maps: BanMaps) -> Result<(), BanError> {
        let now_ns = clock::boot_ns();
        let _writer = self.writer();
        let mut found = Found::default();
        maps.read(|target, misread| {
            let ban = abi::Ban::from_old(&misread);
            if !ban.is_expired(now_ns) {
                found.take(target, ban);
            }
        })
        .map_err(BanError::Read)?;
        self.join(&found);
        self.set_lists(&Arc::new(BanList::of_maps(found.listed.iter())), None);
        Ok(())
    }

    /// Bans that were added join ours. Of those that are known here the maps know since when they are.
    fn join(&self, found: &Found) {
        for (target, ban) in &found.added {
            let known = self.shared.table.get(target);
            let joined = known.map_or(*ban, |known| abi::Ban {
                added_s: ban.added_s,
                packets: ban.packets,
                ..known
            });
            self.shared.table.insert(*target, joined);
        }
    }

    fn check_limits(&self) -> Result<(), BanError> {
        let too_many = |kind: &Kind| {
            let limit = kind.limit(self.shared.limits) as usize;
            self.lists().now.count(*kind) > limit || self.shared.table.count(*kind) > limit
        };
        let kind = Kind::ALL.into_iter().find(too_many);
        kind.map_or(Ok(()), |kind| Err(self.full(kind)))
    }

    /// Brings the kernel to what it should have for a target, where `added` is the ban of it that was added.
    pub(super) fn enter(
        &self,
        maps: &mut Option<BanMaps>,
        target: &IpNet,
        added: Option<abi::Ban>,
    ) -> Result<(), BanError> {
        let Some(maps) = maps else {
            return Ok(());
        };
        let lists = self.lists();
        let listed = lists.now.get(target);
        let wanted = match &lists.next {
            None => settled(listed, added),
            Some(next) => {
                let old = listed.map(|ban| (ban, lists.now.is_nested(target)));
                let new = next.list.get(target);
                let new = new.map(|ban| (ban, next.list.is_nested(target)));
                staged(next.generation, old, new, added)
            }
        };
        match wanted {
            Some(mut ban) => {
                ban.packets = maps.packets(target).unwrap_or(0);
                maps.put(target, &ban)
            }
            None => maps.remove(target),
        }
    }

    /// Packets that bans have dropped, as the program counted them.
    pub(super) fn packets(&self, targets: &[IpNet]) -> HashMap<IpNet, u64> {
        let mut writer = self.writer_soon();
        let Some(maps) = &mut *writer else {
            return HashMap::new();
        };
        if targets.len() <= PACKETS_READ_SINGLY {
            let counted = targets.iter().map(|target| (*target, maps.packets(target)));
            return counted
                .map(|(target, packets)| (target, packets.unwrap_or(0)))
                .collect();
        }
        let mut counted = HashMap::with_capacity(targets.len());
        // What cannot be read has dropped nothing that we know of.
        let _ = maps.read(|target, ban| {
            if ban.packets != 0 {
                counted.insert(target, ban.packets);
            }
        });
        counted
    }
}
