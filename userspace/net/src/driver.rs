//! The traits that the data path is written against. A driver decides how a worker waits: on a ring or on epoll.

use crate::{Chunk, Parts, Piped, ProbeError, Socket};
use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

/// Waits for sockets in its own way. Implementors are zero-sized: [`crate::Uring`] and [`crate::Epoll`].
pub trait Driver: Sized + 'static {
    /// A connection.
    type Stream: Wire;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;

    /// The name in logs and in `--io`.
    const NAME: &'static str;

    /// Whether this host lets us use the driver, and if not why.
    ///
    /// # Errors
    /// [`ProbeError`] names what refused it and what an operator can do.
    fn probe() -> Result<(), ProbeError>;

    /// Builds the runtime on this thread and runs `main` on it. Tokio's timers, channels and `spawn_local` work inside.
    ///
    /// A task that yields in a loop without waiting for a socket, a timer or a channel keeps a ring from being submitted,
    /// and with it every other connection of the worker.
    ///
    /// # Errors
    /// The ring or epoll could not be set up.
    fn block_on<F: Future>(options: &RuntimeOptions, main: F) -> io::Result<F::Output>;

    /// Opens a listening socket. Call it inside the runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    fn listen(address: SocketAddr, options: &ListenOptions) -> io::Result<Self::Listener> {
        Self::adopt(crate::listen::open(address, options)?, options)
    }

    /// Takes over a socket that listens already: on reload and upgrade. Call it inside the runtime.
    ///
    /// # Errors
    /// The socket cannot be made non-blocking or registered.
    fn adopt(listener: TcpListener, options: &ListenOptions) -> io::Result<Self::Listener>;

    /// Connects to an address within [`ConnectOptions::timeout`].
    fn connect(
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A socket that accepts connections.
pub trait Listener: 'static {
    /// What it accepts.
    type Stream: Stream;

    /// Waits for the next connection. Cancel-safe.
    ///
    /// An error is about one connection or about the process ([`crate::accept_error`] tells which): the listener stays
    /// usable, the caller decides whether to pause.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;

    /// The address it listens on.
    ///
    /// # Errors
    /// The kernel does not know the socket any more.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// A second descriptor of the socket, to hand it to another process or worker.
    ///
    /// # Errors
    /// No descriptor is free.
    fn try_clone_std(&self) -> io::Result<TcpListener>;
}

/// A connection. One task reads and one task writes at a time (they may be different ones).
pub trait Stream: 'static {
    /// Waits for bytes and hands them out in a pooled buffer. An empty chunk is the end of the stream.
    ///
    /// Cancel-safe: a future that is dropped loses nothing, the next call gets the bytes. A chunk has at most
    /// [`crate::LARGE_BYTES`]; while the receive waits no buffer is held, whatever the hint (a driver may hold one of up to
    /// [`crate::SMALL_BYTES`]).
    fn recv(&self, hint: RecvHint) -> impl Future<Output = io::Result<Chunk>>;

    /// Sends all parts in order, in as few system calls as possible, and waits where the peer does not keep up. Buffers
    /// return to their pool as they are sent.
    ///
    /// Not cancel-safe in the sense that nobody learns how much was sent: who drops the future must close the connection.
    fn send(&self, parts: Parts) -> impl Future<Output = io::Result<()>>;

    /// Puts bytes back that were received and belong to whoever receives next: the next receive hands them out. To be called
    /// once at most until then, and while no receive is under way.
    fn put_back(&self, chunk: Chunk);

    /// The socket below, for [`crate::Deadlines`], addresses and options.
    fn socket(&self) -> &Rc<Socket>;

    /// Whether nothing has come that nobody has received, and the peer has not closed: what a connection that is taken up
    /// again has to be. A driver that is told of events answers from memory, so what comes this moment may go unnoticed;
    /// [`Socket::has_ended`] is sure.
    fn is_quiet(&self) -> bool {
        !self.socket().has_ended()
    }

    /// Shuts the socket down at once: a pending receive ends with an empty chunk, a pending send with an error.
    fn shutdown(&self, how: Shutdown) {
        self.socket().shutdown(how);
    }
}

/// A connection whose bytes are those on the wire, so that the kernel can move them to another one by itself.
pub trait Wire: Stream {
    /// Like [`Stream::recv`], into a pipe of the kernel: nothing is copied to us. It pays where bytes are many. What was put
    /// back does not come this way, it has to be received first.
    fn recv_piped(&self) -> impl Future<Output = io::Result<Piped>>;

    /// Like [`Stream::send`], out of a pipe.
    fn send_piped(&self, piped: Piped) -> impl Future<Output = io::Result<()>>;

    /// Gives the socket, and waits for it no more.
    fn into_socket(self) -> Rc<Socket>;
}

/// What a reader expects: it decides which buffer is used and whether trying before waiting pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvHint {
    /// Nothing soon: a kept-alive connection between two requests.
    Idle,
    /// A head, soon but not yet: the answer to a request just sent.
    Head,
    /// More of a body: bytes are probably here already, and many.
    Body,
}

/// How a worker's runtime is set up.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeOptions {
    /// Submission queue entries of a ring (a power of two; the completion queue is four times as long). When it is full, it
    /// is submitted early. Epoll ignores it.
    pub ring_entries: u32,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self { ring_entries: 1024 }
    }
}

/// TCP keep-alive probes: how a dead peer of a silent connection is found (tcp(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe; whole seconds.
    pub idle: Duration,
    /// Time between two probes; whole seconds.
    pub interval: Duration,
    /// Unanswered probes after which the connection is reset.
    pub probes: u32,
}

/// Options of a listening socket and of what it accepts.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn` and drops further SYNs.
    pub backlog: i32,
    /// SO_REUSEPORT: one socket a worker on the same address, the kernel spreads the connections.
    pub reuse_port: bool,
    /// IPV6_V6ONLY: an IPv6 socket does not take IPv4 as well.
    pub v6_only: bool,
    /// TCP_DEFER_ACCEPT: accept a connection only once it sent bytes, or after so long (whole seconds).
    pub defer_accept: Option<Duration>,
    /// Keep-alive probes on accepted connections.
    pub keep_alive: Option<KeepAlive>,
    /// TCP_USER_TIMEOUT on accepted connections: unacknowledged bytes older than this reset the connection.
    pub user_timeout: Option<Duration>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 4096,
            reuse_port: true,
            v6_only: true,
            defer_accept: None,
            keep_alive: None,
            user_timeout: None,
        }
    }
}

/// Options of a connection that we make.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How long it may take; then the error is `TimedOut`.
    pub timeout: Duration,
    /// The local address to connect from; port 0 lets the kernel choose.
    pub bind: Option<SocketAddr>,
    /// IP_TRANSPARENT: `bind` need not be an address of this host. Needs CAP_NET_ADMIN or CAP_NET_RAW.
    pub transparent: bool,
    /// Keep-alive probes.
    pub keep_alive: Option<KeepAlive>,
    /// TCP_USER_TIMEOUT: unacknowledged bytes older than this reset the connection.
    pub user_timeout: Option<Duration>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            bind: None,
            transparent: false,
            keep_alive: None,
            user_timeout: None,
        }
    }
}
