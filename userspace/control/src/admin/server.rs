//! Serves the admin API, within bounds.

use super::instance::Instance;
use super::routes::{Context, Scope, serve};
use super::socket::{AdminSocket, SocketError, socket_path};
use crate::handover::Handed;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};

/// Connections at one time on the socket, and as many on the address. Further ones wait until one ends.
const CONNECTIONS: usize = 64;
/// How long a client may take to send a request's head, and how long it may be silent between two requests. Then the
/// connection is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head in bytes; a larger one is answered with 431.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;
/// The pause after an accept that failed, so that a process without free descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the answers under way may take when the API closes. Then they are cut.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Why the admin API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The Unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The TCP address.
    #[error("admin.address {address} cannot be listened on: {error}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// The API while it is served. Dropping it closes the socket and removes its file.
pub(crate) struct Admin<I> {
    instance: Arc<OnceLock<Arc<I>>>,
    accepting: Vec<AbortHandle>,
    /// The places of connections, by socket.
    places: Vec<Arc<Semaphore>>,
    is_closing: watch::Sender<bool>,
    socket: AdminSocket,
}

impl<I> Admin<I> {
    /// Answers for this instance from now on; until then probes are told that it starts. A second one is ignored.
    pub(crate) fn speak_for(&self, instance: Arc<I>) {
        let _ = self.instance.set(instance);
    }

    /// Takes no more connections. Those that there are stay.
    pub(crate) fn stop_accepting(&self) {
        self.accepting.iter().for_each(AbortHandle::abort);
    }

    /// The socket is another process's from now on: its file stays.
    pub(crate) fn leave_socket(&mut self) {
        self.socket.set_ours(false);
    }

    /// Ends, with whole answers to what is under way.
    pub(crate) async fn close(self) {
        self.stop_accepting();
        self.is_closing.send_replace(true);
        let ended = async {
            for places in &self.places {
                // The semaphore is never closed.
                let _ = places.acquire_many(CONNECTIONS as u32).await;
            }
        };
        // Whoever takes longer is cut.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, ended).await;
    }
}

impl<I> Drop for Admin<I> {
    fn drop(&mut self) {
        self.stop_accepting();
    }
}

/// The sockets of the API, before anybody is answered. Whoever has bound them knows that no other process has this
/// place, so it should happen before anything else of a start.
pub(crate) struct Bound {
    socket: AdminSocket,
    unix: UnixListener,
    tcp: Option<(TcpListener, SocketAddr)>,
    /// It was another process's.
    is_adopted: bool,
    /// A service manager has made its file, and removes it.
    is_lent: bool,
}

/// Listens on the Unix socket and, where there is one, the TCP address of a configuration, or takes over what was handed to
/// this process.
///
/// # Errors
/// Where one of them is taken or not permitted.
pub(crate) async fn bind(
    config: &Path,
    admin: &config::Admin,
    handed: &mut Handed,
) -> Result<Bound, AdminError> {
    let address = admin.address.as_ref().map(|address| address.value);
    bind_to(&socket_path(config, admin), address, handed).await
}

/// Listens on these.
pub(super) async fn bind_to(
    path: &Path,
    address: Option<SocketAddr>,
    handed: &mut Handed,
) -> Result<Bound, AdminError> {
    let given = handed.admin_socket(path);
    let is_adopted = given.is_some();
    let is_lent = given.as_ref().is_some_and(|given| given.is_lent);
    let (socket, unix) = match given {
        Some(given) => AdminSocket::adopt(path, given.listener)?,
        None => AdminSocket::bind(path)?,
    };
    let tcp = match address {
        None => None,
        Some(address) => {
            let refused = |error| AdminError::Address { address, error };
            let listener = match handed.admin_address(address) {
                Some(listener) => adopted(listener).map_err(refused)?,
                None => kernel::privilege::with(|| std::net::TcpListener::bind(address))
                    .and_then(adopted)
                    .map_err(refused)?,
            };
            let bound = listener.local_addr().map_err(refused)?;
            Some((listener, bound))
        }
    };
    Ok(Bound {
        socket,
        unix,
        tcp,
        is_adopted,
        is_lent,
    })
}

fn adopted(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Further descriptors of the sockets, for another process.
pub(crate) struct AdminSockets {
    pub(crate) path: PathBuf,
    pub(crate) is_lent: bool,
    pub(crate) socket: OwnedFd,
    pub(crate) address: Option<(SocketAddr, OwnedFd)>,
}

impl AdminSockets {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let address = match &self.address {
            Some((address, fd)) => Some((*address, fd.try_clone()?)),
            None => None,
        };
        Ok(Self {
            path: self.path.clone(),
            is_lent: self.is_lent,
            socket: self.socket.try_clone()?,
            address,
        })
    }
}

impl Bound {
    /// Whether the socket was another process's.
    pub(crate) fn is_adopted(&self) -> bool {
        self.is_adopted
    }

    /// Further descriptors of the sockets.
    pub(crate) fn duplicates(&self) -> io::Result<AdminSockets> {
        let socket = self.unix.as_fd().try_clone_to_owned()?;
        let address = match &self.tcp {
            Some((listener, address)) => Some((*address, listener.as_fd().try_clone_to_owned()?)),
            None => None,
        };
        Ok(AdminSockets {
            path: self.socket.path().to_owned(),
            is_lent: self.is_lent,
            socket,
            address,
        })
    }

    /// Answers from now on. Call it inside a runtime.
    pub(crate) fn serve<I: Instance>(mut self) -> Admin<I> {
        self.socket.set_ours(!self.is_lent);
        let instance = Arc::new(OnceLock::new());
        let context = Context {
            instance: Arc::clone(&instance),
            started: Instant::now(),
        };
        let path = self.socket.path().display();
        match &self.tcp {
            None => tracing::info!(socket = %path, "admin API"),
            Some((_, address)) => tracing::info!(socket = %path, %address, "admin API"),
        }
        let (is_closing, closing) = watch::channel(false);
        let (mut accepting, mut places) = (Vec::new(), Vec::new());
        let mut serve = |task: JoinHandle<()>, free| {
            accepting.push(task.abort_handle());
            places.push(free);
        };
        if let Some((listener, _)) = self.tcp {
            let next = async move || listener.accept().await.map(|(stream, _)| stream);
            let free = Arc::new(Semaphore::new(CONNECTIONS));
            let service = Service::new(&context, Scope::Watch, &closing);
            serve(tokio::spawn(accept(next, service, Arc::clone(&free))), free);
        }
        let listener = self.unix;
        let next = async move || listener.accept().await.map(|(stream, _)| stream);
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let service = Service::new(&context, Scope::All, &closing);
        serve(tokio::spawn(accept(next, service, Arc::clone(&free))), free);
        Admin {
            instance,
            accepting,
            places,
            is_closing,
            socket: self.socket,
        }
    }
}

#[cfg(test)]
impl Bound {
    /// The TCP address that it listens on.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().map(|(_, address)| *address)
    }
}

/// What a connection is served with.
struct Service<I> {
    context: Context<I>,
    scope: Scope,
    closing: watch::Receiver<bool>,
}

impl<I> Clone for Service<I> {
    fn clone(&self) -> Self {
        Self::new(&self.context, self.scope, &self.closing)
    }
}

impl<I> Service<I> {
    fn new(context: &Context<I>, scope: Scope, closing: &watch::Receiver<bool>) -> Self {
        Self {
            context: context.clone(),
            scope,
            closing: closing.clone(),
        }
    }
}

/// Accepts and serves connections for as long as it is not aborted.
async fn accept<I, S>(
    next: impl AsyncFn() -> io::Result<S>,
    service: Service<I>,
    free: Arc<Semaphore>,
) where
    I: Instance,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&free).acquire_owned().await {
        match next().await {
            Ok(stream) => {
                let connection = connection(stream, service.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "the admin API cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn connection<I, S>(stream: S, service: Service<I>)
where
    I: Instance,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Service {
        context,
        scope,
        mut closing,
    } = service;
    let service = service_fn(move |request| {
        let answer = serve(context.clone(), scope, request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_LIMIT_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let outcome = tokio::select! {
        outcome = &mut served => outcome,
        () = told(&mut closing) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "admin connection ended");
    }
}

/// Waits until the API closes.
async fn told(closing: &mut watch::Receiver<bool>) {
    // Where the sender is gone, it closes as well.
    let _ = closing.wait_for(|closing| *closing).await;
}
