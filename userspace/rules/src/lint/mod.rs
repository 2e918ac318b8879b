//! What looks like a mistake in rules that load: each finding has a name of its own.
//!
//! A lint may overlook a mistake, but what it reports is meant to be one: the CRS, which people load whole, is the measure.

mod automaton;
mod pattern;
mod reach;
mod target;

#[cfg(test)]
mod tests;

use crate::finding::{Finding, Severity};
use seclang::ast::{
    Action, Condition, Directive, Document, Link, Phase, Rule, RuleId, Transformation,
};
use seclang::{Excerpt, Span, Spanned};
use std::collections::HashMap;
use waf::{Filter, RuleSet};

/// Findings of one name that are listed; of more, the last one says how many there are.
const LISTED: usize = 200;

/// A rule with what holds for it where it stands.
pub(crate) struct Subject<'a> {
    pub(crate) document: &'a Document,
    pub(crate) rule: &'a Rule,
    pub(crate) span: Span,
    /// Transformations that `SecDefaultAction` puts before those of each link.
    defaults: Vec<Transformation>,
    /// How the engine passes it over; `None` where the rules do not compile.
    pub(crate) filter: Option<Filter>,
    /// Whether it looks at traffic and logs or decides, as far as that is known.
    pub(crate) detects: bool,
}

impl Subject<'_> {
    pub(crate) fn id(&self) -> RuleId {
        self.rule.id()
    }

    /// The transformations of a link as they are applied.
    pub(crate) fn chain(&self, link: &Link) -> Vec<Transformation> {
        let own = link.actions.iter().filter_map(|action| match action.value {
            Action::Transform(transformation) => Some(transformation),
            _ => None,
        });
        let mut chain = Vec::new();
        for transformation in self.defaults.iter().copied().chain(own) {
            if transformation == Transformation::None {
                chain.clear();
            } else {
                chain.push(transformation);
            }
        }
        chain
    }

    /// The conditions of its links, each with its link.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (&Spanned<Link>, &Condition)> {
        self.rule
            .links()
            .filter_map(|link| link.condition.as_ref().map(|condition| (link, condition)))
    }
}

/// A rule, a marker, or neither.
pub(crate) enum Item<'a> {
    Rule(Subject<'a>),
    Marker(&'a str),
}

/// Where lints put what they find.
#[derive(Default)]
pub(crate) struct Findings {
    found: Vec<Finding>,
    counts: HashMap<&'static str, usize>,
}

impl Findings {
    pub(crate) fn warn(
        &mut self,
        name: &'static str,
        subject: &Subject<'_>,
        span: Span,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let count = self.counts.entry(name).or_default();
        *count += 1;
        if *count > LISTED {
            return;
        }
        let sources = &subject.document.sources;
        let file = sources.locate(span).file;
        let excerpt = Excerpt::of(sources, span);
        let finding = Finding::at(Severity::Warning, name, file, excerpt, message, remedy);
        self.found.push(finding.of_rule(subject.id()));
    }

    fn finish(mut self) -> Vec<Finding> {
        for finding in &mut self.found {
            let count = self.counts.get_mut(finding.name);
            if let Some(count) = count.filter(|count| **count > LISTED) {
                finding.message = format!(
                    "{} (and {} more of this kind)",
                    finding.message,
                    *count - LISTED
                );
                *count = 0;
            }
        }
        self.found
    }
}

/// Looks at every rule. Those that another directive removes are passed over, as far as `rules` tells.
pub(crate) fn lint(documents: &[Document], rules: Option<&RuleSet>) -> Vec<Finding> {
    let items = items(documents, rules);
    let mut findings = Findings::default();
    reach::lint(&items, &mut findings);
    for item in &items {
        if let Item::Rule(subject) = item {
            target::lint(subject, &mut findings);
            pattern::lint(subject, &mut findings);
        }
    }
    findings.finish()
}

/// All that is asked of a pattern by itself.
#[cfg(test)]
pub(crate) fn examine_pattern(pattern: &str) {
    if let Some(hir) = pattern::parse(pattern) {
        let _ = automaton::examine(&hir);
    }
}

fn items<'a>(documents: &'a [Document], rules: Option<&RuleSet>) -> Vec<Item<'a>> {
    let known: Option<HashMap<RuleId, (Filter, bool)>> = rules.map(|rules| {
        let infos = rules.rules();
        infos
            .map(|rule| (rule.id, (rule.filter, rule.detects)))
            .collect()
    });
    let mut defaults: [Vec<Transformation>; 5] = Default::default();
    let mut items = Vec::new();
    for document in documents {
        for directive in &document.directives {
            match &directive.value {
                Directive::DefaultAction(actions) => {
                    if let Some(place) = phase_of(actions).and_then(|phase| {
                        defaults.get_mut(usize::from(phase.number()).saturating_sub(1))
                    }) {
                        let transformations =
                            actions.iter().filter_map(|action| match action.value {
                                Action::Transform(transformation) => Some(transformation),
                                _ => None,
                            });
                        *place = transformations.collect();
                    }
                }
                Directive::Marker(name) => items.push(Item::Marker(name)),
                Directive::Rule(rule) => {
                    let info = known.as_ref().map(|known| known.get(&rule.id()));
                    if let Some(None) = info {
                        continue;
                    }
                    let info = info.flatten().copied();
                    let phase = usize::from(rule.phase().number()).saturating_sub(1);
                    items.push(Item::Rule(Subject {
                        document,
                        rule,
                        span: directive.span,
                        defaults: defaults.get(phase).cloned().unwrap_or_default(),
                        filter: info.map(|(filter, _)| filter),
                        detects: info.is_none_or(|(_, detects)| detects),
                    }));
                }
                _ => {}
            }
        }
    }
    items
}

fn phase_of(actions: &[Spanned<Action>]) -> Option<Phase> {
    actions.iter().find_map(|action| match action.value {
        Action::Phase(phase) => Some(phase),
        _ => None,
    })
}
