//! `cargo xtask tidy`: what a reviewer would otherwise have to look for.

mod exceptions;
mod layers;
mod length;
mod rust;
mod safety;
mod words;

use crate::ebpf::toolchain::Toolchain;
use crate::failure::{Failure, Outcome, at};
use crate::{ebpf, run, setup, tree};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
struct Source {
    /// Its path from the repository's root.
    path: String,
    text: String,
}

/// Checks the text, then runs rustfmt and clippy. All of it runs, whatever the first findings are.
pub(crate) fn task(_arguments: &[String]) -> Outcome {
    setup::for_build()?;
    let sources = sources()?;
    let mut count = 0;
    count += report("layering", &layers::check(&sources));
    count += report("unsafe", &safety::check(&sources));
    count += report("length", &length::check(&sources));
    count += report("words", &words::check(&sources));
    count += report("rustfmt", &format());
    count += report("clippy", &clippy());
    count += report("BPF programs", &programs());
    if count == 0 {
        return Ok(());
    }
    Err(Failure::Findings(count))
}

fn report(check: &str, findings: &[String]) -> usize {
    for finding in findings {
        println!("{finding}");
    }
    let outcome = if findings.is_empty() {
        "ok"
    } else {
        "see above"
    };
    println!("tidy: {check:<12} {outcome}");
    findings.len()
}

/// Every text file of the repository that people write.
fn sources() -> Outcome<Vec<Source>> {
    let mut files = Vec::new();
    collect(tree::root(), &mut files)?;
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        // What is not text (seeds of fuzz targets) has neither lines nor words.
        let Ok(text) = String::from_utf8(fs::read(&file).map_err(at(&file))?) else {
            continue;
        };
        let path = file.strip_prefix(tree::root()).unwrap_or(&file);
        sources.push(Source {
            path: path.to_string_lossy().into_owned(),
            text,
        });
    }
    Ok(sources)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !["target", ".git", "corpus", "artifacts"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                collect(&path, files)?;
            }
        } else if name != "Cargo.lock" {
            files.push(path);
        }
    }
    Ok(())
}

fn format() -> Vec<String> {
    let programs = tree::root().join("ebpf/programs");
    [tree::root(), &programs]
        .into_iter()
        .filter_map(|folder| {
            let mut command = run::cargo();
            command
                .current_dir(folder)
                .args(["fmt", "--all", "--check"]);
            run::run(&mut command).err()
        })
        .map(|failure| failure.to_string())
        .collect()
}

fn clippy() -> Vec<String> {
    let mut command = run::cargo();
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
    run::run(&mut command)
        .err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The compiler for BPF has no clippy everywhere; its own warnings count as findings.
fn programs() -> Vec<String> {
    let toolchain = match Toolchain::find() {
        Ok(toolchain) => toolchain,
        Err(missing) => {
            println!("skipped: {missing}");
            return Vec::new();
        }
    };
    let folder = tree::target().join("ebpf/tidy");
    let mut command = ebpf::cargo(&toolchain, "build", &folder, "-D warnings");
    run::run(&mut command)
        .err()
        .iter()
        .map(ToString::to_string)
        .collect()
}
