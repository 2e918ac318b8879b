//! Where figures come from: without these facts they say nothing.

use super::contestants::Contestant;
use super::place::{self, Place};
use crate::run;
use std::fs;
use std::process::Command;

/// What a reader of the figures has to know.
pub(super) struct Facts {
    pub(super) kernel: String,
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) contestant_core: usize,
    pub(super) backend_core: usize,
    pub(super) load_core: usize,
    pub(super) congestion_control: String,
    pub(super) wrk: String,
    pub(super) versions: Vec<(String, String)>,
    /// Processes that were running or ready to run, over a minute, before and after.
    pub(super) load: (f64, f64),
}

impl Facts {
    pub(super) fn gather(place: &Place, contestants: &[Contestant], load_before: f64) -> Self {
        let versions = contestants
            .iter()
            .map(|it| (it.name.to_owned(), it.version.clone()))
            .collect();
        Self {
            kernel: read("/proc/sys/kernel/osrelease"),
            processor: processor(),
            cores: cores().len(),
            contestant_core: place.cores.contestant,
            backend_core: place.cores.backend,
            load_core: place.cores.load,
            congestion_control: place::congestion_control(),
            wrk: wrk_version(),
            versions,
            load: (load_before, load()),
        }
    }
}

/// The cores that we may use.
pub(super) fn cores() -> Vec<usize> {
    let status = read("/proc/self/status");
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap_or("0");
    parse_list(list)
}

/// `0-2,5` and the like.
fn parse_list(list: &str) -> Vec<usize> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    });
    ranges.flatten().collect()
}

/// The load average of the last minute.
pub(super) fn load() -> f64 {
    read("/proc/loadavg")
        .split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0)
}

fn processor() -> String {
    read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']).to_owned())
        .unwrap_or_default()
}

/// wrk prints its version along with its usage, and calls that a failure.
fn wrk_version() -> String {
    Command::new("wrk")
        .arg("-v")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| Some(text.lines().next()?.split(" Copyright").next()?.to_owned()))
        .unwrap_or_default()
}

/// The first line of what a program says about its version, on whichever output.
pub(super) fn version(program: &str, argument: &str) -> String {
    run::output(
        Command::new("sh")
            .arg("-c")
            .arg("\"$0\" \"$1\" 2>&1")
            .args([program, argument]),
    )
    .unwrap_or_default()
    .lines()
    .find(|line| !line.trim().is_empty())
    .unwrap_or_default()
    .trim()
    .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_have_ranges() {
        assert_eq!(parse_list("\t0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(parse_list("3"), [3]);
        assert!(parse_list("").is_empty());
    }
}
