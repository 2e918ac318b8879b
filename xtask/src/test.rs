//! `cargo xtask test`: every test there is.

use crate::failure::Outcome;
use crate::{build, ebpf, run, setup, tree};

/// What the property tests draw their cases from.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Builds what the tests drive, runs documentation tests, then all others. Arguments go to the test runner, whose
/// closing lines are the last thing printed.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    setup::for_test()?;
    let kernel_path = ebpf::build_if_possible()?;
    build::binary(&[])?;
    let documentation = run::run(run::cargo().args(["test", "--workspace", "--doc", "--quiet"]));
    if let ebpf::Build::Skipped(why) = kernel_path {
        println!("tests of the kernel path are skipped: {why}");
    }
    let mut runner = run::cargo();
    if run::succeeds(run::cargo().args(["nextest", "--version"])) {
        runner.args(["nextest", "run", "--no-fail-fast"]);
        runner
            .arg("--config-file")
            .arg(tree::root().join("xtask/nextest.toml"));
    } else {
        runner.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    }
    runner.arg("--workspace").args(arguments);
    // Property tests try the same cases everywhere, so that a change is not judged by luck; fuzzing looks for new ones.
    if std::env::var_os(SEED).is_none() {
        runner.env(SEED, "20");
    }
    // End-to-end tests start the program under this name.
    runner.env("BASCULE_BIN", tree::profile("debug").join("bascule"));
    run::run(&mut runner)?;
    documentation
}
