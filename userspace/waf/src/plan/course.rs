//! The rules of a phase in their order, and which of them have to be looked at whatever the values are.

use super::bits::Bits;
use super::gate::Gates;
use super::settle::Step;

/// The rules of one phase.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) steps: Vec<Step>,
    /// Places among the steps: rules that have no gate, and the first one of each group, with which the group is decided. All others
    /// have their turn where a value matches them.
    pub(crate) apart: Bits,
}

impl Course {
    pub(super) fn new(steps: &[Step], gates: &Gates) -> Course {
        let mut apart = Bits::default();
        let mut groups = Bits::default();
        let in_order = steps.windows(2).all(|pair| pair[0].rule < pair[1].rule);
        for (step, place) in steps.iter().zip(0u32..) {
            let first = gates.group_of(step.rule).is_none_or(|group| {
                let known = groups.contains(group);
                groups.insert(group);
                !known
            });
            if first || !in_order {
                apart.insert(place);
            }
        }
        Course {
            steps: steps.to_vec(),
            apart,
        }
    }

    /// Where a rule stands.
    pub(crate) fn place_of(&self, rule: u32) -> Option<u32> {
        // Rules are numbered in the order of the files, as steps are; where they are not, every place is apart.
        let place = self.steps.binary_search_by_key(&rule, |step| step.rule);
        // As many rules as the parser lets pass fit u32.
        place.ok().map(|place| place as u32)
    }

    /// The first place from `start` on whose step is not before `target`.
    pub(crate) fn place_from(&self, start: u32, target: u32) -> u32 {
        let behind = self.steps.get(start as usize..).unwrap_or_default();
        start + behind.partition_point(|step| step.step < target) as u32
    }

    /// The steps from a place to the one before another.
    pub(crate) fn between(&self, start: u32, end: u32) -> &[Step] {
        let range = start as usize..end as usize;
        self.steps.get(range).unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.steps.len() as u32
    }
}
