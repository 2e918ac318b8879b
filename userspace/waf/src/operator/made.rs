//! Patterns that hold macros: they are made when a value meets them.

use std::sync::{Arc, Mutex};

use super::{Captures, MatchError, Regex};

/// Bytes of a pattern that is made at run time. A longer one matches nothing.
const PATTERN_BYTES: usize = 8 << 10;

/// A pattern whose text is known at run time only. The last one is kept: mostly the macros say the same again.
#[derive(Debug)]
pub(crate) struct MadePattern {
    match_limit: u64,
    /// Every match counts, the last one fills the groups.
    pub(super) global: bool,
    last: Mutex<Option<Arc<Regex>>>,
}

impl MadePattern {
    pub(crate) fn new(match_limit: u64, global: bool) -> MadePattern {
        MadePattern {
            match_limit,
            global,
            last: Mutex::new(None),
        }
    }

    /// Whether the value matches the pattern that `source` writes. What macros bring is part of the pattern, as in ModSecurity 3; one
    /// that does not compile matches nothing.
    pub(crate) fn matches(
        &self,
        source: &[u8],
        value: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        let Some(regex) = self.regex(source) else {
            return Ok(false);
        };
        if self.global {
            regex.matches_all(value, captures)
        } else {
            regex.matches(value, captures)
        }
    }

    fn regex(&self, source: &[u8]) -> Option<Arc<Regex>> {
        let source = std::str::from_utf8(source).ok()?;
        // Nobody waits: who finds the lock taken makes the pattern again.
        let kept = self.last.try_lock().ok().and_then(|last| last.clone());
        if let Some(kept) = kept.filter(|kept| kept.source() == source) {
            return Some(kept);
        }
        if source.len() > PATTERN_BYTES {
            return None;
        }
        let made = Arc::new(Regex::new(source, self.match_limit).ok()?);
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some(Arc::clone(&made));
        }
        Some(made)
    }
}
