//! `cargo xtask bench kernel`: what the kernel path costs a packet, and what nftables and `HAProxy` cost beside it.

use crate::failure::{Failure, Outcome};
use crate::{ebpf, run, setup, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the programs and the bench and runs it, which prints the table. Arguments are those of the bench program.
pub(super) fn task(arguments: &[String]) -> Outcome {
    setup::for_bench()?;
    if let ebpf::Build::Skipped(why) = ebpf::build_if_possible()? {
        return Err(Failure::Missing {
            what: format!("the BPF programs ({why})"),
            remedy: "cargo xtask setup kernel".to_owned(),
        });
    }
    let build = [
        "build",
        "--release",
        "--package",
        "bascule-kernel",
        "--example",
        "bench",
    ];
    run::run(run::cargo().args(build))?;
    let out = tree::profile("bench");
    fs::create_dir_all(&out).map_err(crate::failure::at(&out))?;
    let mut bench = Command::new(tree::profile("release").join("examples/bench"));
    bench.arg("--traffic").arg(ebpf::traffic());
    let value_of = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let file = value_of("--out").map_or_else(|| out.join("kernel.json"), PathBuf::from);
    if value_of("--out").is_none() {
        bench.arg("--out").arg(&file);
    }
    run::run(bench.args(arguments))?;
    match value_of("--parts") {
        None => ban_latency(&file),
        Some(_) => Ok(()),
    }
}

/// From a verdict of the proxy to the first packet that is dropped: with the figures of the others.
fn ban_latency(file: &Path) -> Outcome {
    let example = [
        "run",
        "--release",
        "--package",
        "bascule-proxy",
        "--example",
        "ban_latency",
        "--",
        "--into",
    ];
    // It runs in the folder of the workspace, wherever we do.
    let file = std::path::absolute(file).map_err(crate::failure::at(file))?;
    run::run(run::cargo().args(example).arg(file))
}
