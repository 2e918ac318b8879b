//! Choosing an endpoint for a request.

use crate::hash::{below, mix, next_random};
use crate::{Algorithm, Endpoint, Outcome, Tried, Upstream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Turns that weighted round robin passes over because their endpoints are not available. After as many it draws one
/// by weight instead.
const MAX_SKIPPED_TURNS: usize = 64;
/// Slots of a hash table that are tried for a key before the endpoints are looked through one by one.
const MAX_HASH_PROBES: u64 = 16;
/// Draws for each of the two candidates of [`Algorithm::Ewma`] before the endpoints are looked through one by one.
const MAX_DRAWS: usize = 8;

/// What a choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct PickInput<'a> {
    /// The time.
    pub now: Instant,
    /// The key of [`Algorithm::Hash`] ([`crate::hash_key`]); the other algorithms do not look at it.
    pub hash: Option<u64>,
    /// A random number. It need not be secret.
    pub random: u64,
    /// Endpoints that the request has been to: never chosen again.
    pub tried: &'a Tried,
}

/// Why no endpoint was chosen. Each endpoint counts once, under the first that applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Error)]
#[error(
    "no endpoint: of {endpoints}, {tried} tried before, {draining} draining, {down} down, {ejected} ejected"
)]
pub struct NoEndpoint {
    /// All endpoints of the upstream.
    pub endpoints: usize,
    /// The request has been there.
    pub tried: usize,
    /// Taken out of service, or of weight 0.
    pub draining: usize,
    /// Down by active probes.
    pub down: usize,
    /// Ejected after failures, or half open and waiting for the outcome of a trial.
    pub ejected: usize,
}

/// A chosen endpoint. The request counts as in flight there until this is dropped.
#[derive(Debug)]
#[must_use = "the endpoint counts a request in flight while this lives"]
pub struct Picked {
    upstream: Arc<Upstream>,
    index: usize,
    /// When the request tries a half-open endpoint: until when no other does; otherwise 0.
    trial: u64,
}

impl Picked {
    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.upstream.endpoints[self.index]
    }

    /// Its place among [`Upstream::endpoints`], for [`Tried`].
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether the endpoint was ejected and this request decides whether it comes back.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        self.trial != 0
    }

    /// Tells how the attempt to connect ended, while what it is for goes on: a connection counts as in flight until this is
    /// dropped. A later [`Picked::finish`] would count twice.
    pub fn connected(&mut self, latency: Duration, now: Instant) {
        let trial = std::mem::take(&mut self.trial);
        self.upstream
            .record(self.index, trial, Outcome::Success, latency, now);
    }

    /// Tells how the attempt ended. `latency` is the time from the choice to the head of the answer, or to the failure.
    /// Dropping without this counts as [`Outcome::Neutral`].
    pub fn finish(mut self, outcome: Outcome, latency: Duration, now: Instant) {
        let trial = std::mem::take(&mut self.trial);
        self.upstream
            .record(self.index, trial, outcome, latency, now);
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.upstream.release_trial(self.index, self.trial);
        self.endpoint().state.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Upstream {
    /// Chooses an endpoint.
    ///
    /// # Errors
    ///
    /// When no endpoint is available, what is wrong with each.
    pub fn pick(self: &Arc<Self>, input: &PickInput<'_>) -> Result<Picked, NoEndpoint> {
        let choice = Choice {
            upstream: self,
            tried: input.tried,
            now: self.ticks(input.now),
        };
        // Another round is only needed where another worker took the trial of a half-open endpoint in the meantime.
        for _ in 0..=self.endpoints.len() {
            let Some(index) = choice.choose(input.hash, input.random) else {
                break;
            };
            if let Some(trial) = self.admit(index, choice.now) {
                let state = &self.endpoints[index].state;
                state.in_flight.fetch_add(1, Relaxed);
                state.requests.fetch_add(1, Relaxed);
                return Ok(Picked {
                    upstream: Arc::clone(self),
                    index,
                    trial,
                });
            }
        }
        Err(choice.explain())
    }
}

/// One choice.
struct Choice<'a> {
    upstream: &'a Upstream,
    tried: &'a Tried,
    /// In ticks.
    now: u64,
}

impl Choice<'_> {
    fn choose(&self, hash: Option<u64>, random: u64) -> Option<usize> {
        match self.upstream.algorithm {
            Algorithm::RoundRobin => self.by_turn(random),
            Algorithm::LeastRequests => self.by_load(),
            Algorithm::Ewma { .. } => self.by_latency(random),
            Algorithm::Hash { .. } => self.by_hash(hash.unwrap_or(random)),
        }
    }

    fn is_available(&self, index: usize) -> bool {
        let upstream = self.upstream;
        !self.tried.contains(index)
            && !upstream.endpoints[index].is_draining()
            && !upstream.is_down(index)
            && upstream.ejected_until(index) <= self.now
    }

    fn count(&self) -> usize {
        self.upstream.endpoints.len()
    }

    /// The endpoint whose turn it is, passing over turns of those that are not available: so the others keep their
    /// shares among each other.
    fn by_turn(&self, random: u64) -> Option<usize> {
        for _ in 0..self.upstream.table.len().min(MAX_SKIPPED_TURNS) {
            let index = self.turn();
            if self.is_available(index) {
                return Some(index);
            }
        }
        self.by_weight(random)
    }

    fn turn(&self) -> usize {
        let turns = &self.upstream.table;
        let place = self.upstream.cursor.next() % turns.len().max(1) as u64;
        turns
            .get(place as usize)
            .map_or(0, |index| usize::from(*index))
    }

    /// A random endpoint, more probable by weight.
    fn by_weight(&self, random: u64) -> Option<usize> {
        let weight = |index: usize| u64::from(self.upstream.endpoints[index].weight);
        let available = || (0..self.count()).filter(|index| self.is_available(*index));
        let mut left = below(random, available().map(weight).sum());
        let mut last = None;
        for index in available() {
            last = Some(index);
            match left.checked_sub(weight(index)) {
                Some(less) => left = less,
                None => break,
            }
        }
        last
    }

    /// The endpoint with the fewest requests in flight for its weight.
    fn by_load(&self) -> Option<usize> {
        let start = self.turn();
        let mut best: Option<(usize, u64, u64)> = None;
        for index in (start..self.count()).chain(0..start) {
            if !self.is_available(index) {
                continue;
            }
            let endpoint = &self.upstream.endpoints[index];
            let (load, weight) = (u64::from(endpoint.in_flight()), u64::from(endpoint.weight));
            // load / weight < best load / best weight, without the divisions
            if best
                .is_none_or(|(_, best_load, best_weight)| load * best_weight < best_load * weight)
            {
                best = Some((index, load, weight));
            }
        }
        best.map(|(index, ..)| index)
    }

    /// The cheaper of two random endpoints.
    fn by_latency(&self, random: u64) -> Option<usize> {
        let mut random = random;
        let first = self.draw(&mut random, None)?;
        let Some(second) = self.draw(&mut random, Some(first)) else {
            return Some(first);
        };
        let cost = |index| self.upstream.cost(index, self.now);
        Some(if cost(second) < cost(first) {
            second
        } else {
            first
        })
    }

    fn draw(&self, random: &mut u64, other_than: Option<usize>) -> Option<usize> {
        let count = self.count();
        let good = |index: usize| Some(index) != other_than && self.is_available(index);
        let mut start = 0;
        for _ in 0..MAX_DRAWS {
            start = below(next_random(random), count as u64) as usize;
            if start < count && good(start) {
                return Some(start);
            }
        }
        (start..count).chain(0..start).find(|index| good(*index))
    }

    /// The endpoint of a key, or the one that stands in for it while it is not available.
    fn by_hash(&self, key: u64) -> Option<usize> {
        let live = self.upstream.slots();
        let slots = live.as_deref().unwrap_or(&self.upstream.table);
        let mut index = 0;
        for probe in 0..MAX_HASH_PROBES {
            let hash = if probe == 0 {
                key
            } else {
                mix(key.wrapping_add(probe))
            };
            index = usize::from(*slots.get((hash % slots.len().max(1) as u64) as usize)?);
            if index >= self.count() {
                return None;
            }
            if self.is_available(index) {
                return Some(index);
            }
        }
        (index..self.count())
            .chain(0..index)
            .find(|index| self.is_available(*index))
    }

    fn explain(&self) -> NoEndpoint {
        let mut reason = NoEndpoint {
            endpoints: self.count(),
            ..NoEndpoint::default()
        };
        for index in 0..self.count() {
            if self.tried.contains(index) {
                reason.tried += 1;
            } else if self.upstream.endpoints[index].is_draining() {
                reason.draining += 1;
            } else if self.upstream.is_down(index) {
                reason.down += 1;
            } else {
                reason.ejected += 1;
            }
        }
        reason
    }
}
