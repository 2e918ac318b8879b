//! What is certain before any request comes: set-up rules that always do the same, and rules that can never match.
//!
//! Rule sets such as the CRS begin with hundreds of rules that give variables of `TX` their values, and guard each part with a rule
//! that skips it below its paranoia level. None of this depends on a request. The rules of all phases are run here once, over
//! values that are either known or not: a rule that certainly does nothing but set variables to known values is carried out now (its
//! values are there when a transaction begins), a rule that certainly does not match is left out, and so is what a rule that
//! certainly matches skips.
//!
//! The outcome of a transaction stays the same to the letter. Where a transaction leaves phase 1 before the last set-up rule had
//! its turn, what later ones set is taken back, and later phases run every rule ([`Settled::undo_after`]).

use std::collections::HashMap;

use seclang::ast::{Allow, Transformation, Variable};

use super::rule::{
    Change, Condition, Decision, Effect, Link, Piece, Rule, Selector, Skip, TargetRemoval, Text,
    TxName,
};
use super::{Phases, TxNames};
use crate::operator::Test;
use crate::transform;

/// A rule of a phase, and where it stands among all rules of the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) rule: u32,
    pub(crate) step: u32,
}

/// What set-up rules leave behind, and what remains to be run.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Rules that can still matter, by phase.
    pub(crate) phases: [Vec<Step>; 5],
    /// What was set, in the order of the rules.
    assignments: Vec<Assignment>,
    /// Bytes of all values.
    pub(crate) bytes: Vec<u8>,
    /// By rule, the guard that it stands behind; 0 is none.
    pub(super) guards: Vec<u32>,
    /// Rules that all of this counts on, a bit each.
    counted_on: Vec<u64>,
}

/// A variable that a set-up rule of phase 1 sets or unsets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assignment {
    step: u32,
    pub(crate) slot: u32,
    /// Start and end in [`Settled::bytes`].
    pub(crate) value: Option<(u32, u32)>,
}

impl Settled {
    /// What is set when a transaction begins.
    pub(crate) fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// What a transaction that ended phase 1 at `step` would not have set; the variables' values then are given by
    /// [`Settled::assignments_before`]. `None` where all set-up rules had their turn.
    pub(crate) fn undo_after(&self, step: u32) -> Option<&[Assignment]> {
        let start = self.assignments.partition_point(|set| set.step <= step);
        self.assignments
            .get(start..)
            .filter(|late| !late.is_empty())
    }

    /// What was set up to `step`.
    pub(crate) fn assignments_before(&self, step: u32) -> &[Assignment] {
        let end = self.assignments.partition_point(|set| set.step <= step);
        self.assignments.get(..end).unwrap_or_default()
    }

    /// Whether rules are among these, a bit each, that all of this counts on.
    pub(super) fn counts_on(&self, rules: &[u64]) -> bool {
        let mut words = self.counted_on.iter().zip(rules);
        words.any(|(own, other)| own & other != 0)
    }

    fn count_on(&mut self, rule: u32) {
        if let Some(word) = self.counted_on.get_mut(rule as usize / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    /// Every rule at its step: nothing is certain.
    pub(super) fn nothing(phases: &Phases, rules: usize) -> Settled {
        Settled {
            phases: std::array::from_fn(|phase| all_steps(&phases[phase])),
            guards: vec![0; rules],
            ..Settled::default()
        }
    }

    pub(super) fn find(
        rules: &[Rule],
        phases: &Phases,
        names: &TxNames,
        removals: &[TargetRemoval],
    ) -> Settled {
        if rules.iter().any(reads_earlier_match)
            || removals
                .iter()
                .any(|removal| removal.target.variable == Variable::Tx)
        {
            // What a rule left in MATCHED_VAR is looked at by another: every rule has to run.
            return Settled::nothing(phases, rules.len());
        }
        let mut run = Run::new(rules, names);
        for (phase, steps) in phases.iter().enumerate() {
            run.phase(phase, steps);
        }
        run.settled
    }
}

fn all_steps(rules: &[u32]) -> Vec<Step> {
    let steps = rules.iter().zip(0u32..);
    steps.map(|(&rule, step)| Step { rule, step }).collect()
}

/// Whether a rule leaves no trace but what it skips.
fn is_mute(rule: &Rule) -> bool {
    let [link] = rule.links.as_slice() else {
        return false;
    };
    is_quiet(rule, link) && link.effects.is_empty()
}

/// Whether a rule of one link does nothing but its effects and what it skips.
fn is_quiet(rule: &Rule, link: &Link) -> bool {
    !rule.log
        && !rule.audit_log
        && !link.capture
        && rule.meta.severity.is_none()
        && matches!(rule.decision, Decision::Pass)
}

/// Whether a rule looks at what the last match of an earlier rule left.
fn reads_earlier_match(rule: &Rule) -> bool {
    let is_match =
        |variable: Variable| matches!(variable, Variable::MatchedVar | Variable::MatchedVarName);
    let in_text = |text: &Text| {
        text.0
            .iter()
            .any(|piece| matches!(piece, Piece::Variable(variable, _) if is_match(*variable)))
    };
    match rule.links.first().map(|link| (link, &link.condition)) {
        Some((_, Some(condition))) => {
            condition
                .targets
                .iter()
                .any(|target| is_match(target.variable))
                || in_text(&condition.argument)
        }
        Some((link, None)) => {
            let mut any = false;
            link_texts(link, &mut |text| any |= in_text(text));
            any
        }
        None => false,
    }
}

/// Every text of a link's effects.
fn link_texts<'a>(link: &'a Link, see: &mut impl FnMut(&'a Text)) {
    for effect in &link.effects {
        match effect {
            Effect::SetTx { name, change } => {
                if let TxName::Dynamic(name) = name {
                    see(name);
                }
                match change {
                    Change::Set(text) | Change::Add(text) | Change::Subtract(text) => see(text),
                    Change::Unset => {}
                }
            }
            Effect::SetEnv { name, value } => {
                see(name);
                see(value);
            }
            _ => {}
        }
    }
}

/// What is known of a variable: its value (`None`: it is not set), or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Value(Option<Box<[u8]>>),
    Nothing,
}

/// Whether a link or a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Always,
    Never,
    Perhaps,
}

/// A run over all phases without a request.
struct Run<'a> {
    rules: &'a [Rule],
    names: &'a TxNames,
    variables: Vec<Known>,
    /// Variables that a rule which is left to run reads or writes: what stands behind it cannot be set before it.
    touched: Vec<bool>,
    /// Variables that a rule which is left to run writes.
    written: Vec<bool>,
    /// Rules that `ctl` may have removed, one list an action.
    removed: Vec<&'a [u32]>,
    /// Phases before this one may be left early by `allow`.
    shortened_until: usize,
    guards: HashMap<String, u32>,
    settled: Settled,
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
    fn new(rules: &'a [Rule], names: &'a TxNames) -> Run<'a> {
        // The engine itself sets these while rules run.
        let own = |slot: u32| names.name(slot).starts_with(b"msc_");
        let slots = 0..names.len() as u32;
        let variables = slots.map(|slot| match own(slot) {
            true => Known::Nothing,
            false => Known::Value(None),
        });
        Run {
            rules,
            names,
            variables: variables.collect(),
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

    fn phase(&mut self, phase: usize, steps: &[u32]) {
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
            let outcome = self.outcome(rule);
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
        let mut last: Vec<Option<Known>> = vec![None; self.variables.len()];
        for set in &self.settled.assignments {
            let value = set
                .value
                .and_then(|(start, end)| self.settled.bytes.get(start as usize..end as usize));
            if let Some(place) = last.get_mut(set.slot as usize) {
                *place = Some(Known::Value(value.map(Into::into)));
            }
        }
        for ((known, last), written) in self.variables.iter_mut().zip(last).zip(&self.written) {
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
        if reads_them { None } else { self.text(text) }
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
        let meta = &rule.meta;
        meta.msg.iter().chain(&meta.log_data).for_each(&mut see);
        meta.tags.iter().for_each(&mut see);
        if let Decision::Redirect(url) = &rule.decision {
            see(url);
        }
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
                        Change::Set(text) => self.text(text).map(Some),
                        Change::Unset => Some(None),
                        Change::Add(_) | Change::Subtract(_) => None,
                    };
                    let after = value.map_or(Known::Nothing, Known::Value);
                    let same = self.variables.get(*slot as usize) == Some(&after);
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
        if let Some(place) = self.variables.get_mut(slot as usize) {
            *place = known;
        }
    }

    /// A text, where everything that it names is known.
    fn text(&self, text: &Text) -> Option<Box<[u8]>> {
        let mut out = Vec::new();
        for piece in &text.0 {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal),
                Piece::Tx(slot) => match self.variables.get(*slot as usize)? {
                    Known::Value(value) => out.extend_from_slice(value.as_deref().unwrap_or(b"")),
                    Known::Nothing => return None,
                },
                Piece::Variable(..) | Piece::Search(..) => return None,
            }
        }
        Some(out.into())
    }

    /// Whether a rule matches, as far as its first link tells.
    fn outcome(&self, rule: &Rule) -> Outcome {
        let Some(first) = rule.links.first() else {
            return Outcome::Perhaps;
        };
        let first = match &first.condition {
            None => Outcome::Always,
            Some(condition) => self.matches(first, condition),
        };
        match first {
            Outcome::Always if rule.links.len() > 1 => Outcome::Perhaps,
            outcome => outcome,
        }
    }

    fn matches(&self, link: &Link, condition: &Condition) -> Outcome {
        let later = matches!(
            condition.test,
            Test::Made(_) | Test::Path(_) | Test::Places(_)
        ) || link.chain.contains(&Transformation::UrlDecodeUni);
        if later || link.multi_match || !condition.exclusions.is_empty() {
            return Outcome::Perhaps;
        }
        let Some(argument) = self.text(&condition.argument) else {
            return Outcome::Perhaps;
        };
        let mut outcome = Outcome::Never;
        for target in &condition.targets {
            let known = match (target.variable, target.slot, &target.selector) {
                (Variable::Tx, Some(slot), Selector::Key(_)) => self.variables.get(slot as usize),
                _ => None,
            };
            let Some(Known::Value(value)) = known else {
                return Outcome::Perhaps;
            };
            let value = if target.count {
                Some(if value.is_some() { &b"1"[..] } else { b"0" })
            } else {
                value.as_deref()
            };
            let Some(value) = value else {
                continue;
            };
            let mut current = value.to_vec();
            for &step in &link.chain {
                let mut next = Vec::new();
                transform::apply(step, &current, &mut next);
                current = next;
            }
            match condition.test.matches(&current, &argument, None) {
                Ok(found) if found != condition.negated => outcome = Outcome::Always,
                Ok(_) => {}
                Err(_) => return Outcome::Perhaps,
            }
        }
        outcome
    }
}
