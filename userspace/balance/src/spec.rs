//! What the operator says about an upstream.

use crate::{HealthCheck, Passive, maglev};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// The most endpoints of an upstream. More are a configuration error.
pub const MAX_ENDPOINTS: usize = 4096;
/// The largest weight of an endpoint. A larger one is a configuration error.
pub const MAX_WEIGHT: u32 = 1000;

/// An upstream as it was configured. [`crate::Upstream::new`] checks it.
#[derive(Clone, Debug)]
pub struct UpstreamSpec {
    /// The name in logs and metrics.
    pub name: String,
    /// How an endpoint is chosen.
    pub algorithm: Algorithm,
    /// The endpoints; each address once. None is allowed: discovery may find some later.
    pub endpoints: Vec<EndpointSpec>,
    /// The active probes; without them every endpoint counts as healthy.
    pub health: Option<HealthCheck>,
    /// Ejection by failures of real requests; without it no endpoint is ejected.
    pub passive: Option<Passive>,
    /// A digest of how connections are made (0 for plain TCP, otherwise one of the TLS settings). Pooled connections
    /// outlive a reload only where it stays the same.
    pub transport: u64,
}

/// An endpoint as it was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share of the requests relative to the others, up to [`MAX_WEIGHT`]. 0 takes it out of service, as draining does.
    pub weight: u32,
}

/// How an endpoint is chosen among those that are available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// In turn by weight, smoothly interleaved (5:1:1 gives `aabacaa`). Exact over all workers together.
    RoundRobin,
    /// The one with the fewest requests in flight relative to its weight. Ties are broken in turn by weight. Looks at
    /// every endpoint.
    LeastRequests,
    /// The cheaper of two that are drawn at random. Cost is the peak-sensitive moving average of the latency, times the
    /// requests in flight plus one, divided by the weight.
    ///
    /// The average takes on a latency above it at once and approaches one below it by
    /// `average × e^(−t/decay) + latency × (1 − e^(−t/decay))`, t being the time since the last answer. Between answers
    /// it fades likewise, so that an endpoint which was slow is tried again.
    Ewma {
        /// The time constant; [`Algorithm::DEFAULT_DECAY`] fits most.
        decay: Duration,
    },
    /// The same key goes to the same endpoint, by a Maglev table ([`maglev`]). Requests without a key are spread at
    /// random. When an endpoint is not available, its keys alone go elsewhere, and come back with it.
    Hash {
        /// The size of the table, one of [`maglev::SIZES`]: at least a hundred times the endpoints spreads keys evenly
        /// within a percent.
        table_size: u32,
    },
}

impl Algorithm {
    /// The usual time constant of [`Algorithm::Ewma`].
    pub const DEFAULT_DECAY: Duration = Duration::from_secs(10);

    /// The name in configuration, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastRequests => "least_requests",
            Self::Ewma { .. } => "ewma",
            Self::Hash { .. } => "hash",
        }
    }
}

/// What is wrong with an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// Too many endpoints.
    #[error("upstream `{0}` has {1} endpoints, and the most is {MAX_ENDPOINTS}")]
    TooManyEndpoints(String, usize),
    /// An address twice.
    #[error("upstream `{0}` has endpoint {1} twice: give it once, with a larger weight")]
    DuplicateAddress(String, SocketAddr),
    /// A weight beyond the limit.
    #[error("upstream `{0}`: endpoint {1} has weight {2}, and the largest is {MAX_WEIGHT}")]
    Weight(String, SocketAddr, u32),
    /// A table size that does not fit the endpoints.
    #[error("upstream `{0}`: the hash table's size: {1}")]
    Table(String, maglev::MaglevError),
    /// A setting that must be at least something, or at most something.
    #[error("upstream `{0}`: {1}")]
    Setting(String, &'static str),
}

impl UpstreamSpec {
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let name = || self.name.clone();
        if self.endpoints.len() > MAX_ENDPOINTS {
            return Err(SpecError::TooManyEndpoints(name(), self.endpoints.len()));
        }
        let mut seen = HashSet::new();
        for EndpointSpec { address, weight } in &self.endpoints {
            if !seen.insert(address) {
                return Err(SpecError::DuplicateAddress(name(), *address));
            }
            if *weight > MAX_WEIGHT {
                return Err(SpecError::Weight(name(), *address, *weight));
            }
        }
        if let Algorithm::Ewma {
            decay: Duration::ZERO,
        } = self.algorithm
        {
            return Err(SpecError::Setting(
                name(),
                "the decay of the latency's average must be above 0",
            ));
        }
        let problem = self.health.as_ref().and_then(HealthCheck::problem);
        let problem = problem.or_else(|| self.passive.as_ref().and_then(Passive::problem));
        problem.map_or(Ok(()), |text| Err(SpecError::Setting(name(), text)))
    }
}
