//! Active probes: when to probe, and what the results mean. Probing itself is the caller's.

use crate::hash::below;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The longest that the first probe of an endpoint is put off, so that the probes of many endpoints spread.
const MAX_FIRST_DELAY: Duration = Duration::from_secs(1);

/// How endpoints are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// From the start of a probe to the start of the next.
    pub interval: Duration,
    /// After this a probe has failed; not longer than the interval.
    pub timeout: Duration,
    /// The interval varies at random by up to this many percent both ways, so that probers do not fall into step.
    pub jitter_percent: u8,
    /// Successes in a row that bring an endpoint back.
    pub healthy: u32,
    /// Failures in a row that take it out.
    pub unhealthy: u32,
    /// Whether an endpoint gets requests before its first probe.
    pub initially_healthy: bool,
}

impl Default for HealthCheck {
    /// Every 5 s with a timeout of 2 s and 10 % jitter; out after 3 failures, back after 1 success; in from the start.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            jitter_percent: 10,
            healthy: 1,
            unhealthy: 3,
            initially_healthy: true,
        }
    }
}

impl HealthCheck {
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.interval.is_zero() {
            Some("the interval between probes must be above 0")
        } else if self.timeout.is_zero() || self.timeout > self.interval {
            Some("the timeout of probes must be above 0 and not longer than the interval")
        } else if self.jitter_percent > 100 {
            Some("the jitter of probes is in percent, so at most 100")
        } else if self.healthy == 0 || self.unhealthy == 0 {
            Some("the thresholds of probes must be at least 1")
        } else {
            None
        }
    }
}

/// Why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProbeFailure {
    /// The connection was refused, or there is no way to the host.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended, or what came was no HTTP.
    #[error("broken answer: {0}")]
    Broken(String),
    /// An answer with a status that was not expected.
    #[error("unexpected status {0}")]
    Status(u16),
    /// An answer whose body is not what was expected.
    #[error("unexpected body")]
    Body,
}

/// A change that [`crate::Endpoint::set_healthy`] should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The endpoint is back.
    Up,
    /// The endpoint is out, because of this last failure.
    Down(ProbeFailure),
}

/// The probing of one endpoint. Its very first result decides at once, whatever the thresholds say: about an endpoint
/// that was never probed there is nothing else to go by.
#[derive(Clone, Debug)]
pub struct Probe {
    check: HealthCheck,
    healthy: bool,
    /// Whether a result has decided about it yet.
    proven: bool,
    /// Results in a row that contradict `healthy`.
    against: u32,
    next_at: Instant,
    last_failure: Option<ProbeFailure>,
}

impl Probe {
    /// Begins to probe an endpoint that was not probed before and is in the state `healthy` ([`crate::Endpoint::is_healthy`]). The first probe is
    /// due within the first second.
    #[must_use]
    pub fn new(check: HealthCheck, healthy: bool, now: Instant, random: u64) -> Self {
        let delay = scale(check.interval.min(MAX_FIRST_DELAY), random);
        Self {
            check,
            healthy,
            proven: false,
            against: 0,
            next_at: now + delay,
            last_failure: None,
        }
    }

    /// Goes on after a reload, perhaps with other settings, as the endpoint's past still counts.
    #[must_use]
    pub fn renewed(self, check: HealthCheck) -> Self {
        Self { check, ..self }
    }

    /// When the next probe is due.
    #[must_use]
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// How endpoints are probed.
    #[must_use]
    pub fn check(&self) -> &HealthCheck {
        &self.check
    }

    /// Whether the endpoint counts as healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Why the last probe failed; nothing after a success.
    #[must_use]
    pub fn last_failure(&self) -> Option<&ProbeFailure> {
        self.last_failure.as_ref()
    }

    /// Takes in the result of a probe that began at `started`, and sets the time of the next.
    #[must_use]
    pub fn on_result(
        &mut self,
        result: Result<(), ProbeFailure>,
        started: Instant,
        random: u64,
    ) -> Option<Transition> {
        self.next_at = started + self.interval(random);
        let success = result.is_ok();
        self.last_failure = result.err();
        let first = !std::mem::replace(&mut self.proven, true);
        if success == self.healthy {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let threshold = match success {
            _ if first => 1,
            true => self.check.healthy,
            false => self.check.unhealthy,
        };
        if self.against < threshold {
            return None;
        }
        self.against = 0;
        self.healthy = success;
        Some(match &self.last_failure {
            None => Transition::Up,
            Some(failure) => Transition::Down(failure.clone()),
        })
    }

    /// The interval, varied by the jitter.
    fn interval(&self, random: u64) -> Duration {
        let jitter = self.check.interval * u32::from(self.check.jitter_percent) / 100;
        self.check.interval - jitter + scale(jitter * 2, random)
    }
}

/// A random part of a duration.
fn scale(duration: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(below(random, nanos))
}
