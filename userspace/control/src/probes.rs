//! Active probes: one task an endpoint. `balance` says when to probe and what the results mean, this does the probing.
//!
//! A probe makes a connection of its own, as requests do: TCP, then TLS where the upstream has it, verified in the same
//! way. For [`ProbeKind::Http`] it sends a GET and looks at the status; the body of the answer is not read.

mod attempt;
#[cfg(test)]
mod tests;

use crate::build::{ProbeKind, ProbePlan};
use crate::random;
use balance::{Endpoint, HealthCheck, Probe, ProbeFailure, Transition, Upstream};
use prometheus::{IntCounterVec, Opts, Registry};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tls::ClientSide;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How probes end, as the metric names it.
const OUTCOMES: [&str; 7] = [
    "success", "connect", "tls", "timeout", "broken", "status", "body",
];

/// How long it takes at most until an endpoint is probed in a way that a reload has changed.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The probes that run.
pub(crate) struct Probes {
    runtime: Handle,
    outcomes: IntCounterVec,
    running: Mutex<HashMap<Key, Running>>,
}

/// An endpoint over all generations: the upstream's name and the address.
type Key = (String, SocketAddr);

/// The task of one endpoint; dropping it ends the probing.
struct Running {
    target: watch::Sender<Arc<Target>>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What one task probes, and how.
struct Target {
    upstream: Arc<Upstream>,
    /// The endpoint's place in the upstream.
    index: usize,
    address: SocketAddr,
    check: HealthCheck,
    kind: ProbeKind,
    tls: Option<ClientSide>,
    header: Option<Vec<u8>>,
}

impl Probes {
    /// None yet. `runtime` is where they will run.
    ///
    /// # Errors
    /// When the registry has a metric of the same name already.
    pub(crate) fn new(runtime: Handle, registry: &Registry) -> prometheus::Result<Self> {
        let outcomes = IntCounterVec::new(
            Opts::new(
                "bascule_probes_total",
                "Active probes of endpoints, by outcome.",
            ),
            &["upstream", "endpoint", "outcome"],
        )?;
        registry.register(Box::new(outcomes.clone()))?;
        Ok(Self {
            runtime,
            outcomes,
            running: Mutex::default(),
        })
    }

    /// Probes exactly these from now on. What an endpoint has been found to be so far goes on to count.
    pub(crate) fn follow(&self, plans: Vec<ProbePlan>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *running);
        for target in plans.into_iter().flat_map(targets) {
            let key = (target.upstream.name().to_owned(), target.address);
            let task = match before.remove(&key) {
                Some(task) => {
                    task.target.send_replace(Arc::new(target));
                    task
                }
                None => self.start(target),
            };
            running.insert(key, task);
        }
        for ((upstream, address), task) in before {
            drop(task);
            let address = address.to_string();
            for outcome in OUTCOMES {
                // It was never counted where this fails.
                let labels = [upstream.as_str(), address.as_str(), outcome];
                let _ = self.outcomes.remove_label_values(&labels);
            }
        }
    }

    fn start(&self, target: Target) -> Running {
        let (sender, receiver) = watch::channel(Arc::new(target));
        let task = self.runtime.spawn(run(receiver, self.outcomes.clone()));
        Running {
            target: sender,
            task: task.abort_handle(),
        }
    }
}

fn targets(plan: ProbePlan) -> Vec<Target> {
    let ProbePlan {
        upstream,
        check,
        kind,
        tls,
        header,
    } = plan;
    // An endpoint that the plan has no TLS for is one without.
    let tls = tls.into_iter().chain(std::iter::repeat(None));
    let endpoints = upstream.endpoints().iter().enumerate().zip(tls);
    endpoints
        .map(|((index, endpoint), tls)| Target {
            upstream: Arc::clone(&upstream),
            index,
            address: endpoint.address(),
            check,
            kind: kind.clone(),
            tls,
            header: header.clone(),
        })
        .collect()
}

impl Target {
    fn endpoint(&self) -> Option<&Endpoint> {
        self.upstream.endpoints().get(self.index)
    }

    fn is_healthy(&self) -> bool {
        self.endpoint().is_some_and(Endpoint::is_healthy)
    }

    fn begin(&self) -> Probe {
        Probe::new(
            self.check,
            self.is_healthy(),
            Instant::now(),
            random::spread(),
        )
    }

    fn asks_like(&self, other: &Self) -> bool {
        self.check == other.check
            && self.kind == other.kind
            && self.header == other.header
            && self.tls.is_some() == other.tls.is_some()
    }

    fn tell(&self, transition: &Transition) {
        let (upstream, endpoint) = (self.upstream.name(), self.address);
        let healthy = match transition {
            Transition::Up => {
                tracing::info!(upstream, %endpoint, "endpoint is back");
                true
            }
            Transition::Down(failure) => {
                tracing::warn!(upstream, %endpoint, reason = %failure, "endpoint is out, probes fail");
                false
            }
        };
        if let Some(endpoint) = self.endpoint() {
            endpoint.set_healthy(healthy);
        }
    }
}

/// Probes one endpoint until nobody follows it any more.
async fn run(mut targets: watch::Receiver<Arc<Target>>, outcomes: IntCounterVec) {
    let mut target = Arc::clone(&targets.borrow_and_update());
    let mut probe = target.begin();
    let mut due = probe.next_at();
    loop {
        tokio::select! {
            changed = targets.changed() => {
                if changed.is_err() {
                    return;
                }
                let next = Arc::clone(&targets.borrow_and_update());
                if next.is_healthy() != probe.is_healthy() {
                    probe = next.begin();
                    due = probe.next_at();
                } else if !next.asks_like(&target) {
                    probe = probe.renewed(next.check);
                    due = due.min(Instant::now() + next.check.interval.min(MAX_DELAY));
                }
                target = next;
                continue;
            }
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let started = Instant::now();
        let result = attempt::probe(&target).await;
        if let Err(failure) = &result {
            let (upstream, endpoint) = (target.upstream.name(), target.address);
            tracing::debug!(upstream, %endpoint, reason = %failure, "probe failed");
        }
        let labels = [
            target.upstream.name(),
            &target.address.to_string(),
            outcome(&result),
        ];
        outcomes.with_label_values(&labels).inc();
        // Somebody else knew more about it (`ServicePlan::adopt`); from now on this result does.
        if target.is_healthy() != probe.is_healthy() {
            probe = target.begin();
        }
        if let Some(transition) = probe.on_result(result, started, random::spread()) {
            target.tell(&transition);
        }
        due = probe.next_at();
    }
}

fn outcome(result: &Result<(), ProbeFailure>) -> &'static str {
    let [success, connect, tls, timeout, broken, status, body] = OUTCOMES;
    match result {
        Ok(()) => success,
        Err(ProbeFailure::Connect(_)) => connect,
        Err(ProbeFailure::Tls(_)) => tls,
        Err(ProbeFailure::Timeout(_)) => timeout,
        Err(ProbeFailure::Broken(_)) => broken,
        Err(ProbeFailure::Status(_)) => status,
        Err(ProbeFailure::Body) => body,
    }
}
