//! Undoing what a task did to the host, however the task ends.
//!
//! A second process of this same program reads from a pipe what is to be undone, one deed a line. The pipe ends when the
//! task does: finished, failed, interrupted or killed. Then it undoes everything, last first. It has a process group
//! of its own, so that Ctrl-C does not reach it.

use crate::failure::{Failure, Outcome, at};
use crate::proc;
use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The name under which the second process is started; not a task for people.
pub(crate) const TASK: &str = "undo";
/// How long a process may take to end after it was asked to; then it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something to undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A process was started. The time of its start tells it from a later one with the same number.
    Process { pid: u32, started: u64 },
    /// A network namespace was made.
    Namespace(String),
    /// A folder was made.
    Folder(PathBuf),
    /// A file was overwritten that had this value before.
    Setting { path: PathBuf, value: String },
}

/// Everything to undo. Dropping it undoes it, and waits until that is done.
pub(crate) struct Undo {
    guardian: Child,
}

impl Undo {
    /// Starts the second process.
    pub(crate) fn begin() -> Outcome<Self> {
        let program = std::env::current_exe().map_err(at("xtask"))?;
        let mut command = Command::new(program);
        command.arg(TASK).stdin(Stdio::piped()).process_group(0);
        let guardian = command.spawn().map_err(|error| Failure::Start {
            command: crate::run::line(&command),
            error,
        })?;
        Ok(Self { guardian })
    }

    /// Notes something to undo at the end.
    pub(crate) fn at_end(&mut self, deed: &Deed) -> Outcome {
        match &mut self.guardian.stdin {
            Some(pipe) => writeln!(pipe, "{}", deed.line()).map_err(at("the pipe to `undo`")),
            None => Ok(()),
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        self.guardian.stdin = None;
        // Nothing is left to be done about a guardian that was killed.
        let _ = self.guardian.wait();
    }
}

/// The second process: reads deeds until the pipe ends, then undoes them.
pub(crate) fn task(_arguments: &[String]) -> Outcome {
    let mut deeds = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(at("the pipe from the task"))?;
        match Deed::parse(&line) {
            Some(deed) => deeds.push(deed),
            None => eprintln!("undo: cannot read `{line}`"),
        }
    }
    for deed in deeds.iter().rev() {
        if let Err(failure) = deed.undo() {
            eprintln!("undo: {failure}");
        }
    }
    Ok(())
}

impl Deed {
    fn line(&self) -> String {
        match self {
            Self::Process { pid, started } => format!("process {pid} {started}"),
            Self::Namespace(name) => format!("namespace {name}"),
            Self::Folder(path) => format!("folder {}", path.display()),
            Self::Setting { path, value } => format!("setting {} {value}", path.display()),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "process" => {
                let (pid, started) = rest.split_once(' ')?;
                Some(Self::Process {
                    pid: pid.parse().ok()?,
                    started: started.parse().ok()?,
                })
            }
            "namespace" => Some(Self::Namespace(rest.to_owned())),
            "folder" => Some(Self::Folder(rest.into())),
            "setting" => {
                let (path, value) = rest.split_once(' ')?;
                Some(Self::Setting {
                    path: path.into(),
                    value: value.to_owned(),
                })
            }
            _ => None,
        }
    }

    fn undo(&self) -> Outcome {
        match self {
            Self::Process { pid, started } => end(*pid, *started),
            Self::Namespace(name) => {
                crate::run::run(Command::new("ip").args(["netns", "delete", name]))
            }
            Self::Folder(path) => match fs::remove_dir_all(path) {
                Err(error) if path.exists() => Err(at(path)(error)),
                _ => Ok(()),
            },
            Self::Setting { path, value } => fs::write(path, value).map_err(at(path)),
        }
    }
}

/// Asks a process to end, and kills it when it does not.
fn end(pid: u32, started: u64) -> Outcome {
    for (signal, patience) in [("TERM", PATIENCE), ("KILL", PATIENCE)] {
        if !is_running(pid, started) {
            return Ok(());
        }
        proc::signal(pid, signal)?;
        let deadline = Instant::now() + patience;
        while is_running(pid, started) && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

fn is_running(pid: u32, started: u64) -> bool {
    proc::Process::read(pid).is_some_and(|it| it.started == started && !it.has_ended)
}

/// Overwrites a setting of the kernel, to be restored at the end.
pub(crate) fn set(undo: &mut Undo, path: &Path, value: &str) -> Outcome {
    let old = fs::read_to_string(path).map_err(at(path))?;
    let old = old.trim_end();
    if old == value {
        return Ok(());
    }
    undo.at_end(&Deed::Setting {
        path: path.to_owned(),
        value: old.to_owned(),
    })?;
    fs::write(path, value).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_survive_the_pipe() {
        for deed in [
            Deed::Process {
                pid: 12,
                started: 345,
            },
            Deed::Namespace("bascule-demo-1".to_owned()),
            Deed::Folder("/a folder/with spaces".into()),
            Deed::Setting {
                path: "/proc/sys/x".into(),
                value: "4096 131072".to_owned(),
            },
        ] {
            assert_eq!(Deed::parse(&deed.line()), Some(deed));
        }
        assert_eq!(Deed::parse("process x 1"), None);
        assert_eq!(Deed::parse(""), None);
    }

    #[test]
    fn a_process_is_ended_and_a_later_one_of_the_same_number_is_not() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = child.id();
        let started = proc::Process::read(pid).expect("it runs").started;
        end(pid, started + 1).expect("nothing to do");
        assert!(is_running(pid, started));
        end(pid, started).expect("ended");
        assert!(!is_running(pid, started));
        child.wait().expect("it was ours");
    }
}
