//! Whether a failed attempt may be repeated.

use crate::MAX_TRIED;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use types::{Reason, Retry};

/// The window of the retry budget: when it ends, counting starts anew.
pub const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// When requests are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first one; at most [`MAX_TRIED`], more count as that many. 0 turns retries off.
    pub retries: u8,
    /// Retries in percent of the requests of a window ([`BUDGET_WINDOW`]). What is beyond fails without a retry, so that
    /// retries cannot bury endpoints that are already overloaded.
    pub budget_percent: u8,
    /// Retries that a window grants in any case, so that upstreams with few requests have some.
    pub budget_min: u32,
}

impl Default for RetryPolicy {
    /// One retry; 20 % of the requests, and 10 more in ten seconds.
    fn default() -> Self {
        Self {
            retries: 1,
            budget_percent: 20,
            budget_min: 10,
        }
    }
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Why it failed.
    pub reason: Reason,
    /// Whether any byte of the request was handed to the endpoint's socket.
    pub bytes_sent: bool,
    /// Whether the method is idempotent (RFC 9110, 9.2.2).
    pub idempotent: bool,
    /// Whether the body, if any, can be sent again from its beginning: none of it was consumed, or all of it is kept.
    pub replayable: bool,
    /// Whether any byte of an answer went to the client, interim answers included.
    pub answered: bool,
    /// Retries that the request has already had.
    pub retries: u8,
}

/// Whether to repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Repeat it.
    Retry {
        /// Whether the same endpoint may be chosen again, on a new connection: it closed a kept-alive connection, which
        /// says nothing against it. Otherwise it belongs among the [`crate::Tried`].
        same_endpoint: bool,
    },
    /// Do not.
    Stop(StopReason),
}

/// Why an attempt is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Another attempt could not help ([`Retry::Never`]).
    Useless,
    /// The client has part of an answer.
    Answered,
    /// The endpoint may have acted on the request, and doing it twice could do harm.
    NotIdempotent,
    /// The body is gone.
    BodyConsumed,
    /// The request has had its retries.
    Attempts,
    /// The upstream has had its retries for now.
    Budget,
}

impl RetryPolicy {
    /// Decides without regard to the budget, which [`crate::Upstream::may_retry`] takes into account.
    #[must_use]
    pub fn decide(&self, attempt: &Attempt) -> Decision {
        let most = usize::from(self.retries).min(MAX_TRIED);
        let stop = match attempt.reason.retry() {
            Retry::Never => Some(StopReason::Useless),
            _ if attempt.answered => Some(StopReason::Answered),
            // Bytes that left decide, whatever the reason says: who sent none cannot have been heard.
            _ if attempt.bytes_sent && !attempt.idempotent => Some(StopReason::NotIdempotent),
            _ if !attempt.replayable => Some(StopReason::BodyConsumed),
            _ if usize::from(attempt.retries) >= most => Some(StopReason::Attempts),
            Retry::Safe | Retry::IfIdempotent => None,
        };
        match stop {
            Some(reason) => Decision::Stop(reason),
            None => Decision::Retry {
                same_endpoint: attempt.reason == Reason::UpstreamReused,
            },
        }
    }
}

/// The retries of an upstream in a window of time, shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// The number of the window in the upper half, the retries in it in the lower.
    window: AtomicU64,
    /// The attempts that endpoints had counted at the window's start.
    attempts_before: AtomicU64,
}

impl Budget {
    /// Takes one retry, if there is one. `attempts` is what the endpoints have counted since the process started, retries
    /// included. Workers that start a window at the same moment may see the one before for an instant, and then grant a
    /// retry more.
    pub(crate) fn take(&self, policy: &RetryPolicy, attempts: u64, now: u64) -> bool {
        let number = now / BUDGET_WINDOW.as_nanos() as u64 + 1;
        let mut seen = self.window.load(Relaxed);
        loop {
            let fresh = seen >> 32 != number & 0xffff_ffff;
            let retries = if fresh { 0 } else { seen & 0xffff_ffff };
            let before = if fresh {
                attempts
            } else {
                self.attempts_before.load(Relaxed)
            };
            let requests = attempts.saturating_sub(before).saturating_sub(retries);
            let share = requests.saturating_mul(u64::from(policy.budget_percent)) / 100;
            if retries >= share.saturating_add(u64::from(policy.budget_min))
                || retries == 0xffff_ffff
            {
                return false;
            }
            let next = number << 32 | (retries + 1);
            match self
                .window
                .compare_exchange_weak(seen, next, Relaxed, Relaxed)
            {
                Ok(_) if fresh => {
                    self.attempts_before.store(attempts, Relaxed);
                    return true;
                }
                Ok(_) => return true,
                Err(changed) => seen = changed,
            }
        }
    }
}
