//! Endpoints, balancing algorithms, health, ejection, retries and connection pools.
//!
//! An [`Upstream`] is a group of endpoints that serve the same requests. All workers share it: what changes while it
//! serves are atomics, so that [`Upstream::pick`] takes no lock and allocates nothing. When the configuration changes,
//! the new upstream takes over what is known about the endpoints that stay ([`Upstream::inherit`]).
//!
//! An endpoint gets requests while it is **healthy** (active probes, [`Probe`]), not **ejected** (failures of real
//! requests, [`Passive`]) and not **draining** (the operator's word, or weight 0). When none is left,
//! [`Upstream::pick`] says why. There is no panic mode that sends requests to endpoints known to be down.
//!
//! Nothing here reads a clock, draws a random number or touches a socket: the caller passes them in.
#![forbid(unsafe_code)]

mod endpoint;
mod ewma;
mod hash;
mod health;
pub mod maglev;
mod passive;
mod pick;
mod pool;
mod retry;
mod schedule;
mod spec;
mod tried;
mod upstream;

pub use endpoint::{Endpoint, EndpointId, Snapshot};
pub use hash::{Affinity, hash_address, hash_client, hash_key};
pub use health::{HealthCheck, Probe, ProbeFailure, Transition};
pub use passive::{Outcome, Passive};
pub use pick::{NoEndpoint, PickInput, Picked};
pub use pool::{ConnectionsFull, Lease, Pool, PoolLimits, Pooled};
pub use retry::{Attempt, BUDGET_WINDOW, Decision, RetryPolicy, StopReason};
pub use schedule::MAX_SCHEDULE;
pub use spec::{Algorithm, EndpointSpec, MAX_ENDPOINTS, MAX_WEIGHT, SpecError, UpstreamSpec};
pub use tried::{MAX_TRIED, Tried};
pub use upstream::Upstream;
