//! Running one rule: chains, values, and what a match leads to.

use seclang::ast::{Allow, EngineMode, Phase};

use super::state::{Bytes, Matched, Value};
use super::{EngineError, Event, Intervention, Transaction};
use crate::bytes::ByteSet;
use crate::operator::{Captures, MatchError, Test};
use crate::plan::{Condition, Decision, Link, Rule, RuleSet};
use crate::scratch::Work;
use crate::transform;

/// Work that each test of a value costs besides the bytes of the value.
const WORK_OF_A_TEST: u64 = 32;

impl Transaction {
    /// Whether every link of the chain has a match. Where the rule is gated, the values that its first link matches are known.
    pub(super) fn chain_matches(
        &mut self,
        plan: &RuleSet,
        rule: &Rule,
        index: u32,
        gated: bool,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        self.state.matched.clear();
        for (number, link) in rule.links.iter().enumerate() {
            self.see(&Event::Link(number));
            let matched = self.link_matches(plan, link, index, gated && number == 0, work)?;
            self.see(&Event::LinkOver { matched });
            if !matched {
                self.state.failed_link = number;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn link_matches(
        &mut self,
        plan: &RuleSet,
        link: &Link,
        index: u32,
        gated: bool,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        let Some(condition) = &link.condition else {
            self.apply(plan, link);
            return Ok(true);
        };
        let mut values = std::mem::take(&mut work.values);
        values.clear();
        self.collect_for(plan, condition, index, &mut values);
        if gated {
            let hits = self.state.decided.hits_of(index);
            values.retain(|value| hits.iter().any(|(_, hit)| hit == value));
        }
        let mut any = Ok(false);
        for value in &values {
            self.see_value(link, value);
            match self.value_matches(plan, link, condition, value, work) {
                Ok(matched) => any = any.map(|any| any | matched),
                Err(error) => {
                    any = Err(error);
                    break;
                }
            }
            self.see(&Event::ValueOver);
        }
        work.values = values;
        any
    }

    /// Whether a value matches, the stages between its transformations included where `multiMatch` asks for them. Each match runs the
    /// link's effects.
    fn value_matches(
        &mut self,
        plan: &RuleSet,
        link: &Link,
        condition: &Condition,
        value: &Value,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        let mut current = std::mem::take(&mut work.current);
        let mut next = std::mem::take(&mut work.next);
        let mut transformed = false;
        let mut presence = ByteSet::ALL;
        if !link.chain.is_empty() {
            presence = ByteSet::present_in(self.bytes(value.bytes));
        }
        let mut outcome = Ok(false);
        if link.multi_match {
            outcome = self.stage_matches(plan, link, condition, value, None, work);
        }
        for &transformation in &link.chain {
            let input: &[u8] = if transformed {
                &current
            } else {
                self.bytes(value.bytes)
            };
            if transform::is_idle(transformation, &presence) {
                continue;
            }
            next.clear();
            let map = plan.settings.unicode_map.as_deref();
            transform::apply_with(map, transformation, input, &mut next);
            let changed = next != input;
            self.state.work += input.len() as u64;
            std::mem::swap(&mut current, &mut next);
            transformed = true;
            if changed {
                presence = ByteSet::present_in(&current);
                if link.multi_match && outcome.is_ok() {
                    let stage =
                        self.stage_matches(plan, link, condition, value, Some(&current), work);
                    outcome = outcome.and_then(|any| stage.map(|stage| any | stage));
                }
            }
        }
        if !link.multi_match {
            let stage = transformed.then_some(current.as_slice());
            outcome = self.stage_matches(plan, link, condition, value, stage, work);
        }
        work.current = current;
        work.next = next;
        outcome
    }

    /// Tests one stage of a value: `stage`, or the value as it is. A match is remembered and its effects run.
    fn stage_matches(
        &mut self,
        plan: &RuleSet,
        link: &Link,
        condition: &Condition,
        value: &Value,
        stage: Option<&[u8]>,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        work.argument.clear();
        let argument = match condition.argument.fixed() {
            Some(argument) => argument,
            None => {
                self.expand(plan, &condition.argument, &mut work.argument);
                &work.argument
            }
        };
        let bytes = stage.unwrap_or_else(|| self.bytes(value.bytes));
        let length = bytes.len() as u64;
        let mut captures = Captures::default();
        let fills = condition.test.fills_variables();
        let wanted = ((link.capture || fills) && !condition.negated).then_some(&mut captures);
        let (found, looked) = match &condition.test {
            Test::Document(grammar) => {
                let (differs, looked) = self.held_against(grammar, value, bytes)?;
                (Ok(differs), looked)
            }
            test => (test.matches(bytes, argument, wanted), 0),
        };
        self.spend(WORK_OF_A_TEST + length + looked + condition.test.own_work())?;
        let matched = match found {
            Ok(found) => found != condition.negated,
            Err(MatchError) => {
                self.spend(crate::WORK_OF_AN_EXCEEDED_LIMIT)?;
                self.note_exceeded_limit(plan);
                false
            }
        };
        self.see_test(value, stage, argument, matched, found.is_err());
        if !matched {
            return Ok(false);
        }
        let span = match (stage, value.bytes) {
            (None, Bytes::Stored(span)) => span,
            (Some(stage), _) => self.state.store.push(stage),
            (None, Bytes::RequestBody) => self.state.store.push(&self.request.body),
            (None, Bytes::RequestBodyPart(start, length)) => {
                let part = self.request.body_part(start, length);
                self.state.store.push(part)
            }
            (None, Bytes::ResponseBody) => self.state.store.push(&self.response.body),
        };
        if self.state.store.is_full() {
            return Err(EngineError::MemoryLimit);
        }
        let matched = Matched {
            variable: value.variable,
            key: value.key,
            value: span,
        };
        self.state.matched.push(matched);
        self.state.matched_var = Some(matched);
        if link.capture && !condition.negated {
            self.keep_captures(&captures, span);
            self.see_captures();
        }
        if fills && !condition.negated {
            self.fill(&condition.test, &captures, span);
        }
        self.apply(plan, link);
        Ok(true)
    }

    /// Writes `TX:0` to `TX:9`; what a shorter match leaves is unset, so that no group of an earlier rule stays behind.
    fn keep_captures(&mut self, captures: &Captures, value: crate::store::Span) {
        let groups = captures.groups();
        let fingerprint = captures
            .fingerprint()
            .map(|fingerprint| self.state.store.push(fingerprint.as_bytes()));
        for slot in 0..captures.places() {
            let group = groups
                .get(slot)
                .map(|&(start, end)| value.slice(start, end))
                .or(fingerprint.filter(|_| slot == 0));
            // Slots 0 to 9 are the captures.
            self.state.tx.set_slot(slot as u32, group);
        }
    }

    fn note_exceeded_limit(&mut self, plan: &RuleSet) {
        self.state.limits_exceeded = true;
        let name = self.state.store.push(b"msc_pcre_limits_exceeded");
        let value = self.state.store.push(b"1");
        self.state
            .tx
            .set(name, Some(value), &plan.names, &self.state.store);
    }

    /// Counts work; over the limit the transaction ends.
    pub(super) fn spend(&mut self, work: u64) -> Result<(), EngineError> {
        self.state.work += work;
        if self.state.work > self.rules.options.work_limit_bytes {
            Err(EngineError::WorkLimit)
        } else {
            Ok(())
        }
    }

    /// What follows once the whole chain matched: the log and the decision.
    pub(super) fn conclude(&mut self, plan: &RuleSet, rule: &Rule) {
        if let Some(severity) = rule.meta.severity {
            self.state.highest_severity = Some(
                self.state
                    .highest_severity
                    .map_or(severity, |highest| highest.min(severity)),
            );
        }
        let decision = self.decision(plan, rule);
        let disruptive = !decision.is_none();
        if rule.log || rule.audit_log {
            self.note(plan, rule, disruptive);
        }
        if self.state.phase == Phase::Logging.number() {
            return;
        }
        match self.state.engine {
            EngineMode::On => {
                self.state.intervention = decision;
                if let Decision::Allow(reach) = rule.decision {
                    self.state.allowed_until = match reach {
                        Allow::Phase => self.state.phase,
                        Allow::Request => Phase::RequestBody.number().max(self.state.phase),
                        Allow::Transaction => Phase::ResponseBody.number(),
                    };
                }
            }
            EngineMode::DetectionOnly => {
                if self.state.would_be.is_none() {
                    self.state.would_be = decision;
                }
            }
            EngineMode::Off => {}
        }
    }

    fn decision(&mut self, plan: &RuleSet, rule: &Rule) -> Intervention {
        match &rule.decision {
            Decision::Pass | Decision::Allow(_) => Intervention::None,
            Decision::Deny => Intervention::Deny {
                status: rule.status.unwrap_or(403),
                rule: Some(rule.id),
            },
            Decision::Drop => Intervention::Drop { rule: rule.id },
            Decision::Redirect(url) => {
                let mut expanded = Vec::new();
                self.expand(plan, url, &mut expanded);
                Intervention::Redirect {
                    url: String::from_utf8_lossy(&expanded).into_owned(),
                    status: rule
                        .status
                        .filter(|status| (300..400).contains(status))
                        .unwrap_or(302),
                    rule: rule.id,
                }
            }
        }
    }
}
