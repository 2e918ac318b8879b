//! `/metrics`: what was counted as it happened, and what is looked up at the moment of the scrape.

use super::api::{BanListStatus, L4EndpointStatus, Status};
use crate::floods::GateFigures;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder, GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, Result, TextEncoder,
};

/// The text of a scrape.
pub(super) fn text(registry: &Registry, now: &Now) -> Result<Vec<u8>> {
    let mut families = registry.gather();
    families.extend(now.families()?);
    // The encoder takes a family without a sample, such as packet counters without the gate, for an error.
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|left, right| left.name().cmp(right.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(text)
}

/// What is looked up.
pub(super) struct Now {
    pub(super) status: Status,
    pub(super) bans_refused: u64,
    pub(super) scores: penalty::Stats,
    pub(super) ban_lists: Vec<BanListStatus>,
    pub(super) gate: Option<GateFigures>,
    pub(super) access_lines_dropped: u64,
    pub(super) collections: Vec<(String, waf::CollectionStats)>,
    pub(super) audit_records_dropped: Vec<(String, u64)>,
}

impl Now {
    fn families(&self) -> Result<Vec<MetricFamily>> {
        let mut families = self.process()?;
        families.extend(self.workers()?);
        families.extend(self.collections()?);
        families.extend(self.bans()?);
        families.extend(self.packets()?);
        families.extend(self.endpoints()?);
        families.extend(self.services()?);
        Ok(families)
    }

    fn process(&self) -> Result<Vec<MetricFamily>> {
        let status = &self.status;
        let mut families = Vec::new();
        let info = gauges(
            "bascule_build_info",
            "The version of the program.",
            &["version"],
        )?;
        info.with_label_values(&[&status.version]).set(1);
        families.extend(info.collect());
        let path = gauges(
            "bascule_kernel_path_info",
            "The kernel path that this host has, and why.",
            &["path"],
        )?;
        path.with_label_values(&[&status.kernel_path]).set(1);
        families.extend(path.collect());
        let plain = [
            (
                "bascule_generation",
                "The number of the configuration in force.",
                status.generation,
            ),
            (
                "bascule_uptime_seconds",
                "Seconds since the start.",
                status.uptime_seconds,
            ),
            ("bascule_workers", "Worker threads.", status.workers as u64),
            (
                "bascule_ready",
                "1 while the process takes traffic.",
                u64::from(status.ready),
            ),
        ];
        for (name, help, value) in plain {
            families.extend(gauge(name, help, value)?);
        }
        let complete = gauges(
            "bascule_waf_complete",
            "1 when everything is compiled that makes the rules of a policy fast; 0 while they serve on the slower path.",
            &["policy"],
        )?;
        for policy in &status.waf {
            complete
                .with_label_values(&[&policy.name])
                .set(policy.complete.into());
        }
        families.extend(complete.collect());
        let lost = counters(
            "bascule_audit_records_dropped_total",
            "Audit records that were lost because a log did not take them, or not as fast as they came.",
            &["log"],
        )?;
        for (log, dropped) in &self.audit_records_dropped {
            lost.with_label_values(&[log]).inc_by(*dropped);
        }
        families.extend(lost.collect());
        families.extend(counter(
            "bascule_access_lines_dropped_total",
            "Lines of the access log that were lost because the disk was too slow.",
            self.access_lines_dropped,
        )?);
        Ok(families)
    }

    fn workers(&self) -> Result<Vec<MetricFamily>> {
        const LABELS: &[&str] = &["worker"];
        let connections = gauges(
            "bascule_worker_connections",
            "Connections of clients that are open, by worker.",
            LABELS,
        )?;
        let busy = GaugeVec::new(
            Opts::new(
                "bascule_worker_busy_ratio",
                "How busy a worker's thread was lately: 1 is all the time.",
            ),
            LABELS,
        )?;
        for (worker, load) in self.status.loads.iter().enumerate() {
            let worker = worker.to_string();
            connections
                .with_label_values(&[&worker])
                .set(load.connections.into());
            busy.with_label_values(&[&worker])
                .set(f64::from(load.busy) / 1000.0);
        }
        let mut families = connections.collect();
        families.extend(busy.collect());
        Ok(families)
    }

    fn collections(&self) -> Result<Vec<MetricFamily>> {
        const LABELS: &[&str] = &["policy"];
        let records = gauges(
            "bascule_waf_collection_records",
            "Records (addresses, sessions ...) that rules of the policy keep beyond a request.",
            LABELS,
        )?;
        let bytes = gauges(
            "bascule_waf_collection_bytes",
            "Bytes of these records.",
            LABELS,
        )?;
        let evicted = counters(
            "bascule_waf_collection_evictions_total",
            "Records that were forgotten before their time because a limit was reached.",
            LABELS,
        )?;
        let refused = counters(
            "bascule_waf_collection_refused_total",
            "Variables that were not kept because a limit was reached.",
            LABELS,
        )?;
        let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        for (policy, stats) in &self.collections {
            let policy = [policy.as_str()];
            records
                .with_label_values(&policy)
                .set(number(stats.records));
            bytes.with_label_values(&policy).set(number(stats.bytes));
            evicted.with_label_values(&policy).inc_by(stats.evicted);
            refused.with_label_values(&policy).inc_by(stats.refused);
        }
        let gauges = [records.collect(), bytes.collect()].concat();
        Ok([gauges, evicted.collect(), refused.collect()].concat())
    }

    fn bans(&self) -> Result<Vec<MetricFamily>> {
        let mut families = gauge("bascule_bans", "Bans in the list.", self.status.bans as u64)?;
        families.extend(counter(
            "bascule_bans_refused_total",
            "Bans that were refused because a limit was reached.",
            self.bans_refused,
        )?);
        let scored = gauges(
            "bascule_scores",
            "Addresses and prefixes that have a score from what they did.",
            &["kind"],
        )?;
        for (kind, count) in [
            ("address", self.scores.addresses),
            ("prefix", self.scores.prefixes),
        ] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            scored.with_label_values(&[kind]).set(count);
        }
        families.extend(scored.collect());
        families.extend(counter(
            "bascule_score_evictions_total",
            "Scores that were forgotten before their time because `auto_ban.clients` was reached.",
            self.scores.evicted,
        )?);
        families.extend(self.lists()?);
        families.extend(self.gate()?);
        Ok(families)
    }

    fn lists(&self) -> Result<Vec<MetricFamily>> {
        const LABELS: &[&str] = &["list"];
        let bans = gauges("bascule_ban_list_bans", "Bans of a ban list.", LABELS)?;
        let age = gauges(
            "bascule_ban_list_age_seconds",
            "Seconds since a ban list was read, fetched, found unchanged, or loaded.",
            LABELS,
        )?;
        let failing = gauges(
            "bascule_ban_list_failing",
            "1 while a ban list cannot be fetched or is wrong, and an older one is in force.",
            LABELS,
        )?;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for list in &self.ban_lists {
            let labels = [list.name.as_str()];
            bans.with_label_values(&labels)
                .set(number(list.bans as u64));
            if let Some(seconds) = list.age_seconds {
                age.with_label_values(&labels).set(number(seconds));
            }
            let is_failing = list.error.is_some();
            failing.with_label_values(&labels).set(is_failing.into());
        }
        Ok([bans.collect(), age.collect(), failing.collect()].concat())
    }

    fn gate(&self) -> Result<Vec<MetricFamily>> {
        let Some(gate) = &self.gate else {
            return Ok(Vec::new());
        };
        let plain = [
            (
                "bascule_xdp_floods_total",
                "Floods that began, since the gate's maps were made.",
                gate.flood.begun,
            ),
            (
                "bascule_xdp_samples_total",
                "Samples of dropped packets that were read.",
                gate.samples.taken,
            ),
            (
                "bascule_xdp_samples_lost_total",
                "Samples of dropped packets that were lost because they came too fast.",
                gate.samples.lost,
            ),
        ];
        let on = u64::from(gate.flood.on);
        let mut families = gauge("bascule_xdp_flood", "1 while there is a flood.", on)?;
        for (name, help, value) in plain {
            families.extend(counter(name, help, value)?);
        }
        Ok(families)
    }

    fn packets(&self) -> Result<Vec<MetricFamily>> {
        let packets = counters(
            "bascule_xdp_packets_total",
            "Packets that the XDP gate saw, by reason. Counted since its maps were made.",
            &["reason"],
        )?;
        let bytes = counters(
            "bascule_xdp_bytes_total",
            "Bytes of the packets that the XDP gate saw, by reason.",
            &["reason"],
        )?;
        for one in &self.status.packets {
            let reason = [one.reason.as_str()];
            packets.with_label_values(&reason).inc_by(one.packets);
            bytes.with_label_values(&reason).inc_by(one.bytes);
        }
        Ok([packets.collect(), bytes.collect()].concat())
    }

    fn services(&self) -> Result<Vec<MetricFamily>> {
        const LABELS: &[&str] = &["service", "endpoint"];
        let up = gauges(
            "bascule_service_endpoint_up",
            "1 while the endpoint of the L4 service gets new connections.",
            LABELS,
        )?;
        let mut families = Vec::new();
        for service in &self.status.services {
            for one in &service.endpoints {
                let labels = [service.name.as_str(), one.address.as_str()];
                up.with_label_values(&labels)
                    .set((one.state == "up").into());
            }
        }
        families.extend(up.collect());
        for (name, help, value) in SERVICE_COUNTERS {
            let family = counters(name, help, LABELS)?;
            for service in &self.status.services {
                for one in &service.endpoints {
                    let labels = [service.name.as_str(), one.address.as_str()];
                    family.with_label_values(&labels).inc_by(value(one));
                }
            }
            families.extend(family.collect());
        }
        Ok(families)
    }

    fn endpoints(&self) -> Result<Vec<MetricFamily>> {
        const LABELS: &[&str] = &["upstream", "endpoint"];
        let healthy = gauges(
            "bascule_endpoint_healthy",
            "1 while active probes call the endpoint healthy, or where there are none.",
            LABELS,
        )?;
        let available = gauges(
            "bascule_endpoint_available",
            "1 while the endpoint gets requests: healthy, neither ejected nor draining.",
            LABELS,
        )?;
        let in_flight = gauges(
            "bascule_endpoint_in_flight",
            "Requests that were sent and are not finished.",
            LABELS,
        )?;
        let latency = GaugeVec::new(
            Opts::new(
                "bascule_endpoint_latency_seconds",
                "The moving average of the latency that balancing goes by.",
            ),
            LABELS,
        )?;
        let ejections = counters(
            "bascule_endpoint_ejections_total",
            "How often failures of real requests ejected the endpoint.",
            LABELS,
        )?;
        for upstream in &self.status.upstreams {
            for one in &upstream.endpoints {
                let labels = [upstream.name.as_str(), one.address.as_str()];
                healthy
                    .with_label_values(&labels)
                    .set(i64::from(one.healthy));
                available
                    .with_label_values(&labels)
                    .set(i64::from(one.is_available()));
                in_flight
                    .with_label_values(&labels)
                    .set(i64::from(one.in_flight));
                latency
                    .with_label_values(&labels)
                    .set(one.latency_us as f64 / 1e6);
                ejections.with_label_values(&labels).inc_by(one.ejections);
            }
        }
        let gauges = [healthy.collect(), available.collect(), in_flight.collect()];
        Ok([gauges.concat(), latency.collect(), ejections.collect()].concat())
    }
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauge(name: &str, help: &str, value: u64) -> Result<Vec<MetricFamily>> {
    let gauge = prometheus::IntGauge::new(name, help)?;
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    Ok(gauge.collect())
}

fn counter(name: &str, help: &str, value: u64) -> Result<Vec<MetricFamily>> {
    let counter = prometheus::IntCounter::new(name, help)?;
    counter.inc_by(value);
    Ok(counter.collect())
}

/// A counter of the endpoints of L4 services: name, help, and where it is.
type ServiceCounter = (&'static str, &'static str, fn(&L4EndpointStatus) -> u64);

const SERVICE_COUNTERS: [ServiceCounter; 6] = [
    (
        "bascule_service_packets_total",
        "Packets to the endpoint of the L4 service.",
        |one| one.packets,
    ),
    (
        "bascule_service_bytes_total",
        "Bytes of the packets to the endpoint of the L4 service.",
        |one| one.bytes,
    ),
    (
        "bascule_service_reply_packets_total",
        "Packets from the endpoint of the L4 service to clients, by NAT.",
        |one| one.reply_packets,
    ),
    (
        "bascule_service_reply_bytes_total",
        "Bytes of the packets from the endpoint of the L4 service to clients, by NAT.",
        |one| one.reply_bytes,
    ),
    (
        "bascule_service_connections_total",
        "Connections, or addresses and ports of UDP clients, that were given to the endpoint of the L4 service.",
        |one| one.connections,
    ),
    (
        "bascule_service_moved_total",
        "Of these, those that another endpoint had before, which is gone or down.",
        |one| one.moved,
    ),
];
