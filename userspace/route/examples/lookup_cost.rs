//! What a lookup costs with few hosts and with many: `cargo run --release -p bascule-route --example lookup_cost`.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use route::{NoHeaders, RouteSpec, Table};
use std::time::{Duration, Instant};

/// Lookups in a round; the best of the rounds counts, because the machine does other things as well.
const LOOKUPS: u32 = 20_000;
const ROUNDS: usize = 50;

fn main() {
    for hosts in [1, 100, 10_000, 100_000] {
        let table = table(hosts);
        // Few hosts are asked for, so that a large table's cache misses do not count: the question is how much work
        // is done.
        let asked: Vec<String> = (0..hosts.min(16))
            .map(|n| format!("h{n}.example.com"))
            .collect();
        let best = (0..ROUNDS)
            .map(|_| round(&table, &asked))
            .min()
            .unwrap_or_default();
        println!(
            "{hosts:>7} hosts: {:>6.1} ns a lookup",
            best.as_nanos() as f64 / f64::from(LOOKUPS)
        );
    }
}

fn round(table: &Table, hosts: &[String]) -> Duration {
    let start = Instant::now();
    for host in hosts.iter().cycle().take(LOOKUPS as usize) {
        std::hint::black_box(table.lookup(host.as_bytes(), b"/", b"GET", &NoHeaders));
    }
    start.elapsed()
}

fn table(hosts: usize) -> Table {
    let specs = (0..hosts)
        .map(|n| RouteSpec {
            name: format!("route{n}"),
            hosts: vec![format!("h{n}.example.com")],
            ..RouteSpec::default()
        })
        .collect();
    match Table::build(specs) {
        Ok(table) => table,
        Err(errors) => panic!("{errors:?}"),
    }
}
