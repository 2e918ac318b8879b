//! `cargo xtask bench waf`: the rule engine beside libmodsecurity, in CPU time of one thread.

use crate::failure::Outcome;
use crate::setup::CRS;
use crate::{run, setup, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the peer is built from.
const PEER: &str = "benches/waf/peer.c";

/// Builds both sides and runs the bench, which prints the table. Arguments are those of the bench program; `--crs` is the one most
/// people want.
pub(super) fn task(arguments: &[String]) -> Outcome {
    setup::for_bench()?;
    let build = [
        "build",
        "--profile",
        "dist",
        "--package",
        "bascule-benches",
        "--bin",
        "waf",
    ];
    run::run(run::cargo().args(build))?;
    let out = tree::profile("bench");
    fs::create_dir_all(&out).map_err(crate::failure::at(&out))?;
    let mut bench = Command::new(tree::profile("dist").join("waf"));
    bench.current_dir(tree::root());
    let crs = value_of("--crs", arguments).unwrap_or(CRS);
    bench.args(["--crs", crs]);
    bench
        .arg("--setup")
        .arg(super::crs::set_up(Path::new(crs))?);
    if !arguments.iter().any(|argument| argument == "--out") {
        bench.arg("--out").arg(&out);
    }
    if let Some(peer) = peer(&out) {
        bench.arg("--peer").arg(peer);
    }
    run::run(bench.args(arguments))
}

/// What was typed after the name of an option.
fn value_of<'a>(name: &str, arguments: &'a [String]) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

/// The peer's program; `None` where the host cannot build it: our engine runs alone then.
fn peer(out: &Path) -> Option<PathBuf> {
    let program = out.join("modsecurity-peer");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(tree::root().join(PEER))
        .arg("-lmodsecurity");
    if run::succeeds(&mut compiler) {
        return Some(program);
    }
    eprintln!(
        "bench: libmodsecurity is not here (libmodsecurity-dev has it): our engine runs alone"
    );
    None
}
