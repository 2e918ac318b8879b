//! Finding and calling the `bascule` command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Names the program under test in the place of the one beside the tests.
const VARIABLE: &str = "BASCULE_BIN";

/// What a call of the command came to.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

/// The program: `$BASCULE_BIN`, or `bascule` in the folder that the tests were built to.
pub(crate) fn path() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/debug/deps/suite-0123 → target/debug/bascule
    let beside = test
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."))
        .join("bascule");
    assert!(
        beside.is_file(),
        "`{}` is not there: build it with `cargo build -p bascule`, or name it by {VARIABLE}",
        beside.display()
    );
    beside
}

/// Calls the command and waits for its end.
#[must_use]
pub fn run(folder: &Path, arguments: &[&str]) -> Finished {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(path())
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program can be started");
    Finished {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
