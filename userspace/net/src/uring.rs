//! The io_uring driver, on tokio-uring: the ring tells when, direct system calls move the bytes.
//!
//! Receiving on the ring itself was measured and is dearer with tokio-uring: the buffer must be chosen before the bytes
//! are there, so it is small, so a large body takes one more read; and a read in flight owns its buffer.

mod op;

use crate::driver::{
    ConnectOptions, Driver, ListenOptions, RecvHint, RuntimeOptions, Stream, Wire,
};
use crate::fair::{self, Turn};
use crate::returned::Returned;
use crate::{Acceptor, Chunk, Parts, Piped, ProbeError, Socket, listen, probe};
use libc::{POLLIN, POLLOUT};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Works where [`Driver::probe`] says so: Linux 5.13 or later, unless seccomp or a sysctl refuses it.
#[derive(Clone, Copy, Debug)]
pub struct Uring;

/// A listening socket of [`Uring`].
pub type UringListener = Acceptor<UringStream>;

/// A connection of [`Uring`].
pub struct UringStream {
    socket: Rc<Socket>,
    readable: Wait,
    writable: Wait,
    turn: Turn,
    returned: Returned,
}

/// A poll that may be under way. It outlives the future that waits for it: a dropped receive leaves it to the next one.
type Wait = RefCell<Option<op::Poll>>;

impl Driver for Uring {
    type Stream = UringStream;
    type Listener = UringListener;

    const NAME: &'static str = "io_uring";

    fn probe() -> Result<(), ProbeError> {
        probe::io_uring()
    }

    fn block_on<F: Future>(options: &RuntimeOptions, main: F) -> io::Result<F::Output> {
        let mut ring = tokio_uring::uring_builder();
        ring.setup_cqsize(options.ring_entries.saturating_mul(COMPLETIONS_AN_ENTRY));
        probe::add_flags(&mut ring);
        let mut builder = tokio_uring::builder();
        builder.entries(options.ring_entries).uring_builder(&ring);
        Ok(tokio_uring::Runtime::new(&builder)?.block_on(main))
    }

    fn adopt(listener: TcpListener, options: &ListenOptions) -> io::Result<UringListener> {
        Acceptor::new(listener, options, |socket| Ok(UringStream::new(socket)))
    }

    async fn connect(address: SocketAddr, options: &ConnectOptions) -> io::Result<UringStream> {
        Ok(UringStream::new(listen::connect(address, options).await?))
    }
}

/// How much longer the completion queue is than the submission queue. The kernel keeps what does not fit aside, which is
/// slower, and loses nothing.
const COMPLETIONS_AN_ENTRY: u32 = 4;

impl UringStream {
    fn new(socket: Rc<Socket>) -> Self {
        Self {
            socket,
            readable: Wait::default(),
            writable: Wait::default(),
            turn: Turn::default(),
            returned: Returned::default(),
        }
    }

    fn poll_recv<T>(
        &self,
        is_likely: bool,
        cx: &mut Context<'_>,
        receive: impl Fn(&Socket) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        // A turn that is over ends with a poll on the ring, although bytes may be there: tokio-uring submits what waits only
        // when no task can run, so a task that merely went to the end of the queue would keep all others from the ring.
        let mut attempt = is_likely && self.readable.borrow().is_none();
        loop {
            if attempt {
                match receive(&self.socket) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    received => return Poll::Ready(received),
                }
            }
            let Poll::Ready(readable) = self.wait(&self.readable, POLLIN, cx) else {
                self.turn.waited();
                return Poll::Pending;
            };
            readable?;
            attempt = true;
        }
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&Socket) -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        loop {
            match attempt(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.wait(&self.writable, POLLOUT, cx))?;
        }
    }

    /// Waits for events by the poll under way, or by a new one.
    fn wait(
        &self,
        wait: &Wait,
        events: libc::c_short,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut under_way = wait.borrow_mut();
        let poll = under_way.get_or_insert_with(|| op::poll(&self.socket, events));
        let outcome = ready!(Pin::new(poll).poll(cx));
        *under_way = None;
        Poll::Ready(outcome)
    }
}

impl Stream for UringStream {
    async fn recv(&self, hint: RecvHint) -> io::Result<Chunk> {
        if let Some(chunk) = self.returned.take() {
            return Ok(chunk);
        }
        let is_likely = self.turn.goes_on() && hint == RecvHint::Body;
        let receive = |socket: &Socket| socket.recv_now().map(|received| received.chunk);
        poll_fn(|cx| self.poll_recv(is_likely, cx, receive)).await
    }

    async fn send(&self, mut parts: Parts) -> io::Result<()> {
        fair::behind_others(&parts).await;
        poll_fn(|cx| self.poll_send(cx, |socket| socket.send_now(&mut parts))).await
    }

    fn put_back(&self, chunk: Chunk) {
        self.returned.put(chunk);
    }

    fn socket(&self) -> &Rc<Socket> {
        &self.socket
    }
}

impl Wire for UringStream {
    async fn recv_piped(&self) -> io::Result<Piped> {
        let is_likely = self.turn.goes_on_with_many();
        poll_fn(|cx| self.poll_recv(is_likely, cx, Socket::recv_piped_now)).await
    }

    async fn send_piped(&self, mut piped: Piped) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx, |socket| socket.send_piped_now(&mut piped))).await
    }

    fn into_socket(self) -> Rc<Socket> {
        // A poll under way completes with the next event and is then no more.
        self.readable.take();
        self.writable.take();
        Rc::clone(&self.socket)
    }
}

impl Drop for UringStream {
    fn drop(&mut self) {
        // A poll under way holds the socket open. Shut down, it completes at once and the socket closes.
        if self.readable.get_mut().is_some() || self.writable.get_mut().is_some() {
            self.socket.shutdown(Shutdown::Both);
        }
    }
}
