//! An upstream with a clock that the test moves.

use balance::{
    Algorithm, EndpointSpec, HealthCheck, NoEndpoint, Passive, PickInput, Picked, Tried, Upstream,
    UpstreamSpec,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An upstream and its time.
pub(crate) struct World {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) now: Instant,
    random: u64,
}

/// The address of the nth endpoint.
pub(crate) fn address(n: usize) -> SocketAddr {
    let [_, _, high, low] = (n as u32 + 1).to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(192, 0, high, low).into(), 8080)
}

/// An upstream of endpoints with these weights.
pub(crate) fn spec(algorithm: Algorithm, weights: &[u32]) -> UpstreamSpec {
    let endpoint = |(n, weight): (usize, &u32)| EndpointSpec {
        address: address(n),
        weight: *weight,
    };
    UpstreamSpec {
        name: "app".to_owned(),
        algorithm,
        endpoints: weights.iter().enumerate().map(endpoint).collect(),
        health: None,
        passive: None,
        transport: 0,
    }
}

impl World {
    pub(crate) fn new(spec: UpstreamSpec) -> Self {
        let now = Instant::now();
        let upstream = Upstream::new(spec, now).expect("the spec is good");
        Self {
            upstream: Arc::new(upstream),
            now,
            random: 1,
        }
    }

    pub(crate) fn of(algorithm: Algorithm, weights: &[u32]) -> Self {
        Self::new(spec(algorithm, weights))
    }

    /// With active probes, whose results the test sets.
    pub(crate) fn probed(algorithm: Algorithm, weights: &[u32]) -> Self {
        Self::new(UpstreamSpec {
            health: Some(HealthCheck::default()),
            ..spec(algorithm, weights)
        })
    }

    /// With passive ejection.
    pub(crate) fn ejecting(passive: Passive, count: usize) -> Self {
        Self::new(UpstreamSpec {
            passive: Some(passive),
            ..spec(Algorithm::RoundRobin, &vec![1; count])
        })
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        balance::hash_key(&self.random.to_le_bytes())
    }

    pub(crate) fn try_pick(
        &mut self,
        hash: Option<u64>,
        tried: &Tried,
    ) -> Result<Picked, NoEndpoint> {
        let random = self.random();
        self.upstream.pick(&PickInput {
            now: self.now,
            hash,
            random,
            tried,
        })
    }

    /// Picks for a first attempt, and expects an endpoint.
    pub(crate) fn pick(&mut self) -> Picked {
        self.try_pick(None, &Tried::NONE)
            .expect("an endpoint is available")
    }

    /// Picks by a key, and says which.
    pub(crate) fn pick_key(&mut self, key: &str) -> usize {
        self.try_pick(Some(balance::hash_key(key.as_bytes())), &Tried::NONE)
            .expect("an endpoint is available")
            .index()
    }

    /// How often each endpoint is chosen in a row of requests of which each ends before the next.
    pub(crate) fn count(&mut self, requests: usize) -> Vec<usize> {
        let mut counts = vec![0; self.upstream.endpoints().len()];
        for _ in 0..requests {
            counts[self.pick().index()] += 1;
        }
        counts
    }
}
