//! Regular expressions, exactly: PCRE2 with JIT on bytes, dot-all, no multi-line, `$` at the very end.

use std::sync::{Mutex, OnceLock};

use pcre2::bytes::{CaptureLocations, Regex as Pcre, RegexBuilder};

use super::linear::{LONG_BYTES, Linear, Start};
use super::simple::Simple;
use super::{Captures, pattern};

/// How large the JIT's stack may grow for one match, in bytes. A match that needs more fails like one over the match limit.
const JIT_STACK_BYTES: usize = 512 * 1024;

/// A compiled pattern.
pub(crate) struct Regex {
    /// As it is when rules are read: enough to know that the pattern is right.
    plain: Pcre,
    /// With machine code, made when the first value meets the pattern: most patterns of a start meet none for a while.
    fast: OnceLock<Option<Pcre>>,
    /// What answers for the pattern where it is that simple.
    simple: Option<Simple>,
    /// What long values meet before.
    linear: Linear,
    pattern: String,
    caseless: bool,
    source: String,
    /// Memory for groups, kept because making it maps memory. Only rules that capture and match ask for it, and none ever waits:
    /// when the lock is taken, new memory is made.
    spare_groups: Mutex<Vec<CaptureLocations>>,
}

/// A pattern that PCRE2 does not compile.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the pattern does not compile: {0}")]
pub struct RegexError(String);

impl RegexError {
    /// `prefix` bytes of what was compiled were put before the rule's own pattern.
    fn new(error: &pcre2::Error, prefix: usize) -> RegexError {
        let text = error.to_string();
        let Some(offset) = error.offset() else {
            return RegexError(text);
        };
        let reason = text.split_once(&format!("offset {offset}: "));
        let reason = reason.map_or(text.as_str(), |(_, reason)| reason);
        RegexError(format!(
            "{reason} (at character {})",
            offset.saturating_sub(prefix)
        ))
    }
}

/// A match that was given up: the pattern passed `SecPcreMatchLimit` or its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern passed its match limit")]
pub(crate) struct MatchError;

impl Regex {
    /// Compiles `source` with at most `match_limit` steps a match.
    pub(crate) fn new(source: &str, match_limit: u64) -> Result<Regex, RegexError> {
        Self::build(source, false, match_limit)
    }

    /// The same without case, for selectors.
    pub(crate) fn caseless(source: &str, match_limit: u64) -> Result<Regex, RegexError> {
        Self::build(source, true, match_limit)
    }

    fn build(source: &str, caseless: bool, match_limit: u64) -> Result<Regex, RegexError> {
        let limit = format!("(*LIMIT_MATCH={match_limit})");
        let pattern = format!("{limit}{}", pattern::for_pcre(source));
        let told = |error| RegexError::new(&error, limit.len());
        Ok(Regex {
            plain: compile(&pattern, caseless, false).map_err(told)?,
            fast: OnceLock::new(),
            simple: Simple::read(source, caseless),
            linear: Linear::default(),
            pattern,
            caseless,
            source: source.to_owned(),
            spare_groups: Mutex::new(Vec::new()),
        })
    }

    fn code(&self) -> &Pcre {
        let fast = self
            .fast
            .get_or_init(|| compile(&self.pattern, self.caseless, true).ok());
        fast.as_ref().unwrap_or(&self.plain)
    }

    /// The pattern as the rule has it.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn matches(
        &self,
        value: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        if let Some(simple) = &self.simple {
            let found = simple.find(value, self.caseless);
            if let Some(captures) = captures {
                captures.clear();
                if found.is_some() {
                    captures.push(found);
                }
            }
            return Ok(found.is_some());
        }
        let Start::At(start) = self.start(value) else {
            if let Some(captures) = captures {
                captures.clear();
            }
            return Ok(false);
        };
        let code = match value {
            [] => &self.plain,
            _ => self.code(),
        };
        let Some(captures) = captures else {
            return code.is_match_at(value, start).map_err(|_| MatchError);
        };
        captures.clear();
        let spare = self
            .spare_groups
            .try_lock()
            .ok()
            .and_then(|mut spare| spare.pop());
        let mut groups = spare.unwrap_or_else(|| code.capture_locations());
        let found = code
            .captures_read_at(&mut groups, value, start)
            .map_err(|_| MatchError)?;
        if found.is_some() {
            for group in 0..groups.len().min(Captures::LIMIT) {
                captures.push(groups.get(group));
            }
        }
        let found = found.is_some();
        if let Ok(mut spare) = self.spare_groups.try_lock() {
            spare.push(groups);
        }
        Ok(found)
    }

    /// Where a match can begin at the earliest.
    fn start(&self, value: &[u8]) -> Start {
        if value.len() < LONG_BYTES {
            return Start::At(0);
        }
        let start = self.linear.start(&self.source, self.caseless, value);
        start.unwrap_or(Start::At(0))
    }

    /// Every match from left to right, as its range.
    pub(crate) fn whole_matches<'a>(
        &'a self,
        value: &'a [u8],
    ) -> impl Iterator<Item = Result<(usize, usize), MatchError>> + 'a {
        self.code().find_iter(value).map(|found| {
            let found = found.map_err(|_| MatchError)?;
            Ok((found.start(), found.end()))
        })
    }

    /// Whether there is a match; the groups are those of the last one.
    pub(crate) fn matches_all(
        &self,
        value: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        let Some(captures) = captures else {
            return self.matches(value, None);
        };
        captures.clear();
        if self.start(value) == Start::Nowhere {
            return Ok(false);
        }
        let mut found = false;
        for groups in self.code().captures_iter(value) {
            let groups = groups.map_err(|_| MatchError)?;
            found = true;
            captures.clear();
            for group in 0..groups.len().min(Captures::LIMIT) {
                captures.push(groups.get(group).map(|group| (group.start(), group.end())));
            }
        }
        Ok(found)
    }

    /// The range of the first match that begins at `start` or behind it.
    pub(crate) fn find_at(
        &self,
        value: &[u8],
        start: usize,
    ) -> Result<Option<(usize, usize)>, MatchError> {
        let found = self.code().find_at(value, start).map_err(|_| MatchError)?;
        Ok(found.map(|found| (found.start(), found.end())))
    }

    /// Every match from left to right, as the ranges of the first group, or of the whole match where there is none.
    pub(crate) fn occurrences<'a>(
        &'a self,
        value: &'a [u8],
    ) -> impl Iterator<Item = Result<(usize, usize), MatchError>> + 'a {
        self.code().captures_iter(value).map(|captures| {
            let captures = captures.map_err(|_| MatchError)?;
            let group = captures.get(1).or_else(|| captures.get(0));
            Ok(group.map_or((0, 0), |group| (group.start(), group.end())))
        })
    }
}

fn compile(pattern: &str, caseless: bool, jit: bool) -> Result<Pcre, pcre2::Error> {
    RegexBuilder::new()
        .dotall(true)
        .caseless(caseless)
        .jit_if_available(jit)
        .max_jit_stack_size(Some(JIT_STACK_BYTES))
        .build(pattern)
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Regex").field(&self.source).finish()
    }
}
