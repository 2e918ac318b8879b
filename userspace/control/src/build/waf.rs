//! WAF policies: rules read, adjusted, compiled.

use super::audit;
use super::rule_sets::{Own, RuleSets, own};
use super::{PolicyReport, Site};
use config::{Entry, Exclude, OverLimit, Shadow, WafMode, WafPolicy};
use proxy::{AuditTarget, Compressed, LiveRules, ShadowPlan};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use waf::{CollectionLimits, Collections, Scrub};

/// The id of the action that carries a policy's own settings; of the range that is ours, and of no shipped rule.
const SETTINGS_RULE: u32 = 9_599_999;

/// A policy, ready for routes.
pub(super) struct Built {
    pub(super) rules: Arc<LiveRules>,
    pub(super) mode: WafMode,
    pub(super) audit: Option<AuditTarget>,
    pub(super) compressed: Compressed,
    pub(super) shadow: Option<ShadowPlan>,
}

pub(super) type Policies = HashMap<String, Built>;

pub(super) fn build(site: &mut Site<'_>) -> (Policies, Vec<PolicyReport>) {
    let config = site.config;
    let mut policies = Policies::new();
    let mut reports = Vec::new();
    let mut rule_sets = RuleSets::default();
    for entry in &config.waf {
        let Some(built) = policy(site, entry, &mut rule_sets) else {
            continue;
        };
        reports.push(PolicyReport::new(
            entry.name.as_str(),
            &built.rules,
            built.mode,
        ));
        policies.insert(entry.name.to_string(), built);
    }
    (policies, reports)
}

fn policy(
    site: &mut Site<'_>,
    entry: &Entry<WafPolicy>,
    rule_sets: &mut RuleSets,
) -> Option<Built> {
    let policy = &entry.value;
    let scrub = scrub(site, entry)?;
    let own = Own {
        changes: own(site, entry, "changes", &exclusions(policy))?,
        collections: collections(site, entry.name.as_str()),
        scrub: Arc::clone(&scrub),
    };
    let first = settings(policy);
    let rules = rule_sets.get(site, entry, &policy.rules.0, &first, own)?;
    let shadow = match &policy.shadow {
        Some(looks_on) => Some(shadow(site, entry, looks_on, scrub, rule_sets)?),
        None => None,
    };
    let audit = audit::open(site, entry, &rules.load());
    Some(Built {
        rules,
        mode: policy.mode,
        audit,
        compressed: match policy.compressed {
            config::Compressed::Inspect => Compressed::Inspect,
            config::Compressed::Refuse => Compressed::Refuse,
            config::Compressed::Pass => Compressed::Pass,
        },
        shadow,
    })
}

/// The rules that look on. Their records go where those of the policy go.
fn shadow(
    site: &mut Site<'_>,
    entry: &Entry<WafPolicy>,
    shadow: &Shadow,
    scrub: Arc<Scrub>,
    rule_sets: &mut RuleSets,
) -> Option<ShadowPlan> {
    let mut text = excluded(&shadow.exclude);
    if let Some(log) = &entry.value.audit_log {
        text += &audit::directives(log);
    }
    let own = Own {
        changes: own(site, entry, "changes", &text)?,
        collections: collections(site, &format!("{}/shadow", entry.name.as_str())),
        scrub,
    };
    let first = variables(shadow.paranoia, shadow.threshold);
    let rules = rule_sets.get(site, entry, &shadow.rules.0, &first, own)?;
    Some(ShadowPlan {
        rules,
        share: shadow.share.hundredths,
    })
}

/// Records and bytes that all policies together keep beyond a transaction; each has an equal share, up to the limits of one. Over it the
/// least recently used ones are forgotten.
const COLLECTION_RECORDS: usize = 800_000;
const COLLECTION_BYTES: usize = 256 << 20;

/// What the rules of a policy keep beyond a transaction: the same from one generation to the next.
fn collections(site: &mut Site<'_>, name: &str) -> Arc<Collections> {
    let known = site.before.collections.get(name).map(Arc::clone);
    let collections = known.unwrap_or_default();
    let policies = site.config.waf.len().max(1);
    let one = CollectionLimits::default();
    collections.bound(
        one.records.min(COLLECTION_RECORDS / policies),
        one.bytes.min(COLLECTION_BYTES / policies),
    );
    site.after
        .collections
        .insert(name.to_owned(), Arc::clone(&collections));
    collections
}

/// What stands before the rules: variables that their set-up takes as given.
pub(crate) fn settings(policy: &WafPolicy) -> String {
    variables(policy.paranoia, policy.threshold)
}

fn variables(paranoia: Option<u8>, threshold: Option<u16>) -> String {
    let mut variables = String::new();
    // Writing to a String cannot fail.
    if let Some(paranoia) = paranoia {
        let _ = write!(variables, ",setvar:tx.blocking_paranoia_level={paranoia}");
        let _ = write!(variables, ",setvar:tx.detection_paranoia_level={paranoia}");
    }
    if let Some(threshold) = threshold {
        let _ = write!(
            variables,
            ",setvar:tx.inbound_anomaly_score_threshold={threshold}"
        );
    }
    if variables.is_empty() {
        return String::new();
    }
    format!("SecAction \"id:{SETTINGS_RULE},phase:1,pass,nolog{variables}\"\n")
}

/// What stands behind the rules and has the last word.
pub(crate) fn exclusions(policy: &WafPolicy) -> String {
    let mut text = excluded(&policy.exclude);
    if let Some(log) = &policy.audit_log {
        text += &audit::directives(log);
    }
    if let Some(limit) = policy.body_limit {
        let _ = writeln!(text, "SecRequestBodyLimit {}", limit.0);
    }
    match policy.over_limit {
        None => {}
        Some(OverLimit::Reject) => text.push_str("SecRequestBodyLimitAction Reject\n"),
        Some(OverLimit::Partial) => text.push_str("SecRequestBodyLimitAction ProcessPartial\n"),
    }
    text
}

/// What is not inspected.
fn excluded(exclude: &Exclude) -> String {
    let mut text = String::new();
    for ids in &exclude.ids {
        let _ = writeln!(text, "SecRuleRemoveById {}-{}", ids.first, ids.last);
    }
    for tag in &exclude.tags {
        let _ = writeln!(text, "SecRuleRemoveByTag \"{tag}\"");
    }
    for exclusion in &exclude.targets {
        let (first, last) = (exclusion.rule.first, exclusion.rule.last);
        let range = if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        };
        let _ = writeln!(
            text,
            "SecRuleUpdateTargetById {range} \"!{}\"",
            exclusion.target
        );
    }
    text
}

/// What audit records of a policy mask.
fn scrub(site: &mut Site<'_>, entry: &Entry<WafPolicy>) -> Option<Arc<Scrub>> {
    let Some(log) = &entry.value.audit_log else {
        return Some(Arc::default());
    };
    let wanted = &log.scrub;
    let mut scrub = if wanted.defaults {
        Scrub::default()
    } else {
        Scrub::nothing()
    };
    scrub = scrub
        .card_numbers(wanted.card_numbers)
        .fields(wanted.headers.iter().map(|name| name.as_str().to_owned()))
        .arguments(wanted.names.iter().cloned());
    for pattern in &wanted.patterns {
        match scrub.pattern(pattern) {
            Ok(more) => scrub = more,
            Err(error) => {
                let remedy = "correct the pattern under `audit_log.scrub.patterns`";
                site.error(entry.name.span, error.to_string(), remedy);
                return None;
            }
        }
    }
    Some(Arc::new(scrub))
}
