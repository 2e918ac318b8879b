//! `bascule status`

use crate::arguments::Place;
use crate::duration;
use crate::failure::Failure;
use crate::instance;
use crate::output::{Output, table};
use control::admin::{EndpointStatus, Status};

pub(super) fn status(place: &Place, output: &Output) -> Result<(), Failure> {
    let status = instance::client(place).status()?;
    output.result(&status, || as_text(&status))
}

fn as_text(status: &Status) -> String {
    let ready = if status.ready { "ready" } else { "not ready" };
    let mut text = format!(
        "bascule {}: {}, {ready}, pid {}, up {}\n",
        status.version,
        status.state.name(),
        status.pid,
        duration::show(status.uptime_seconds),
    );
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:12} {value}\n"));
    line(
        "config",
        format!("{}, generation {}", status.config, status.generation),
    );
    line("workers", format!("{} on {}", status.workers, status.io));
    line("kernel path", status.kernel_path.clone());
    line("steering", status.steering.clone());
    line("splice", status.splice.clone());
    line("bans", status.bans.to_string());
    for listener in &status.listeners {
        let tls = if listener.tls { ", TLS" } else { "" };
        line(
            "listener",
            format!("{} on {}{tls}", listener.name, listener.address),
        );
    }
    line("routes", status.routes.to_string());
    text.push_str(&policies(status));
    if !status.upstreams.is_empty() {
        text.push('\n');
        text.push_str(&endpoints(status));
    }
    if !status.services.is_empty() {
        text.push('\n');
        text.push_str(&services(status));
    }
    let seen: Vec<[String; 3]> = status
        .packets
        .iter()
        .filter(|one| one.packets > 0)
        .map(|one| {
            [
                one.reason.clone(),
                one.packets.to_string(),
                one.bytes.to_string(),
            ]
        })
        .collect();
    if !seen.is_empty() {
        text.push('\n');
        text.push_str(&table(["XDP", "PACKETS", "BYTES"], &seen));
    }
    text
}

fn policies(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:12} {value}\n"));
    for policy in &status.waf {
        line(
            "waf",
            format!(
                "{}: {} rules, {} of them detect{}",
                policy.name,
                policy.rules,
                policy.detection_rules,
                if policy.complete {
                    ""
                } else {
                    "; on the slower path until they are compiled in full"
                }
            ),
        );
        let categories = policy.coverage.iter().map(|(name, levels)| {
            let levels: Vec<_> = levels.iter().map(ToString::to_string).collect();
            format!("{name} {}", levels.join("+"))
        });
        let categories: Vec<_> = categories.collect();
        line(
            "",
            format!("  by paranoia level: {}", categories.join(", ")),
        );
        if let Some(tried) = &policy.self_test {
            line(
                "",
                format!(
                    "  self-test: {} of {} attacks recognised, {} blocked{}",
                    tried.recognised,
                    tried.attacks,
                    tried.blocked,
                    missed(&tried.missed)
                ),
            );
        }
    }
    text
}

fn missed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; missed: {}", names.join(", ")),
    }
}

fn services(status: &Status) -> String {
    let mut rows = Vec::new();
    for service in &status.services {
        for one in &service.endpoints {
            rows.push([
                service.name.clone(),
                service.address.clone(),
                service.mode.clone(),
                service.by.clone(),
                one.address.clone(),
                one.state.clone(),
                one.connections.to_string(),
                one.packets.to_string(),
                one.bytes.to_string(),
                one.reply_packets.to_string(),
                one.reply_bytes.to_string(),
            ]);
        }
    }
    let head = [
        "SERVICE",
        "ADDRESS",
        "MODE",
        "BY",
        "ENDPOINT",
        "STATE",
        "CONNECTIONS",
        "PACKETS",
        "BYTES",
        "REPLIES",
        "REPLY BYTES",
    ];
    table(head, &rows)
}

fn endpoints(status: &Status) -> String {
    let mut rows = Vec::new();
    for upstream in &status.upstreams {
        for one in &upstream.endpoints {
            rows.push([
                upstream.name.clone(),
                upstream.balance.clone(),
                one.address.clone(),
                state(one),
                one.weight.to_string(),
                one.in_flight.to_string(),
                format!("{}.{:03} ms", one.latency_us / 1000, one.latency_us % 1000),
                one.requests.to_string(),
                one.failures.to_string(),
            ]);
        }
    }
    let headings = [
        "UPSTREAM",
        "BALANCE",
        "ENDPOINT",
        "STATE",
        "WEIGHT",
        "IN FLIGHT",
        "LATENCY",
        "REQUESTS",
        "FAILURES",
    ];
    table(headings, &rows)
}

fn state(endpoint: &EndpointStatus) -> String {
    match endpoint.ejected_for_ms {
        _ if !endpoint.healthy => "down".to_owned(),
        _ if endpoint.draining => "draining".to_owned(),
        Some(0) => "on trial".to_owned(),
        Some(ms) => format!("ejected {}", duration::show(ms.div_ceil(1000))),
        None => "up".to_owned(),
    }
}
