//! What looking at a document may cost, and how it ends.

/// A budget: one for each step of an automaton, each comparison and each byte that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    left: u64,
    limit: u64,
}

impl Work {
    /// A budget of `limit`.
    #[must_use]
    pub const fn of(limit: u64) -> Work {
        Work { left: limit, limit }
    }

    /// What was spent so far.
    #[must_use]
    pub const fn spent(&self) -> u64 {
        self.limit - self.left
    }

    /// Takes some of what is left.
    pub(crate) fn spend(&mut self, amount: usize) -> Result<(), Finding> {
        match self.left.checked_sub(amount as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Finding::Exhausted)
            }
        }
    }
}

/// Why a document does not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// It is not what the grammar describes: what is wrong, and where.
    #[error("{0}")]
    Invalid(String),
    /// The budget was spent before it was known.
    #[error("holding the document against its grammar takes more work than is allowed")]
    Exhausted,
}

/// Characters of a value or name that a finding repeats.
const SHOWN: usize = 60;

/// A value as a finding shows it.
pub(crate) fn shown(value: &str) -> String {
    let mut out: String = value
        .chars()
        .take(SHOWN)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if value.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

pub(crate) fn invalid<T>(what: impl Into<String>) -> Result<T, Finding> {
    Err(Finding::Invalid(what.into()))
}
