//! Which rules are gated, and how each is found.

use std::collections::HashMap;

use seclang::ast::{Transformation, Variable};

use super::gate::{PLAIN_VALUES, Way};
use super::hyperscan::Expression;
use super::pattern::Needs;
use super::plain::{self, PLAIN, Plain, plain};
use super::rule::{Condition, Link, Selector, Target};
use crate::bytes::ByteSet;
use crate::operator::{Comparison, Test};
use crate::transform;

/// Whether a rule's first link depends on nothing but the bytes of a value.
pub(super) fn is_gated(link: &Link) -> bool {
    let Some(condition) = &link.condition else {
        return false;
    };
    let pure = match &condition.test {
        // What is made or filled at run time.
        Test::Number(_)
        | Test::Always
        | Test::Never
        | Test::Made(_)
        | Test::Path(_)
        | Test::Places(_)
        | Test::Document(_) => false,
        Test::Text(_) => condition.argument.fixed().is_some(),
        Test::Rx(_)
        | Test::RxGlobal(_)
        | Test::Phrases(_)
        | Test::ByteRange(_)
        | Test::UrlEncoding
        | Test::Utf8Encoding
        | Test::Networks(_)
        | Test::CardNumber(_)
        | Test::IdentityNumber(_)
        | Test::SqlInjection
        | Test::Xss => true,
    };
    pure && condition
        .targets
        .iter()
        .all(|target| !target.count && is_fixed(target.variable))
}

/// Whether nothing changes the values of a variable while a phase runs, and they lie where they lie.
fn is_fixed(variable: Variable) -> bool {
    use Variable as V;
    matches!(
        variable,
        V::Args
            | V::ArgsGet
            | V::ArgsPost
            | V::ArgsNames
            | V::ArgsGetNames
            | V::ArgsPostNames
            | V::RequestHeaders
            | V::RequestHeadersNames
            | V::RequestCookies
            | V::RequestCookiesNames
            | V::ResponseHeaders
            | V::ResponseHeadersNames
            | V::MultipartPartHeaders
            | V::Files
            | V::FilesNames
            | V::MultipartFilename
            | V::MultipartName
            | V::Xml
            | V::RequestXml
            | V::ResponseXml
            | V::RequestLine
            | V::RequestMethod
            | V::RequestProtocol
            | V::RequestUri
            | V::RequestUriRaw
            | V::RequestFilename
            | V::RequestBasename
            | V::QueryString
            | V::ServerName
            | V::RequestBody
            | V::ResponseBody
            | V::ResponseProtocol
            | V::ResponseContentType
    )
}

/// The bytes that a condition needs, and whether scanning for it is dear.
pub(super) fn needs(condition: &Condition) -> Needs {
    match &condition.test {
        Test::Rx(regex) | Test::RxGlobal(regex) => Needs::of_pattern(regex.source()),
        Test::Text(comparison) => match comparison {
            Comparison::Within => Needs::default(),
            _ => Needs::of_text(condition.argument.fixed().unwrap_or_default()),
        },
        Test::UrlEncoding => Needs::of_set(ByteSet::of(b"%")),
        Test::Utf8Encoding => Needs::of_set(ByteSet::range(0x80, 0xFF)),
        Test::SqlInjection => Needs::of_set(ByteSet::where_true(injection::can_make_sqli)),
        Test::Xss => Needs::of_set(ByteSet::where_true(injection::can_make_xss)),
        // A byte outside of the range is itself what is needed.
        Test::ByteRange(allowed) => Needs::of_set(allowed.complement()),
        _ => Needs::default(),
    }
}

/// So many rules of a group about one short value are tested; where there are more, a scan for all of them costs less.
const TESTED_TOGETHER: usize = 16;

/// How many rules of a group are about one short value each, by that.
#[derive(Debug, Default)]
pub(super) struct Narrow(HashMap<Value, usize>);

/// A variable, and the key in it that a rule names.
type Value = (Variable, Option<Box<[u8]>>);

impl Narrow {
    pub(super) fn count<'a>(conditions: impl Iterator<Item = &'a Condition>) -> Narrow {
        let mut narrow = Narrow::default();
        let targets = conditions.filter(|condition| condition.targets.iter().all(is_narrow));
        for target in targets.flat_map(|condition| &condition.targets) {
            *narrow.0.entry(value(target)).or_default() += 1;
        }
        narrow
    }

    /// Whether all that a rule looks at are short values that few others look at: it is tested sooner than scanned for with those of
    /// all other rules.
    fn holds(&self, condition: &Condition) -> bool {
        let few = |target: &Target| {
            let count = self.0.get(&value(target)).copied().unwrap_or(0);
            is_narrow(target) && count <= TESTED_TOGETHER
        };
        condition.targets.iter().all(few)
    }
}

fn value(target: &Target) -> Value {
    let key = match &target.selector {
        Selector::Key(key) => Some(key.clone()),
        _ => None,
    };
    (target.variable, key)
}

/// Whether a target is one short value.
fn is_narrow(target: &Target) -> bool {
    use Variable as V;
    match target.variable {
        V::RequestLine
        | V::RequestMethod
        | V::RequestProtocol
        | V::RequestUri
        | V::RequestUriRaw
        | V::RequestFilename
        | V::RequestBasename
        | V::QueryString
        | V::ServerName
        | V::ResponseProtocol
        | V::ResponseContentType => true,
        V::RequestHeaders | V::ResponseHeaders => matches!(target.selector, Selector::Key(_)),
        _ => false,
    }
}

/// How a unit is found in values of a kind, and the expressions that a scan looks for.
pub(super) fn way(
    link: &Link,
    condition: &Condition,
    needs: &Needs,
    narrow: &Narrow,
    kind: usize,
    matches_empty: bool,
    unit: u32,
) -> (Way, Vec<Expression>) {
    let test = (Way::Test, Vec::new());
    if condition.negated || matches_empty {
        return test;
    }
    let is_plain = kind == PLAIN_VALUES;
    if is_plain && needs.sets.iter().any(|set| !set.intersects(&PLAIN)) {
        return (Way::Never, Vec::new());
    }
    // What decoding and digests make of every value is hardly plain, and few rules look at it.
    let always_changes = |&step: &Transformation| transform::triggers(step) == ByteSet::ALL;
    if needs.many.is_some()
        || narrow.holds(condition)
        || !is_plain && link.chain.iter().any(always_changes)
    {
        return test;
    }
    let expressions: Option<Vec<Expression>> = match &condition.test {
        Test::Rx(regex) | Test::RxGlobal(regex) if is_plain => match plain(regex.source()) {
            Plain::Never => return (Way::Never, Vec::new()),
            Plain::Unknown => None,
            Plain::Literals { texts, caseless } => texts
                .iter()
                .map(|text| Expression::of_text(text, caseless, unit))
                .collect(),
            Plain::Pattern { text, caseless } => {
                Expression::of_written(text, caseless, unit).map(|expression| vec![expression])
            }
        },
        Test::Rx(_) | Test::RxGlobal(_) if needs.dear => None,
        Test::Rx(regex) | Test::RxGlobal(regex) => {
            Expression::of_pattern(regex.source(), unit).map(|expression| vec![expression])
        }
        Test::Phrases(phrases) => {
            let phrases = phrases.phrases().iter();
            let phrases = phrases.filter(|phrase| !is_plain || plain::is_plain(phrase));
            phrases
                .map(|phrase| Expression::of_text(phrase, true, unit))
                .collect()
        }
        Test::Text(Comparison::Contains) => {
            Expression::of_text(condition.argument.fixed().unwrap_or_default(), false, unit)
                .map(|expression| vec![expression])
        }
        _ => None,
    };
    match expressions {
        Some(expressions) if expressions.is_empty() => (Way::Never, expressions),
        // What the library finds too large when it compiles is tested instead.
        Some(expressions) => (Way::Scan, expressions),
        None => test,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CompileOptions, Filter, RuleSet};

    #[test]
    fn many_rules_about_one_short_value_are_scanned_for() {
        let scanned = |count: usize| {
            let rules: String = (1..=count)
                .map(|id| {
                    format!(
                        "SecRule REQUEST_HEADERS:User-Agent \"@rx bot/{id}\" \"id:{id},phase:1\"\n"
                    )
                })
                .chain(["SecRule REQUEST_METHOD \"@rx ^[TD]RACE\" \"id:999,phase:1\"\n".to_owned()])
                .collect();
            let document = seclang::parse_str("rules", &rules).unwrap();
            let rules = RuleSet::compile(&[document], &CompileOptions::default()).unwrap();
            let filters = (0..rules.rules.len() as u32).map(|rule| rules.gates.filter_of(rule));
            filters.filter(|filter| *filter == Filter::Scan).count()
        };
        assert_eq!(scanned(TESTED_TOGETHER), 0);
        assert_eq!(scanned(TESTED_TOGETHER + 1), TESTED_TOGETHER + 1);
    }
}
