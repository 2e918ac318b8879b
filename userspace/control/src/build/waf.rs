//! WAF policies: rules read, adjusted, compiled.

use super::rule_sets::{Own, RuleSets, own};
use super::{PolicyReport, Site};
use config::{Entry, OverLimit, WafMode, WafPolicy};
use proxy::{LineSink, LineWriter, LiveRules};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use waf::Collections;

/// The id of the action that carries a policy's own settings; of the range that is ours, and of no shipped rule.
const SETTINGS_RULE: u32 = 9_599_999;

/// A policy, ready for routes.
pub(super) struct Built {
    pub(super) rules: Arc<LiveRules>,
    pub(super) mode: WafMode,
    pub(super) audit: Option<LineSink>,
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
        reports.push(PolicyReport::new(entry.name.as_str(), &built.rules));
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
    let changes = own(site, entry, "exclusions", &exclusions(policy))?;
    let own = Own {
        changes,
        collections: collections(site, entry),
    };
    let rules = rule_sets.get(site, entry, &policy.rules.0, &settings(policy), own)?;
    let audit = match &policy.audit_log {
        Some(file) => audit_log(site, &file.path, file.span),
        None => None,
    };
    Some(Built {
        rules,
        mode: policy.mode,
        audit,
    })
}

/// What the rules of a policy keep beyond a transaction: the same from one generation to the next.
fn collections(site: &mut Site<'_>, entry: &Entry<WafPolicy>) -> Arc<Collections> {
    let name = entry.name.to_string();
    let known = site.before.collections.get(&name).map(Arc::clone);
    let collections = known.unwrap_or_default();
    site.after
        .collections
        .insert(name, Arc::clone(&collections));
    collections
}

/// What stands before the rules: variables that their set-up takes as given.
pub(crate) fn settings(policy: &WafPolicy) -> String {
    let mut variables = String::new();
    // Writing to a String cannot fail.
    if let Some(paranoia) = policy.paranoia {
        let _ = write!(variables, ",setvar:tx.blocking_paranoia_level={paranoia}");
        let _ = write!(variables, ",setvar:tx.detection_paranoia_level={paranoia}");
    }
    if let Some(threshold) = policy.threshold {
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
    let mut text = String::new();
    if let Some(limit) = policy.body_limit {
        let _ = writeln!(text, "SecRequestBodyLimit {}", limit.0);
    }
    match policy.over_limit {
        None => {}
        Some(OverLimit::Reject) => text.push_str("SecRequestBodyLimitAction Reject\n"),
        Some(OverLimit::Partial) => text.push_str("SecRequestBodyLimitAction ProcessPartial\n"),
    }
    for ids in &policy.exclude.ids {
        let _ = writeln!(text, "SecRuleRemoveById {}-{}", ids.first, ids.last);
    }
    for tag in &policy.exclude.tags {
        let _ = writeln!(text, "SecRuleRemoveByTag \"{tag}\"");
    }
    for exclusion in &policy.exclude.targets {
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

fn audit_log(site: &mut Site<'_>, path: &Path, span: config::Span) -> Option<LineSink> {
    if site.dry {
        return None;
    }
    let open = site
        .after
        .audit_logs
        .get(path)
        .or_else(|| site.before.audit_logs.get(path));
    let writer = match open {
        Some(writer) => Arc::clone(writer),
        None => match LineWriter::open(path) {
            Ok(writer) => Arc::new(writer),
            Err(error) => {
                let found = format!("`{}` cannot be written: {error}", path.display());
                site.file_error(span, found, "check the folder and who may write to it");
                return None;
            }
        },
    };
    let sink = writer.sink();
    site.after.audit_logs.insert(path.to_owned(), writer);
    Some(sink)
}
