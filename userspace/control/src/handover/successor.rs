//! The running process's side: starts the next one, hands over, and goes on serving where that fails.

use super::{
    BANS_A_MESSAGE, HandedBan, HandedScore, Offer, PROTOCOL, Reply, STEP, VARIABLE, receive, send,
};
use crate::admin::AdminSockets;
use net::{Channel, MESSAGE_LIMIT_FDS};
use proxy::Shared;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often is looked whether the upgrade is still wanted, while the next process prepares itself.
const LOOK: Duration = Duration::from_millis(100);

/// Why the running process goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It ends, or has not begun.
    #[error("bascule is {state}, so it cannot hand over")]
    NotServing {
        /// How far it is.
        state: &'static str,
    },
    /// The program cannot be started.
    #[error("`{program}` cannot be started: {error}; the running process goes on serving", program = .program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The next process gave up.
    #[error("the new process gave up; the running one goes on serving\n{reason}")]
    Refused {
        /// Its words.
        reason: String,
        /// The configuration is wrong.
        is_config: bool,
    },
    /// The next process ended without a word.
    #[error(
        "the new process ended before it was ready ({status}); the running one goes on serving; the log has the new one's last \
         words"
    )]
    Ended {
        /// How it ended.
        status: ExitStatus,
    },
    /// The next process took too long.
    #[error(
        "the new process was not ready within {} s and was ended; the running one goes on serving; `--timeout` gives it longer",
        .patience.as_secs()
    )]
    Timeout {
        /// How long it had.
        patience: Duration,
    },
    /// The running process was told to end meanwhile.
    #[error("the running process was told to end, so the new one was ended as well")]
    Draining,
    /// The system refused a step.
    #[error("handing over failed: {doing}: {error}; the running process goes on serving")]
    Io {
        /// The step.
        doing: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// What is handed over.
pub(crate) struct Estate {
    pub(crate) listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    pub(crate) admin: Option<AdminSockets>,
    pub(crate) pins: Option<(PathBuf, File)>,
}

/// The next process. Dropping it ends it, until it has been let go.
pub(crate) struct Successor {
    child: Option<Child>,
    channel: Channel,
    patience: Duration,
    until: Instant,
}

/// What the next process is.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) has_admin_socket: bool,
}

impl Successor {
    /// Starts a program with the arguments of this process.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        patience: Duration,
    ) -> Result<Self, UpgradeError> {
        let (channel, theirs) = Channel::pair().map_err(refused("making a channel"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::from(theirs))
            .env(VARIABLE, std::process::id().to_string())
            // Meant for this process alone.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES");
        // It has the capabilities that this process began with.
        let child =
            kernel::privilege::with(|| command.spawn()).map_err(|error| UpgradeError::Program {
                program: program.to_owned(),
                error,
            })?;
        Ok(Self {
            child: Some(child),
            channel,
            patience,
            until: Instant::now() + patience,
        })
    }

    /// Hands over and waits until the next process has prepared itself.
    pub(crate) fn prepare(
        &mut self,
        estate: &Estate,
        is_wanted: impl Fn() -> bool,
    ) -> Result<Prepared, UpgradeError> {
        // What it says when it gives up is worth more than the error of a message that it does not take.
        let offered = self.offer(estate);
        match self.reply(&is_wanted, self.until)? {
            Reply::Prepared {
                version,
                has_admin_socket,
            } => {
                offered.map_err(refused("sending the sockets"))?;
                Ok(Prepared {
                    pid: self.child.as_ref().map_or(0, Child::id),
                    version,
                    has_admin_socket,
                })
            }
            other => Err(out_of_turn(&other)),
        }
    }

    fn offer(&self, estate: &Estate) -> io::Result<()> {
        let begin = Offer::Begin {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.say(&begin, &[])?;
        for (address, sockets) in &estate.listeners {
            let offer = Offer::Listener { address: *address };
            for some in sockets.chunks(MESSAGE_LIMIT_FDS) {
                let fds: Vec<_> = some.iter().map(AsFd::as_fd).collect();
                send(&self.channel, &offer, &fds)?;
            }
        }
        if let Some(admin) = &estate.admin {
            let offer = Offer::AdminSocket {
                path: admin.path.clone(),
                is_lent: admin.is_lent,
            };
            self.say(&offer, &[&admin.socket])?;
            if let Some((address, fd)) = &admin.address {
                self.say(&Offer::AdminAddress { address: *address }, &[fd])?;
            }
        }
        if let Some((path, lock)) = &estate.pins {
            self.say(&Offer::Pins { path: path.clone() }, &[lock])?;
        }
        self.say(&Offer::End, &[])
    }

    fn say(&self, offer: &Offer, fds: &[&dyn AsFd]) -> io::Result<()> {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        send(&self.channel, offer, &fds)
    }

    /// Hands over bans and scores, lets the next process take connections, and waits until it does.
    pub(crate) fn go(&mut self, shared: &Shared) -> Result<(), UpgradeError> {
        let told = self
            .tell_bans(shared)
            .and_then(|()| self.say(&Offer::Go, &[]));
        match self.reply(&|| true, Instant::now() + STEP)? {
            Reply::Ready => told.map_err(refused("sending the bans")),
            other => Err(out_of_turn(&other)),
        }
    }

    fn tell_bans(&self, shared: &Shared) -> io::Result<()> {
        let forwarded = shared.offences.forwarded_bans();
        for (list, forwarded) in [(&shared.bans, false), (forwarded, true)] {
            for some in list.added_bans().chunks(BANS_A_MESSAGE) {
                let bans = some.iter().map(|ban| handed(ban, forwarded)).collect();
                let scores = Vec::new();
                self.say(&Offer::Bans { bans, scores }, &[])?;
            }
        }
        for some in shared.offences.remembered().chunks(BANS_A_MESSAGE) {
            let scores = some.iter().map(handed_score).collect();
            let bans = Vec::new();
            self.say(&Offer::Bans { bans, scores }, &[])?;
        }
        Ok(())
    }

    /// Leaves the service to the next process.
    pub(crate) fn let_go(mut self) {
        self.child = None;
        if let Err(error) = self.say(&Offer::Serve, &[]) {
            tracing::warn!(%error, "the new process does not hear that it serves alone");
        }
    }

    fn reply(
        &mut self,
        is_wanted: &dyn Fn() -> bool,
        until: Instant,
    ) -> Result<Reply, UpgradeError> {
        loop {
            let look = until.min(Instant::now() + LOOK);
            match receive(&self.channel, look) {
                Ok(Some((Reply::Failed { reason, is_config }, _))) => {
                    return Err(UpgradeError::Refused { reason, is_config });
                }
                Ok(Some((reply, _))) => return Ok(reply),
                Ok(None) => return Err(self.ended()),
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Err(refused("hearing the new process")(error)),
            }
            if !is_wanted() {
                return Err(UpgradeError::Draining);
            }
            if Instant::now() >= until {
                return Err(UpgradeError::Timeout {
                    patience: self.patience,
                });
            }
        }
    }

    /// The channel is closed: the process has ended, or is about to.
    fn ended(&mut self) -> UpgradeError {
        let Some(mut child) = self.child.take() else {
            return UpgradeError::Draining;
        };
        for _ in 0..STEP.as_millis() / LOOK.as_millis() {
            match child.try_wait() {
                Ok(Some(status)) => return UpgradeError::Ended { status },
                Ok(None) => std::thread::sleep(LOOK),
                Err(error) => return refused("waiting for the new process")(error),
            }
        }
        self.child = Some(child);
        UpgradeError::Timeout {
            patience: self.patience,
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn handed(ban: &kernel::Ban, forwarded: bool) -> HandedBan {
    HandedBan {
        target: ban.target.to_string(),
        ttl_ms: ban.remaining.map(|left| milliseconds(left).max(1)),
        reason: ban.reason.clone(),
        repetition: ban.by_score.then_some(ban.repetition),
        forwarded,
    }
}

fn handed_score(known: &penalty::Remembered) -> HandedScore {
    HandedScore {
        target: known.target,
        score: known.score,
        bans: known.bans,
        banned_ms: milliseconds(known.banned_for),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn refused(doing: &'static str) -> impl FnOnce(io::Error) -> UpgradeError {
    move |error| UpgradeError::Io { doing, error }
}

fn out_of_turn(reply: &Reply) -> UpgradeError {
    UpgradeError::Refused {
        reason: format!("it said {reply:?} out of turn"),
        is_config: false,
    }
}
