//! Ban lists take the place of others as a whole: no packet sees half of the old and half of the new.
//!
//! Every entry in the kernel says in which generation of the lists it counts. What is new is written beside what is there,
//! to count from the next generation on; what leaves is marked to count up to this one. One write then switches the
//! generation, and what has left is removed. What old and new lists both have is not touched, so it drops throughout.
//!
//! Prefixes hide each other, and the program looks past a few that do not count and no further. So a new prefix within
//! a wider new one is written after the switch, and a leaving one within a wider leaving one is removed before it: neither
//! changes what becomes of a packet at that moment. Between a packet and the prefix that bans it there is then at most one
//! entry that does not count yet and one that does not count any more.

use super::kind::Kind;
use super::list::{BanList, Listed, Octets, Sorted};
use super::maps::{BanMaps, Batch, Store};
use super::{BanError, Bans, FileBan, ListChange};
use crate::batch::BATCH;
use crate::clock;
use abi::Lists as Generations;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The lists that count, and those that are about to.
#[derive(Clone, Default)]
pub(super) struct Lists {
    pub(super) now: Arc<BanList>,
    pub(super) next: Option<Next>,
}

/// A replacement that is under way.
#[derive(Clone)]
pub(super) struct Next {
    pub(super) list: Arc<BanList>,
    /// The generation that still counts.
    pub(super) generation: u32,
}

/// A part of a replacement.
#[derive(Clone, Copy)]
enum Step {
    /// Beside the lists that count in this generation.
    Stage(u32),
    /// The new lists count.
    Finish,
    /// The old lists go on to count: what was staged leaves.
    Undo,
}

/// What two lists say of one target; at least one of them says something, and they do not say the same.
struct Difference<A> {
    old: Option<Listed<A>>,
    new: Option<Listed<A>>,
}

impl Bans {
    /// Makes the bans from lists exactly these: all of them, or none. Of a target that several lists have, the reason of
    /// the first counts. Bans that were added meanwhile, and while it goes on, are as good as ever.
    ///
    /// # Errors
    /// [`BanError::ListsTooLong`] before anything changed; [`BanError::Kernel`] where the kernel has no memory for them:
    /// the old lists go on to count then.
    pub fn replace_lists(&self, lists: &[Arc<BanList>]) -> Result<ListChange, BanError> {
        let _one_at_a_time = self.replacing();
        let old = self.lists().now;
        let mut new = BanList::joined(lists);
        new.date(&old, clock::boot_s());
        self.check_room(&new)?;
        let new = Arc::new(new);
        let generation = self.begin(&new)?;
        let staged = self
            .carry_out(&old, &new, Step::Stage(generation))
            .and_then(|()| self.switch(&new, generation));
        if let Err(error) = staged {
            self.set_lists(&old, None);
            // What cannot be undone does not count, now or later: the next process removes it.
            let _ = self.carry_out(&old, &new, Step::Undo);
            return Err(error);
        }
        self.shared.listener.tell();
        self.carry_out(&old, &new, Step::Finish)?;
        Ok(change(&old, &new))
    }

    /// As [`Bans::replace_lists`], of one list that is not known by a name.
    ///
    /// # Errors
    /// As there, and [`BanError::Target`] for what cannot be banned.
    pub fn replace_file_bans(&self, bans: &[FileBan]) -> Result<ListChange, BanError> {
        self.replace_lists(&[Arc::new(BanList::new("", bans)?)])
    }

    fn begin(&self, new: &Arc<BanList>) -> Result<u32, BanError> {
        let writer = self.writer();
        let maps = writer.as_ref();
        let generation = maps
            .map_or(Ok(0), BanMaps::generation)
            .map_err(BanError::Read)?;
        let next = Next {
            list: Arc::clone(new),
            generation,
        };
        self.set_lists(&self.lists().now, Some(next));
        Ok(generation)
    }

    /// The one write.
    fn switch(&self, new: &Arc<BanList>, generation: u32) -> Result<(), BanError> {
        let mut writer = self.writer();
        if let Some(maps) = &mut *writer {
            // At one replacement a second they would last for 68 years.
            maps.set_generation(generation.wrapping_add(1) & Generations::LAST)
                .map_err(BanError::Switch)?;
        }
        self.set_lists(new, None);
        Ok(())
    }

    fn carry_out(&self, old: &BanList, new: &BanList, step: Step) -> Result<(), BanError> {
        self.carry_out_kind(old, new, |list| &list.addresses_v4, |m| &mut m.v4, step)?;
        self.carry_out_kind(old, new, |list| &list.addresses_v6, |m| &mut m.v6, step)?;
        self.carry_out_kind(
            old,
            new,
            |list| &list.prefixes_v4,
            |m| &mut m.prefixes_v4,
            step,
        )?;
        self.carry_out_kind(
            old,
            new,
            |list| &list.prefixes_v6,
            |m| &mut m.prefixes_v6,
            step,
        )
    }

    /// The part of one kind, a batch at a time: bans that are added meanwhile wait for a batch and not for a list.
    fn carry_out_kind<A: Octets, S: Store<A>>(
        &self,
        old: &BanList,
        new: &BanList,
        kind: impl Fn(&BanList) -> &Sorted<A>,
        map: impl Fn(&mut BanMaps) -> &mut S,
        step: Step,
    ) -> Result<(), BanError> {
        let differences = differences(kind(old), kind(new), |left, right| {
            let (left, right) = (old.cause(left), new.cause(right));
            left.map(|cause| &cause.reason) == right.map(|cause| &cause.reason)
        });
        let mut differences = differences.filter(|difference| step.concerns(difference));
        loop {
            let some: Vec<_> = differences.by_ref().take(BATCH).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.give_way();
            let mut writer = self.writer();
            let Some(maps) = &mut *writer else {
                return Ok(());
            };
            let mut batch = Batch::default();
            for difference in &some {
                self.add_to(&mut batch, difference, (old, new), step, maps);
            }
            map(maps).write(&batch)?;
        }
    }

    /// Brings the kernel to what it should have for a target now.
    fn add_to<A: Octets>(
        &self,
        batch: &mut Batch<A>,
        difference: &Difference<A>,
        (old, new): (&BanList, &BanList),
        step: Step,
        maps: &BanMaps,
    ) {
        let Some(entry) = difference.old.or(difference.new) else {
            return;
        };
        let target = entry.target();
        let added = target.and_then(|target| self.added(&target));
        let place = (entry.address, entry.length);
        match step.wanted(difference, (old, new), added) {
            Some(mut ban) => {
                let is_known = difference.old.is_some() && difference.new.is_some();
                if is_known || added.is_some() {
                    // The same ban with another reason: it goes on to count.
                    let packets = target.and_then(|target| maps.packets(&target));
                    ban.packets = packets.unwrap_or(0);
                }
                batch.puts.push((place, ban));
            }
            None => batch.removals.push(place),
        }
    }

    /// Lets those who add or lift a ban go first.
    fn give_way(&self) {
        const NAP: Duration = Duration::from_micros(20);
        while self.shared.waiting.load(Ordering::Acquire) != 0 {
            std::thread::sleep(NAP);
        }
    }

    /// Whether the new list, and what was added, find room.
    fn check_room(&self, new: &BanList) -> Result<(), BanError> {
        for kind in Kind::ALL {
            let limit = kind.limit(self.limits());
            let table = &self.shared.table;
            let mut found = new.count(kind) + table.count(kind);
            if found > limit as usize {
                // What is in both takes one place.
                let both = |target: &_| Kind::of(target) == kind && new.get(target).is_some();
                let all = table.all();
                found -= all.iter().filter(|(target, _)| both(target)).count();
            }
            if found > limit as usize {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                return Err(BanError::ListsTooLong {
                    kind: kind.name(),
                    found,
                    limit,
                    setting: kind.setting(),
                });
            }
        }
        Ok(())
    }
}

impl Step {
    /// What the kernel should have for a target now.
    fn wanted<A: Octets>(
        self,
        difference: &Difference<A>,
        (old, new): (&BanList, &BanList),
        added: Option<abi::Ban>,
    ) -> Option<abi::Ban> {
        let from_old = difference
            .old
            .map(|entry| (old.ban(&entry), entry.is_nested));
        let from_new = difference
            .new
            .map(|entry| (new.ban(&entry), entry.is_nested));
        match self {
            Self::Stage(generation) => staged(generation, from_old, from_new, added),
            Self::Finish => settled(from_new.map(|(ban, _)| ban), added),
            Self::Undo => settled(from_old.map(|(ban, _)| ban), added),
        }
    }

    /// Whether there is anything to do about a difference.
    fn concerns<A>(self, difference: &Difference<A>) -> bool {
        match (self, &difference.old, &difference.new) {
            // Its turn comes after the switch.
            (Self::Stage(_), None, Some(new)) => !new.is_nested,
            (Self::Stage(_), ..) | (Self::Undo, ..) => true,
            // It is gone since before.
            (Self::Finish, Some(old), None) => !old.is_nested,
            (Self::Finish, None, Some(new)) => new.is_nested,
            (Self::Finish, ..) => false,
        }
    }
}

/// What the kernel should have for a target while lists are being replaced. Bans of lists come with whether they lie
/// in another one of their list.
pub(super) fn staged(
    generation: u32,
    old: Option<(abi::Ban, bool)>,
    new: Option<(abi::Ban, bool)>,
    added: Option<abi::Ban>,
) -> Option<abi::Ban> {
    let with = |ban, lists| abi::Ban { lists, ..ban };
    match (old, new, added) {
        (Some(_), Some((ban, _)), _) | (None, Some((ban, _)), Some(_)) => Some(ban),
        (None, Some((_, true)), None) => None,
        (None, Some((ban, false)), None) => {
            let next = generation.wrapping_add(1) & Generations::LAST;
            Some(with(ban, Generations::since(next)))
        }
        (_, None, Some(added)) => Some(added),
        (Some((_, true)), None, None) => None,
        (Some((ban, false)), None, None) => Some(with(ban, Generations::until(generation))),
        (None, None, None) => None,
    }
}

/// What the kernel should have for a target while no lists are being replaced.
pub(super) fn settled(listed: Option<abi::Ban>, added: Option<abi::Ban>) -> Option<abi::Ban> {
    listed.or(added)
}

fn change(old: &BanList, new: &BanList) -> ListChange {
    let mut change = ListChange::default();
    count(&mut change, &old.addresses_v4, &new.addresses_v4);
    count(&mut change, &old.addresses_v6, &new.addresses_v6);
    count(&mut change, &old.prefixes_v4, &new.prefixes_v4);
    count(&mut change, &old.prefixes_v6, &new.prefixes_v6);
    change
}

fn count<A: Octets>(change: &mut ListChange, old: &Sorted<A>, new: &Sorted<A>) {
    for difference in differences(old, new, |_, _| true) {
        change.added += usize::from(difference.new.is_some());
        change.removed += usize::from(difference.old.is_some());
    }
}

/// Walks through both at once and hands out where they differ. Of a target that both have `same` decides.
fn differences<'a, A: Octets>(
    old: &'a Sorted<A>,
    new: &'a Sorted<A>,
    same: impl Fn(&Listed<A>, &Listed<A>) -> bool + 'a,
) -> impl Iterator<Item = Difference<A>> + 'a {
    let mut old = old.entries().iter().peekable();
    let mut new = new.entries().iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let difference = advance(&mut old, &mut new)?;
            let is_same = match (&difference.old, &difference.new) {
                (Some(old), Some(new)) => same(old, new),
                _ => false,
            };
            if !is_same {
                return Some(difference);
            }
        }
    })
}

/// The next target in the order of both.
fn advance<'a, A: Octets + 'a>(
    old: &mut Peekable<impl Iterator<Item = &'a Listed<A>>>,
    new: &mut Peekable<impl Iterator<Item = &'a Listed<A>>>,
) -> Option<Difference<A>> {
    let first = match (old.peek(), new.peek()) {
        (Some(old), Some(new)) => old.place().min(new.place()),
        (Some(one), None) | (None, Some(one)) => one.place(),
        (None, None) => return None,
    };
    let is_first = |entry: &&Listed<A>| entry.place() == first;
    Some(Difference {
        old: old.next_if(is_first).copied(),
        new: new.next_if(is_first).copied(),
    })
}

#[cfg(test)]
mod tests {
    //! What the program would see at each write, in a model of the trie.

    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use types::IpNet;

    const GENERATION: u32 = 6;

    /// The trie, and what the program makes of it.
    #[derive(Default)]
    struct Trie(HashMap<([u8; 4], u8), abi::Ban>);

    impl Trie {
        fn write(&mut self, place: ([u8; 4], u8), wanted: Option<abi::Ban>) {
            match wanted {
                Some(ban) => self.0.insert(place, ban),
                None => self.0.remove(&place),
            };
        }

        fn drops(&self, address: [u8; 4], generation: u32) -> bool {
            let longest = |bits: u8| {
                (0..=bits)
                    .rev()
                    .find_map(|length| self.0.get(&(address.cut(length), length)))
            };
            let mut bits = 32;
            for _ in 0..abi::limits::EXPIRED_PREFIXES {
                match longest(bits) {
                    None => return false,
                    Some(ban) if ban.lists.hold_in(generation) => return true,
                    Some(ban) => bits = ban.prefix_len - 1,
                }
            }
            false
        }
    }

    /// A list of prefixes of 10.0.0.0/8, most of them within each other.
    fn list(prefixes: &[(u8, u8)]) -> BanList {
        let ban = |(bits, length): &(u8, u8)| FileBan {
            target: IpNet::new([10, *bits, 0, 0].into(), *length)
                .expect("a prefix")
                .trunc(),
            reason: "".into(),
        };
        let bans: Vec<FileBan> = prefixes.iter().map(ban).collect();
        BanList::new("", &bans).expect("a list")
    }

    fn differ<'a>(old: &'a BanList, new: &'a BanList) -> Vec<Difference<[u8; 4]>> {
        differences(&old.prefixes_v4, &new.prefixes_v4, |_, _| true).collect()
    }

    fn carry_out(
        trie: &mut Trie,
        (old, new): (&BanList, &BanList),
        step: Step,
        mut after_each: impl FnMut(&Trie),
    ) {
        let all = differ(old, new);
        for difference in all.iter().filter(|one| step.concerns(one)) {
            let place = difference.old.or(difference.new).expect("an entry").place();
            trie.write(place, step.wanted(difference, (old, new), None));
            after_each(trie);
        }
    }

    fn prefixes() -> impl Strategy<Value = Vec<(u8, u8)>> {
        // Three bits of address and lengths of 8 to 16: chains of prefixes are the rule.
        proptest::collection::vec(((0..8_u8).prop_map(|bits| bits << 5), 8..=16_u8), 0..12)
    }

    fn addresses() -> impl Iterator<Item = [u8; 4]> {
        (0..=255).step_by(8).map(|second| [10, second, 1, 1])
    }

    fn check(trie: &Trie, list: &BanList, generation: u32) {
        for address in addresses() {
            assert_eq!(
                trie.drops(address, generation),
                list.contains(address.into()),
                "{address:?} in generation {generation}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_packet_sees_a_mixture(old in prefixes(), new in prefixes()) {
            let (old, new) = (list(&old), list(&new));
            let lists = (&old, &new);
            let mut trie = Trie::default();
            for entry in old.prefixes_v4.entries() {
                trie.write(entry.place(), Some(old.ban(entry)));
            }
            let stage = Step::Stage(GENERATION);
            carry_out(&mut trie, lists, stage, |trie| check(trie, &old, GENERATION));
            check(&trie, &new, GENERATION + 1);
            let finish = Step::Finish;
            carry_out(&mut trie, lists, finish, |trie| check(trie, &new, GENERATION + 1));
            prop_assert_eq!(trie.0.len(), new.len());
            // Nothing of it ends with a later generation.
            check(&trie, &new, GENERATION + 2);
        }

        #[test]
        fn what_is_undone_was_never_there(old in prefixes(), new in prefixes()) {
            let (old, new) = (list(&old), list(&new));
            let lists = (&old, &new);
            let mut trie = Trie::default();
            for entry in old.prefixes_v4.entries() {
                trie.write(entry.place(), Some(old.ban(entry)));
            }
            carry_out(&mut trie, lists, Step::Stage(GENERATION), |_| {});
            carry_out(&mut trie, lists, Step::Undo, |trie| check(trie, &old, GENERATION));
            prop_assert_eq!(trie.0.len(), old.len());
            check(&trie, &old, GENERATION + 1);
        }
    }

    #[test]
    fn what_was_added_counts_throughout() {
        let list = |prefixes: &[(u8, u8)]| list(prefixes);
        let (old, new) = (list(&[(0, 16)]), list(&[(32, 16)]));
        let added = abi::Ban {
            expires_ns: 9,
            ..old.ban(&old.prefixes_v4.entries()[0])
        };
        for difference in differ(&old, &new) {
            for step in [Step::Stage(GENERATION), Step::Finish, Step::Undo] {
                let wanted = step.wanted(&difference, (&old, &new), Some(added));
                let wanted = wanted.expect("it is banned");
                assert_eq!(wanted.lists, Generations::ALWAYS);
            }
        }
    }
}
