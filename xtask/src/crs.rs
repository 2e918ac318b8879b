//! `cargo xtask crs`: the regression tests of the OWASP Core Rule Set through the program.

use crate::failure::Outcome;
use crate::{build, run, setup, tree};
use std::process::Command;

/// Builds the program and the runner, and hands the arguments to the runner, which prints the verdict.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    setup::for_build()?;
    build::binary(&["--quiet".to_owned()])?;
    run::run(run::cargo().args([
        "build",
        "--quiet",
        "--package",
        "bascule-tests",
        "--bin",
        "crs",
    ]))?;
    let programs = tree::profile("debug");
    run::run(
        Command::new(programs.join("crs"))
            .args(arguments)
            .env("BASCULE_BIN", programs.join("bascule")),
    )
}
