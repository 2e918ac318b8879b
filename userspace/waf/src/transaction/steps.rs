//! The walk over a phase: which rules have their turn, and what a transaction begins with.

use std::sync::Arc;

use seclang::ast::Phase;

use super::{EngineError, Event, Intervention, Transaction};
use crate::plan::{Bits, Course, Rule, RuleSet, Skip, Step};
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
            self.recall_head(&plan, &mut scratch.gate.cache);
            self.recall_steady(&plan, &mut scratch.gate.cache);
        }
        self.state.steady.begin_phase(phase);
        if let Err(error) = self.run_steps(&plan, phase, scratch) {
            self.disturb();
            self.fail(error);
        }
        if phase == Phase::RequestBody {
            self.remember_head(&plan, &mut scratch.gate.cache);
        }
        if phase == Phase::Logging {
            self.remember_steady(&plan, &mut scratch.gate.cache);
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
        self.state.head.clear();
        self.disturb();
        for set in late {
            self.state.tx.set_slot(set.slot, None);
        }
        let bytes = self.state.store.push(&plan.settled.bytes);
        self.assign(plan.settled.assignments_before(step), bytes);
    }

    /// Runs the rules of a phase in their order. Those whose gate says that no value matches are passed over, and those of which the
    /// worker knows that they do not match a head like this one.
    fn run_steps(
        &mut self,
        plan: &RuleSet,
        phase: Phase,
        scratch: &mut Scratch,
    ) -> Result<(), EngineError> {
        let number = usize::from(phase.number()) - 1;
        let courses = match self.state.settled {
            true => &plan.settled_courses,
            false => &plan.courses,
        };
        let course = &courses[number];
        let mut visits = std::mem::take(&mut scratch.visits);
        visits.copy_from(&course.apart);
        if self.is_observed() {
            visits.insert_range(0, course.len());
        } else if let Some(idle) = self.state.head.idle(phase) {
            visits.remove_all(idle);
        }
        if let Some(idle) = self.state.steady.idle(phase)
            && !self.is_observed()
        {
            visits.remove_all(idle);
        }
        let outcome = self.follow(plan, phase, course, &mut visits, scratch);
        scratch.visits = visits;
        outcome
    }

    /// Runs the rules at the places of a course that are to be visited; what gates find is added to them.
    fn follow(
        &mut self,
        plan: &RuleSet,
        phase: Phase,
        course: &Course,
        visits: &mut Bits,
        scratch: &mut Scratch,
    ) -> Result<(), EngineError> {
        let mut next = 0;
        while let Some(place) = visits.next(next) {
            next = place + 1;
            if self.repeat_steady(phase, place) {
                continue;
            }
            let Some(&Step { rule: index, step }) = course.steps.get(place as usize) else {
                break;
            };
            let Some(rule) = plan.rules.get(index as usize) else {
                continue;
            };
            self.state.rule = index;
            if self.is_removed(index) {
                self.see_removed(index, rule.id);
                decide_later(plan, course, place, next, visits);
                continue;
            }
            let changes = self.state.tx.changes();
            let outcome = self.run_rule(plan, phase, index, rule, course, visits, scratch);
            let changed = self.state.tx.changes() != changes;
            self.keep_steady(plan, (phase, place), &outcome, changed, visits);
            let target = match outcome {
                Ok(false) => {
                    if self.state.head.is_new() && plan.head.contains(index) {
                        let is_gated = plan.gates.group_of(index).is_some();
                        self.state.head.note_idle(phase, place, course, is_gated);
                    }
                    continue;
                }
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
            next = course.place_from(next, target);
            (behind..next).for_each(|place| decide_later(plan, course, place, next, visits));
            if self.is_observed() {
                self.see_rule_over(true);
                self.see_skipped(plan, course.between(behind, next), rule.id);
            }
            let over = !self.state.intervention.is_none() && phase != Phase::Logging;
            if over || phase.number() <= self.state.allowed_until || !self.is_inspecting() {
                self.disturb();
                if phase == Phase::RequestHeaders {
                    self.leave_set_up(plan, step);
                }
                break;
            }
        }
        Ok(())
    }

    /// Sees to it that what is known of steady rules is true after a rule ran, and notes what is found out.
    fn keep_steady(
        &mut self,
        plan: &RuleSet,
        (phase, place): (Phase, u32),
        outcome: &Result<bool, EngineError>,
        changed: bool,
        visits: &mut Bits,
    ) {
        let rule = self.state.rule;
        if !self.state.steady.holds() {
            return;
        }
        let is_new = self.state.steady.is_new();
        let is_steady = plan.steady.contains(rule);
        if *outcome == Ok(false) && !changed && is_new && plan.gates.group_of(rule).is_none() {
            let is_idle = is_steady && plan.steady.is_idle_without_match(rule)
                || plan.steady.fails_again(rule, self.state.failed_link);
            if is_idle {
                self.state.steady.note_idle(phase, place);
            }
        }
        if is_steady {
            if *outcome == Ok(true) && is_new {
                self.note_steady_match(plan, phase, place);
            }
        } else if changed || plan.steady.is_disturbed_by(rule, *outcome != Ok(false)) {
            if let Some(idle) = self.state.steady.idle(phase) {
                visits.insert_all_from(idle, place + 1);
            }
            self.disturb();
        }
    }

    /// Runs a rule, if it is not passed over: whether it matched.
    #[expect(
        clippy::too_many_arguments,
        reason = "where the walk is, borrowed apart"
    )]
    fn run_rule(
        &mut self,
        plan: &RuleSet,
        phase: Phase,
        index: u32,
        rule: &Rule,
        course: &Course,
        visits: &mut Bits,
        scratch: &mut Scratch,
    ) -> Result<bool, EngineError> {
        let mut gated = false;
        if self.is_observed() {
            let (index, id) = (index as usize, rule.id);
            self.see(&Event::Rule { index, id });
        } else if let Some(group) = plan.gates.group_of(index) {
            if self.decide_group(plan, group, phase, scratch)? {
                let hits = self.state.decided.hits.iter();
                let places = hits.filter_map(|(rule, _)| course.place_of(*rule));
                places.for_each(|place| visits.insert(place));
                if let Some(idle) = self.state.head.idle(phase) {
                    visits.remove_all(idle);
                }
            }
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

/// The rule at a place has no turn. If it was to decide its group, the next rule of the group from `start` on will.
fn decide_later(plan: &RuleSet, course: &Course, place: u32, start: u32, visits: &mut Bits) {
    let group_at = |place: u32| plan.gates.group_of(course.steps.get(place as usize)?.rule);
    if !visits.contains(place) {
        return;
    }
    if let Some(group) = group_at(place) {
        let mut places = start..course.len();
        if let Some(next) = places.find(|&place| group_at(place) == Some(group)) {
            visits.insert(next);
        }
    }
}
