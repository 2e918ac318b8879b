//! What is counted of bans that follow from scores.

use super::counters;
use penalty::Sentence;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Result as PromResult};
use std::time::Duration;

/// Bounds for the way from a verdict to the ban, in seconds.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.1,
];

/// The metric families of bans by score.
#[derive(Clone)]
pub(crate) struct AutoBanMetrics {
    offences: IntCounterVec,
    dropped: IntCounter,
    bans: IntCounterVec,
    withheld: IntCounterVec,
    seconds: Histogram,
    cut: IntCounter,
}

impl AutoBanMetrics {
    pub(super) fn new() -> PromResult<Self> {
        Ok(Self {
            offences: counters(
                "bascule_offences_total",
                "What clients did that can add to their score, by cause.",
                &["cause"],
            )?,
            dropped: IntCounter::new(
                "bascule_offences_dropped_total",
                "What clients did that was not added to a score, because more came than could be handled.",
            )?,
            bans: IntCounterVec::new(
                Opts::new(
                    "bascule_auto_bans_total",
                    "Bans by score, by the cause of the last offence, what was banned, and whether on the wire or in the proxy.",
                ),
                &["cause", "target", "place"],
            )?,
            withheld: counters(
                "bascule_auto_bans_withheld_total",
                "Bans by score that were not made: dry_run, guarded, cap, full (of the list), error.",
                &["why"],
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "bascule_auto_ban_seconds",
                    "From the refusal of a request to the ban in the kernel's map.",
                )
                .buckets(SECONDS.to_vec()),
            )?,
            cut: IntCounter::new(
                "bascule_banned_connections_closed_total",
                "Connections that were open when their client was banned, and closed for it.",
            )?,
        })
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.offences.clone()),
            Box::new(self.dropped.clone()),
            Box::new(self.bans.clone()),
            Box::new(self.withheld.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.cut.clone()),
        ]
    }

    pub(crate) fn offence(&self, cause: &str) {
        self.offences.with_label_values(&[cause]).inc();
    }

    pub(crate) fn dropped(&self) {
        self.dropped.inc();
    }

    pub(crate) fn banned(&self, sentence: &Sentence, after: Duration) {
        let target = match sentence.target.prefix_len() == sentence.target.max_prefix_len() {
            true => "address",
            false => "prefix",
        };
        let place = match sentence.forwarded {
            true => "proxy",
            false => "wire",
        };
        self.bans
            .with_label_values(&[sentence.cause.name(), target, place])
            .inc();
        self.seconds.observe(after.as_secs_f64());
    }

    pub(crate) fn withheld(&self, why: &str) {
        self.withheld.with_label_values(&[why]).inc();
    }

    pub(crate) fn cut(&self, connections: usize) {
        self.cut.inc_by(connections as u64);
    }
}
