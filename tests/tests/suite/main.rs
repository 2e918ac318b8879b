//! End-to-end suites: one subject a file, in the order in which a packet meets them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod auth;
mod auto_ban;
mod balancing;
mod bodies;
mod command;
mod conformance;
mod crs;
mod datagrams;
mod drain;
mod failing;
mod forwarding;
mod health;
mod hostile;
mod layer4;
mod leaks;
mod limits;
mod messages;
mod proxy_protocol;
mod quiet;
mod reload;
mod resilience;
mod routing;
mod seeing;
mod splicing;
mod steering;
mod timeouts;
mod tls;
mod tokens;
mod upgrade;
mod upstream_tls;
mod waf;
mod waf_audit;
mod waf_bodies;
mod waf_replay;
mod waf_sites;
mod waf_start;

use bascule_tests::{Bascule, Io, Origin, Setup};

/// Everything to one endpoint.
const ONE_ROUTE: &str = "
    routes: [{ name: app, path: /, upstream: app }]
    upstreams: { app: { endpoints: [$app] } }
";

/// The program before one endpoint.
#[track_caller]
fn before(io: Io, origin: &Origin) -> Bascule {
    given(io, origin, "")
}

/// The program before one endpoint, with more blocks of configuration.
#[track_caller]
fn given(io: Io, origin: &Origin, more: &str) -> Bascule {
    let yaml = format!("{}\n{}", outdented(ONE_ROUTE), outdented(more));
    Setup::new()
        .io(io)
        .with("app", origin.address())
        .start(&yaml)
}

/// A text without the indentation that it has in the source.
fn outdented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let indent = |line: &str| line.len() - line.trim_start().len();
    let common = lines.clone().map(indent).min().unwrap_or(0);
    lines.map(|line| format!("{}\n", &line[common..])).collect()
}
