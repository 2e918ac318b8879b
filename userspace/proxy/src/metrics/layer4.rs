//! What is counted of connections and sessions that are not HTTP.
//!
//! They may last for days, so their bytes are added as they move, not when they end.

use super::{counters, seconds};
use prometheus::core::Collector;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, Result as PromResult};
use std::time::Duration;
use types::Reason;

/// How bytes went from one socket to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through our memory.
    Copy,
    /// Through a pipe of the kernel.
    Splice,
    /// By the BPF program.
    Sockmap,
}

/// The metric families of layer 4.
#[derive(Clone)]
pub(crate) struct Layer4Metrics {
    connections: IntCounterVec,
    bytes: IntCounterVec,
    moved: IntCounterVec,
    refused: IntCounterVec,
    seconds: HistogramVec,
}

impl Layer4Metrics {
    pub(super) fn new() -> PromResult<Self> {
        Ok(Self {
            connections: counters(
                "bascule_layer4_connections_total",
                "Connections and sessions that are not HTTP and have ended, by listener, upstream and reason.",
                &["listener", "upstream", "reason"],
            )?,
            bytes: counters(
                "bascule_layer4_bytes_total",
                "Bytes between clients and endpoints beside HTTP, by listener and direction.",
                &["listener", "direction"],
            )?,
            moved: counters(
                "bascule_layer4_moved_bytes_total",
                "Bytes between clients and endpoints beside HTTP, by listener and by how they went: copy, splice, sockmap.",
                &["listener", "way"],
            )?,
            refused: counters(
                "bascule_layer4_sockmap_refused_total",
                "Connections that the kernel did not take over (sockmap), so that their bytes go on as before, by listener.",
                &["listener"],
            )?,
            seconds: seconds(
                "bascule_layer4_seconds",
                "How long connections and sessions that are not HTTP lasted.",
                &["listener"],
            )?,
        })
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.connections.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.moved.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.seconds.clone()),
        ]
    }

    pub(super) fn listener(&self, name: &str) -> Layer4Counts {
        Layer4Counts {
            bytes_in: self.bytes.with_label_values(&[name, "in"]),
            bytes_out: self.bytes.with_label_values(&[name, "out"]),
            ways: ["copy", "splice", "sockmap"]
                .map(|way| self.moved.with_label_values(&[name, way])),
            refused: self.refused.with_label_values(&[name]),
            metrics: self.clone(),
            name: name.to_owned(),
        }
    }
}

/// What is counted of one listener.
#[derive(Clone)]
pub(crate) struct Layer4Counts {
    pub(crate) bytes_in: IntCounter,
    pub(crate) bytes_out: IntCounter,
    /// In the order of [`Way`].
    ways: [IntCounter; 3],
    pub(crate) refused: IntCounter,
    metrics: Layer4Metrics,
    name: String,
}

impl Layer4Counts {
    /// Bytes have gone this way.
    pub(crate) fn moved(&self, way: Way, bytes: u64) {
        if let Some(counter) = self.ways.get(way as usize) {
            counter.inc_by(bytes);
        }
    }

    /// A connection or session has ended.
    pub(crate) fn ended(&self, upstream: &str, reason: Reason, total: Duration) {
        self.metrics
            .connections
            .with_label_values(&[self.name.as_str(), upstream, reason.name()])
            .inc();
        self.metrics
            .seconds
            .with_label_values(&[self.name.as_str()])
            .observe(total.as_secs_f64());
    }
}
