//! What is known of the variables of `TX` while rules are run without a request, and which rules match then.

use seclang::ast::{Transformation, Variable};

use crate::operator::Test;
use crate::plan::rule::Selector;
use crate::plan::{Condition, Link, Piece, Rule, Text};
use crate::transform;

/// What is known of a variable: its value (`None`: it is not set), or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Value(Option<Box<[u8]>>),
    Nothing,
}

/// Whether a link or a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Always,
    Never,
    Perhaps,
}

/// What is known of each variable, by slot.
pub(super) struct Variables(pub(super) Vec<Known>);

impl Variables {
    /// A text, where everything that it names is known.
    pub(super) fn text(&self, text: &Text) -> Option<Box<[u8]>> {
        let mut out = Vec::new();
        for piece in &text.0 {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal),
                Piece::Tx(slot) => match self.0.get(*slot as usize)? {
                    Known::Value(value) => out.extend_from_slice(value.as_deref().unwrap_or(b"")),
                    Known::Nothing => return None,
                },
                Piece::Variable(..) | Piece::Search(..) => return None,
            }
        }
        Some(out.into())
    }

    /// Whether a rule matches, as far as its first link tells.
    pub(super) fn outcome(&self, rule: &Rule) -> Outcome {
        let Some(first) = rule.links.first() else {
            return Outcome::Perhaps;
        };
        let first = match &first.condition {
            None => Outcome::Always,
            Some(condition) => self.matches(first, condition),
        };
        match first {
            Outcome::Always if rule.links.len() > 1 => Outcome::Perhaps,
            outcome => outcome,
        }
    }

    fn matches(&self, link: &Link, condition: &Condition) -> Outcome {
        let later = matches!(
            condition.test,
            Test::Made(_) | Test::Path(_) | Test::Places(_) | Test::Document(_)
        ) || link.chain.contains(&Transformation::UrlDecodeUni);
        if later || link.multi_match || !condition.exclusions.is_empty() {
            return Outcome::Perhaps;
        }
        let Some(argument) = self.text(&condition.argument) else {
            return Outcome::Perhaps;
        };
        let mut outcome = Outcome::Never;
        for target in &condition.targets {
            let known = match (target.variable, target.slot, &target.selector) {
                (Variable::Tx, Some(slot), Selector::Key(_)) => self.0.get(slot as usize),
                _ => None,
            };
            let Some(Known::Value(value)) = known else {
                return Outcome::Perhaps;
            };
            let value = if target.count {
                Some(if value.is_some() { &b"1"[..] } else { b"0" })
            } else {
                value.as_deref()
            };
            let Some(value) = value else {
                continue;
            };
            let mut current = value.to_vec();
            for &step in &link.chain {
                let mut next = Vec::new();
                transform::apply(step, &current, &mut next);
                current = next;
            }
            match condition.test.matches(&current, &argument, None) {
                Ok(found) if found != condition.negated => outcome = Outcome::Always,
                Ok(_) => {}
                Err(_) => return Outcome::Perhaps,
            }
        }
        outcome
    }
}
