//! Programs that run while a task does its work.

use crate::failure::{Failure, Outcome, at};
use crate::proc::{self, Process};
use crate::run;
use crate::undo::{Deed, Undo};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a program may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many lines of a log are shown when a program fails.
const SHOWN_LINES: usize = 15;

/// A running program. It is ended with the task that started it.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) pid: u32,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it, with what it prints in a file.
    pub(crate) fn start(
        name: &str,
        command: &mut Command,
        log: &Path,
        undo: &mut Undo,
    ) -> Outcome<Self> {
        let output = File::create(log).map_err(at(log))?;
        let errors = output.try_clone().map_err(at(log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| Failure::Start {
                command: run::line(command),
                error,
            })?;
        let pid = child.id();
        if let Some(process) = Process::read(pid) {
            undo.at_end(&Deed::Process {
                pid,
                started: process.started,
            })?;
        }
        Ok(Self {
            name: name.to_owned(),
            pid,
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until it is ready, by a test that is tried again and again.
    pub(crate) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Outcome {
        self.wait_at_most(PATIENCE, ready)
    }

    /// The same for what takes longer than to start.
    pub(crate) fn wait_at_most(&mut self, patience: Duration, ready: impl Fn() -> bool) -> Outcome {
        let deadline = Instant::now() + patience;
        while !ready() {
            if self.has_ended() || Instant::now() > deadline {
                return Err(Failure::NotReady {
                    program: self.name.clone(),
                    said: self.last_words(),
                });
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> Outcome {
        self.wait_until(|| TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok())
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) -> Outcome {
        proc::signal(self.pid, "KILL")?;
        self.child.wait().map(drop).map_err(at(&self.log))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// An address on loopback that nobody listens on.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(at("127.0.0.1"))
}
