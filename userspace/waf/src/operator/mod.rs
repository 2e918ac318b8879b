//! Operators: what a rule asks of a value, as pure functions on bytes.
//!
//! Negation, macros and the order of values are the business of the caller; here a value meets one test.

mod card;
mod document;
mod geo;
mod identity;
mod linear;
mod made;
mod network;
mod path;
mod pattern;
mod phrase;
mod regex;
mod simple;
mod text;

#[cfg(test)]
mod tests;

use injection::Fingerprint;

use crate::bytes::{ByteSet, atoi};
use crate::transform;

pub(crate) use card::CardNumber;
pub(crate) use document::Grammar;
pub(crate) use geo::Places;
pub use geo::PlacesError;
#[cfg(test)]
pub(crate) use geo::tests::database as places_for_tests;
pub(crate) use identity::{IdentityNumber, Nation};
pub(crate) use made::MadePattern;
pub use network::NetworkError;
pub(crate) use network::Networks;
pub(crate) use path::PathTemplate;
pub use path::TemplateError;
pub(crate) use pattern::for_hyperscan;
pub use pattern::for_syntax;
pub use phrase::PhraseError;
pub(crate) use phrase::Phrases;
pub use regex::RegexError;
pub(crate) use regex::{MatchError, Regex};
pub(crate) use text::Comparison;

/// Where in the value the operator matched: group 0 is the whole match. At most ten groups exist for rules (`TX:0` to `TX:9`).
/// The detectors of injection have no groups: they write `TX:0` and leave the others as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captures {
    groups: [(usize, usize); Captures::LIMIT],
    count: usize,
    is_single: bool,
    fingerprint: Option<Fingerprint>,
}

impl Captures {
    /// Groups that are kept; further ones of a pattern are not.
    pub(crate) const LIMIT: usize = 10;

    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.is_single = false;
        self.fingerprint = None;
    }

    /// The whole value as all there is.
    fn set_whole(&mut self, value: &[u8]) {
        self.clear();
        self.push(Some((0, value.len())));
        self.is_single = true;
    }

    /// A fingerprint, which is no part of the value, as all there is.
    fn set_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.clear();
        self.fingerprint = Some(fingerprint);
        self.is_single = true;
    }

    /// Adds the next group. One that took no part in the match is the empty range.
    pub(crate) fn push(&mut self, group: Option<(usize, usize)>) {
        if let Some(slot) = self.groups.get_mut(self.count) {
            *slot = group.unwrap_or((0, 0));
            self.count += 1;
        }
    }

    /// The ranges of the groups, group 0 first.
    pub(crate) fn groups(&self) -> &[(usize, usize)] {
        &self.groups[..self.count]
    }

    /// How many of the places of `TX:0` to `TX:9` are written, or unset for want of a group.
    pub(crate) fn places(&self) -> usize {
        if self.is_single { 1 } else { Self::LIMIT }
    }

    /// What stands in the place of group 0.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Relation {
    Equal,
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    Less,
}

impl Relation {
    fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::GreaterOrEqual => left >= right,
            Self::Greater => left > right,
            Self::LessOrEqual => left <= right,
            Self::Less => left < right,
        }
    }
}

/// A compiled operator without its negation.
#[derive(Debug)]
pub(crate) enum Test {
    Rx(Regex),
    /// Every match counts, the last one fills the groups.
    RxGlobal(Regex),
    /// A pattern with macros.
    Made(MadePattern),
    /// Fills `ARGS_PATH`.
    Path(PathTemplate),
    /// Fills `GEO`.
    Places(Places),
    Phrases(Phrases),
    Text(Comparison),
    Number(Relation),
    /// Matches when a byte is outside of the set.
    ByteRange(ByteSet),
    UrlEncoding,
    Utf8Encoding,
    Networks(Networks),
    CardNumber(CardNumber),
    IdentityNumber(IdentityNumber),
    SqlInjection,
    Xss,
    /// Matches when a document is not as the grammar says. What it looks at is no value: [`Grammar::differs`].
    Document(Box<Grammar>),
    Always,
    Never,
}

impl Test {
    /// Whether a match fills variables other than the captures.
    pub(crate) const fn fills_variables(&self) -> bool {
        matches!(self, Self::Path(_) | Self::Places(_))
    }

    /// What a test costs besides the bytes of its value.
    pub(crate) const fn own_work(&self) -> u64 {
        match self {
            // Compiling a pattern.
            Self::Made(_) => 16 << 10,
            Self::Places(_) => 1 << 10,
            _ => 0,
        }
    }

    /// Whether `value` matches. `argument` is what the operator compares with, macros expanded, for the tests that take one at run
    /// time. Where the operator has something to capture, `captures` is filled when the value matches; it is empty otherwise.
    ///
    /// # Errors
    /// A pattern that passed its match limit.
    pub(crate) fn matches(
        &self,
        value: &[u8],
        argument: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        Ok(match self {
            Self::Rx(regex) => return regex.matches(value, captures),
            Self::RxGlobal(regex) => return regex.matches_all(value, captures),
            Self::Made(pattern) => return pattern.matches(argument, value, captures),
            Self::Places(places) => !places.find(value).is_empty(),
            Self::Path(template) => return template.matches(value, captures),
            Self::Phrases(phrases) => phrases.matches(value, captures),
            Self::Text(comparison) => comparison.holds(value, argument),
            Self::Number(relation) => relation.holds(atoi(value), atoi(argument)),
            Self::ByteRange(allowed) => !value.iter().all(|&byte| allowed.contains(byte)),
            Self::UrlEncoding => transform::has_bad_escape(value),
            Self::Utf8Encoding => !transform::is_utf8(value),
            Self::Networks(networks) => networks.contains(value),
            Self::CardNumber(card) => return card.matches(value, captures),
            Self::IdentityNumber(number) => return number.matches(value, captures),
            Self::SqlInjection => {
                let found = injection::sqli(value);
                if let (Some(fingerprint), Some(captures)) = (found, captures) {
                    captures.set_fingerprint(fingerprint);
                }
                found.is_some()
            }
            Self::Xss => {
                let found = injection::xss(value);
                if let (true, Some(captures)) = (found, captures) {
                    captures.set_whole(value);
                }
                found
            }
            // Who has no document at hand has none that is right.
            Self::Document(_) | Self::Always => true,
            Self::Never => false,
        })
    }
}

/// Reads the argument of `@validateByteRange`: numbers and ranges, `1-255` or `9,10,32-126`.
pub(crate) fn byte_range(argument: &str) -> Option<ByteSet> {
    let number = |text: &str| text.trim().parse::<u8>().ok();
    argument
        .split(',')
        .filter(|part| !part.trim().is_empty())
        .try_fold(ByteSet::EMPTY, |set, part| {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            (first <= last).then(|| set.union(ByteSet::range(first, last)))
        })
}
