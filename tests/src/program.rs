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
#[must_use]
pub fn path() -> PathBuf {
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
    finished(Command::new(path()).args(arguments).current_dir(folder))
}

fn finished(command: &mut Command) -> Finished {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program can be started");
    Finished {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Calls the command as another user, with these capabilities (`bpf,net_admin`) and no others.
#[must_use]
pub fn run_as(folder: &Path, arguments: &[&str], user: u32, capabilities: &str) -> Finished {
    finished(
        as_user(user, capabilities)
            .args(arguments)
            .current_dir(folder),
    )
}

/// Whether tests can start the program as another user.
#[must_use]
pub fn can_become_another_user() -> bool {
    as_user_command(65_534, "", Path::new("true"))
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The program, to be started as another user.
pub(crate) fn as_user(user: u32, capabilities: &str) -> Command {
    as_user_command(user, capabilities, &path())
}

fn as_user_command(user: u32, capabilities: &str, program: &Path) -> Command {
    let given = capabilities.split(',').filter(|name| !name.is_empty());
    let sets: String = std::iter::once("-all".to_owned())
        .chain(given.map(|name| format!(",+{name}")))
        .collect();
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"))
        .arg("--clear-groups")
        .arg(format!("--bounding-set={sets}"))
        .arg(format!("--inh-caps={sets}"))
        .arg(format!("--ambient-caps={sets}"))
        .arg(program);
    command
}
