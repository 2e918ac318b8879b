//! The next process's side: what it was given, and by whom.

use super::{HandedBan, HandedScore, Offer, PROTOCOL, Reply, STEP, VARIABLE, receive, send};
use crate::error::StartError;
use kernel::{Added, BanError, ScoreBan, parse_target};
use net::Channel;
use proxy::Shared;
use socket2::{Domain, SockRef, Type};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the running process may take to say go. It gives up on us long before.
const GO: Duration = Duration::from_secs(3600);

/// The process that serves and has started this one to take its place.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
}

/// What was open before this process began.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    listeners: HashMap<SocketAddr, Vec<TcpListener>>,
    admin_socket: Option<HandedSocket>,
    admin_address: Option<(SocketAddr, TcpListener)>,
    pins: Option<(PathBuf, File)>,
}

/// An admin socket from another process.
#[derive(Debug)]
pub(crate) struct HandedSocket {
    path: PathBuf,
    pub(crate) listener: UnixListener,
    /// A service manager has made its file, and removes it.
    pub(crate) is_lent: bool,
}

impl Handed {
    /// Whether there are sockets of a listener with this address.
    pub(crate) fn has_listener(&self, address: SocketAddr) -> bool {
        self.listeners.contains_key(&address)
    }

    /// The sockets of a listener.
    pub(crate) fn listener(&mut self, address: SocketAddr) -> Option<Vec<TcpListener>> {
        self.listeners.remove(&address)
    }

    /// The admin socket, where it is this one.
    pub(crate) fn admin_socket(&mut self, path: &Path) -> Option<HandedSocket> {
        self.admin_socket.take_if(|handed| handed.path == path)
    }

    /// The admin address, where it is this one.
    pub(crate) fn admin_address(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let found = self.admin_address.take_if(|(handed, _)| *handed == address);
        match found {
            Some((_, listener)) => Some(listener),
            // A service manager does not say what a socket is for.
            None => self.listeners.remove(&address)?.pop(),
        }
    }

    /// The lock on the pin folder, and which folder it is.
    pub(crate) fn pins(&mut self) -> Option<(PathBuf, File)> {
        self.pins.take()
    }

    /// What nobody asked for is closed, and told.
    pub(crate) fn close_rest(&mut self) {
        for (address, _) in self.listeners.drain() {
            tracing::warn!(%address, "a socket was handed over that no listener has; it is closed");
        }
        if let Some(handed) = self.admin_socket.take() {
            tracing::info!(path = %handed.path.display(), "the admin socket is another one now");
        }
    }

    fn add(&mut self, fd: OwnedFd) {
        let socket = SockRef::from(&fd);
        let listens = socket.is_listener().unwrap_or(false)
            && socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        let address = socket.local_addr().ok();
        let domain = socket.domain().ok();
        match (listens, domain, address) {
            (true, Some(Domain::IPV4 | Domain::IPV6), Some(address)) => {
                if let Some(address) = address.as_socket() {
                    self.listeners.entry(address).or_default().push(fd.into());
                }
            }
            (true, Some(Domain::UNIX), Some(address)) => {
                if let Some(path) = address.as_pathname() {
                    self.admin_socket = Some(HandedSocket {
                        path: path.to_owned(),
                        listener: fd.into(),
                        is_lent: true,
                    });
                }
            }
            _ => tracing::warn!(
                "a descriptor was handed over that is no listening TCP or Unix socket; it is closed"
            ),
        }
    }
}

/// What a service manager has opened for this process.
pub(crate) fn service_sockets() -> Result<Handed, StartError> {
    let mut handed = Handed::default();
    let fds = net::listen_fds().map_err(StartError::ListenFds)?;
    fds.into_iter().for_each(|fd| handed.add(fd));
    Ok(handed)
}

impl Predecessor {
    /// The process that has started this one by `bascule upgrade`; none where somebody else did.
    #[must_use]
    pub fn find() -> Option<Self> {
        let named: u32 = std::env::var(VARIABLE).ok()?.parse().ok()?;
        // What a process inherits from one that was started so is not meant for it.
        if std::os::unix::process::parent_id() != named {
            return None;
        }
        let channel = Channel::from_stdin().ok()?;
        Some(Self { channel })
    }

    /// Tells why this process gives up, and whether the configuration is the reason.
    pub fn refuse(&self, reason: &str, is_config: bool) {
        const WORDS_MAX_BYTES: usize = 16 * 1024;
        let end = reason.floor_char_boundary(WORDS_MAX_BYTES);
        let reason = reason.get(..end).unwrap_or_default().to_owned();
        let failed = Reply::Failed { reason, is_config };
        // Where nobody listens any more there is nobody to tell.
        let _ = send(&self.channel, &failed, &[]);
    }

    /// Takes what the running process hands over.
    pub(crate) fn handed(&self) -> Result<Handed, StartError> {
        let mut handed = Handed::default();
        loop {
            let (offer, mut fds) = self.next(Instant::now() + STEP)?;
            match offer {
                Offer::Begin { protocol, version } if protocol != PROTOCOL => {
                    let reason = format!(
                        "the running bascule {version} hands over in another way (version {protocol}, expected {PROTOCOL}); restart it"
                    );
                    return Err(StartError::Handover(reason));
                }
                Offer::Begin { .. } => {}
                Offer::Listener { address } => {
                    let sockets = fds.into_iter().map(TcpListener::from);
                    handed.listeners.entry(address).or_default().extend(sockets);
                }
                Offer::AdminSocket { path, is_lent } => {
                    handed.admin_socket = fds.pop().map(|fd| HandedSocket {
                        path,
                        listener: fd.into(),
                        is_lent,
                    });
                }
                Offer::AdminAddress { address } => {
                    handed.admin_address = fds.pop().map(|fd| (address, fd.into()));
                }
                Offer::Pins { path } => handed.pins = fds.pop().map(|fd| (path, fd.into())),
                Offer::End => return Ok(handed),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Says that nothing is missing, and waits until we may take over. Bans come in the meantime.
    pub(crate) fn wait_for_go(
        &self,
        has_admin_socket: bool,
        shared: &Shared,
    ) -> Result<(), StartError> {
        let prepared = Reply::Prepared {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            has_admin_socket,
        };
        send(&self.channel, &prepared, &[]).map_err(lost)?;
        loop {
            match self.next(Instant::now() + GO)?.0 {
                Offer::Bans { bans, scores } => {
                    bans.iter().for_each(|ban| take_over(shared, ban));
                    let scores: Vec<_> = scores.iter().map(remembered).collect();
                    shared.offences.recall(&scores);
                }
                Offer::Go => return Ok(()),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Says that we take connections, and waits until the running process takes none any more. From the word on this process
    /// is the one that serves, whatever becomes of the other.
    pub(crate) fn take_over(&self) -> Result<(), StartError> {
        send(&self.channel, &Reply::Ready, &[]).map_err(lost)?;
        match self.next(Instant::now() + STEP) {
            Ok((Offer::Serve, _)) => {}
            Ok((other, _)) => return Err(unexpected(&other)),
            Err(error) => tracing::warn!(%error, "the old process said no farewell"),
        }
        Ok(())
    }

    fn next(&self, until: Instant) -> Result<(Offer, Vec<OwnedFd>), StartError> {
        let next = receive(&self.channel, until).map_err(lost)?;
        next.ok_or_else(|| lost(ErrorKind::UnexpectedEof.into()))
    }
}

fn take_over(shared: &Shared, ban: &HandedBan) {
    if let Err(error) = add(shared, ban) {
        tracing::warn!(target_address = ban.target, %error, "a ban is not taken over");
    }
}

fn add(shared: &Shared, ban: &HandedBan) -> Result<Added, BanError> {
    let bans = match ban.forwarded {
        true => shared.offences.forwarded_bans(),
        false => &shared.bans,
    };
    let target = parse_target(&ban.target)?;
    let ttl = ban.ttl_ms.map(Duration::from_millis);
    match (ban.repetition, ttl) {
        (Some(repetition), Some(ttl)) => bans.add_by_score(&ScoreBan {
            target,
            ttl,
            reason: &ban.reason,
            repetition,
        }),
        _ => bans.add(target, ttl, &ban.reason),
    }
}

fn remembered(known: &HandedScore) -> penalty::Remembered {
    penalty::Remembered {
        target: known.target,
        score: known.score,
        bans: known.bans,
        banned_for: Duration::from_millis(known.banned_ms),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an error to map")]
fn lost(error: io::Error) -> StartError {
    StartError::Handover(format!("the running process cannot be heard: {error}"))
}

fn unexpected(offer: &Offer) -> StartError {
    StartError::Handover(format!("the running process said {offer:?} out of turn"))
}
