//! What a connection may be waiting for, each with a deadline of its own.

use net::{Clock, Deadlines, Slot, Stream};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use types::Reason;

/// The kind of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For the first byte of the next request.
    Idle,
    /// For the rest of a head, or of a TLS handshake.
    Header,
    /// For more of a request body.
    Body,
    /// For the client to take what is sent.
    Send,
    /// For the endpoint to answer, or to take what is sent.
    Response,
    /// For the end of the request as a whole.
    Total,
    /// For anything to move on a connection that is not HTTP.
    Relay,
}

impl Wait {
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::Idle | Self::Relay => Reason::IdleTimeout,
            Self::Header => Reason::HeaderTimeout,
            Self::Body => Reason::BodyTimeout,
            Self::Send => Reason::ClientStalled,
            Self::Response => Reason::UpstreamTimeout,
            Self::Total => Reason::TotalTimeout,
        }
    }
}

/// A stream's deadline. Arming it costs a write to a cell; the worker's sweep shuts the socket when it passes, so that
/// whatever waits on it returns.
pub(crate) struct Timer {
    slot: Slot<Wait>,
    clock: Clock,
    how: Shutdown,
}

impl Timer {
    /// For a stream. `how` says which directions end with the deadline: with `Shutdown::Read` the other side can still
    /// be told why.
    pub(crate) fn new(deadlines: &Deadlines<Wait>, stream: &impl Stream, how: Shutdown) -> Self {
        Self {
            slot: deadlines.slot(stream),
            clock: deadlines.clock().clone(),
            how,
        }
    }

    /// Gives the next step `patience`, or less when the request as a whole has less left.
    pub(crate) fn arm(&self, wait: Wait, patience: Duration, total: Option<Instant>) {
        let now = self.clock.now();
        match total {
            Some(total) if total < now + patience => {
                let left = total.saturating_duration_since(now);
                self.slot.arm_with(Wait::Total, left, self.how);
            }
            _ => self.slot.arm_with(wait, patience, self.how),
        }
    }

    /// Whether the request as a whole has no time left. Every step asks anew: where each piece comes early enough, no
    /// deadline that is armed piece by piece would ever pass.
    pub(crate) fn is_over(&self, total: Instant) -> bool {
        self.clock.now() >= total
    }

    pub(crate) fn disarm(&self) {
        self.slot.disarm();
    }

    /// Which deadline passed, if one did.
    pub(crate) fn fired(&self) -> Option<Wait> {
        self.slot.fired()
    }
}
