//! Serves the admin API, within bounds.

use super::instance::Instance;
use super::routes::{Context, Scope, serve};
use super::socket::{AdminSocket, SocketError, socket_path};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Connections at one time on the socket, and as many on the address. Further ones wait until one ends.
const CONNECTIONS: usize = 64;
/// How long a client may take to send a request's head, and how long it may be silent between two requests. Then the
/// connection is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head in bytes; a larger one is answered with 431.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;
/// The pause after an accept that failed, so that a process without free descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// The API while it is served. Dropping it closes the socket and removes its file; answers under way are finished.
pub(crate) struct Admin<I> {
    instance: Arc<OnceLock<Arc<I>>>,
    accepting: Vec<AbortHandle>,
    _socket: AdminSocket,
}

impl<I> Admin<I> {
    /// Answers for this instance from now on; until then probes are told that it starts. A second one is ignored.
    pub(crate) fn speak_for(&self, instance: Arc<I>) {
        let _ = self.instance.set(instance);
    }
}

impl<I> Drop for Admin<I> {
    fn drop(&mut self) {
        self.accepting.iter().for_each(AbortHandle::abort);
    }
}

/// The sockets of the API, before anybody is answered. Whoever has bound them knows that no other process has this
/// place, so it should happen before anything else of a start.
pub(crate) struct Bound {
    socket: AdminSocket,
    unix: UnixListener,
    tcp: Option<(TcpListener, SocketAddr)>,
}

/// Listens on the Unix socket and, where there is one, the TCP address of a configuration.
///
/// # Errors
/// Where one of them is taken or not permitted.
pub(crate) async fn bind(config: &Path, admin: &config::Admin) -> Result<Bound, AdminError> {
    let address = admin.address.as_ref().map(|address| address.value);
    bind_to(&socket_path(config, admin), address).await
}

/// Listens on these.
pub(super) async fn bind_to(
    socket: &Path,
    address: Option<SocketAddr>,
) -> Result<Bound, AdminError> {
    let (socket, unix) = AdminSocket::bind(socket)?;
    let tcp = match address {
        None => None,
        Some(address) => {
            let refused = |error| AdminError::Address { address, error };
            let listener = TcpListener::bind(address).await.map_err(refused)?;
            let bound = listener.local_addr().map_err(refused)?;
            Some((listener, bound))
        }
    };
    Ok(Bound { socket, unix, tcp })
}

impl Bound {
    /// Answers from now on. Call it inside a runtime.
    pub(crate) fn serve<I: Instance>(self) -> Admin<I> {
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
        let mut accepting = Vec::new();
        if let Some((listener, _)) = self.tcp {
            let next = async move || listener.accept().await.map(|(stream, _)| stream);
            let task = accept(next, context.clone(), Scope::Watch);
            accepting.push(tokio::spawn(task).abort_handle());
        }
        let listener = self.unix;
        let next = async move || listener.accept().await.map(|(stream, _)| stream);
        let task = accept(next, context, Scope::All);
        accepting.push(tokio::spawn(task).abort_handle());
        Admin {
            instance,
            accepting,
            _socket: self.socket,
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

/// Accepts and serves connections for as long as it is not aborted.
async fn accept<I, S>(next: impl AsyncFn() -> io::Result<S>, context: Context<I>, scope: Scope)
where
    I: Instance,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&free).acquire_owned().await {
        match next().await {
            Ok(stream) => {
                let connection = connection(stream, context.clone(), scope);
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

async fn connection<I, S>(stream: S, context: Context<I>, scope: Scope)
where
    I: Instance,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = serve(context.clone(), scope, request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_LIMIT_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
}
