//! What a worker counts, and how it reaches `/metrics`.
//!
//! The families live in one [`Metrics`] for the process. A worker counts into local cells and adds them to the shared
//! ones at its tick, so that counting a request costs no shared cache line.

mod auto_ban;
mod layer4;
mod waf;

use crate::generation::Generation;
use layer4::Layer4Metrics;
use prometheus::core::Collector;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, Result as PromResult,
};
use std::cell::RefCell;
use std::time::Duration;
use types::Reason;
use waf::WafMetrics;

pub(crate) use auto_ban::AutoBanMetrics;
pub(crate) use layer4::{Layer4Counts, Way};

/// Bounds of the latency histograms in seconds: from what a warm hop costs to what a user gives up at.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The metric families of the data path.
#[derive(Clone)]
pub struct Metrics {
    requests: IntCounterVec,
    outcomes: IntCounterVec,
    request_seconds: HistogramVec,
    refused: IntCounterVec,
    upstream_requests: IntCounterVec,
    upstream_failures: IntCounterVec,
    upstream_retries: IntCounterVec,
    upstream_seconds: HistogramVec,
    pub(crate) waf: WafMetrics,
    layer4: Layer4Metrics,
    pub(crate) auto_ban: AutoBanMetrics,
    auth_outcomes: IntCounterVec,
    bytes: IntCounterVec,
    connections: IntGaugeVec,
    accepted: IntCounterVec,
}

fn counters(name: &str, help: &str, labels: &[&str]) -> PromResult<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn seconds(name: &str, help: &str, labels: &[&str]) -> PromResult<HistogramVec> {
    HistogramVec::new(
        HistogramOpts::new(name, help).buckets(SECONDS.to_vec()),
        labels,
    )
}

impl Metrics {
    /// Makes the families and registers them.
    ///
    /// # Errors
    /// When a family of the same name stands in the registry already.
    pub fn register(registry: &Registry) -> PromResult<Self> {
        let metrics = Self {
            requests: counters(
                "bascule_requests_total",
                "Requests answered, by route and status.",
                &["route", "code"],
            )?,
            outcomes: counters(
                "bascule_outcomes_total",
                "How requests ended, by route and reason.",
                &["route", "reason"],
            )?,
            request_seconds: seconds(
                "bascule_request_seconds",
                "From the first byte of a request to the last byte of its answer.",
                &["route"],
            )?,
            refused: counters(
                "bascule_refused_total",
                "Connections and unroutable requests refused, by listener and reason.",
                &["listener", "reason"],
            )?,
            upstream_requests: counters(
                "bascule_upstream_requests_total",
                "Answers of endpoints, by class of status.",
                &["upstream", "endpoint", "class"],
            )?,
            upstream_failures: counters(
                "bascule_upstream_failures_total",
                "Attempts that an endpoint did not answer, by reason.",
                &["upstream", "endpoint", "reason"],
            )?,
            upstream_retries: counters(
                "bascule_upstream_retries_total",
                "Requests sent to another endpoint after a failure.",
                &["upstream"],
            )?,
            upstream_seconds: seconds(
                "bascule_upstream_seconds",
                "From sending a request to the head of the answer.",
                &["upstream", "endpoint"],
            )?,
            waf: WafMetrics::new()?,
            layer4: Layer4Metrics::new()?,
            auto_ban: AutoBanMetrics::new()?,
            auth_outcomes: counters(
                "bascule_auth_total",
                "Outcomes of authentication, by route and outcome.",
                &["route", "outcome"],
            )?,
            bytes: counters(
                "bascule_bytes_total",
                "Body bytes between clients and routes, by direction.",
                &["route", "direction"],
            )?,
            connections: IntGaugeVec::new(
                Opts::new("bascule_connections", "Open client connections."),
                &["listener"],
            )?,
            accepted: counters(
                "bascule_accepted_total",
                "Client connections accepted.",
                &["listener"],
            )?,
        };
        for family in metrics.families() {
            registry.register(family)?;
        }
        Ok(metrics)
    }

    fn families(&self) -> Vec<Box<dyn Collector>> {
        let mut families: Vec<Box<dyn Collector>> = vec![
            Box::new(self.requests.clone()),
            Box::new(self.outcomes.clone()),
            Box::new(self.request_seconds.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.upstream_requests.clone()),
            Box::new(self.upstream_failures.clone()),
            Box::new(self.upstream_retries.clone()),
            Box::new(self.upstream_seconds.clone()),
            Box::new(self.auth_outcomes.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.accepted.clone()),
        ];
        families.extend(self.waf.families());
        families.extend(self.layer4.families());
        families.extend(self.auto_ban.families());
        families
    }

    /// What is counted of a listener's connections where they are not HTTP.
    pub(crate) fn layer4(&self, listener: &str) -> Layer4Counts {
        self.layer4.listener(listener)
    }

    /// What is counted of a listener.
    pub(crate) fn listener(&self, name: &str) -> ListenerCounts {
        ListenerCounts {
            open: self.connections.with_label_values(&[name]),
            accepted: self.accepted.with_label_values(&[name]),
            refused: self.refused.clone(),
            name: name.to_owned(),
        }
    }
}

/// What is counted of a listener and the requests that have no route.
#[derive(Clone)]
pub(crate) struct ListenerCounts {
    pub(crate) open: prometheus::IntGauge,
    pub(crate) accepted: prometheus::IntCounter,
    refused: IntCounterVec,
    name: String,
}

impl ListenerCounts {
    pub(crate) fn refused(&self, reason: Reason) {
        self.refused
            .with_label_values(&[self.name.as_str(), reason.name()])
            .inc();
    }
}

/// Local cells of one worker for one generation: a set for each route and each endpoint.
pub(crate) struct Counts {
    pub(crate) routes: Vec<RouteCounts>,
    /// One list an upstream, in the order of its endpoints.
    pub(crate) endpoints: Vec<Vec<EndpointCounts>>,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics, generation: &Generation) -> Self {
        let routes = generation
            .routes
            .iter()
            .map(|r| RouteCounts::new(metrics, &r.name))
            .collect();
        let endpoints = generation
            .upstreams
            .iter()
            .map(|u| {
                u.endpoints
                    .iter()
                    .map(|e| EndpointCounts::new(metrics, &u.name, &e.address.to_string()))
                    .collect()
            })
            .collect();
        Self { routes, endpoints }
    }

    /// Adds the local cells to the shared families.
    pub(crate) fn flush(&self) {
        self.routes.iter().for_each(RouteCounts::flush);
        self.endpoints
            .iter()
            .flatten()
            .for_each(EndpointCounts::flush);
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Counters of a family with one open label, made when a value of the label first occurs.
///
/// A list, not a map: few values occur, one of them nearly always, and each hit brings its counter a place forward.
struct ByLabel<K> {
    cells: RefCell<Vec<(K, LocalIntCounter)>>,
}

impl<K: Eq> ByLabel<K> {
    fn new() -> Self {
        Self {
            cells: RefCell::default(),
        }
    }

    fn inc(&self, key: K, make: impl FnOnce() -> LocalIntCounter) {
        let mut cells = self.cells.borrow_mut();
        match cells.iter().position(|(known, _)| *known == key) {
            Some(0) => cells[0].1.inc(),
            Some(place) => {
                cells[place].1.inc();
                cells.swap(place, place - 1);
            }
            None => {
                let counter = make();
                counter.inc();
                cells.push((key, counter));
            }
        }
    }

    fn flush(&self) {
        self.cells
            .borrow()
            .iter()
            .for_each(|(_, counter)| counter.flush());
    }
}

pub(crate) struct RouteCounts {
    name: String,
    metrics: Metrics,
    codes: ByLabel<u16>,
    reasons: ByLabel<Reason>,
    auth: ByLabel<&'static str>,
    waf: ByLabel<&'static str>,
    seconds: LocalHistogram,
    bytes_in: LocalIntCounter,
    bytes_out: LocalIntCounter,
}

impl RouteCounts {
    fn new(metrics: &Metrics, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            metrics: metrics.clone(),
            codes: ByLabel::new(),
            reasons: ByLabel::new(),
            auth: ByLabel::new(),
            waf: ByLabel::new(),
            seconds: metrics.request_seconds.with_label_values(&[name]).local(),
            bytes_in: metrics.bytes.with_label_values(&[name, "in"]).local(),
            bytes_out: metrics.bytes.with_label_values(&[name, "out"]).local(),
        }
    }

    pub(crate) fn ended(&self, status: u16, reason: Reason, total: Duration, bytes: (u64, u64)) {
        if status != 0 {
            self.codes.inc(status, || {
                let code = itoa::Buffer::new().format(status).to_owned();
                self.metrics
                    .requests
                    .with_label_values(&[self.name.as_str(), &code])
                    .local()
            });
        }
        self.reasons.inc(reason, || {
            self.metrics
                .outcomes
                .with_label_values(&[self.name.as_str(), reason.name()])
                .local()
        });
        self.seconds.observe(total.as_secs_f64());
        self.bytes_in.inc_by(bytes.0);
        self.bytes_out.inc_by(bytes.1);
    }

    pub(crate) fn auth(&self, outcome: &'static str) {
        self.auth.inc(outcome, || {
            self.metrics
                .auth_outcomes
                .with_label_values(&[self.name.as_str(), outcome])
                .local()
        });
    }

    pub(crate) fn waf(&self, policy: &str, verdict: &'static str) {
        self.waf.inc(verdict, || {
            self.metrics
                .waf
                .verdicts
                .with_label_values(&[self.name.as_str(), policy, verdict])
                .local()
        });
    }

    fn flush(&self) {
        self.codes.flush();
        self.reasons.flush();
        self.auth.flush();
        self.waf.flush();
        self.seconds.flush();
        self.bytes_in.flush();
        self.bytes_out.flush();
    }
}

pub(crate) struct EndpointCounts {
    upstream: String,
    endpoint: String,
    metrics: Metrics,
    classes: ByLabel<&'static str>,
    seconds: LocalHistogram,
}

impl EndpointCounts {
    fn new(metrics: &Metrics, upstream: &str, endpoint: &str) -> Self {
        Self {
            upstream: upstream.to_owned(),
            endpoint: endpoint.to_owned(),
            metrics: metrics.clone(),
            classes: ByLabel::new(),
            seconds: metrics
                .upstream_seconds
                .with_label_values(&[upstream, endpoint])
                .local(),
        }
    }

    pub(crate) fn answered(&self, status: u16, waited: Duration) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.classes.inc(class, || {
            self.metrics
                .upstream_requests
                .with_label_values(&[self.upstream.as_str(), self.endpoint.as_str(), class])
                .local()
        });
        self.seconds.observe(waited.as_secs_f64());
    }

    /// An attempt that got no answer. Rare, so it goes to the shared counter at once.
    pub(crate) fn failed(&self, reason: Reason) {
        self.metrics
            .upstream_failures
            .with_label_values(&[
                self.upstream.as_str(),
                self.endpoint.as_str(),
                reason.name(),
            ])
            .inc();
    }

    pub(crate) fn retried(&self) {
        self.metrics
            .upstream_retries
            .with_label_values(&[self.upstream.as_str()])
            .inc();
    }

    fn flush(&self) {
        self.classes.flush();
        self.seconds.flush();
    }
}
