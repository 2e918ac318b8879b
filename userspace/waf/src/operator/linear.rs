//! Long values meet an automaton before they meet PCRE2, which goes back and forth: `[^|]*\|x` looks at `a|a|a|…` as often as the
//! value is long, and `SecPcreMatchLimit` bounds neither that nor how many places a match is tried at.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use super::pattern;

/// Values shorter than this go to PCRE2 at once: the square of their length is small, and most values are short.
pub(super) const LONG_BYTES: usize = 256;

/// What an automaton may take, in bytes, and what it may keep of its states by thread.
const SIZE_LIMIT_BYTES: usize = 16 << 20;
const STATES_BYTES: usize = 2 << 20;

/// A pattern as an automaton, whose time is linear in the value. Made when the first long value comes.
#[derive(Debug, Default)]
pub(super) struct Linear(OnceLock<Option<Regex>>);

/// Where PCRE2 has to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing in the value matches.
    Nowhere,
    /// Nothing before it matches.
    At(usize),
}

impl Linear {
    /// Where the first match begins. The automaton may find more than the pattern means (it reads `a++` as `(?:a+)+`), never less.
    /// `None` for patterns that only PCRE2 understands, such as those that look around.
    pub(super) fn start(&self, source: &str, caseless: bool, value: &[u8]) -> Option<Start> {
        let made = self.0.get_or_init(|| compile(source, caseless));
        let found = made.as_ref()?.find(value);
        Some(found.map_or(Start::Nowhere, |found| Start::At(found.start())))
    }
}

fn compile(source: &str, caseless: bool) -> Option<Regex> {
    // PCRE's `\Z` also matches before a last line end.
    if source.contains("\\Z") {
        return None;
    }
    RegexBuilder::new(&pattern::for_syntax(source)?)
        .unicode(false)
        .dot_matches_new_line(true)
        .case_insensitive(caseless)
        .size_limit(SIZE_LIMIT_BYTES)
        .dfa_size_limit(STATES_BYTES)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_automaton_finds_where_matches_begin() {
        let start = |source: &str, value: &[u8]| Linear::default().start(source, false, value);
        assert_eq!(start(r"[^|]*\|x", b"a|a|a"), Some(Start::Nowhere));
        assert_eq!(start(r"b.c$", b"abb\nc"), Some(Start::At(2)));
        assert_eq!(start(r"(?i)\x{C4}B", b"\xe4\xc4b"), Some(Start::At(1)));
        assert_eq!(start(r"a++a", b"aaa"), Some(Start::At(0)));
        for source in [r"(?<=a)b", r"(a)\1", r"a\Z"] {
            assert_eq!(start(source, b"ab"), None, "{source}");
        }
    }
}
