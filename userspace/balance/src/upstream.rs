//! A group of endpoints, shared by all workers.

use crate::endpoint::State;
use crate::retry::Budget;
use crate::{
    Algorithm, Attempt, Decision, Endpoint, EndpointId, Outcome, Passive, RetryPolicy, Snapshot,
    SpecError, StopReason, UpstreamSpec, hash_address, maglev, schedule,
};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A group of endpoints that serve the same requests. What changes while it serves are atomics; the rest is immutable.
///
/// It is aligned so that the reference count of its `Arc`, which every request changes, does not share a cache line
/// with what every request reads.
#[derive(Debug)]
#[repr(align(128))]
pub struct Upstream {
    pub(crate) name: Box<str>,
    pub(crate) endpoints: Box<[Endpoint]>,
    pub(crate) algorithm: Algorithm,
    /// What the algorithm has worked out in advance: the turns of weighted round robin, or the slots of a Maglev table.
    pub(crate) table: Box<[u16]>,
    /// Slots in the place of `table`, where somebody else decides who takes part ([`Upstream::set_slots`]).
    slots: RwLock<Option<Arc<[u16]>>>,
    /// Whether active probes decide about health.
    probed: bool,
    passive: Option<Passive>,
    transport: u64,
    /// Tick 1. Atomics cannot hold an `Instant`, so times are kept as nanoseconds since then.
    epoch: Instant,
    /// The time constant of the latency's average, in nanoseconds.
    decay: f64,
    /// Counts turns; on a cache line of its own.
    pub(crate) cursor: Cursor,
    budget: Arc<Budget>,
}

/// A counter that all workers write.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Cursor(AtomicU64);

impl Cursor {
    /// Takes the next turn.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }
}

impl Upstream {
    /// Checks a spec and makes an upstream of it. `now` is where its time begins.
    ///
    /// # Errors
    ///
    /// A [`SpecError`] that names what is wrong.
    pub fn new(spec: UpstreamSpec, now: Instant) -> Result<Self, SpecError> {
        spec.check()?;
        let table = match spec.algorithm {
            Algorithm::RoundRobin | Algorithm::LeastRequests => schedule::smooth(&spec.endpoints),
            Algorithm::Ewma { .. } => Box::default(),
            Algorithm::Hash { table_size } => maglev_table(&spec, table_size)?,
        };
        let healthy = spec
            .health
            .as_ref()
            .is_none_or(|health| health.initially_healthy);
        let endpoints = spec.endpoints.iter().map(|endpoint| Endpoint {
            id: EndpointId::new(),
            address: endpoint.address,
            weight: endpoint.weight,
            state: Arc::new(State::new(healthy)),
        });
        let decay = match spec.algorithm {
            Algorithm::Ewma { decay } => decay,
            _ => Algorithm::DEFAULT_DECAY,
        };
        Ok(Self {
            endpoints: endpoints.collect(),
            name: spec.name.into(),
            algorithm: spec.algorithm,
            table,
            slots: RwLock::default(),
            probed: spec.health.is_some(),
            passive: spec.passive,
            transport: spec.transport,
            epoch: now,
            decay: decay.as_nanos() as f64,
            cursor: Cursor::default(),
            budget: Arc::default(),
        })
    }

    /// Takes over from an earlier upstream what is known about endpoints with the same address: health, ejection,
    /// draining, requests in flight, latency, counters; and their ids, where the transport is the same, so that pooled
    /// connections stay usable. To be called before the upstream is shared. Both may serve at the same time.
    pub fn inherit(&mut self, old: &Self) {
        let known: HashMap<SocketAddr, &Endpoint> =
            old.endpoints.iter().map(|e| (e.address, e)).collect();
        for endpoint in &mut self.endpoints {
            if let Some(before) = known.get(&endpoint.address) {
                endpoint.state = Arc::clone(&before.state);
                if self.transport == old.transport {
                    endpoint.id = before.id;
                }
            }
        }
        // Inherited ticks count from the old epoch; new endpoints have none yet.
        self.epoch = old.epoch;
        self.cursor.0.store(old.cursor.0.load(Relaxed), Relaxed);
        self.budget = Arc::clone(&old.budget);
    }

    /// Has hashes lead to endpoints by these slots from now on, as an L4 service in the kernel has it. Each is the index of
    /// an endpoint; one that there is not stands for none.
    pub fn set_slots(&self, slots: Arc<[u16]>) {
        *self.slots.write().unwrap_or_else(PoisonError::into_inner) = Some(slots);
    }

    pub(crate) fn slots(&self) -> Option<Arc<[u16]>> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The name in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How an endpoint is chosen.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The endpoints, in the order of the spec.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What an answer with this status says about its endpoint.
    #[must_use]
    pub fn judge(&self, status: u16) -> Outcome {
        let all = self
            .passive
            .as_ref()
            .is_some_and(|passive| passive.count_all_5xx);
        match status {
            502..=504 => Outcome::Failure,
            500..=599 if all => Outcome::Failure,
            _ => Outcome::Success,
        }
    }

    /// Whether a failed attempt may be repeated, and where. A retry that is granted is taken from the budget.
    ///
    /// The budget costs nothing while nothing fails: it compares the retries of a window with the attempts that
    /// endpoints have counted since its start.
    #[must_use]
    pub fn may_retry(&self, policy: &RetryPolicy, attempt: &Attempt, now: Instant) -> Decision {
        let decision = policy.decide(attempt);
        if let Decision::Retry { .. } = decision {
            let attempts = self
                .endpoints
                .iter()
                .map(|e| e.state.requests.load(Relaxed))
                .sum();
            if !self.budget.take(policy, attempts, self.ticks(now)) {
                return Decision::Stop(StopReason::Budget);
            }
        }
        decision
    }

    /// What is known about the endpoints, in their order.
    pub fn snapshots(&self, now: Instant) -> impl Iterator<Item = Snapshot> {
        let now = self.ticks(now);
        self.endpoints
            .iter()
            .enumerate()
            .map(move |(index, endpoint)| {
                let state = &endpoint.state;
                let until = self.ejected_until(index);
                Snapshot {
                    address: endpoint.address,
                    weight: endpoint.weight,
                    healthy: !self.is_down(index),
                    draining: endpoint.is_draining(),
                    ejected_for: (until > 0)
                        .then(|| Duration::from_nanos(until.saturating_sub(now))),
                    in_flight: endpoint.in_flight(),
                    latency: Duration::from_nanos(state.latency.read(now, self.decay) as u64),
                    requests: state.requests.load(Relaxed),
                    failures: state.failures.load(Relaxed),
                    ejections: state.ejections.load(Relaxed),
                }
            })
    }

    /// Nanoseconds since just before the epoch, so never 0.
    pub(crate) fn ticks(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.epoch)).saturating_add(1)
    }

    /// Whether active probes call an endpoint down.
    pub(crate) fn is_down(&self, index: usize) -> bool {
        self.probed && !self.endpoints[index].is_healthy()
    }

    /// 0 for an endpoint that is not ejected, otherwise the tick from which it is half open.
    pub(crate) fn ejected_until(&self, index: usize) -> u64 {
        match self.passive {
            Some(_) => self.endpoints[index].state.ejected_until.load(Relaxed),
            None => 0,
        }
    }

    /// The price of one more request to an endpoint, under [`Algorithm::Ewma`].
    pub(crate) fn cost(&self, index: usize, now: u64) -> f64 {
        /// An endpoint that has not answered yet gets one request to be measured by; more cost this much each.
        const UNMEASURED: f64 = 1e9;
        let endpoint = &self.endpoints[index];
        let in_flight = f64::from(endpoint.in_flight());
        let latency = endpoint.state.latency.read(now, self.decay);
        let cost = if latency == 0.0 {
            UNMEASURED * in_flight
        } else {
            latency * (in_flight + 1.0)
        };
        cost / f64::from(endpoint.weight)
    }

    /// Lets the one request through that tries a half-open endpoint. Gives the tick until which no other does, 0 for an
    /// endpoint that is not ejected, and nothing when another worker was faster.
    pub(crate) fn admit(&self, index: usize, now: u64) -> Option<u64> {
        let until = self.ejected_until(index);
        let Some(passive) = self.passive.as_ref().filter(|_| until > 0) else {
            return Some(0);
        };
        let trial_until = now.saturating_add(nanos(passive.ejection));
        let state = &self.endpoints[index].state;
        let won = state
            .ejected_until
            .compare_exchange(until, trial_until, SeqCst, Relaxed)
            .is_ok();
        won.then_some(trial_until)
    }

    /// Takes in how an attempt ended. `trial` is what [`Upstream::admit`] gave.
    pub(crate) fn record(
        &self,
        index: usize,
        trial: u64,
        outcome: Outcome,
        latency: Duration,
        now: Instant,
    ) {
        let now = self.ticks(now);
        let state = &self.endpoints[index].state;
        match outcome {
            Outcome::Success => {
                state.latency.observe(latency, now, self.decay);
                if state.failures_in_row.load(Relaxed) != 0 {
                    state.failures_in_row.store(0, Relaxed);
                }
                if trial != 0
                    && state
                        .ejected_until
                        .compare_exchange(trial, 0, SeqCst, Relaxed)
                        .is_ok()
                {
                    state.returned_at.store(now, Relaxed);
                }
            }
            Outcome::Failure => {
                state.failures.fetch_add(1, Relaxed);
                state.latency.observe_failure(latency, now, self.decay);
                let in_row = state
                    .failures_in_row
                    .fetch_add(1, Relaxed)
                    .saturating_add(1);
                if let Some(passive) = &self.passive {
                    if trial != 0 {
                        self.eject(index, trial, passive, now);
                    } else if in_row >= passive.consecutive_failures {
                        self.eject(index, 0, passive, now);
                    }
                }
            }
            Outcome::Neutral => self.release_trial(index, trial),
        }
    }

    /// Gives the trial of a half-open endpoint back, because it proved nothing: the next request may try.
    pub(crate) fn release_trial(&self, index: usize, trial: u64) {
        if trial != 0 {
            let until = &self.endpoints[index].state.ejected_until;
            let _ = until.compare_exchange(trial, 1, SeqCst, Relaxed); // a later decision stands
        }
    }

    /// Ejects an endpoint whose `ejected_until` is `before`.
    fn eject(&self, index: usize, before: u64, passive: &Passive, now: u64) {
        let state = &self.endpoints[index].state;
        let served = now.saturating_sub(state.returned_at.load(Relaxed));
        let anew = before == 0 && served >= nanos(passive.max_ejection);
        let nth = if anew {
            1
        } else {
            state.ejections_in_row.load(Relaxed).saturating_add(1)
        };
        let until = now.saturating_add(nanos(passive.duration(nth)));
        if state
            .ejected_until
            .compare_exchange(before, until, SeqCst, Relaxed)
            .is_err()
        {
            return; // another worker decided in the meantime
        }
        // Two workers that eject two endpoints at the same moment both see both, so too many are never out.
        if before == 0 && !self.may_be_out(passive) {
            let _ = state
                .ejected_until
                .compare_exchange(until, 0, SeqCst, Relaxed);
            return;
        }
        state.ejections_in_row.store(nth, Relaxed);
        state.failures_in_row.store(0, Relaxed);
        state.ejections.fetch_add(1, Relaxed);
    }

    /// Whether no more endpoints are out of service than ejection may leave.
    fn may_be_out(&self, passive: &Passive) -> bool {
        let out = (0..self.endpoints.len()).filter(|index| {
            let ejected = self.endpoints[*index].state.ejected_until.load(SeqCst) > 0;
            ejected || self.is_down(*index) || self.endpoints[*index].is_draining()
        });
        out.count() * 100 <= self.endpoints.len() * usize::from(passive.max_ejected_percent)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn maglev_table(spec: &UpstreamSpec, size: u32) -> Result<Box<[u16]>, SpecError> {
    let backends: Vec<_> = spec
        .endpoints
        .iter()
        .map(|endpoint| maglev::Backend {
            key: hash_address(endpoint.address),
            weight: endpoint.weight,
        })
        .collect();
    match maglev::table(size, &backends) {
        Ok(table) => Ok(table.into()),
        Err(error) => Err(SpecError::Table(spec.name.clone(), error)),
    }
}
