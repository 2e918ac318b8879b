//! `@pm`, `@pmFromFile`: any of many phrases, without case.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::Captures;
use crate::bytes::hex_value;

/// A set of phrases and the automaton that finds them.
#[derive(Debug)]
pub(crate) struct Phrases {
    /// Made when it is first asked: a prefilter answers for most values, and a start has better things to do.
    automaton: OnceLock<Option<AhoCorasick>>,
    phrases: Vec<Vec<u8>>,
}

/// Bytes of all phrases of a set. The automaton's states are as many at most, and it counts them in 31 bits.
const LIMIT_BYTES: usize = 64 << 20;

/// Why phrases do not make a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Nothing to look for.
    #[error("there is no phrase to look for")]
    Empty,
    /// `|41 4|`
    #[error("`{0}` is not hexadecimal bytes between bars, such as |41 42|")]
    Hex(String),
    /// More than the automaton takes.
    #[error("the phrases have {0} bytes together, more than the {LIMIT_BYTES} that are looked for")]
    TooMany(usize),
}

impl Phrases {
    /// The words of an argument of `@pm`, split at blanks; `|41 42|` writes bytes.
    pub(crate) fn of_words(argument: &str) -> Result<Phrases, PhraseError> {
        let mut phrases = Vec::new();
        let mut phrase = Vec::new();
        let mut parts = argument.split('|');
        // Odd parts lie between bars. A last bar without its fellow is a plain byte.
        let mut between = false;
        while let Some(part) = parts.next() {
            if between && parts.clone().next().is_some() {
                phrase.extend(hex_bytes(part).ok_or_else(|| PhraseError::Hex(part.to_owned()))?);
                between = false;
                continue;
            }
            if between {
                phrase.push(b'|');
            }
            let mut words = part.split([' ', '\t', '\n', '\r']);
            phrase.extend(words.next().unwrap_or("").bytes());
            for word in words {
                phrases.push(std::mem::take(&mut phrase));
                phrase.extend(word.bytes());
            }
            between = true;
        }
        phrases.push(phrase);
        Self::new(phrases)
    }

    /// One phrase a line; blank lines and lines that begin with `#` are passed over.
    pub(crate) fn of_lines(file: &[u8]) -> Result<Phrases, PhraseError> {
        let lines = file.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        Self::new(
            lines
                .filter(|line| !line.starts_with(b"#"))
                .map(<[u8]>::to_vec)
                .collect(),
        )
    }

    /// Phrases as they are; empty ones are left out.
    pub(crate) fn new(mut phrases: Vec<Vec<u8>>) -> Result<Phrases, PhraseError> {
        phrases.retain(|phrase| !phrase.is_empty());
        for phrase in &mut phrases {
            phrase.make_ascii_lowercase();
        }
        phrases.sort();
        phrases.dedup();
        if phrases.is_empty() {
            return Err(PhraseError::Empty);
        }
        let bytes = phrases.iter().map(Vec::len).sum();
        if bytes > LIMIT_BYTES {
            return Err(PhraseError::TooMany(bytes));
        }
        Ok(Phrases {
            automaton: OnceLock::new(),
            phrases,
        })
    }

    /// The automaton; `None` where none could be made, which the limit on bytes keeps from happening.
    pub(crate) fn automaton(&self) -> Option<&AhoCorasick> {
        let make = || {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.phrases)
                .ok()
        };
        self.automaton.get_or_init(make).as_ref()
    }

    /// The phrases in lower case.
    pub(crate) fn phrases(&self) -> &[Vec<u8>] {
        &self.phrases
    }

    pub(crate) fn matches(&self, value: &[u8], captures: Option<&mut Captures>) -> bool {
        // No phrase is empty.
        let Some(automaton) = Some(value)
            .filter(|value| !value.is_empty())
            .and_then(|_| self.automaton())
        else {
            if let Some(captures) = captures {
                captures.clear();
            }
            return false;
        };
        let Some(captures) = captures else {
            return automaton.is_match(value);
        };
        captures.clear();
        let found = automaton.find(value);
        if let Some(found) = &found {
            captures.push(Some((found.start(), found.end())));
        }
        found.is_some()
    }
}

/// `41 42` or `4142`
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .bytes()
        .filter(|byte| *byte != b' ')
        .map(hex_value)
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}
