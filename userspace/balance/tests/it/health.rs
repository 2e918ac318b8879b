//! Active probes with a simulated clock.

use balance::{HealthCheck, Probe, ProbeFailure, Transition};
use std::time::{Duration, Instant};

const REFUSED: ProbeFailure = ProbeFailure::Status(500);

/// Feeds results (`+` and `-`) and writes down what follows: `^` up, `v` down, `.` nothing.
fn run(check: HealthCheck, healthy: bool, results: &str) -> String {
    let mut now = Instant::now();
    let mut probe = Probe::new(check, healthy, now, 0);
    let mut step = |result| {
        now += check.interval;
        let result = if result == '+' { Ok(()) } else { Err(REFUSED) };
        match probe.on_result(result, now, 0) {
            Some(Transition::Up) => '^',
            Some(Transition::Down(reason)) => {
                assert_eq!(reason, REFUSED);
                'v'
            }
            None => '.',
        }
    };
    results.chars().map(&mut step).collect()
}

#[test]
fn thresholds_count_results_in_a_row() {
    let check = HealthCheck {
        healthy: 2,
        unhealthy: 3,
        ..HealthCheck::default()
    };
    assert_eq!(run(check, true, "+---"), "...v");
    assert_eq!(run(check, true, "+--+---"), "......v");
    assert_eq!(run(check, true, "+------"), "...v...");
    assert_eq!(run(check, true, "+---+-++"), "...v...^");
    assert_eq!(run(check, true, "+---++---"), "...v.^..v");
}

#[test]
fn by_default_three_failures_take_out_and_one_success_brings_back() {
    assert_eq!(run(HealthCheck::default(), true, "+---+---+"), "...v^..v^");
}

#[test]
fn the_first_result_decides_at_once() {
    let check = HealthCheck {
        healthy: 3,
        ..HealthCheck::default()
    };
    assert_eq!(run(check, false, "+"), "^");
    assert_eq!(run(check, true, "-"), "v");
    assert_eq!(
        run(check, false, "-+++"),
        "...^",
        "later ones need all of them"
    );
    assert_eq!(run(check, true, "+---"), "...v");
}

#[test]
fn a_reload_does_not_forget_the_past() {
    let now = Instant::now();
    let mut probe = Probe::new(HealthCheck::default(), true, now, 0);
    assert_eq!(probe.on_result(Ok(()), now, 0), None);
    assert_eq!(probe.on_result(Err(REFUSED), now, 0), None);
    let mut probe = probe.renewed(HealthCheck {
        unhealthy: 2,
        ..HealthCheck::default()
    });
    let down = probe.on_result(Err(REFUSED), now, 0);
    assert_eq!(down, Some(Transition::Down(REFUSED)), "the second of two");
}

#[test]
fn probes_keep_their_interval_whatever_they_take() {
    let check = HealthCheck {
        jitter_percent: 0,
        ..HealthCheck::default()
    };
    let start = Instant::now();
    let mut probe = Probe::new(check, true, start, 0);
    assert_eq!(probe.next_at(), start);
    for n in 1..=3 {
        let due = probe.next_at();
        assert_eq!(probe.on_result(Ok(()), due, 12345), None);
        assert_eq!(probe.next_at(), start + n * check.interval);
    }
}

#[test]
fn jitter_spreads_the_interval_both_ways() {
    let check = HealthCheck {
        interval: Duration::from_secs(10),
        jitter_percent: 20,
        ..HealthCheck::default()
    };
    let start = Instant::now();
    let after = |random| {
        let mut probe = Probe::new(check, true, start, random);
        assert!(
            probe.next_at() <= start + Duration::from_secs(1),
            "the first comes soon"
        );
        assert_eq!(probe.on_result(Ok(()), start, random), None);
        (probe.next_at() - start).as_secs_f64()
    };
    assert_eq!(after(0), 8.0);
    assert!((after(u64::MAX / 2) - 10.0).abs() < 0.001);
    assert!((after(u64::MAX) - 12.0).abs() < 0.001);
}

#[test]
fn remembers_the_last_failure() {
    let now = Instant::now();
    let mut probe = Probe::new(HealthCheck::default(), true, now, 0);
    assert_eq!(probe.on_result(Ok(()), now, 0), None);
    let failure = ProbeFailure::Timeout(Duration::from_secs(2));
    assert_eq!(probe.on_result(Err(failure.clone()), now, 0), None);
    assert_eq!(probe.last_failure(), Some(&failure));
    assert_eq!(failure.to_string(), "no answer within 2s");
    assert!(probe.is_healthy());
    assert_eq!(probe.on_result(Ok(()), now, 0), None);
    assert_eq!(probe.last_failure(), None);
}
