//! A run over all phases without a request.

use std::collections::HashMap;

use seclang::ast::{Allow, Variable};

use super::known::{Known, Outcome, Variables};
use super::{Assignment, Settled, Step, is_mute, is_quiet, link_texts, rule_texts};
use crate::plan::{Change, Decision, Effect, Link, Piece, Rule, Skip, Text, TxName, TxNames};

/// Variables that the engine itself sets while rules run.
const OWN_PREFIX: &[u8] = b"msc_";

/// A run over all phases without a request.
pub(super) struct Run<'a> {
    rules: &'a [Rule],
    names: &'a TxNames,
    variables: Variables,
    /// Variables that a rule which is left to run reads or writes: what stands behind it cannot be set before it.
    touched: Vec<bool>,
    /// Variables that a rule which is left to run writes.
    written: Vec<bool>,
    /// Rules that `ctl` may have removed, one list an action.
    removed: Vec<&'a [u32]>,
    /// Phases before this one may be left early by `allow`.
    shortened_until: usize,
    guards: HashMap<String, u32>,
    pub(super) settled: Settled,
}

/// Where a run over one phase is.
#[derive(Default)]
struct Reach {
    /// A rule that certainly matches skips up to here, unless it is removed.
    skipped: Option<(u32, u32)>,
    /// Up to here it is not certain that a rule is reached.
    uncertain: u32,
    /// Guards that reach over the current step, and their ends.
    open: Vec<(u32, u32)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(rules: &'a [Rule], names: &'a TxNames) -> Run<'a> {
        let own = |slot: u32| names.name(slot).starts_with(OWN_PREFIX);
        let slots = 0..names.len() as u32;
        let variables = slots.map(|slot| match own(slot) {
            true => Known::Nothing,
            false => Known::Value(None),
        });
        Run {
            rules,
            names,
            variables: Variables(variables.collect()),
            touched: vec![false; names.len()],
            written: vec![false; names.len()],
            removed: Vec::new(),
            shortened_until: 0,
            guards: HashMap::new(),
            settled: Settled {
                guards: vec![0; rules.len()],
                counted_on: vec![0; rules.len().div_ceil(64)],
                ..Settled::default()
            },
        }
    }

    /// What came of it.
    pub(super) fn finish(mut self) -> Settled {
        let slots = 0..self.names.len() as u32;
        let own = |slot: u32| self.names.name(slot).starts_with(OWN_PREFIX);
        let constant = slots.zip(&self.written);
        self.settled.constant = constant
            .map(|(slot, written)| !written && !own(slot))
            .collect();
        self.settled
    }

    pub(super) fn phase(&mut self, phase: usize, steps: &[u32]) {
        if phase + 1 == self.settled.phases.len() {
            self.forget_what_is_written();
        }
        let mut reach = Reach::default();
        let mut idle = Vec::new();
        for (&index, step) in steps.iter().zip(0u32..) {
            let Some(rule) = self.rules.get(index as usize) else {
                continue;
            };
            if let Some((guard, end)) = reach.skipped
                && step < end
            {
                if self.removed_with(guard, index) {
                    continue;
                }
                reach.uncertain = reach.uncertain.max(end);
            }
            let certain = step >= reach.uncertain
                && phase >= self.shortened_until
                && !self.removed.iter().any(|list| list.contains(&index));
            let outcome = self.variables.outcome(rule);
            if outcome == Outcome::Never {
                continue;
            }
            self.skip(
                rule,
                index,
                step,
                outcome,
                certain,
                steps.len() as u32,
                &mut reach,
            );
            if outcome == Outcome::Always {
                self.settled.count_on(index);
            }
            if phase == 0 && certain && outcome == Outcome::Always && self.fold(rule, step) {
                continue;
            }
            reach.open.retain(|(_, end)| *end > step);
            self.settled.guards[index as usize] = reach.open.last().map_or(0, |(guard, _)| *guard);
            if let (Some(Skip::To(end)), Some(condition)) = (rule.skip, rule.is_guard()) {
                let next = self.guards.len() as u32 + 1;
                let guard = *self.guards.entry(condition.guard_text()).or_insert(next);
                reach.open.push((guard, end));
            }
            if let (Outcome::Always, Some(Skip::To(end)), true) =
                (outcome, rule.skip, is_mute(rule))
            {
                idle.push((step, end));
            }
            self.keep(rule, certain && outcome == Outcome::Always);
            self.leave(rule, phase, steps.len() as u32, &mut reach);
            self.settled.phases[phase].push(Step { rule: index, step });
        }
        self.drop_idle(phase, &idle);
    }

    /// Leaves out rules that do nothing but skip, where nothing is left to be skipped.
    fn drop_idle(&mut self, phase: usize, idle: &[(u32, u32)]) {
        let steps = &mut self.settled.phases[phase];
        let all = steps.clone();
        steps.retain(|own| {
            let skip = idle.iter().find(|(step, _)| *step == own.step);
            skip.is_none_or(|(step, end)| {
                let mut others = all
                    .iter()
                    .filter(|other| other.step > *step && other.step < *end);
                // Idle ones among these skip nothing either.
                others.any(|other| !idle.iter().any(|(step, _)| *step == other.step))
            })
        });
    }

    /// Phase 5 runs after any end of the others: what only set-up rules set is known then, and nothing else.
    fn forget_what_is_written(&mut self) {
        let mut last: Vec<Option<Known>> = vec![None; self.variables.0.len()];
        for set in &self.settled.assignments {
            let value = set
                .value
                .and_then(|(start, end)| self.settled.bytes.get(start as usize..end as usize));
            if let Some(place) = last.get_mut(set.slot as usize) {
                *place = Some(Known::Value(value.map(Into::into)));
            }
        }
        for ((known, last), written) in self.variables.0.iter_mut().zip(last).zip(&self.written) {
            *known = match last {
                _ if *written => Known::Nothing,
                Some(value) => value,
                None if *known == Known::Nothing => Known::Nothing,
                None => Known::Value(None),
            };
        }
        self.shortened_until = 0;
    }

    /// Whether `rule` is removed wherever `guard` is.
    fn removed_with(&self, guard: u32, rule: u32) -> bool {
        self.removed
            .iter()
            .filter(|list| list.contains(&guard))
            .all(|list| list.contains(&rule))
    }

    #[expect(clippy::too_many_arguments, reason = "where a run is, piece by piece")]
    fn skip(
        &self,
        rule: &Rule,
        index: u32,
        step: u32,
        outcome: Outcome,
        certain: bool,
        steps: u32,
        reach: &mut Reach,
    ) {
        let end = match rule.skip {
            Some(Skip::To(end)) => end,
            Some(Skip::Rules(count)) => step.saturating_add(1).saturating_add(count).min(steps),
            None => return,
        };
        let reached = step >= reach.uncertain;
        if outcome == Outcome::Always && (certain || reached) && rule.links.len() == 1 {
            reach.skipped = Some((index, end));
        } else {
            reach.uncertain = reach.uncertain.max(end);
        }
    }

    /// What a rule that is left to run may do to what follows it.
    fn leave(&mut self, rule: &Rule, phase: usize, steps: u32, reach: &mut Reach) {
        if let Decision::Allow(extent) = rule.decision {
            reach.uncertain = steps;
            if extent == Allow::Request {
                self.shortened_until = self.shortened_until.max(2).max(phase);
            }
        }
    }

    /// Carries a set-up rule out, if that is what it is.
    fn fold(&mut self, rule: &Rule, step: u32) -> bool {
        let [link] = rule.links.as_slice() else {
            return false;
        };
        if !is_quiet(rule, link) || rule.skip.is_some() {
            return false;
        }
        let mut sets = Vec::new();
        for effect in &link.effects {
            let Effect::SetTx {
                name: TxName::Slot(slot),
                change,
            } = effect
            else {
                return false;
            };
            let value = match change {
                Change::Set(text) => match self.value_after(text, &sets) {
                    Some(value) => Some(value),
                    None => return false,
                },
                Change::Unset => None,
                Change::Add(_) | Change::Subtract(_) => return false,
            };
            if self.touched.get(*slot as usize) != Some(&false) {
                return false;
            }
            sets.push((*slot, value));
        }
        for (slot, value) in sets {
            let place = value.as_ref().map(|value| {
                let start = self.settled.bytes.len() as u32;
                self.settled.bytes.extend_from_slice(value);
                (start, self.settled.bytes.len() as u32)
            });
            self.settled.assignments.push(Assignment {
                step,
                slot,
                value: place,
            });
            self.set(slot, Known::Value(value));
        }
        true
    }

    /// The text after the assignments that stand before it in the same rule.
    fn value_after(&self, text: &Text, sets: &[(u32, Option<Box<[u8]>>)]) -> Option<Box<[u8]>> {
        let reads_them = text.0.iter().any(
            |piece| matches!(piece, Piece::Tx(slot) if sets.iter().any(|(set, _)| set == slot)),
        );
        if reads_them {
            None
        } else {
            self.variables.text(text)
        }
    }

    /// Notes what a rule that is left to run reads and writes, and what is known after it.
    fn keep(&mut self, rule: &'a Rule, certain: bool) {
        let mut read = Vec::new();
        let mut reads_all = false;
        let mut see = |text: &Text| {
            for piece in &text.0 {
                match piece {
                    Piece::Tx(slot) => read.push(*slot),
                    Piece::Variable(Variable::Tx, _) | Piece::Search(Variable::Tx, _) => {
                        reads_all = true;
                    }
                    _ => {}
                }
            }
        };
        rule_texts(rule, &mut see);
        for link in &rule.links {
            link_texts(link, &mut see);
            if let Some(condition) = &link.condition {
                see(&condition.argument);
            }
        }
        let conditions = rule.links.iter().filter_map(|link| link.condition.as_ref());
        for target in conditions.flat_map(|condition| &condition.targets) {
            match (target.variable, target.slot) {
                (Variable::Tx, Some(slot)) => read.push(slot),
                (Variable::Tx, None) => reads_all = true,
                _ => {}
            }
        }
        for slot in read {
            self.touch(slot);
        }
        if reads_all {
            self.touched.fill(true);
        }
        let single = rule.links.len() == 1;
        for link in &rule.links {
            self.keep_effects(link, certain && single);
        }
    }

    fn keep_effects(&mut self, link: &'a Link, certain: bool) {
        if link.capture {
            for slot in 0..crate::operator::Captures::LIMIT as u32 {
                self.write(slot, Known::Nothing);
            }
        }
        for effect in &link.effects {
            match effect {
                Effect::SetTx {
                    name: TxName::Slot(slot),
                    change,
                } => {
                    let value = match change {
                        Change::Set(text) => self.variables.text(text).map(Some),
                        Change::Unset => Some(None),
                        Change::Add(_) | Change::Subtract(_) => None,
                    };
                    let after = value.map_or(Known::Nothing, Known::Value);
                    let same = self.variables.0.get(*slot as usize) == Some(&after);
                    self.write(
                        *slot,
                        if certain || same {
                            after
                        } else {
                            Known::Nothing
                        },
                    );
                }
                Effect::SetTx {
                    name: TxName::Dynamic(name),
                    ..
                } => {
                    let prefix = match name.0.first() {
                        Some(Piece::Literal(text)) => text.to_ascii_lowercase(),
                        _ => Vec::new(),
                    };
                    for slot in 0..self.names.len() as u32 {
                        if self.names.name(slot).starts_with(&prefix) {
                            self.write(slot, Known::Nothing);
                        }
                    }
                }
                Effect::RemoveRules(rules) => self.removed.push(rules),
                _ => {}
            }
        }
    }

    fn touch(&mut self, slot: u32) {
        if let Some(touched) = self.touched.get_mut(slot as usize) {
            *touched = true;
        }
    }

    fn write(&mut self, slot: u32, known: Known) {
        self.touch(slot);
        if let Some(written) = self.written.get_mut(slot as usize) {
            *written = true;
        }
        self.set(slot, known);
    }

    fn set(&mut self, slot: u32, known: Known) {
        if let Some(place) = self.variables.0.get_mut(slot as usize) {
            *place = known;
        }
    }
}
