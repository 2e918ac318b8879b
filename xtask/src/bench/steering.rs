//! `cargo xtask bench steering`: the least loaded worker beside the kernel's hash.

use crate::failure::Outcome;
use crate::{build, ebpf, run, tree};
use std::fs;
use std::process::Command;

/// Builds the program and the bench and runs it, which prints the table. Arguments are those of the bench program.
pub(super) fn task(arguments: &[String]) -> Outcome {
    ebpf::build_if_possible()?;
    build::binary(&["--profile".to_owned(), "dist".to_owned()])?;
    let build = [
        "build",
        "--release",
        "--package",
        "bascule-tests",
        "--bin",
        "steering",
    ];
    run::run(run::cargo().args(build))?;
    let out = tree::profile("bench");
    fs::create_dir_all(&out).map_err(crate::failure::at(&out))?;
    let mut bench = Command::new(tree::profile("release").join("steering"));
    bench.env("BASCULE_BIN", tree::profile("dist").join("bascule"));
    if !arguments.iter().any(|argument| argument == "--out") {
        bench.arg("--out").arg(out.join("steering.json"));
    }
    run::run(bench.args(arguments))
}
