//! An endpoint and what all workers know about it.

use crate::ewma::Ewma;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::Duration;

/// One endpoint of an [`crate::Upstream`].
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u32,
    pub(crate) state: Arc<State>,
}

/// Tells connections apart by where and how they were made: the key of [`crate::Pool`]. It stays the same over reloads
/// that change neither the address nor the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(u64);

impl EndpointId {
    /// One that was never there before in this process.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Relaxed))
    }
}

/// What changes while an endpoint serves. It outlives a reload, and lies on cache lines of its own so that workers on
/// different endpoints do not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct State {
    /// Requests that were sent and are not finished.
    pub(crate) in_flight: AtomicU32,
    /// Failures since the last success.
    pub(crate) failures_in_row: AtomicU32,
    /// 0 while it is not ejected; otherwise the tick until which it is, and from which it is half open.
    pub(crate) ejected_until: AtomicU64,
    /// Ejections in a row.
    pub(crate) ejections_in_row: AtomicU32,
    /// The tick at which it came back from its last ejection.
    pub(crate) returned_at: AtomicU64,
    /// What active probes say.
    pub(crate) healthy: AtomicBool,
    /// What the operator says.
    pub(crate) draining: AtomicBool,
    pub(crate) latency: Ewma,
    /// Counters for metrics: all requests, failures, ejections.
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) ejections: AtomicU64,
}

impl State {
    pub(crate) fn new(healthy: bool) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            failures_in_row: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections_in_row: AtomicU32::new(0),
            returned_at: AtomicU64::new(0),
            healthy: AtomicBool::new(healthy),
            draining: AtomicBool::new(false),
            latency: Ewma::default(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
        }
    }
}

impl Endpoint {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key of its connections in a [`crate::Pool`].
    #[must_use]
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// Its configured weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Whether active probes call it healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.state.healthy.load(Relaxed)
    }

    /// Tells all workers what active probes found ([`crate::Transition`]).
    pub fn set_healthy(&self, healthy: bool) {
        self.state.healthy.store(healthy, Relaxed);
    }

    /// Whether it takes no new requests because the operator said so, or because its weight is 0.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.weight == 0 || self.state.draining.load(Relaxed)
    }

    /// Takes it out of service, or back in. Requests in flight go on.
    pub fn set_draining(&self, draining: bool) {
        self.state.draining.store(draining, Relaxed);
    }

    /// Requests that were sent to it and are not finished.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.state.in_flight.load(Relaxed)
    }
}

/// What is known about an endpoint at one moment, for metrics and status. Counters start with the process, not with the
/// configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its configured weight.
    pub weight: u32,
    /// Whether active probes call it healthy; true where there are none.
    pub healthy: bool,
    /// Whether it takes no new requests.
    pub draining: bool,
    /// How long its ejection lasts yet; zero when it is half open; nothing when it is not ejected.
    pub ejected_for: Option<Duration>,
    /// Requests that were sent and are not finished.
    pub in_flight: u32,
    /// The moving average of its latency; zero before the first answer.
    pub latency: Duration,
    /// Attempts that were sent to it, retries included.
    pub requests: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// How often it was ejected.
    pub ejections: u64,
}
