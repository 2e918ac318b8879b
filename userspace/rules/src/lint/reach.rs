//! Rules that nothing reaches, and skips that lead nowhere.

use super::{Findings, Item, Subject};
use seclang::Spanned;
use seclang::ast::{Action, Allow, OperatorKind, Phase};

pub(super) fn lint(items: &[Item<'_>], findings: &mut Findings) {
    for (index, item) in items.iter().enumerate() {
        let Item::Rule(subject) = item else { continue };
        let behind = items.get(index + 1..).unwrap_or_default();
        let skip = subject
            .rule
            .starter
            .actions
            .iter()
            .rev()
            .find(|action| matches!(action.value, Action::SkipAfter(_) | Action::Skip(_)));
        if let Some(skip) = skip {
            skipping(subject, skip, behind, findings);
        }
        if always_matches(subject)
            && let Some(decision) = ending(subject)
        {
            let phase = subject.rule.phase();
            let said = subject.document.sources.text(decision.span).to_owned();
            report(
                subject,
                &said,
                behind.iter().filter_map(|item| in_phase(item, phase)),
                findings,
            );
        }
    }
}

/// A skip whose marker does not follow, and rules that are always skipped.
fn skipping(
    subject: &Subject<'_>,
    skip: &Spanned<Action>,
    behind: &[Item<'_>],
    findings: &mut Findings,
) {
    let phase = subject.rule.phase();
    let skipped: Vec<&Subject<'_>> = match &skip.value {
        Action::SkipAfter(marker) => {
            let end = behind
                .iter()
                .position(|item| matches!(item, Item::Marker(name) if name == marker));
            if end.is_none() {
                let message = format!(
                    "no SecMarker `{marker}` stands behind this rule: all further rules of phase {} are skipped",
                    phase.number()
                );
                let remedy =
                    "put `SecMarker` with this name behind the rules that are to be skipped";
                findings.warn("missing-marker", subject, skip.span, message, remedy);
            }
            let items = behind.get(..end.unwrap_or(behind.len())).unwrap_or(behind);
            items
                .iter()
                .filter_map(|item| in_phase(item, phase))
                .collect()
        }
        Action::Skip(count) => behind
            .iter()
            .filter_map(|item| in_phase(item, phase))
            .take(*count as usize)
            .collect(),
        _ => Vec::new(),
    };
    if always_matches(subject) {
        let said = subject.document.sources.text(skip.span).to_owned();
        report(subject, &said, skipped.into_iter(), findings);
    }
}

/// One finding, at the first of the rules that never run.
fn report<'a>(
    by: &Subject<'_>,
    said: &str,
    mut unreachable: impl Iterator<Item = &'a Subject<'a>>,
    findings: &mut Findings,
) {
    let Some(first) = unreachable.next() else {
        return;
    };
    let others = match unreachable.count() {
        0 => String::new(),
        1 => " and one rule behind it never run".to_owned(),
        more => format!(" and {more} rules behind it never run"),
    };
    let never = if others.is_empty() { " never runs" } else { "" };
    let message = format!(
        "the rule{never}{others} in phase {}: rule {} at {} always matches and says `{said}`",
        first.rule.phase().number(),
        by.id(),
        by.document.sources.locate(by.span),
    );
    let remedy = "give that rule a condition, move it behind these, or remove them";
    findings.warn("unreachable", first, first.span, message, remedy);
}

fn in_phase<'a>(item: &'a Item<'a>, phase: Phase) -> Option<&'a Subject<'a>> {
    match item {
        Item::Rule(subject) if subject.rule.phase() == phase => Some(subject),
        _ => None,
    }
}

/// Whether nothing of a request can keep it from matching.
fn always_matches(subject: &Subject<'_>) -> bool {
    subject.rule.links().all(|link| match &link.condition {
        None => true,
        Some(condition) => {
            let operator = &condition.operator;
            operator.kind == OperatorKind::UnconditionalMatch && !operator.negated
        }
    })
}

/// The action behind which no further rule of the phase runs.
fn ending<'a>(subject: &'a Subject<'_>) -> Option<&'a Spanned<Action>> {
    let actions = &subject.rule.starter.actions;
    let last = actions
        .iter()
        .rev()
        .find(|action| action.value.is_disruptive())?;
    matches!(
        last.value,
        Action::Deny
            | Action::Drop
            | Action::Redirect(_)
            | Action::Allow(Allow::Transaction | Allow::Phase | Allow::Request)
    )
    .then_some(last)
}
