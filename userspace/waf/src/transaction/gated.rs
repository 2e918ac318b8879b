//! Passing over what cannot match: decides a whole group of rules for every value that they look at.

use seclang::ast::Phase;

use super::stages::Stages;
use super::state::Value;
use super::{EngineError, Transaction};
use crate::WORK_OF_AN_EXCEEDED_LIMIT;
use crate::cache::{self, VerdictCache};
use crate::operator::MatchError;
use crate::plan::{Bits, Class, Group, PARTS, RuleSet, SHELVES, Scratches, Unit};
use crate::scratch::Scratch;

/// Work that asking the memory about a value costs.
const WORK_OF_A_LOOKUP: u64 = 16;

/// Bytes of texts that are scanned as one at most; one value can be longer.
const BATCH_BYTES: usize = 256 << 10;

/// What a transaction knows of its gated rules.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// By gate of a variable: how many of its values are decided. Values of these variables only ever become more.
    counts: Vec<u32>,
    /// Groups that are decided for the phase that runs.
    groups: Bits,
    /// Groups that are decided for phase 2 where no body comes.
    ahead: Bits,
    /// Rules that a value matches with their first link, and the value; by rule.
    pub(crate) hits: Vec<(u32, Value)>,
    pub(crate) hit_rules: Bits,
}

impl Decided {
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.hits.clear();
        self.hit_rules.clear();
        self.ahead.clear();
        self.begin_phase();
    }

    pub(crate) fn begin_phase(&mut self) {
        self.groups.clear();
    }

    /// The values that a rule matches.
    pub(crate) fn hits_of(&self, rule: u32) -> &[(u32, Value)] {
        let start = self.hits.partition_point(|(other, _)| *other < rule);
        let behind = self.hits.get(start..).unwrap_or_default();
        let count = behind
            .iter()
            .take_while(|(other, _)| *other == rule)
            .count();
        behind.get(..count).unwrap_or_default()
    }
}

/// Buffers for deciding, and what the worker remembers.
#[derive(Debug, Default)]
pub(crate) struct GateWork {
    pub(crate) cache: VerdictCache,
    scratches: Scratches,
    stages: Stages,
    /// Values of which nothing is remembered.
    pending: Vec<Pending>,
    candidates: Vec<(u32, u32)>,
    /// By unit: the stage after the last one that a scan found it in.
    found: Vec<u32>,
    verdict: Vec<u32>,
}

/// A value that has to be inspected, and its stages.
#[derive(Clone, Copy, Debug)]
struct Pending {
    value: Value,
    class: u32,
    first: u32,
    end: u32,
}

impl Transaction {
    /// Makes sure that a group is decided for this phase; whether it was not before.
    pub(super) fn decide_group(
        &mut self,
        plan: &RuleSet,
        group: u32,
        phase: Phase,
        scratch: &mut Scratch,
    ) -> Result<bool, EngineError> {
        if self.state.decided.groups.contains(group) {
            return Ok(false);
        }
        self.state.decided.groups.insert(group);
        if phase == Phase::RequestBody
            && self.state.decided.ahead.contains(group)
            && !self.has_body()
        {
            return Ok(true);
        }
        let number = group;
        let Some(group) = plan.gates.groups.get(number as usize) else {
            return Ok(false);
        };
        let counts = &mut self.state.decided.counts;
        if counts.is_empty() {
            counts.resize(plan.gates.variables as usize, 0);
        }
        let known = self.state.decided.hits.len();
        let mut values = std::mem::take(&mut scratch.work.values);
        // Where no body comes, phase 2 sees no other values: one scan does for both.
        let bits = if phase == Phase::RequestHeaders && self.request.is_bodiless {
            self.state.decided.ahead.insert(number);
            0b11
        } else {
            1 << (phase.number() - 1)
        };
        for gate in &group.variables {
            if gate.phases & bits == 0 {
                continue;
            }
            if self.state.head.decides(gate) {
                let place = self.state.decided.counts.get_mut(gate.number as usize);
                if place.is_some_and(|count| std::mem::replace(count, u32::MAX) == 0) {
                    self.known_hits(plan, gate, &mut values);
                }
                continue;
            }
            values.clear();
            self.values(plan, gate.variable, None, |_| true, &mut values);
            let place = self.state.decided.counts.get_mut(gate.number as usize);
            // There are not so many values as to overflow: each is at least a byte of the store or of an argument's limit.
            let done = place.map_or(0, |place| std::mem::replace(place, values.len() as u32));
            for value in values.iter().skip(done as usize) {
                if let Some(class) = gate.class(self.state.store.get(value.key)) {
                    self.look_up(plan, class, value, &mut scratch.gate)?;
                    if scratch.gate.stages.bytes() >= BATCH_BYTES {
                        self.decide_pending(plan, group, &mut scratch.gate)?;
                    }
                }
            }
        }
        self.decide_pending(plan, group, &mut scratch.gate)?;
        if self.state.head.is_new() {
            self.note_hits(plan, group, bits, known, &mut values);
        }
        scratch.work.values = values;
        if self.state.decided.hits.len() > known {
            self.state.decided.hits.sort_by_key(|(rule, _)| *rule);
        }
        Ok(true)
    }

    /// Adds a hit for every rule of the class that the value matches, if that is remembered; else the value is put to the others that
    /// have to be inspected.
    fn look_up(
        &mut self,
        plan: &RuleSet,
        class: u32,
        value: &Value,
        work: &mut GateWork,
    ) -> Result<(), EngineError> {
        self.spend(WORK_OF_A_LOOKUP)?;
        let bytes = value.bytes.of(&self.state, &self.request, &self.response);
        if bytes.len() <= cache::VALUE_LIMIT_BYTES
            && let Some(verdict) = work.cache.get(tag(plan, class), bytes)
        {
            let decided = &mut self.state.decided;
            for &rule in verdict {
                decided.hits.push((rule, *value));
                decided.hit_rules.insert(rule);
            }
            return Ok(());
        }
        let Some(known) = plan.gates.classes.get(class as usize) else {
            return Ok(());
        };
        let first = work.stages.len();
        let mut spent = 0;
        let map = plan.gates.unicode_map.as_deref();
        work.stages.add(known, map, bytes, &mut spent);
        work.pending.push(Pending {
            value: *value,
            class,
            first,
            end: work.stages.len(),
        });
        self.spend(spent)
    }

    /// Inspects the values that are pending.
    fn decide_pending(
        &mut self,
        plan: &RuleSet,
        group: &Group,
        work: &mut GateWork,
    ) -> Result<(), EngineError> {
        let outcome = self.inspect_pending(plan, group, work);
        work.pending.clear();
        work.stages.clear();
        outcome
    }

    fn inspect_pending(
        &mut self,
        plan: &RuleSet,
        group: &Group,
        work: &mut GateWork,
    ) -> Result<(), EngineError> {
        if work.pending.is_empty() {
            return Ok(());
        }
        for first in (0..SHELVES).step_by(PARTS) {
            // What stands apart only so that less is looked for counts once.
            let parts = first..first + PARTS;
            let longest = parts.map(|shelf| work.stages.joined(shelf).len()).max();
            self.spend(longest.unwrap_or(0) as u64)?;
        }
        find_candidates(plan, group, work)?;
        let mut candidates = &work.candidates[..];
        for pending in &work.pending {
            let Some(class) = plan.gates.classes.get(pending.class as usize) else {
                continue;
            };
            work.verdict.clear();
            let mut spent = 0;
            for stage in pending.first..pending.end {
                let count = candidates.partition_point(|(other, _)| *other <= stage);
                let (found, rest) = candidates.split_at(count);
                candidates = rest;
                inspect(
                    plan,
                    group,
                    class,
                    &work.stages,
                    stage,
                    found,
                    &mut work.verdict,
                    &mut spent,
                );
                if spent > plan.options.work_limit_bytes {
                    break;
                }
            }
            self.spend(spent)?;
            work.verdict.sort_unstable();
            for &rule in &work.verdict {
                self.state.decided.hits.push((rule, pending.value));
                self.state.decided.hit_rules.insert(rule);
            }
            let bytes = pending
                .value
                .bytes
                .of(&self.state, &self.request, &self.response);
            if bytes.len() <= cache::VALUE_LIMIT_BYTES {
                let tag = tag(plan, pending.class);
                work.cache.insert(tag, bytes, &work.verdict);
            }
        }
        Ok(())
    }
}

/// What verdicts are remembered under besides the value.
pub(super) fn tag(plan: &RuleSet, class: u32) -> u64 {
    plan.serial << 32 | u64::from(class)
}

/// One scan over all texts: which units could match which stages, by stage.
fn find_candidates(plan: &RuleSet, group: &Group, work: &mut GateWork) -> Result<(), EngineError> {
    let GateWork {
        scratches,
        stages,
        pending,
        candidates,
        found,
        ..
    } = work;
    candidates.clear();
    found.clear();
    found.resize(group.units.len(), 0);
    for (shelf, database) in group.databases.iter().enumerate() {
        let joined = stages.joined(shelf);
        let (Some(database), false) = (database, joined.is_empty()) else {
            continue;
        };
        let scanned = database.scan(joined, scratches, |unit, end| {
            let Some((index, stage)) = stages.stage_ending_at(shelf, end) else {
                return;
            };
            let (Some(last), Some(meant)) =
                (found.get_mut(unit as usize), group.units.get(unit as usize))
            else {
                return;
            };
            if *last != index + 1 && stage.chains & (1 << meant.chain) != 0 {
                *last = index + 1;
                candidates.push((index, unit));
            }
        });
        scanned.map_err(|_| EngineError::Scan)?;
    }
    candidates.sort_unstable();
    candidates.dedup();
    // What a class does not look at goes: classes are by value, and stages know their chains alone.
    let mut values = pending.iter();
    let mut current = values.next();
    candidates.retain(|&(stage, unit)| {
        while let Some(value) = current
            && value.end <= stage
        {
            current = values.next();
        }
        let class = current.and_then(|value| plan.gates.classes.get(value.class as usize));
        class.is_some_and(|class| class.units.contains(unit))
    });
    Ok(())
}

/// Decides every unit of a class for one stage of a value, into `verdict`. A pure function of the stage's text, the class and the
/// rules; `found` are the units that the scan found there.
#[expect(
    clippy::too_many_arguments,
    reason = "buffers of one worker, borrowed apart"
)]
fn inspect(
    plan: &RuleSet,
    group: &Group,
    class: &Class,
    stages: &Stages,
    stage: u32,
    found: &[(u32, u32)],
    verdict: &mut Vec<u32>,
    spent: &mut u64,
) {
    let Some((stage, text)) = stages.stage(stage) else {
        return;
    };
    if text.is_empty() {
        let units = class.empty.iter();
        for (unit, _) in units.filter(|(_, chain)| chain & stage.chains != 0) {
            add(group, *unit, verdict);
        }
        return;
    }
    let mut test = |unit: u32| {
        let Some(unit) = group.units.get(unit as usize) else {
            return;
        };
        if !verdict.contains(&unit.rule) && matches(plan, unit, text, spent) {
            verdict.push(unit.rule);
        }
    };
    found.iter().for_each(|(_, unit)| test(*unit));
    for unscanned in &class.unscanned[stage.kind()] {
        if unscanned.chain & stage.chains == 0 {
            continue;
        }
        unscanned.always.iter().for_each(|unit| test(*unit));
        if unscanned.any.intersects(&stage.presence) {
            for number in &unscanned.picky {
                let unit = group.units.get(*number as usize);
                if unit.is_some_and(|unit| has_needs(unit, &stage.presence, text)) {
                    test(*number);
                }
            }
        }
    }
}

fn add(group: &Group, unit: u32, verdict: &mut Vec<u32>) {
    if let Some(unit) = group.units.get(unit as usize)
        && !verdict.contains(&unit.rule)
    {
        verdict.push(unit.rule);
    }
}

fn has_needs(unit: &Unit, presence: &crate::bytes::ByteSet, text: &[u8]) -> bool {
    unit.needs.iter().all(|set| set.intersects(presence))
        && unit.many.is_none_or(|(set, least)| {
            let members = text.iter().filter(|&&byte| set.contains(byte));
            members.take(least as usize).count() == least as usize
        })
}

/// The exact test of a unit. One that passes its match limit counts as a match: the run will meet the limit again, and note it.
fn matches(plan: &RuleSet, unit: &Unit, bytes: &[u8], spent: &mut u64) -> bool {
    *spent += bytes.len() as u64;
    let rule = plan.rules.get(unit.rule as usize);
    let Some(condition) = rule.and_then(|rule| rule.links.first()?.condition.as_ref()) else {
        return true;
    };
    let argument = condition.argument.fixed().unwrap_or_default();
    match condition.test.matches(bytes, argument, None) {
        Ok(found) => found != condition.negated,
        Err(MatchError) => {
            *spent += WORK_OF_AN_EXCEEDED_LIMIT;
            true
        }
    }
}
