//! The table, the file and the verdict.

use super::case::{CONNECTIONS, Case};
use super::contestants::Contestant;
use super::host::Facts;
use super::json::Json;
use super::measure::{Medians, Results, Sample};
use super::options::Options;
use crate::failure::{Failure, Outcome};

/// Whose figures the others are put in relation to.
const PEERS: [&str; 2] = ["nginx", "haproxy"];
const MIB: f64 = 1024.0 * 1024.0;

/// Prints the medians of every case, with their ratios to the peers.
pub(super) fn print(cases: &[Case], contestants: &[Contestant], results: &Results) {
    for case in cases {
        println!(
            "\n{:<18} {:>10} {:>7} {:>9} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8} {:>6}",
            case.to_string(),
            "req/CPU-s",
            "× nginx",
            "× haproxy",
            "user µs",
            "sys µs",
            "req/s",
            "p50 ms",
            "p99 ms",
            "RSS MiB",
            "errors"
        );
        for contestant in contestants {
            let medians = results.medians(*case, contestant.name);
            let [nginx, haproxy] = PEERS.map(|peer| ratio(*case, &medians, peer, results));
            println!(
                "{:<18} {:>10.0} {:>7} {:>9} {:>8.1} {:>8.1} {:>9.0} {:>9.2} {:>9.2} {:>8.1} {:>6.0}",
                contestant.name,
                medians.per_cpu_second,
                two_digits(nginx),
                two_digits(haproxy),
                medians.user_us,
                medians.system_us,
                medians.per_second,
                medians.p50_us / 1e3,
                medians.p99_us / 1e3,
                medians.resident_bytes / MIB,
                medians.errors,
            );
        }
        for contestant in contestants {
            if let Some(share) = waf_share(*case, contestant, results) {
                println!(
                    "{:<18} the WAF costs {:.1} % of the requests per CPU second",
                    contestant.name,
                    share * 100.0
                );
            }
        }
    }
}

/// The share of requests per CPU second that a program loses to its WAF; none where it has none, or does not run without.
fn waf_share(case: Case, contestant: &Contestant, results: &Results) -> Option<f64> {
    let with = results.medians(case, contestant.name);
    let share = 1.0 - ratio(case, &with, contestant.without_waf()?, results);
    share.is_finite().then_some(share)
}

/// Fails when a run had errors: its figures say nothing then.
pub(super) fn verdict(contestants: &[Contestant], results: &Results) -> Outcome {
    let failed: Vec<String> = contestants
        .iter()
        .map(|it| (it.name, results.errors(it.name)))
        .filter(|(_, errors)| *errors > 0.0)
        .map(|(name, errors)| format!("{errors} of {name}"))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Unexpected {
        program: "bench".to_owned(),
        expected: "no errors under load and connections to the backend that stay open".to_owned(),
        found: failed.join(", "),
    })
}

/// Everything, for programs and for later comparison.
pub(super) fn json(
    options: &Options,
    host: &Facts,
    cases: &[Case],
    contestants: &[Contestant],
    results: &Results,
) -> String {
    let measured = cases.iter().map(|case| {
        let of_all = contestants
            .iter()
            .map(|it| (it.name.to_owned(), figures(*case, it, results)));
        Json::object([
            ("case", Json::text(case.to_string())),
            ("tls", Json::text(if case.tls { "1.3" } else { "none" })),
            ("body_bytes", case.body_bytes.into()),
            ("contestants", Json::Object(of_all.collect())),
        ])
    });
    let whole = Json::object([
        ("bench", Json::text("l7")),
        ("rounds", options.rounds.into()),
        ("seconds", options.seconds.into()),
        ("connections", CONNECTIONS.into()),
        ("host", facts(host)),
        ("cases", Json::List(measured.collect())),
    ]);
    format!("{whole}\n")
}

fn facts(host: &Facts) -> Json {
    let versions = host
        .versions
        .iter()
        .map(|(name, version)| (name.clone(), Json::text(version.clone())));
    Json::object([
        ("kernel", Json::text(&*host.kernel)),
        ("processor", Json::text(&*host.processor)),
        ("cores", host.cores.into()),
        ("contestant_core", host.contestant_core.into()),
        ("backend_core", host.backend_core.into()),
        ("load_core", host.load_core.into()),
        ("congestion_control", Json::text(&*host.congestion_control)),
        ("load_average_before", host.load.0.into()),
        ("load_average_after", host.load.1.into()),
        ("wrk", Json::text(&*host.wrk)),
        ("versions", Json::Object(versions.collect())),
    ])
}

fn figures(case: Case, contestant: &Contestant, results: &Results) -> Json {
    let medians = results.medians(case, contestant.name);
    let [nginx, haproxy] = PEERS.map(|peer| ratio(case, &medians, peer, results));
    let samples = results.of(case, contestant.name);
    let waf_share = waf_share(case, contestant, results).unwrap_or(f64::NAN);
    let rounds = samples.iter().map(Sample::per_cpu_second);
    Json::object([
        ("requests_per_cpu_second", medians.per_cpu_second.into()),
        ("ratio_to_nginx", nginx.into()),
        ("ratio_to_haproxy", haproxy.into()),
        ("share_lost_to_waf", waf_share.into()),
        ("user_us_per_request", medians.user_us.into()),
        ("system_us_per_request", medians.system_us.into()),
        ("requests_per_second", medians.per_second.into()),
        ("p50_us", medians.p50_us.into()),
        ("p99_us", medians.p99_us.into()),
        ("resident_bytes", medians.resident_bytes.into()),
        ("errors", medians.errors.into()),
        (
            "requests_per_cpu_second_by_round",
            Json::List(rounds.map(Json::from).collect()),
        ),
    ])
}

/// How many times a peer's requests per CPU second; not a number where the peer takes no part.
fn ratio(case: Case, medians: &Medians, peer: &str, results: &Results) -> f64 {
    medians.per_cpu_second / results.medians(case, peer).per_cpu_second
}

fn two_digits(ratio: f64) -> String {
    if ratio.is_finite() {
        format!("{ratio:.2}")
    } else {
        "-".to_owned()
    }
}
