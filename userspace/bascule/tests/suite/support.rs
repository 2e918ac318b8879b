//! Runs the command as a user would.

use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// What a command did.
pub(crate) struct Ran {
    arguments: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command, without anything of this shell that would change what it does.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bascule"));
    command.args(arguments);
    for variable in ["BASCULE_CONFIG", "BASCULE_SOCKET", "BASCULE_LOG"] {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn bascule(arguments: &[&str]) -> Ran {
    let output = command(arguments).output().unwrap();
    Ran {
        arguments: arguments.join(" "),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let Self {
            arguments,
            stdout,
            stderr,
            ..
        } = &self;
        assert_eq!(
            self.code,
            Some(code),
            "bascule {arguments}\n{stdout}\n{stderr}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words} in {}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {}", self.stdout))
    }
}

/// A folder of its own for each test.
pub(crate) struct Given {
    pub(crate) folder: TempDir,
}

pub(crate) fn given() -> Given {
    Given {
        folder: tempfile::tempdir().unwrap(),
    }
}

impl Given {
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}
