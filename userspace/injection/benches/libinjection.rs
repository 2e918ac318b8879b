//! The time for a value, ours and libinjection's in C, on the same values: `cargo bench -p bascule-injection`.
//!
//! Words behind `--` choose: `-- sqli attacks` leaves out every line without them. Rounds of both take turns, so that a change of the host's speed meets both; the fastest of each counts.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // It talks to the person who typed it.

#[path = "../tests/oracle/program.rs"]
mod program;
#[path = "../tests/oracle/seeds.rs"]
mod seeds;

use std::hint::black_box;
use std::time::Instant;

use program::{Detector, Oracle};

const ROUNDS: usize = 15;
/// How long a round should take.
const ROUND_NS: u64 = 20_000_000;

fn ours_ns(detector: Detector, rounds: u32, values: &[Vec<u8>]) -> u64 {
    let started = Instant::now();
    let mut found = 0;
    for _ in 0..rounds {
        for value in values {
            let hit = match detector {
                Detector::Sqli => injection::sqli(black_box(value)).is_some(),
                Detector::Xss => injection::xss(black_box(value)),
            };
            found += usize::from(hit);
        }
    }
    black_box(found);
    started.elapsed().as_nanos() as u64
}

fn compare(name: &str, oracle: &mut Oracle, detector: Detector, values: &[Vec<u8>]) {
    if values.is_empty() {
        return;
    }
    let once = ours_ns(detector, 1, values).max(1);
    let rounds = (ROUND_NS / once).clamp(1, 10_000) as u32;
    let each = f64::from(rounds) * values.len() as f64;
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(ours_ns(detector, rounds, values) as f64 / each);
        theirs = theirs.min(oracle.time_ns(detector, rounds, values) as f64 / each);
    }
    let bytes: usize = values.iter().map(Vec::len).sum();
    println!(
        "{name:<30} {:>6} values of {:>5.1} bytes: {ours:>8.1} ns, libinjection {theirs:>8.1} ns, {:>5.2} times as fast",
        values.len(),
        bytes as f64 / values.len() as f64,
        theirs / ours
    );
}

fn main() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let mut corpora = vec![
        (
            "benign values",
            seeds::payloads("httpparams-dev.jsonl", |expect| expect == "allow"),
        ),
        (
            "attacks",
            seeds::payloads("httpparams-dev.jsonl", |expect| expect == "block"),
        ),
        (
            "attacks of word lists",
            seeds::payloads("wordlists-attack-dev.jsonl", |_| true),
        ),
        ("parameters of rule tests", seeds::parameters()),
    ];
    corpora.push((
        "long text",
        vec![include_bytes!("../src/sqli/mod.rs").to_vec()],
    ));
    // Cargo adds a `--bench`.
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    for detector in [Detector::Sqli, Detector::Xss] {
        for (name, values) in &corpora {
            let line = format!("{:<5} {name}", format!("{detector:?}").to_lowercase());
            if chosen.iter().all(|word| line.contains(word)) {
                compare(&line, &mut oracle, detector, values);
            }
        }
    }
}
