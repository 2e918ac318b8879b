//! What one site changes of rules that it shares with others: a few numbers beside the compiled rules, which stay as they are.
//!
//! Removed rules and targets are carried out as `ctl:ruleRemoveById` and `ctl:ruleRemoveTargetById` are, from the start of each
//! transaction on: what is remembered of values is true for every site.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use seclang::Document;
use seclang::ast::{
    AuditLogParts, AuditMode, Directive, LimitAction, RuleChoice, Selector as Written, Setting,
    Use, Variable,
};

use super::compile::selector;
use super::draft::place_of;
use super::error::{CompileError, CompileErrorKind as Kind, Notice};
use super::rule::{Rule, Target, TargetRemoval};
use super::{Compiled, RuleSet};
use crate::operator::Regex;

/// What a site changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// Rules that do not run, a bit each; empty where there is none.
    pub(crate) removed_rules: Box<[u64]>,
    pub(crate) target_removals: Vec<TargetRemoval>,
    /// Whether it removes what counts when set-up is settled: every rule is run then.
    pub(crate) unsettles: bool,
    /// Whether it takes targets from rules of which a worker remembers that they do not match a head.
    pub(crate) changes_head: bool,
    /// Whether a steady rule is removed, or looks at less.
    pub(crate) changes_steady: bool,
    pub(crate) request_body_limit: Option<usize>,
    pub(crate) request_body_limit_action: Option<LimitAction>,
    pub(crate) audit: Option<AuditMode>,
    pub(crate) audit_parts: Option<AuditLogParts>,
    pub(crate) audit_relevant_status: Option<Arc<Regex>>,
    notices: Vec<Notice>,
    fingerprint: u64,
}

impl Deref for RuleSet {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.compiled
    }
}

impl RuleSet {
    /// The same rules with what `document` changes of them: removals of rules and targets (of every link of a chain), the limit of the
    /// request body, and what the audit log shows. Everything that is compiled is shared; persistent collections are not.
    ///
    /// # Errors
    /// Directives that change more than that, and patterns that do not compile.
    pub fn with(&self, document: &Document) -> Result<RuleSet, Vec<CompileError>> {
        let mut overlay = Overlay::default();
        let mut errors = Vec::new();
        for directive in &document.directives {
            let place = place_of(document, directive.span);
            match overlay.take(&self.compiled, &directive.value) {
                Ok(true) => {}
                Ok(false) => overlay.notices.push(Notice {
                    place,
                    text: "there is no such rule".to_owned(),
                }),
                Err(kind) => errors.push(CompileError {
                    rule: None,
                    place,
                    kind,
                }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        overlay.unsettles = self.compiled.settled.counts_on(&overlay.removed_rules)
            || overlay
                .target_removals
                .iter()
                .any(|removal| removal.target.variable == Variable::Tx);
        let removals = overlay.target_removals.iter();
        let mut changed = removals.flat_map(|removal| &removal.rules);
        overlay.changes_head = changed
            .clone()
            .any(|&rule| self.compiled.head.contains(rule));
        let steady = &self.compiled.steady;
        overlay.changes_steady =
            changed.any(|&rule| steady.concerns(rule)) || steady.has_any_of(&overlay.removed_rules);
        let mut hasher = DefaultHasher::new();
        for source in document.sources.iter() {
            source.text().hash(&mut hasher);
        }
        overlay.fingerprint = hasher.finish();
        Ok(RuleSet {
            compiled: Arc::clone(&self.compiled),
            overlay,
            collections: Arc::default(),
            scrub: Arc::clone(&self.scrub),
        })
    }

    /// What is loaded and does not do what its author may expect, in the rules themselves.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.compiled.notices
    }

    /// The same for what [`RuleSet::with`] changed.
    #[must_use]
    pub fn own_notices(&self) -> &[Notice] {
        &self.overlay.notices
    }

    /// The same for the same rules and options: tells whether a reload changed anything.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.compiled.fingerprint ^ self.overlay.fingerprint
    }

    /// Whether two rule sets share what is compiled.
    #[must_use]
    pub fn shares_with(&self, other: &RuleSet) -> bool {
        Arc::ptr_eq(&self.compiled, &other.compiled)
    }

    pub(crate) fn target_removal(&self, index: u32) -> Option<&TargetRemoval> {
        let index = index as usize;
        let shared = &self.compiled.target_removals;
        shared.get(index).or_else(|| {
            let own = index.checked_sub(shared.len())?;
            self.overlay.target_removals.get(own)
        })
    }

    /// The indexes of the target removals that hold for every transaction.
    pub(crate) fn own_target_removals(&self) -> std::ops::Range<u32> {
        // As many as the parser lets pass fit u32.
        let first = self.compiled.target_removals.len() as u32;
        first..first + self.overlay.target_removals.len() as u32
    }

    pub(super) fn is_removed(&self, index: u32) -> bool {
        let word = self.overlay.removed_rules.get(index as usize / 64);
        word.is_some_and(|word| word & (1 << (index % 64)) != 0)
    }
}

impl Overlay {
    /// Takes over a directive; false where it finds no rule.
    fn take(&mut self, rules: &Compiled, directive: &Directive) -> Result<bool, Kind> {
        let chosen = |choice: &RuleChoice| indexes(rules, choice);
        match directive {
            Directive::RuleRemoveById(ranges) => {
                let mut all = true;
                for range in ranges {
                    let found = chosen(&RuleChoice::Ids(*range))?;
                    all &= self.remove(rules, &found) || range.first != range.last;
                }
                Ok(all)
            }
            Directive::RuleRemoveByTag(pattern) => {
                Ok(self.remove(rules, &chosen(&RuleChoice::Tag(pattern.clone()))?))
            }
            Directive::RuleRemoveByMsg(pattern) => {
                Ok(self.remove(rules, &chosen(&RuleChoice::Msg(pattern.clone()))?))
            }
            Directive::RuleUpdateTarget {
                rules: choice,
                targets,
                ..
            } => {
                let found = chosen(choice)?;
                for target in targets {
                    if target.usage != Use::Exclude {
                        return Err(Kind::Unsupported(
                            "a further target for rules that sites share".to_owned(),
                        ));
                    }
                    let slot = match &target.selector {
                        Written::Key(key) => rules.names.find(key.to_ascii_lowercase().as_bytes()),
                        _ => None,
                    };
                    let target = Target {
                        variable: target.variable,
                        selector: selector(&target.selector, rules.settings.match_limit)?,
                        count: false,
                        slot,
                        slots: None,
                    };
                    self.target_removals.push(TargetRemoval {
                        rules: found.clone(),
                        target,
                    });
                }
                Ok(!found.is_empty())
            }
            Directive::Setting(Setting::RequestBodyLimit(bytes)) => {
                self.request_body_limit = Some(usize::try_from(*bytes).unwrap_or(usize::MAX));
                Ok(true)
            }
            Directive::Setting(Setting::RequestBodyLimitAction(action)) => {
                self.request_body_limit_action = Some(*action);
                Ok(true)
            }
            Directive::Setting(Setting::AuditEngine(mode)) => {
                self.audit = Some(*mode);
                Ok(true)
            }
            Directive::Setting(Setting::AuditLogParts(parts)) => {
                self.audit_parts = Some(*parts);
                Ok(true)
            }
            Directive::Setting(Setting::AuditLogRelevantStatus(pattern)) => {
                let regex = Regex::new(pattern, rules.settings.match_limit);
                self.audit_relevant_status = Some(Arc::new(regex.map_err(Kind::Pattern)?));
                Ok(true)
            }
            _ => Err(Kind::Unsupported(
                "this directive over rules that sites share".to_owned(),
            )),
        }
    }

    fn remove(&mut self, rules: &Compiled, found: &[u32]) -> bool {
        if self.removed_rules.is_empty() && !found.is_empty() {
            self.removed_rules = vec![0; rules.rules.len().div_ceil(64)].into();
        }
        for &rule in found {
            if let Some(word) = self.removed_rules.get_mut(rule as usize / 64) {
                *word |= 1 << (rule % 64);
            }
        }
        !found.is_empty()
    }
}

/// The rules that a choice means, ascending.
fn indexes(rules: &Compiled, choice: &RuleChoice) -> Result<Vec<u32>, Kind> {
    let regex = |pattern: &str| Regex::new(pattern, rules.settings.match_limit);
    let chosen: Box<dyn Fn(&Rule) -> bool> = match choice {
        RuleChoice::Ids(range) => {
            let range = *range;
            Box::new(move |rule| range.contains(rule.id))
        }
        RuleChoice::Tag(pattern) => {
            let regex = regex(pattern).map_err(Kind::Pattern)?;
            Box::new(move |rule| rule.tags().any(|tag| is_found(&regex, tag)))
        }
        RuleChoice::Msg(pattern) => {
            let regex = regex(pattern).map_err(Kind::Pattern)?;
            Box::new(move |rule| is_found(&regex, &rule.message()))
        }
    };
    let numbered = rules.rules.iter().zip(0u32..);
    Ok(numbered
        .filter(|(rule, _)| chosen(rule))
        .map(|(_, index)| index)
        .collect())
}

fn is_found(regex: &Regex, text: &str) -> bool {
    regex.matches(text.as_bytes(), None).unwrap_or(false)
}
