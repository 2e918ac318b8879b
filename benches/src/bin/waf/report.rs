//! The table, and the figures as JSON.

use crate::peer::Peer;
use serde_json::json;
use std::path::Path;

/// One line of the table: nanoseconds of a request by round.
pub(crate) struct Row {
    kind: &'static str,
    level: u8,
    memory: &'static str,
    peer_name: String,
    pub(crate) ours: Vec<f64>,
    pub(crate) peer: Vec<f64>,
}

/// What the ratio must reach, by kind, paranoia level and memory.
const TARGETS: &[(&str, u8, &str, f64)] = &[
    ("get", 1, "cold", 40.0),
    ("get", 1, "warm", 120.0),
    ("get", 2, "cold", 30.0),
    ("get", 2, "warm", 100.0),
    ("form", 1, "cold", 25.0),
    ("form", 1, "warm", 40.0),
    ("form", 2, "cold", 22.0),
    ("form", 2, "warm", 35.0),
    ("json", 1, "cold", 20.0),
    ("json", 2, "cold", 20.0),
    ("upload", 1, "cold", 5.0),
    ("upload", 2, "cold", 5.0),
    ("sqli", 1, "cold", 30.0),
    ("sqli", 2, "cold", 30.0),
];

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

impl Row {
    pub(crate) fn new(
        kind: &'static str,
        level: u8,
        memory: &'static str,
        peer: Option<&Peer>,
    ) -> Row {
        Row {
            kind,
            level,
            memory,
            peer_name: peer.map(|peer| peer.name.clone()).unwrap_or_default(),
            ours: Vec::new(),
            peer: Vec::new(),
        }
    }

    fn target(&self) -> Option<f64> {
        TARGETS
            .iter()
            .find(|(kind, level, memory, _)| {
                (*kind, *level, *memory) == (self.kind, self.level, self.memory)
            })
            .map(|(.., ratio)| *ratio)
    }

    fn ratio(&self) -> Option<f64> {
        Some(median(&self.peer)? / median(&self.ours)?)
    }
}

pub(crate) fn print(rows: &[Row]) {
    println!("\nrequest  paranoia  memory        ours µs     peer µs     ratio    target");
    rows.iter().for_each(print_row);
    if let Some(row) = rows.iter().find(|row| !row.peer_name.is_empty()) {
        println!(
            "peer: {}; medians of rounds, CPU time of one thread",
            row.peer_name
        );
    }
}

pub(crate) fn print_row(row: &Row) {
    let micros =
        |figures: &[f64]| median(figures).map_or("-".into(), |ns| format!("{:.1}", ns / 1000.0));
    println!(
        "{:<8} {:>8}  {:<8} {:>12} {:>11} {:>9} {:>9}",
        row.kind,
        row.level,
        row.memory,
        micros(&row.ours),
        micros(&row.peer),
        row.ratio()
            .map_or("-".into(), |ratio| format!("{ratio:.1}")),
        row.target()
            .map_or("-".into(), |target| format!("≥ {target}")),
    );
}

pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<(), String> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "request": row.kind,
                "paranoia": row.level,
                "memory": row.memory,
                "peer": row.peer_name,
                "ours_ns": row.ours,
                "peer_ns": row.peer,
                "ratio": row.ratio(),
                "target": row.target(),
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&json!({ "rows": rows })).unwrap_or_default();
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
