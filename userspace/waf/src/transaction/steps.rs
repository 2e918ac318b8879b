//! The walk over a phase: which rules have their turn, and what a transaction begins with.

use std::sync::Arc;

use seclang::ast::Phase;

use super::{EngineError, Event, Intervention, Transaction};
use crate::plan::{Rule, RuleSet, Skip, Step};
use crate::scratch::Scratch;

impl Transaction {
    /// Runs a phase that decides.
    pub(super) fn run(&mut self, phase: Phase, scratch: &mut Scratch) -> Intervention {
        let decided = !self.state.intervention.is_none() || self.state.error.is_some();
        if !decided && phase.number() > self.state.allowed_until {
            self.run_phase(phase, scratch);
        }
        self.state.intervention.clone()
    }

    /// Runs phase 5, once and in any case. Its rules decide nothing any more.
    pub(super) fn run_logging(&mut self, scratch: &mut Scratch) {
        if self.state.phase < Phase::Logging.number() {
            self.run_phase(Phase::Logging, scratch);
        }
    }

    fn run_phase(&mut self, phase: Phase, scratch: &mut Scratch) {
        self.state.phase = phase.number();
        if !self.is_inspecting() {
            return;
        }
        self.see(&Event::Phase(phase.number()));
        let plan = Arc::clone(&self.rules);
        self.state.decided.begin_phase();
        if phase == Phase::RequestHeaders {
            self.set_up(&plan);
        }
        if let Err(error) = self.run_steps(&plan, phase, scratch) {
            self.fail(error);
        }
    }

    /// Gives variables the values that set-up rules would give them. An observer sees these rules run instead.
    fn set_up(&mut self, plan: &RuleSet) {
        self.state.settled = plan.options.gates && !plan.overlay.unsettles && !self.is_observed();
        if self.state.settled {
            let bytes = self.state.store.push(&plan.settled.bytes);
            self.assign(plan.settled.assignments(), bytes);
        }
    }

    fn assign(&mut self, assignments: &[crate::plan::Assignment], bytes: crate::store::Span) {
        for set in assignments {
            let value = set
                .value
                .map(|(start, end)| bytes.slice(start as usize, end as usize));
            self.state.tx.set_slot(set.slot, value);
        }
    }

    /// Phase 1 ended at a step: set-up rules behind it did not run, and nothing that follows may count on them.
    fn leave_set_up(&mut self, plan: &RuleSet, step: u32) {
        let Some(late) = plan.settled.undo_after(step).filter(|_| self.state.settled) else {
            return;
        };
        self.state.settled = false;
        for set in late {
            self.state.tx.set_slot(set.slot, None);
        }
        let bytes = self.state.store.push(&plan.settled.bytes);
        self.assign(plan.settled.assignments_before(step), bytes);
    }

    /// Runs the rules of a phase in their order. Those whose gate says that no value matches are passed over.
    fn run_steps(
        &mut self,
        plan: &RuleSet,
        phase: Phase,
        scratch: &mut Scratch,
    ) -> Result<(), EngineError> {
        let number = usize::from(phase.number()) - 1;
        let steps = if self.state.settled {
            &plan.settled.phases[number]
        } else {
            &plan.steps[number]
        };
        let mut next = 0;
        while let Some(&Step { rule: index, step }) = steps.get(next) {
            next += 1;
            let Some(rule) = plan.rules.get(index as usize) else {
                continue;
            };
            let target = match self.run_rule(plan, phase, index, rule, scratch) {
                Ok(false) => continue,
                Ok(true) => match rule.skip {
                    Some(Skip::To(target)) => target,
                    Some(Skip::Rules(count)) => step.saturating_add(1).saturating_add(count),
                    None => step,
                },
                Err(error) => {
                    self.leave_set_up(plan, step);
                    return Err(error);
                }
            };
            let behind = next;
            while steps.get(next).is_some_and(|step| step.step < target) {
                next += 1;
            }
            if self.is_observed() {
                self.see_rule_over(true);
                self.see_skipped(plan, steps.get(behind..next).unwrap_or_default(), rule.id);
            }
            let over = !self.state.intervention.is_none() && phase != Phase::Logging;
            if over || phase.number() <= self.state.allowed_until || !self.is_inspecting() {
                if phase == Phase::RequestHeaders {
                    self.leave_set_up(plan, step);
                }
                break;
            }
        }
        Ok(())
    }

    /// Runs a rule, if it is not passed over: whether it matched.
    fn run_rule(
        &mut self,
        plan: &RuleSet,
        phase: Phase,
        index: u32,
        rule: &Rule,
        scratch: &mut Scratch,
    ) -> Result<bool, EngineError> {
        if self.is_removed(index) {
            if self.is_observed() {
                let (index, id) = (index as usize, rule.id);
                self.see(&Event::Removed { index, id });
            }
            return Ok(false);
        }
        self.state.rule = index;
        let mut gated = false;
        if self.is_observed() {
            let (index, id) = (index as usize, rule.id);
            self.see(&Event::Rule { index, id });
        } else if let Some(group) = plan.gates.group_of(index) {
            self.decide_group(plan, group, phase, scratch)?;
            if !self.state.decided.hit_rules.contains(index) {
                return Ok(false);
            }
            gated = true;
        }
        if !self.chain_matches(plan, rule, index, gated, &mut scratch.work)? {
            self.see_rule_over(false);
            return Ok(false);
        }
        self.conclude(plan, rule);
        Ok(true)
    }
}
