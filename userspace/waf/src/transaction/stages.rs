//! The texts that chains of transformations make of a value.

use crate::bytes::ByteSet;
use crate::plan::{
    ChainSet, Class, OTHER_VALUES, PLAIN, PLAIN_VALUES, SEPARATOR, SHELVES, Stop, shelves,
};
use crate::transform::{self, UnicodeMap};

/// One of the different texts that the chains of a class make of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    start: u32,
    end: u32,
    pub(crate) presence: ByteSet,
    /// Chains that end in it, or pass it with `multiMatch`.
    pub(crate) chains: ChainSet,
}

impl Stage {
    /// Which kind of value it is.
    pub(crate) fn kind(&self) -> usize {
        if self.presence.is_subset_of(&PLAIN) {
            PLAIN_VALUES
        } else {
            OTHER_VALUES
        }
    }
}

/// Texts of many values, and those among them that are scanned, joined.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    stages: Vec<Stage>,
    texts: Vec<u8>,
    /// By shelf.
    joined: [Joined; SHELVES],
    /// By stop of the walk at hand: the stage that comes out there.
    outcomes: Vec<u32>,
    next: Vec<u8>,
}

/// Texts that are scanned as one.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) text: Vec<u8>,
    /// Where stages begin and end in it, and which they are.
    places: Vec<(u32, u32, u32)>,
}

impl Stages {
    pub(crate) fn clear(&mut self) {
        self.stages.clear();
        self.texts.clear();
        for joined in &mut self.joined {
            joined.text.clear();
            joined.places.clear();
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.stages.len() as u32
    }

    /// Bytes of all texts.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.len()
    }

    /// What one scan looks at: all values of a shelf.
    pub(crate) fn joined(&self, shelf: usize) -> &[u8] {
        self.joined.get(shelf).map_or(&[], |joined| &joined.text)
    }

    pub(crate) fn stage(&self, index: u32) -> Option<(&Stage, &[u8])> {
        let stage = self.stages.get(index as usize)?;
        Some((stage, self.text(stage)))
    }

    fn text(&self, stage: &Stage) -> &[u8] {
        self.texts
            .get(stage.start as usize..stage.end as usize)
            .unwrap_or_default()
    }

    /// The stage in which an occurrence that ends at `end` of the joined text lies; none where it ends between two.
    pub(crate) fn stage_ending_at(&self, shelf: usize, end: usize) -> Option<(u32, &Stage)> {
        let places = &self.joined.get(shelf)?.places;
        let behind = places.partition_point(|(start, ..)| (*start as usize) < end);
        let (_, last, index) = places.get(behind.checked_sub(1)?)?;
        let stage = self.stages.get(*index as usize)?;
        (end <= *last as usize).then_some((*index, stage))
    }

    /// Adds the texts of a value. `spent` counts the bytes that are looked at.
    pub(crate) fn add(
        &mut self,
        class: &Class,
        map: Option<&UnicodeMap>,
        value: &[u8],
        spent: &mut u64,
    ) {
        let first = self.stages.len();
        let walk = &class.walk;
        let presence = ByteSet::present_in(value);
        *spent += value.len() as u64;
        self.push(value, presence);
        if walk.is_idle(&presence) {
            self.set(first, walk.all);
        } else {
            self.set(first, walk.plain);
            self.walk(class, map, first, spent);
        }
        for index in first..self.stages.len() {
            self.join(class, index);
        }
    }

    fn push(&mut self, text: &[u8], presence: ByteSet) -> usize {
        // A batch is bounded far below 4 GiB.
        let start = self.texts.len() as u32;
        self.texts.extend_from_slice(text);
        self.stages.push(Stage {
            start,
            end: self.texts.len() as u32,
            presence,
            chains: 0,
        });
        self.stages.len() - 1
    }

    fn set(&mut self, stage: usize, chains: ChainSet) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.chains |= chains;
        }
    }

    /// Makes what the chains of a class make of the value at stage `first`; what comes out twice is one stage.
    fn walk(&mut self, class: &Class, map: Option<&UnicodeMap>, first: usize, spent: &mut u64) {
        let stops = &class.walk.stops;
        self.outcomes.resize(stops.len(), 0);
        let mut at = 0;
        while let Some(stop) = stops.get(at) {
            let before = stop.parent.map_or(first, |parent| {
                self.outcomes
                    .get(parent as usize)
                    .map_or(first, |stage| *stage as usize)
            });
            let branch = &stop.branch;
            let stage = self.stages.get(before);
            if stage.is_none_or(|stage| branch.is_idle(&stage.presence)) {
                self.set(before, branch.ending);
                at = branch.end as usize;
                continue;
            }
            let after = self.step(stop, map, first, before, spent);
            if let Some(outcome) = self.outcomes.get_mut(at) {
                *outcome = after as u32;
            }
            self.set(after, stop.ending);
            if after != before {
                self.set(after, stop.passing);
            }
            at += 1;
        }
    }

    fn step(
        &mut self,
        stop: &Stop,
        map: Option<&UnicodeMap>,
        first: usize,
        before: usize,
        spent: &mut u64,
    ) -> usize {
        let Some(&stage) = self.stages.get(before) else {
            return before;
        };
        if stop.is_idle(&stage.presence) {
            return before;
        }
        let mut next = std::mem::take(&mut self.next);
        next.clear();
        transform::apply_with(map, stop.step, self.text(&stage), &mut next);
        *spent += u64::from(stage.end - stage.start);
        let known = (first..self.stages.len()).find(|&index| {
            self.stages
                .get(index)
                .is_some_and(|stage| self.text(stage) == next)
        });
        let after = known.unwrap_or_else(|| {
            let presence = ByteSet::present_in(&next);
            self.push(&next, presence)
        });
        self.next = next;
        after
    }

    /// Puts a stage into the text that is scanned, if some unit there is found by a scan.
    fn join(&mut self, class: &Class, index: usize) {
        let Some(stage) = self.stages.get(index) else {
            return;
        };
        let (start, end) = (stage.start as usize, stage.end as usize);
        if start == end {
            return;
        }
        let text = self.texts.get(start..end).unwrap_or_default();
        let mut left = shelves(&stage.presence) & class.shelves;
        while left != 0 {
            let shelf = left.trailing_zeros() as usize;
            left &= left - 1;
            if stage.chains & class.scanned[shelf] == 0 {
                continue;
            }
            let joined = &mut self.joined[shelf];
            let begin = joined.text.len() as u32;
            joined.text.extend_from_slice(text);
            let last = joined.text.len() as u32;
            joined.places.push((begin, last, index as u32));
            joined.text.push(SEPARATOR);
        }
    }
}
