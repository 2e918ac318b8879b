//! Our rule engine beside libmodsecurity: the same rules, the same requests, one thread each, in turn.
//!
//! `waf --crs DIR --peer PROGRAM --out DIR [--rounds N] [--kinds get,form] [--levels 1,2] [--memory cold] [--extra N]`; `cargo xtask bench
//! waf` builds the peer and starts it. With `--worst` our engine runs alone, on requests made to cost much.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "a bench talks to the person who started it"
)]

mod engine;
mod hostile;
mod options;
mod peer;
mod report;
mod rules;
mod workload;
mod worst;

use engine::Engine;
use options::Options;
use peer::Peer;
use report::Row;
use std::process::ExitCode;
use workload::{CLIENTS, KINDS, Kind, STREAM};

/// Requests of a kind that are run in turn where nothing is remembered.
const COLD: usize = 64;

fn main() -> ExitCode {
    let outcome = Options::parse(std::env::args().skip(1)).and_then(|options| run(&options));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waf: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    std::fs::create_dir_all(&options.out).map_err(|error| error.to_string())?;
    if options.worst {
        return worst::run(options);
    }
    let mut rows = Vec::new();
    for &level in &options.levels {
        let mut engine = Engine::new(
            &rules::write(options, level, true)?,
            options.out.join("databases"),
        )?;
        let stats = engine.stats();
        println!(
            "paranoia {level}: {} rules, {} of them gated, {} scanned, {} KiB of databases",
            stats.rules,
            stats.gated_rules,
            stats.scanned_rules,
            stats.database_bytes >> 10
        );
        for kind in KINDS.iter().filter(|kind| options.covers(kind.name)) {
            rows.extend(measure(options, level, kind, &mut engine)?);
        }
    }
    report::print(&rows);
    report::write(&options.out.join("waf.json"), &rows)
}

/// One kind of request: verdicts first, then times, cold and in a stream.
fn measure(
    options: &Options,
    level: u8,
    kind: &Kind,
    engine: &mut Engine,
) -> Result<Vec<Row>, String> {
    let streamed = matches!(kind.name, "get" | "form");
    let count = if streamed { STREAM } else { COLD };
    let requests = workload::stream(kind, count, CLIENTS);
    let mut peer = match &options.peer {
        Some(program) => {
            let path = options.out.join("workload");
            std::fs::write(&path, workload::encode(&requests))
                .map_err(|error| error.to_string())?;
            Some(Peer::start(
                program,
                &rules::write(options, level, false)?,
                &path,
            )?)
        }
        None => None,
    };
    check(kind, engine, peer.as_mut(), &requests)?;
    // Rounds of about a tenth of a second each.
    let cold = requests.get(..COLD).unwrap_or(&requests);
    engine.cold(cold, COLD);
    let (ours_count, peer_count) = match kind.name {
        "upload" => (COLD, 6),
        "json" => (4 * COLD, 4),
        _ => (16 * COLD, 24),
    };
    let mut row = Row::new(kind.name, level, "cold", peer.as_ref());
    let mut stream = Row::new(kind.name, level, "warm", peer.as_ref());
    for round in 0..options.rounds {
        // The stream's own figure of the peer is the same requests later in the stream: it remembers nothing.
        let mut theirs = |row: &mut Row| -> Result<(), String> {
            if let Some(peer) = &mut peer {
                row.peer.push(peer.run(round * peer_count, peer_count)?);
            }
            Ok(())
        };
        if options.wants("cold") && round % 2 == 0 {
            row.ours.push(engine.cold(cold, ours_count));
            theirs(&mut row)?;
        } else if options.wants("cold") {
            theirs(&mut row)?;
            row.ours.push(engine.cold(cold, ours_count));
        }
        if streamed && options.wants("warm") {
            stream.ours.push(engine.warm(&requests));
            theirs(&mut stream)?;
        }
    }
    let mut rows = vec![row, stream];
    rows.retain(|row| !row.ours.is_empty());
    rows.iter().for_each(report::print_row);
    Ok(rows)
}

/// Both engines must say what the kind says.
fn check(
    kind: &Kind,
    engine: &mut Engine,
    mut peer: Option<&mut Peer>,
    requests: &[workload::Request],
) -> Result<(), String> {
    let expected = if kind.denied { 403 } else { 0 };
    for (index, request) in requests.iter().enumerate() {
        let said = engine.run(request);
        if u64::from(said) != expected {
            let rules = engine.matched().join(" ");
            return Err(format!(
                "{} {}: expected {expected}, we said {said} ({rules}): {}",
                kind.name, index, request.target
            ));
        }
        let Some(peer) = peer.as_deref_mut().filter(|_| index < 8) else {
            continue;
        };
        let said = peer.verdict(index)?;
        if said != expected {
            return Err(format!(
                "{} {}: expected {expected}, the peer said {said}: {}",
                kind.name, index, request.target
            ));
        }
    }
    Ok(())
}
