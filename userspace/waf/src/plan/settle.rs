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

mod known;
mod run;

use seclang::ast::Variable;

use super::rule::{Change, Decision, Effect, Link, Piece, Rule, TargetRemoval, Text, TxName};
use super::{Phases, TxNames};
use run::Run;

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
    /// By slot: variables that keep the value of the set-up whatever rules match.
    constant: Vec<bool>,
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

    /// Whether a variable has the same value in every transaction that begins settled, as long as it is.
    pub(super) fn is_constant(&self, slot: u32) -> bool {
        self.constant.get(slot as usize) == Some(&true)
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
        run.finish()
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
            // Texts of a rule without a condition are expanded with what an earlier rule left.
            let mut any = false;
            link_texts(link, &mut |text| any |= in_text(text));
            rule_texts(rule, &mut |text| any |= in_text(text));
            any
        }
        None => false,
    }
}

/// Every text that a rule says about itself, and where it redirects to.
fn rule_texts<'a>(rule: &'a Rule, see: &mut impl FnMut(&'a Text)) {
    let meta = &rule.meta;
    let told = meta.msg.iter().chain(&meta.log_data).chain(&meta.tags);
    told.for_each(&mut *see);
    if let Decision::Redirect(url) = &rule.decision {
        see(url);
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
