//! Ejection of endpoints whose answers to real requests fail.

use std::time::Duration;
use types::Reason;

/// When an endpoint is ejected because requests to it fail, and for how long.
///
/// After `consecutive_failures` in a row the endpoint gets no requests for `ejection`. Then it is half open: one
/// request is let through. Its success brings the endpoint back, its failure ejects it for another `ejection` longer
/// than before, up to `max_ejection`. An endpoint that has served for `max_ejection` since it came back starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passive {
    /// Failures in a row that eject an endpoint; at least 1.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts; the second in a row twice, the third three times as long, and so on.
    pub ejection: Duration,
    /// The longest ejection.
    pub max_ejection: Duration,
    /// The share of endpoints, in percent, that may be out of service for any reason after an ejection; what would go
    /// beyond stays in. At 100 the last endpoint can be ejected too, which makes this a circuit breaker.
    pub max_ejected_percent: u8,
    /// Whether every 5xx answer is a failure. Otherwise only 502, 503 and 504 are: a 500 can be one client's doing, and
    /// must not take an endpoint from all others.
    pub count_all_5xx: bool,
}

impl Default for Passive {
    /// Five in a row, 30 s to 5 min, never more than half of the endpoints.
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected_percent: 50,
            count_all_5xx: false,
        }
    }
}

impl Passive {
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.consecutive_failures == 0 {
            Some("passive ejection needs at least 1 consecutive failure")
        } else if self.ejection.is_zero() {
            Some("the ejection time must be above 0")
        } else if self.max_ejection < self.ejection {
            Some("the longest ejection must not be shorter than the first")
        } else if self.max_ejected_percent > 100 {
            Some("the share of ejected endpoints is in percent, so at most 100")
        } else {
            None
        }
    }

    /// How long the `nth` ejection in a row lasts; 1 is the first.
    pub(crate) fn duration(&self, nth: u32) -> Duration {
        self.ejection.saturating_mul(nth).min(self.max_ejection)
    }
}

/// What an attempt says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Success,
    /// It failed.
    Failure,
    /// Nothing: the client went away, a rule blocked the answer, a kept-alive connection had been closed.
    Neutral,
}

impl Outcome {
    /// What the cause of a request's end says about the endpoint that it was sent to.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::Served | Reason::WafResponseBlocked => Self::Success,
            Reason::ConnectFailed
            | Reason::ConnectTimeout
            | Reason::UpstreamTls
            | Reason::UpstreamClosed
            | Reason::UpstreamTimeout
            | Reason::UpstreamMalformed
            | Reason::UpstreamHeadTooLarge => Self::Failure,
            _ => Self::Neutral,
        }
    }
}
