//! What is counted of the WAF.

use super::counters;
use prometheus::core::Collector;
use prometheus::{IntCounterVec, Result as PromResult};

/// The metric families of the WAF.
#[derive(Clone)]
pub(crate) struct WafMetrics {
    pub(super) verdicts: IntCounterVec,
    rules: IntCounterVec,
    body_errors: IntCounterVec,
    errors: IntCounterVec,
    shadow: IntCounterVec,
    shadow_rules: IntCounterVec,
}

impl WafMetrics {
    pub(super) fn new() -> PromResult<Self> {
        Ok(Self {
            verdicts: counters(
                "bascule_waf_verdicts_total",
                "What the WAF said, by route, policy and verdict.",
                &["route", "policy", "verdict"],
            )?,
            rules: counters(
                "bascule_waf_rule_matches_total",
                "Matches of logged rules, by rule id.",
                &["rule"],
            )?,
            body_errors: counters(
                "bascule_waf_body_errors_total",
                "Request bodies that the WAF could not read as they should be: their coding, length or form.",
                &["policy", "error"],
            )?,
            errors: counters(
                "bascule_waf_errors_total",
                "Requests that the WAF could not inspect to their end, by policy, error and the rule at hand.",
                &["policy", "error", "rule"],
            )?,
            shadow: counters(
                "bascule_waf_shadow_total",
                "What shadow rules said beside the rules in force: agrees, would_block, would_pass, failed.",
                &["policy", "outcome"],
            )?,
            shadow_rules: counters(
                "bascule_waf_shadow_rule_matches_total",
                "Matches of logged rules where shadow rules and rules in force disagree: of the shadow's where it would block, else of those in force.",
                &["policy", "rule", "outcome"],
            )?,
        })
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.verdicts.clone()),
            Box::new(self.rules.clone()),
            Box::new(self.body_errors.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.shadow.clone()),
            Box::new(self.shadow_rules.clone()),
        ]
    }

    /// Counts a request that was not inspected to its end.
    pub(crate) fn engine_error(&self, policy: &str, error: &str, rule: u64) {
        self.errors
            .with_label_values(&[policy, error, itoa::Buffer::new().format(rule)])
            .inc();
    }

    /// Counts a request body that could not be read as it should be.
    pub(crate) fn body_error(&self, policy: &str, error: &str) {
        self.body_errors.with_label_values(&[policy, error]).inc();
    }

    /// Counts what shadow rules said.
    pub(crate) fn shadow(&self, policy: &str, outcome: &str) {
        self.shadow.with_label_values(&[policy, outcome]).inc();
    }

    /// Counts a match on which shadow rules and rules in force disagree.
    pub(crate) fn shadow_rule(&self, policy: &str, rule: u64, outcome: &str) {
        self.shadow_rules
            .with_label_values(&[policy, itoa::Buffer::new().format(rule), outcome])
            .inc();
    }

    /// Counts a match of a rule. Matches are rare, so this goes to the shared counter at once.
    pub(crate) fn rule_matched(&self, rule: u64) {
        self.rules
            .with_label_values(&[itoa::Buffer::new().format(rule)])
            .inc();
    }
}
