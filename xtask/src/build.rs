//! `cargo xtask build`: from a fresh clone to the binary.

use crate::failure::Outcome;
use crate::{ebpf, run, setup, tree};

/// Everything that the binary needs, then the binary. Arguments go to `cargo build`.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    setup::for_build()?;
    let kernel_path = ebpf::build_if_possible()?;
    binary(arguments)?;
    let release = arguments.iter().any(|argument| argument == "--release");
    let folder = tree::profile(if release { "release" } else { "debug" });
    println!("built {}", folder.join("bascule").display());
    if let ebpf::Build::Skipped(why) = kernel_path {
        println!("without the kernel path: {why}");
    }
    Ok(())
}

/// Builds the binary alone.
pub(crate) fn binary(arguments: &[String]) -> Outcome {
    run::run(
        run::cargo()
            .args(["build", "--package", "bascule"])
            .args(arguments),
    )
}
