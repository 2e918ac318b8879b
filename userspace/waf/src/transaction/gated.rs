//! Passing over what cannot match: decides a whole group of rules for every value that they look at.

use super::state::Value;
use super::{EngineError, Transaction};
use crate::WORK_OF_AN_EXCEEDED_LIMIT;
use crate::bytes::ByteSet;
use crate::cache;
use crate::operator::MatchError;
use crate::plan::{Bits, Class, ClassChain, Gates, RuleSet, Unit};
use crate::scratch::{GateWork, Scratch};
use crate::transform;

/// Work that asking the memory about a value costs.
const WORK_OF_A_LOOKUP: u64 = 16;

impl Transaction {
    /// Makes sure that a group is decided for this phase.
    pub(super) fn decide_group(
        &mut self,
        plan: &RuleSet,
        group: u32,
        scratch: &mut Scratch,
    ) -> Result<(), EngineError> {
        if scratch.gate.decided.contains(group) {
            return Ok(());
        }
        scratch.gate.decided.insert(group);
        let Some(gates) = plan.gates.groups.get(group as usize) else {
            return Ok(());
        };
        let mut values = std::mem::take(&mut scratch.work.values);
        for gate in &gates.variables {
            values.clear();
            self.values(plan, gate.variable, None, |_| true, &mut values);
            for value in &values {
                if let Some(class) = gate.class(self.state.store.get(value.key)) {
                    self.decide_value(plan, class, value, &mut scratch.gate)?;
                }
            }
        }
        scratch.work.values = values;
        scratch.gate.hits.sort_by_key(|(rule, _)| *rule);
        Ok(())
    }

    /// Adds a hit for every rule of the class that the value matches.
    fn decide_value(
        &mut self,
        plan: &RuleSet,
        class: u32,
        value: &Value,
        work: &mut GateWork,
    ) -> Result<(), EngineError> {
        self.spend(WORK_OF_A_LOOKUP)?;
        let bytes = self.bytes(value.bytes);
        let remembered = bytes.len() <= cache::VALUE_LIMIT_BYTES;
        if remembered {
            work.key.clear();
            work.key.extend_from_slice(&plan.serial.to_ne_bytes());
            work.key.extend_from_slice(&class.to_ne_bytes());
            work.key.extend_from_slice(bytes);
            if let Some(verdict) = work.cache.get(&work.key) {
                let hits = verdict.iter().map(|&rule| (rule, *value));
                work.hits.extend(hits);
                verdict.iter().for_each(|&rule| work.hit_rules.insert(rule));
                return Ok(());
            }
        }
        let mut spent = 0;
        inspect(plan, class, bytes, work, &mut spent)?;
        self.spend(spent)?;
        for &rule in &work.verdict {
            work.hits.push((rule, *value));
            work.hit_rules.insert(rule);
        }
        if remembered {
            work.cache
                .insert(work.key.as_slice().into(), work.verdict.as_slice().into());
        }
        Ok(())
    }
}

/// Decides every unit of a class for a value, into `work.verdict`. A pure function of value, class and rules.
fn inspect(
    plan: &RuleSet,
    class: u32,
    value: &[u8],
    work: &mut GateWork,
    spent: &mut u64,
) -> Result<(), EngineError> {
    work.verdict.clear();
    let gates: &Gates = &plan.gates;
    let Some(class) = gates.classes.get(class as usize) else {
        return Ok(());
    };
    let stages = make_stages(gates, class, value, work, spent);
    let mut candidates = std::mem::take(&mut work.candidates);
    for index in 0..stages {
        let stage = &work.stages[index];
        let bytes = stage.bytes(value);
        candidates.clear();
        find_candidates(
            gates,
            class,
            stage,
            bytes,
            &mut work.scratches,
            &mut candidates,
        )
        .map_err(|_| EngineError::Scan)?;
        *spent += bytes.len() as u64 * (1 + candidates.len() as u64);
        if *spent > plan.options.work_limit_bytes {
            return Err(EngineError::WorkLimit);
        }
        for &unit in &candidates {
            let unit = &gates.groups[class.group as usize].units[unit as usize];
            if !work.verdict.contains(&unit.rule) && matches(plan, unit, bytes, spent) {
                work.verdict.push(unit.rule);
            }
        }
    }
    work.candidates = candidates;
    work.verdict.sort_unstable();
    Ok(())
}

/// One of the different texts that the chains of a class make of a value.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// Whether it is the value itself.
    original: bool,
    changed: Vec<u8>,
    presence: ByteSet,
    /// Chains that end in it, or pass it with `multiMatch`.
    chains: Bits,
    /// Whether one of these has units that a scan finds.
    has_scanned: bool,
}

impl Stage {
    fn bytes<'a>(&'a self, value: &'a [u8]) -> &'a [u8] {
        if self.original { value } else { &self.changed }
    }
}

/// Fills `work.stages` with the different texts and says how many there are; most values have one.
fn make_stages(
    gates: &Gates,
    class: &Class,
    value: &[u8],
    work: &mut GateWork,
    spent: &mut u64,
) -> usize {
    let group = &gates.groups[class.group as usize];
    let presence = ByteSet::present_in(value);
    *spent += value.len() as u64;
    let mut count = 0;
    let original = stage_at(&mut work.stages, &mut count);
    original.original = true;
    original.presence = presence;
    for member in &class.chains {
        let Some(chain) = group.chains.get(member.chain as usize) else {
            continue;
        };
        let idle = chain.is_idle(&presence);
        if idle || chain.multi_match {
            work.stages[0].chains.insert(member.chain);
            work.stages[0].has_scanned |= member.has_scanned;
        }
        if idle {
            continue;
        }
        let mut current = std::mem::take(&mut work.current);
        let mut next = std::mem::take(&mut work.next);
        current.clear();
        current.extend_from_slice(value);
        let mut present = presence;
        for &step in &chain.steps {
            if transform::is_idle(step, &present) {
                continue;
            }
            next.clear();
            let map = gates.unicode_map.as_deref();
            transform::apply_with(map, step, &current, &mut next);
            *spent += current.len() as u64;
            let changed = next != current;
            std::mem::swap(&mut current, &mut next);
            if changed {
                present = ByteSet::present_in(&current);
                if chain.multi_match {
                    add_stage(&mut work.stages, &mut count, value, &current, member);
                }
            }
        }
        if !chain.multi_match {
            add_stage(&mut work.stages, &mut count, value, &current, member);
        }
        work.current = current;
        work.next = next;
    }
    count
}

/// The next free stage, cleared.
fn stage_at<'a>(stages: &'a mut Vec<Stage>, count: &mut usize) -> &'a mut Stage {
    if stages.len() <= *count {
        stages.push(Stage::default());
    }
    let stage = &mut stages[*count];
    *count += 1;
    stage.original = false;
    stage.changed.clear();
    stage.chains.clear();
    stage.has_scanned = false;
    stage
}

/// Notes that a chain makes `text` of the value, beside others that make the same.
fn add_stage(
    stages: &mut Vec<Stage>,
    count: &mut usize,
    value: &[u8],
    text: &[u8],
    member: &ClassChain,
) {
    let known = (0..*count).find(|&index| stages[index].bytes(value) == text);
    let stage = match known {
        Some(index) => &mut stages[index],
        None => {
            let stage = stage_at(stages, count);
            stage.changed.extend_from_slice(text);
            stage.presence = ByteSet::present_in(text);
            stage
        }
    };
    stage.chains.insert(member.chain);
    stage.has_scanned |= member.has_scanned;
}

/// The units of the class that could match a stage.
fn find_candidates(
    gates: &Gates,
    class: &Class,
    stage: &Stage,
    bytes: &[u8],
    scratches: &mut crate::plan::Scratches,
    candidates: &mut Vec<u32>,
) -> Result<(), hyperscan::Error> {
    let group = &gates.groups[class.group as usize];
    if let (true, Some(database)) = (stage.has_scanned && !bytes.is_empty(), &group.database) {
        database.scan(bytes, scratches, |unit| {
            let is_meant = class.units.contains(unit)
                && group
                    .units
                    .get(unit as usize)
                    .is_some_and(|unit| stage.chains.contains(unit.chain));
            if is_meant && !candidates.contains(&unit) {
                candidates.push(unit);
            }
        })?;
    }
    for member in class
        .chains
        .iter()
        .filter(|member| stage.chains.contains(member.chain))
    {
        let units = member.unscanned.iter().filter(|&&unit| {
            let unit = &group.units[unit as usize];
            if bytes.is_empty() {
                unit.matches_empty
            } else {
                has_needs(unit, &stage.presence)
            }
        });
        candidates.extend(units);
    }
    Ok(())
}

fn has_needs(unit: &Unit, presence: &ByteSet) -> bool {
    unit.needs.iter().all(|set| set.intersects(presence))
}

/// The exact test of a unit. One that passes its match limit counts as a match: the run will meet the limit again, and note it.
fn matches(plan: &RuleSet, unit: &Unit, bytes: &[u8], spent: &mut u64) -> bool {
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

/// Whether the values of a hit rule include this one.
pub(super) fn is_hit(hits: &[(u32, Value)], rule: u32, value: &Value) -> bool {
    let start = hits.partition_point(|(other, _)| *other < rule);
    let hits = hits.get(start..).unwrap_or_default().iter();
    hits.take_while(|(other, _)| *other == rule)
        .any(|(_, other)| other == value)
}
