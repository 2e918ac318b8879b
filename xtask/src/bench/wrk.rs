//! The load generator.

use super::case::{CONNECTIONS, Case};
use super::contestants::Contestant;
use super::place::{Place, pinned};
use crate::failure::{Failure, Outcome};
use crate::{run, tree};
use std::path::Path;

/// What one run of wrk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Connections, reads, writes, timeouts and answers that failed.
    pub(super) errors: f64,
}

/// Runs wrk against a contestant.
pub(super) fn run(
    contestant: &Contestant,
    case: Case,
    seconds: usize,
    place: &Place,
) -> Outcome<Load> {
    let script = tree::root().join("benches/load").join(case.script());
    let mut command = pinned(place.cores.load, Path::new("wrk"));
    command
        .args(["--threads", "1", "--latency"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg("--script")
        .arg(script)
        .arg(contestant.url(case));
    let text = run::output(&mut command).unwrap_or_default();
    parse(&text).ok_or_else(|| Failure::Unexpected {
        program: run::line(&command),
        expected: "a line `report: requests=…`".to_owned(),
        found: format!("`{text}`"),
    })
}

/// Reads the line that report.lua prints.
fn parse(text: &str) -> Option<Load> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("report: "))?;
    let mut load = Load::default();
    for pair in line.split_whitespace() {
        let (name, value) = pair.split_once('=')?;
        let value: f64 = value.parse().ok()?;
        match name {
            "requests" => load.requests = value,
            "duration_us" => load.seconds = value / 1e6,
            "p50_us" => load.p50_us = value,
            "p99_us" => load.p99_us = value,
            "connect" | "read" | "write" | "status" | "timeout" => load.errors += value,
            _ => {}
        }
    }
    (load.seconds > 0.0).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_one_line_among_others() {
        let text = "Running 3s test\nreport: requests=300 duration_us=1500000 bytes=1 p50_us=870 p99_us=9000 connect=0 \
                    read=1 write=0 status=2 timeout=0\n";
        let load = parse(text).expect("a report");
        assert_eq!(
            (load.requests, load.seconds, load.errors),
            (300.0, 1.5, 3.0)
        );
        assert_eq!((load.p50_us, load.p99_us), (870.0, 9000.0));
        assert_eq!(parse("unable to connect"), None);
    }
}
