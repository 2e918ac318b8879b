//! `crs --crs DIR --tests FILE.jsonl… [--only REGEX] [--report FILE] [--overrides FILE]`: runs regression tests of the Core
//! Rule Set through the program. 0: all passed, 1: some failed, 2: they could not be run.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it tells whoever typed it")]

use bascule_tests::crs::{Options, Verdict, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str =
    "--crs DIR --tests FILE.jsonl… [--only REGEX] [--report FILE] [--overrides FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments).and_then(|(options, report)| tell(&options, report.as_deref())) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crs: {error}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<(Options, Option<PathBuf>), String> {
    let mut options = Options::default();
    let mut report = None;
    let mut arguments = arguments.iter().peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next_if(|next| !next.starts_with("--"))
                .cloned()
                .ok_or_else(|| format!("`{argument}` wants a value; expected {USAGE}"))
        };
        match argument.as_str() {
            "--crs" => options.crs = value()?.into(),
            "--only" => options.only = Some(value()?),
            "--report" => report = Some(value()?.into()),
            "--overrides" => options.overrides = Some(value()?.into()),
            "--tests" => {
                options.tests.push(value()?.into());
                while let Some(more) = arguments.next_if(|next| !next.starts_with("--")) {
                    options.tests.push(more.into());
                }
            }
            _ => return Err(format!("unknown argument `{argument}`; expected {USAGE}")),
        }
    }
    if options.crs.as_os_str().is_empty() || options.tests.is_empty() {
        return Err(format!("expected {USAGE}"));
    }
    Ok((options, report))
}

/// Runs the tests, names the failures, and gives their number.
fn tell(options: &Options, report: Option<&Path>) -> Result<usize, String> {
    let since = Instant::now();
    let verdicts = run(options)?;
    for verdict in verdicts.iter().filter(|verdict| !verdict.passed()) {
        let status = verdict
            .status
            .map_or_else(|| "none".to_owned(), |status| status.to_string());
        println!(
            "{} {}; status {status}, rules {:?}",
            verdict.id,
            verdict.complaints.join("; "),
            verdict.ids
        );
    }
    if let Some(path) = report {
        let lines: String = verdicts.iter().map(line).collect();
        fs::write(path, lines).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.passed()).count();
    println!(
        "{} tests in {:.1} s",
        verdicts.len(),
        since.elapsed().as_secs_f64()
    );
    println!("{} passed, {failed} failed", verdicts.len() - failed);
    Ok(failed)
}

fn line(verdict: &Verdict) -> String {
    let line = serde_json::json!({
        "id": verdict.id,
        "passed": verdict.passed(),
        "status": verdict.status,
        "ids": verdict.ids,
        "complaints": verdict.complaints,
    });
    format!("{line}\n")
}
