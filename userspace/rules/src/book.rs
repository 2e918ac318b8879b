//! What the files say of a rule, to be shown beside what it did.

use seclang::ast::{Action, Directive, Document, Rule, RuleId};
use std::collections::HashMap;

/// Characters of an operator that are shown.
const OPERATOR_SHOWN: usize = 100;

/// The rules of some documents by id.
pub(crate) struct Book<'a> {
    rules: HashMap<RuleId, (&'a Document, &'a Rule, seclang::Span)>,
}

impl<'a> Book<'a> {
    pub(crate) fn of(documents: &'a [Document]) -> Self {
        let mut rules = HashMap::new();
        for document in documents {
            for directive in &document.directives {
                if let Directive::Rule(rule) = &directive.value {
                    rules.insert(rule.id(), (document, rule, directive.span));
                }
            }
        }
        Self { rules }
    }

    pub(crate) fn contains(&self, id: RuleId) -> bool {
        self.rules.contains_key(&id)
    }

    /// `msg` as it is written; empty where there is none.
    pub(crate) fn message(&self, id: RuleId) -> String {
        let actions = self
            .rules
            .get(&id)
            .map(|(_, rule, _)| &rule.starter.actions);
        let message = actions
            .into_iter()
            .flatten()
            .find_map(|action| match &action.value {
                Action::Msg(msg) => Some(msg.to_string()),
                _ => None,
            });
        message.unwrap_or_default()
    }

    /// `FILE:LINE`.
    pub(crate) fn place(&self, id: RuleId) -> String {
        self.rules
            .get(&id)
            .map_or_else(String::new, |(document, _, span)| {
                let place = document.sources.locate(*span);
                format!("{}:{}", place.file, place.line)
            })
    }

    /// What a link asks: its targets and its operator, or `SecAction`.
    pub(crate) fn condition(&self, id: RuleId, link: usize) -> String {
        let Some((_, rule, _)) = self.rules.get(&id) else {
            return String::new();
        };
        match rule
            .links()
            .nth(link)
            .and_then(|link| link.condition.as_ref())
        {
            None => "SecAction".to_owned(),
            Some(condition) => {
                let targets: Vec<String> = condition
                    .targets
                    .iter()
                    .map(|target| target.value.to_string())
                    .collect();
                let operator = clipped(&condition.operator.value.to_string(), OPERATOR_SHOWN);
                format!("{} \"{operator}\"", targets.join("|"))
            }
        }
    }

    /// The rule itself.
    pub(crate) fn rule(&self, id: RuleId) -> Option<&'a Rule> {
        self.rules.get(&id).map(|(_, rule, _)| *rule)
    }
}

/// The first characters of a text.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}
