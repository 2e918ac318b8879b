//! `cargo xtask bench kernel`: what the kernel path costs a packet, and what nftables and `HAProxy` cost beside it.

use crate::failure::{Failure, Outcome};
use crate::{ebpf, run, setup, tree};
use std::fs;
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
    if !arguments.iter().any(|argument| argument == "--out") {
        bench.arg("--out").arg(out.join("kernel.json"));
    }
    run::run(bench.args(arguments))
}
