//! `cargo xtask fuzz`: runs the fuzz targets one after the other.
//!
//! libFuzzer comes with the `libfuzzer-sys` crate and is compiled with it; what `cargo fuzz` would add is a set of
//! compiler flags, which stand below. A stable compiler takes them where RUSTC_BOOTSTRAP says so, and only this build,
//! which nobody ships, does.

use crate::failure::{Failure, Outcome, at};
use crate::{run, setup, tree};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const EXPECTED: &str = "--seconds <number> or the name of a file in tests/fuzz/fuzz_targets";
/// How long a target runs where nothing is said.
const SECONDS: u64 = 60;
/// An input that takes longer is a finding.
const INPUT_SECONDS: u32 = 10;
/// A process that grows over this is a finding.
const MEMORY_MB: u32 = 2048;
/// Coverage of edges, compared values for the fuzzer to learn from, and the address sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 -Zsanitizer=address";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    seconds: u64,
    targets: Vec<String>,
}

/// What came of one target.
struct Report {
    executions: String,
    coverage: String,
    seconds: u64,
    /// Inputs in the target's folder of findings, those of earlier runs too.
    findings: usize,
    failed: bool,
}

/// Builds the targets and runs each. What is found stays in tests/fuzz/artifacts, what was learned in the target folder.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    let known = targets()?;
    let plan = plan(arguments, &known)?;
    setup::for_build()?;
    let folder = build(&plan.targets)?;
    println!(
        "{:<16} {:>12} {:>9} {:>8} {:>9}",
        "target", "executions", "coverage", "seconds", "findings"
    );
    let mut found = 0;
    for target in &plan.targets {
        let report = fuzz(target, &folder, plan.seconds)?;
        println!(
            "{target:<16} {:>12} {:>9} {:>8} {:>9}",
            report.executions, report.coverage, report.seconds, report.findings
        );
        if report.failed {
            found += 1;
            println!(
                "  what happened: {}\n  the input: {}",
                log(&folder, target).display(),
                artifacts(target).display()
            );
        }
    }
    if found > 0 {
        return Err(Failure::Findings(found));
    }
    Ok(())
}

fn plan(arguments: &[String], known: &[String]) -> Outcome<Plan> {
    let unknown = |found: &str| Failure::Argument {
        found: found.to_owned(),
        expected: EXPECTED,
    };
    let mut plan = Plan {
        seconds: SECONDS,
        targets: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let number = arguments.next().map_or("", String::as_str);
            plan.seconds = number.parse().map_err(|_| unknown(argument))?;
        } else if known.contains(argument) {
            plan.targets.push(argument.clone());
        } else {
            return Err(unknown(argument));
        }
    }
    if plan.targets.is_empty() {
        plan.targets = known.to_vec();
    }
    Ok(plan)
}

fn workspace() -> PathBuf {
    tree::root().join("tests/fuzz")
}

fn artifacts(target: &str) -> PathBuf {
    workspace().join("artifacts").join(target)
}

fn log(folder: &Path, target: &str) -> PathBuf {
    folder.join("log").join(target)
}

/// The names of all targets, in alphabetical order.
fn targets() -> Outcome<Vec<String>> {
    let folder = workspace().join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(at(&folder))? {
        let path = entry.map_err(at(&folder))?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .map(str::to_owned),
            );
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Builds the targets and gives the folder for everything that belongs to them and is not committed.
fn build(targets: &[String]) -> Outcome<PathBuf> {
    let folder = tree::profile("fuzz");
    let host = host()?;
    let mut command = run::cargo();
    command
        .current_dir(workspace())
        .args(["build", "--release", "--target", &host])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS);
    for target in targets {
        command.args(["--bin", target]);
    }
    run::run(&mut command)?;
    let built = folder.join(host).join("release");
    for target in targets {
        // Beside what it learns, where the next build does not replace a program that runs.
        let place = folder.join("bin");
        fs::create_dir_all(&place).map_err(at(&place))?;
        let program = built.join(target);
        fs::copy(&program, place.join(target)).map_err(at(program))?;
    }
    Ok(folder)
}

/// The host's target triple. With a target given, the flags do not reach build scripts.
fn host() -> Outcome<String> {
    let version = run::output(Command::new("rustc").arg("-vV")).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::Missing {
        what: "rustc".to_owned(),
        remedy: "rustup toolchain install stable".to_owned(),
    })
}

/// Runs one target. What it prints goes to its log.
fn fuzz(target: &str, folder: &Path, seconds: u64) -> Outcome<Report> {
    let learned = folder.join("corpus").join(target);
    let (log, findings) = (log(folder, target), artifacts(target));
    let log_folder = folder.join("log");
    for folder in [&learned, &findings, &log_folder] {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let mut command = Command::new(folder.join("bin").join(target));
    command
        .current_dir(workspace())
        .arg(&learned)
        .arg(Path::new("corpus").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        // What a worker keeps to use again looks like a leak, and looking for leaks takes most of the time.
        .arg("-detect_leaks=0")
        .arg("-print_final_stats=1")
        .stdout(File::create(&log).map_err(at(&log))?)
        .stderr(File::options().append(true).open(&log).map_err(at(&log))?);
    let start = Instant::now();
    let status = command.status().map_err(|error| Failure::Start {
        command: run::line(&command),
        error,
    })?;
    let text = fs::read(&log).map_err(at(&log))?;
    Ok(report(
        &String::from_utf8_lossy(&text),
        start.elapsed(),
        fs::read_dir(&findings).map_err(at(&findings))?.count(),
        !status.success(),
    ))
}

/// Reads what libFuzzer prints: the last `cov:` of its status lines and the number of inputs it tried.
fn report(log: &str, time: Duration, findings: usize, failed: bool) -> Report {
    let last = |key: &str| {
        let value = log.rsplit_once(key).map(|(_, rest)| rest.trim_start());
        let value = value.and_then(|rest| rest.split_whitespace().next());
        value.unwrap_or("-").to_owned()
    };
    Report {
        executions: last("stat::number_of_executed_units:"),
        coverage: last(" cov:"),
        seconds: time.as_secs(),
        findings,
        failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_choose_time_and_targets() {
        let known = ["a".to_owned(), "b".to_owned()];
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            plan(&words, &known).map(|plan| (plan.seconds, plan.targets.join(" ")))
        };
        assert_eq!(parse("").unwrap(), (SECONDS, "a b".to_owned()));
        assert_eq!(parse("b --seconds 5").unwrap(), (5, "b".to_owned()));
        for wrong in ["c", "--seconds", "--seconds x", "--second 5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_target_is_built_and_has_seeds() {
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(targets.len() > 10);
        for target in targets {
            let bin = format!("[[bin]]\nname = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"");
            assert!(
                manifest.contains(&bin),
                "{target} is not in tests/fuzz/Cargo.toml"
            );
            let corpus = workspace().join("corpus").join(&target);
            let seeds = fs::read_dir(corpus).map_or(0, Iterator::count);
            assert!(seeds > 0, "{target} has no seeds in tests/fuzz/corpus");
        }
    }

    #[test]
    fn the_end_of_a_log_is_read() {
        let log = "#2 INITED cov: 12 ft: 13 corp: 1/1b\n#9 DONE   cov: 1660 ft: 5345 corp: 9/9b\n\
            stat::number_of_executed_units: 2027938\nstat::average_exec_per_sec:     3000\n";
        let read = report(log, Duration::from_secs(3), 0, false);
        assert_eq!(
            (read.executions.as_str(), read.coverage.as_str()),
            ("2027938", "1660")
        );
        assert_eq!(report("", Duration::ZERO, 0, true).coverage, "-");
    }
}
