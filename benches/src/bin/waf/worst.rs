//! What the dearest requests cost our engine, by kind, and that their cost has a bound: `--worst`.

use crate::engine::Engine;
use crate::hostile::{self, Hostile};
use crate::options::Options;
use crate::rules;
use serde_json::json;

/// What one request cost.
struct Outcome {
    level: u8,
    kind: &'static str,
    of: &'static str,
    bytes: usize,
    /// CPU milliseconds.
    milliseconds: f64,
    work: u64,
    said: u16,
}

/// CPU milliseconds that no request may take.
const BOUND_MILLISECONDS: f64 = 1000.0;

/// Times each hostile request, and prints the dearest of them. Fails where one takes longer than the bound.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let requests: Vec<Hostile> = hostile::all()
        .into_iter()
        .filter(|hostile| options.covers_part(hostile.kind) || options.covers_part(hostile.of))
        .collect();
    let mut all = Vec::new();
    for &level in &options.levels {
        let path = rules::write(options, level, true)?;
        let mut engine = Engine::new(&path, options.out.join("databases"))?;
        let mut outcomes: Vec<Outcome> = requests
            .iter()
            .map(|hostile| measure(level, hostile, &mut engine))
            .collect();
        outcomes.sort_by(|one, other| other.milliseconds.total_cmp(&one.milliseconds));
        println!(
            "\nparanoia {level}: {} requests, the dearest of each kind; none may take {BOUND_MILLISECONDS} ms\n{:<30} {:<20} {:>8} {:>9} {:>10}  answer",
            outcomes.len(),
            "request",
            "of",
            "bytes",
            "CPU ms",
            "work"
        );
        let mut shown = Vec::new();
        for outcome in &outcomes {
            if !shown.contains(&outcome.kind) {
                shown.push(outcome.kind);
                print(outcome);
            }
        }
        all.extend(outcomes);
    }
    write(options, &all)?;
    let dearest = all
        .iter()
        .max_by(|one, other| one.milliseconds.total_cmp(&other.milliseconds))
        .filter(|dearest| dearest.milliseconds >= BOUND_MILLISECONDS);
    dearest.map_or(Ok(()), |dearest| {
        Err(format!(
            "`{}` of {} takes {:.0} ms at paranoia {}",
            dearest.kind, dearest.of, dearest.milliseconds, dearest.level
        ))
    })
}

/// The second run counts: the first one compiles patterns that no value met before.
fn measure(level: u8, hostile: &Hostile, engine: &mut Engine) -> Outcome {
    let request = std::slice::from_ref(&hostile.request);
    let said = engine.run(&hostile.request);
    let nanoseconds = engine.cold(request, 1);
    let fields = hostile.request.fields.iter();
    let head: usize = fields.map(|(name, value)| name.len() + value.len()).sum();
    Outcome {
        level,
        kind: hostile.kind,
        of: hostile.of,
        bytes: hostile.request.target.len() + head + hostile.request.body.len(),
        milliseconds: nanoseconds / 1e6,
        work: engine.work(),
        said,
    }
}

fn print(outcome: &Outcome) {
    let answer = match outcome.said {
        0 => "passed".to_owned(),
        503 => "work limit 503".to_owned(),
        status => format!("denied {status}"),
    };
    println!(
        "{:<30} {:<20} {:>8} {:>9.2} {:>10}  {answer}",
        outcome.kind, outcome.of, outcome.bytes, outcome.milliseconds, outcome.work
    );
}

fn write(options: &Options, outcomes: &[Outcome]) -> Result<(), String> {
    let rows: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "request": outcome.kind,
                "of": outcome.of,
                "paranoia": outcome.level,
                "bytes": outcome.bytes,
                "cpu_ms": outcome.milliseconds,
                "work": outcome.work,
                "status": outcome.said,
            })
        })
        .collect();
    let path = options.out.join("waf-worst.json");
    let text = serde_json::to_string_pretty(&json!({ "rows": rows })).unwrap_or_default();
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
