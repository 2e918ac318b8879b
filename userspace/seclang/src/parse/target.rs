//! Target lists.

use crate::ast::{Selector, Shape, Target, Use, Variable};
use crate::closest::closest;
use crate::diagnostic::Problems;
use crate::limits;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};
use crate::span::Spanned;

/// Why variables of other engines are refused.
const REFUSED: [(&str, &str); 1] = [(
    "WEBSERVER_ERROR_LOG",
    "there is no error log of a web server here",
)];

/// Targets between `|`, and between `,` too where `separators` has it.
pub(super) fn targets(
    list: &Mapped,
    separators: &[char],
    problems: &mut Problems,
) -> Vec<Spanned<Target>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut seen = 0;
    loop {
        seen += 1;
        let rest = list.text().get(at..).unwrap_or("");
        let length = target_length(rest, separators);
        let one = list.slice(at..at + length).trimmed();
        if one.text().is_empty() {
            problems.add(list.span_of(&(at..at + length)), Problem::EmptyTarget);
        } else if let Some(target) = target(&one, problems) {
            found.push(Spanned::new(target, one.span()));
        }
        if seen > limits::TARGETS {
            let limit = limits::TARGETS;
            let what = "targets of one rule";
            problems.add(list.span(), Problem::TooLarge { what, limit });
            return found;
        }
        at += length + 1;
        if at > list.text().len() {
            return found;
        }
    }
}

/// How far the first target of a list goes: up to a separator that is not inside of a regular expression or quotes.
fn target_length(list: &str, separators: &[char]) -> usize {
    let end = list.find(separators).unwrap_or(list.len());
    let Some(colon) = list.find(':').filter(|colon| *colon < end) else {
        return end;
    };
    let selector = list.get(colon + 1..).unwrap_or("");
    let name = list
        .get(..colon)
        .unwrap_or("")
        .trim()
        .trim_start_matches(['!', '&']);
    let document =
        Variable::from_name(name).is_some_and(|variable| variable.shape() == Shape::Document);
    let inner = if document {
        None
    } else if let Some(quoted) = selector.strip_prefix("'/") {
        closing(quoted, "/'", separators).map(|length| length + 2)
    } else if let Some(quoted) = selector.strip_prefix('\'') {
        closing(quoted, "'", separators).map(|length| length + 1)
    } else if let Some(regex) = selector.strip_prefix('/') {
        closing(regex, "/", separators).map(|length| length + 1)
    } else {
        None
    };
    inner.map_or(end, |length| colon + 1 + length)
}

/// The length of `text` up to and with the first `mark` that ends the list or stands before a separator. A backslash
/// before a mark of one character makes it part of the text.
fn closing(text: &str, mark: &str, separators: &[char]) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text
        .char_indices()
        .take_while(|(at, _)| *at < limits::SELECTOR_BYTES)
    {
        let rest = text.get(at..).unwrap_or("");
        if let Some(behind) = rest
            .strip_prefix(mark)
            .filter(|_| !escaped || mark.len() > 1)
        {
            let behind_blanks = behind.trim_start();
            if behind_blanks.is_empty() || behind_blanks.starts_with(separators) {
                return Some(at + mark.len() + (behind.len() - behind_blanks.len()));
            }
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// One target, without blanks round it.
pub(super) fn target(text: &Mapped, problems: &mut Problems) -> Option<Target> {
    let usage = match text.text().chars().next() {
        Some('!') => Use::Exclude,
        Some('&') => Use::Count,
        _ => Use::Values,
    };
    let sign = usize::from(usage != Use::Values);
    let name_and_selector = text.slice(sign..text.text().len()).trimmed();
    let (name, selector) = name_and_selector_of(&name_and_selector);
    if name.text().starts_with(['!', '&']) {
        problems.add(name.span(), Problem::PlainTargetOnly);
        return None;
    }
    let variable = variable(&name.trimmed(), problems)?;
    let selector = match (selector, variable.shape()) {
        (None, _) => Selector::None,
        (Some(_), Shape::Scalar) => {
            problems.add(
                name_and_selector.span(),
                Problem::SelectorOnScalar(variable.name()),
            );
            return None;
        }
        (Some(path), Shape::Document) if !path.text().is_empty() => {
            Selector::XPath(path.text().to_owned())
        }
        (Some(key), Shape::Collection) if !key.text().is_empty() => {
            match self::selector(key.text()) {
                Ok(selector) => selector,
                Err(problem) => {
                    problems.add(key.span(), problem);
                    return None;
                }
            }
        }
        (Some(_), _) => {
            problems.add(name_and_selector.span(), Problem::EmptySelector);
            return None;
        }
    };
    Some(Target {
        usage,
        variable,
        selector,
    })
}

/// `NAME`, `NAME:selector`, or `NAME.key`, as ModSecurity 3 reads it too.
fn name_and_selector_of(text: &Mapped) -> (Mapped, Option<Mapped>) {
    let (name, selector) = text.split_once(':');
    let dotted = name.split_once('.');
    let collection = Variable::from_name(dotted.0.text())
        .is_some_and(|found| found.shape() == Shape::Collection);
    if selector.is_none() && collection {
        dotted
    } else {
        (name, selector)
    }
}

fn variable(name: &Mapped, problems: &mut Problems) -> Option<Variable> {
    let word = name.text();
    let found = Variable::from_name(word);
    if found.is_none() {
        let refused = REFUSED
            .iter()
            .find(|(refused, _)| refused.eq_ignore_ascii_case(word));
        let kind = WordKind::Variable;
        let word = word.to_owned();
        let problem = match refused {
            Some((_, reason)) => Problem::Refused { kind, word, reason },
            None => Problem::UnknownName {
                kind,
                closest: closest(&word, Variable::NAMES.iter().copied()),
                word,
            },
        };
        problems.add(name.span(), problem);
    }
    found
}

/// `key`, `'key'`, `/regex/` or `'/regex/'`.
fn selector(written: &str) -> Result<Selector, Problem> {
    let (key, quoted) = match written.strip_prefix('\'') {
        Some(inner) => (
            inner
                .strip_suffix('\'')
                .ok_or(Problem::UnclosedQuote('\''))?,
            true,
        ),
        None => (written, false),
    };
    if let Some(regex) = key.strip_prefix('/') {
        let regex = regex.strip_suffix('/').ok_or(Problem::UnclosedSelector)?;
        let backslashes = regex.len() - regex.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            return Err(Problem::UnclosedSelector);
        }
        return Ok(Selector::Regex(regex.to_owned()));
    }
    let key = if quoted {
        key.replace("\\'", "'")
    } else {
        key.to_owned()
    };
    if key.is_empty() {
        return Err(Problem::EmptySelector);
    }
    // It could not be told from an escaped quote.
    if key.ends_with('\\') {
        return Err(Problem::BadValue {
            of: "a selector".to_owned(),
            expected: "a key that does not end in a backslash, or a regular expression",
            found: key,
        });
    }
    Ok(Selector::Key(key))
}

/// A variable and its selector, as `ctl:ruleRemoveTarget...` names it.
pub(super) fn plain_target(text: &Mapped, problems: &mut Problems) -> Option<Target> {
    let target = target(text, problems)?;
    if target.usage == Use::Values {
        return Some(target);
    }
    problems.add(text.span(), Problem::PlainTargetOnly);
    None
}
