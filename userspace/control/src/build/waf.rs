//! WAF policies: rules read, adjusted, compiled.

use super::{PolicyReport, Site};
use config::{Entry, OverLimit, RuleSource, WafFailure, WafMode, WafPolicy};
use proxy::{LineSink, LineWriter};
use seclang::ast::Document;
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use waf::{Collections, CompileOptions, FailureMode, RuleSet};

/// The id of the action that carries a policy's own settings; of the range that is ours, and of no shipped rule.
const SETTINGS_RULE: u32 = 9_599_999;

/// A policy, ready for routes.
pub(super) struct Built {
    pub(super) rules: Arc<RuleSet>,
    pub(super) mode: WafMode,
    pub(super) audit: Option<LineSink>,
}

pub(super) type Policies = HashMap<String, Built>;

pub(super) fn build(site: &mut Site<'_>) -> (Policies, Vec<PolicyReport>) {
    let config = site.config;
    let mut policies = Policies::new();
    let mut reports = Vec::new();
    for entry in &config.waf {
        let Some(built) = policy(site, entry) else {
            continue;
        };
        let stats = built.rules.stats();
        reports.push(PolicyReport {
            name: entry.name.to_string(),
            rules: stats.rules,
            detection_rules: stats.detection_rules,
        });
        policies.insert(entry.name.to_string(), built);
    }
    (policies, reports)
}

fn policy(site: &mut Site<'_>, entry: &Entry<WafPolicy>) -> Option<Built> {
    let policy = &entry.value;
    let mut documents = vec![own(site, entry, "settings", &settings(policy))?];
    for source in &policy.rules.0 {
        documents.push(load(site, source)?);
    }
    documents.push(own(site, entry, "exclusions", &exclusions(policy))?);
    let options = CompileOptions {
        on_engine_error: match policy.fail {
            WafFailure::Closed => FailureMode::Closed,
            WafFailure::Open => FailureMode::Open,
        },
        ..CompileOptions::default()
    };
    let rules = compile(site, entry, &documents, &options)?;
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

/// Rules take seconds to compile: what has not changed is compiled once.
fn compile(
    site: &mut Site<'_>,
    entry: &Entry<WafPolicy>,
    documents: &[Document],
    options: &CompileOptions,
) -> Option<Arc<RuleSet>> {
    let name = entry.name.to_string();
    let kept = collections(site, entry);
    let fingerprint = fingerprint(documents, options);
    let known = site
        .before
        .rules
        .get(&name)
        .filter(|(before, _)| *before == fingerprint);
    if let Some((_, rules)) = known.cloned() {
        site.after
            .rules
            .insert(name, (fingerprint, Arc::clone(&rules)));
        return Some(rules);
    }
    match RuleSet::compile(documents, options) {
        Ok(rules) => {
            for notice in rules.notices() {
                site.warning(entry.name.span, notice.to_string(), "");
            }
            let rules = Arc::new(rules.with_collections(kept));
            site.after
                .rules
                .insert(name, (fingerprint, Arc::clone(&rules)));
            Some(rules)
        }
        Err(errors) => {
            for error in errors {
                let remedy = error.kind.remedy();
                site.error(entry.name.span, error.to_string(), remedy);
            }
            None
        }
    }
}

fn fingerprint(documents: &[Document], options: &CompileOptions) -> u64 {
    let mut hasher = DefaultHasher::new();
    for document in documents {
        for source in document.sources.iter() {
            source.name().hash(&mut hasher);
            source.text().hash(&mut hasher);
        }
        for (path, data) in document.data_files() {
            path.hash(&mut hasher);
            data.hash(&mut hasher);
        }
    }
    format!("{options:?}").hash(&mut hasher);
    hasher.finish()
}

fn load(site: &mut Site<'_>, source: &RuleSource) -> Option<Document> {
    let loaded = match source {
        RuleSource::Shipped(_) => rules::shipped::load(),
        RuleSource::Files(files) => seclang::load(&files.found, &seclang::FsLoader),
    };
    match loaded {
        Ok(document) => {
            if let RuleSource::Files(_) = source {
                let read = document.sources.iter().map(|source| source.name().into());
                site.files.extend(read);
                site.files
                    .extend(document.data_files().map(|(path, _)| path.to_owned()));
            }
            Some(document)
        }
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                let remedy = diagnostic.remedy().unwrap_or_default();
                let found = format!(
                    "{}:{}:{}: {}",
                    diagnostic.file,
                    diagnostic.line,
                    diagnostic.column,
                    diagnostic.message()
                );
                site.file_error(source.span(), found, remedy);
            }
            None
        }
    }
}

/// Directives that the policy's own settings amount to.
fn own(site: &mut Site<'_>, entry: &Entry<WafPolicy>, what: &str, text: &str) -> Option<Document> {
    let name = format!("waf.{}.{what}", entry.name.as_str());
    match seclang::parse_str(&name, text) {
        Ok(document) => Some(document),
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                site.error(
                    entry.name.span,
                    diagnostic.message(),
                    "check the policy's `exclude`",
                );
            }
            None
        }
    }
}

/// What stands before the rules: variables that their set-up takes as given.
fn settings(policy: &WafPolicy) -> String {
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
fn exclusions(policy: &WafPolicy) -> String {
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
