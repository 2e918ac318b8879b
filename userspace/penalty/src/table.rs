//! A bounded table of scores: who is new takes the place of one with a low score where it is full.

use std::collections::HashMap;
use std::time::Duration;
use types::IpNet;

/// Marks that an entry keeps: the last ones.
pub(crate) const MARKS: usize = 4;

/// Entries that are looked at for the one that leaves.
const LOOKED_AT: usize = 8;

/// One thing that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) at: Duration,
    pub(crate) cause: crate::Cause,
    pub(crate) rule: u64,
}

/// What is known of an address or a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) target: IpNet,
    /// As it was at `at`.
    score: f64,
    at: Duration,
    /// Until when it is banned; past where it is not.
    pub(crate) banned_until: Duration,
    /// Bans that are remembered.
    pub(crate) bans: u16,
    marks: [Option<Trace>; MARKS],
}

impl Entry {
    pub(crate) fn new(target: IpNet, now: Duration) -> Self {
        Self {
            target,
            score: 0.0,
            at: now,
            banned_until: Duration::ZERO,
            bans: 0,
            marks: [None; MARKS],
        }
    }

    /// The score now.
    pub(crate) fn score(&self, now: Duration, half_life: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.score * (-passed / half_life.as_secs_f64()).exp2()
    }

    pub(crate) fn add(&mut self, weight: u32, trace: Trace, half_life: Duration) {
        self.set(
            self.score(trace.at, half_life) + f64::from(weight),
            trace.at,
        );
        self.marks.rotate_right(1);
        self.marks[0] = Some(trace);
    }

    pub(crate) fn set(&mut self, score: f64, now: Duration) {
        self.score = score;
        // A clock that went backwards stands still.
        self.at = self.at.max(now);
    }

    pub(crate) fn is_banned(&self, now: Duration) -> bool {
        now < self.banned_until
    }

    /// Forgets bans that are long over.
    pub(crate) fn forgive(&mut self, now: Duration, remember: Duration) {
        if self.bans > 0 && now >= self.banned_until.saturating_add(remember) {
            self.bans = 0;
        }
    }

    /// The last things that were done, the newest first.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &Trace> {
        self.marks.iter().flatten()
    }
}

/// Entries by target.
#[derive(Debug, Default)]
pub(crate) struct Table {
    index: HashMap<IpNet, usize>,
    entries: Vec<Entry>,
    limit: usize,
    /// Where the search for one that leaves goes on.
    hand: usize,
    pub(crate) evicted: u64,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            ..Self::default()
        }
    }

    /// Another limit. What is beyond it leaves.
    pub(crate) fn set_limit(&mut self, limit: usize, worth: impl Fn(&Entry) -> f64) {
        self.limit = limit.max(1);
        while self.entries.len() > self.limit {
            let leaving = self.least(&worth);
            self.remove_at(leaving);
            self.evicted += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, target: &IpNet) -> Option<&Entry> {
        self.entries.get(*self.index.get(target)?)
    }

    pub(crate) fn get_mut(&mut self, target: &IpNet) -> Option<&mut Entry> {
        self.entries.get_mut(*self.index.get(target)?)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The entry of a target, a new one if there is none. What is worth least of a few leaves for it where the table is full.
    pub(crate) fn entry(
        &mut self,
        target: IpNet,
        now: Duration,
        worth: impl Fn(&Entry) -> f64,
    ) -> &mut Entry {
        let index = match self.index.get(&target) {
            Some(index) => *index,
            None => self.insert(target, now, &worth),
        };
        &mut self.entries[index]
    }

    fn insert(&mut self, target: IpNet, now: Duration, worth: &impl Fn(&Entry) -> f64) -> usize {
        let entry = Entry::new(target, now);
        let place = if self.entries.len() < self.limit {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let place = self.least(worth);
            let gone = std::mem::replace(&mut self.entries[place], entry);
            self.index.remove(&gone.target);
            self.evicted += 1;
            place
        };
        self.index.insert(target, place);
        place
    }

    /// The one of the next few that is worth least.
    fn least(&mut self, worth: &impl Fn(&Entry) -> f64) -> usize {
        let count = self.entries.len().max(1);
        let begin = self.hand % count;
        self.hand = begin + LOOKED_AT;
        (begin..begin + LOOKED_AT.min(count))
            .map(|place| place % count)
            .min_by(|left, right| {
                worth(&self.entries[*left]).total_cmp(&worth(&self.entries[*right]))
            })
            .unwrap_or(begin)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let mut place = 0;
        while place < self.entries.len() {
            match keep(&self.entries[place]) {
                true => place += 1,
                false => self.remove_at(place),
            }
        }
    }

    fn remove_at(&mut self, place: usize) {
        let gone = self.entries.swap_remove(place);
        self.index.remove(&gone.target);
        if let Some(moved) = self.entries.get(place) {
            self.index.insert(moved.target, place);
        }
    }
}
