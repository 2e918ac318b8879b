//! Values that directives and actions share.

use crate::ast::{IdRange, RuleId};
use crate::diagnostic::Problems;
use crate::limits;
use crate::mapped::Mapped;
use crate::problem::Problem;

/// What a rule id may be, for messages.
pub(super) const ID: &str = "a rule id, a number from 1 on";

pub(super) fn bad(of: &str, expected: &'static str, found: &Mapped) -> Problem {
    Problem::BadValue {
        of: of.to_owned(),
        expected,
        found: found.text().to_owned(),
    }
}

/// Reports that `value` does not fit if `parsed` is `None`.
pub(super) fn expect<T>(
    parsed: Option<T>,
    of: &str,
    expected: &'static str,
    value: &Mapped,
    problems: &mut Problems,
) -> Option<T> {
    if parsed.is_none() {
        problems.add(value.span(), bad(of, expected, value));
    }
    parsed
}

/// Digits alone: Rust's parser would take a sign too.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.trim();
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

pub(super) fn on_off(text: &str) -> Option<bool> {
    match text.trim() {
        on if on.eq_ignore_ascii_case("on") => Some(true),
        off if off.eq_ignore_ascii_case("off") => Some(false),
        _ => None,
    }
}

pub(super) fn rule_id(text: &str) -> Option<RuleId> {
    number(text).filter(|id| (1..=limits::RULE_ID).contains(id))
}

/// `N` or `N-M`.
pub(super) fn id_range(text: &str) -> Option<IdRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = IdRange {
        first: rule_id(first)?,
        last: rule_id(last)?,
    };
    (range.first <= range.last).then_some(range)
}

/// `N` or `N:link`.
pub(super) fn id_and_link(text: &str) -> Option<(&str, u32)> {
    match text.split_once(':') {
        None => Some((text, 0)),
        Some((id, link)) => Some((id, number(link)?)),
    }
}
