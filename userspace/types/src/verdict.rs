//! What a stage of the request pipeline decided.

use crate::Reason;
use std::time::Duration;

/// The outcome of a stage. Every stage returns this type, so that the pipeline reads the same from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on with the next stage.
    Continue,
    /// Answer now with this status; the connection lives on where framing allows it.
    Respond {
        /// The status of the answer, 400 to 599 (or 3xx for a redirect that a rule asks for).
        status: u16,
        /// Why.
        reason: Reason,
    },
    /// Close the connection without an answer.
    Close(Reason),
    /// Close the connection and ban its source address.
    Ban {
        /// How long the ban lasts.
        ttl: Duration,
        /// Why.
        reason: Reason,
    },
}

impl Verdict {
    /// Answers with the status that belongs to the reason.
    #[must_use]
    pub const fn respond(reason: Reason) -> Self {
        Self::Respond {
            status: reason.status(),
            reason,
        }
    }

    /// Whether the next stage runs.
    #[must_use]
    pub const fn is_continue(&self) -> bool {
        matches!(self, Self::Continue)
    }
}
