//! The epoll driver: tokio's reactor tells when, direct system calls move the bytes.

use crate::driver::{
    ConnectOptions, Driver, ListenOptions, RecvHint, RuntimeOptions, Stream, Wire,
};
use crate::fair::{self, Turn};
use crate::returned::Returned;
use crate::{Acceptor, Chunk, Parts, Piped, ProbeError, Socket, listen, sys};
use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::LocalOptions;

/// Works on every Linux host.
#[derive(Clone, Copy, Debug)]
pub struct Epoll;

/// A listening socket of [`Epoll`].
pub type EpollListener = Acceptor<EpollStream>;

/// A connection of [`Epoll`].
///
/// Only its readability is watched. Watching both costs a wake-up for every large send, because each time the socket
/// drains an edge is told that nobody waits for. Who does wait to send watches a duplicate of the descriptor.
#[derive(Debug)]
pub struct EpollStream {
    fd: AsyncFd<Rc<Socket>>,
    // Made by the first send that finds the socket full, kept because the next one probably will too.
    writable: OnceCell<AsyncFd<OwnedFd>>,
    turn: Turn,
    returned: Returned,
}

impl Driver for Epoll {
    type Stream = EpollStream;
    type Listener = EpollListener;

    const NAME: &'static str = "epoll";

    fn probe() -> Result<(), ProbeError> {
        Ok(())
    }

    fn block_on<F: Future>(_options: &RuntimeOptions, main: F) -> io::Result<F::Output> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        Ok(runtime.block_on(main))
    }

    fn adopt(listener: TcpListener, options: &ListenOptions) -> io::Result<EpollListener> {
        Acceptor::new(listener, options, EpollStream::new)
    }

    async fn connect(address: SocketAddr, options: &ConnectOptions) -> io::Result<EpollStream> {
        EpollStream::new(listen::connect(address, options).await?)
    }
}

impl EpollStream {
    fn new(socket: Rc<Socket>) -> io::Result<Self> {
        Ok(Self {
            fd: sys::register(socket, Interest::READABLE)?,
            writable: OnceCell::new(),
            turn: Turn::default(),
            returned: Returned::default(),
        })
    }

    /// The registration that tells when the socket takes bytes again.
    fn writable(&self) -> io::Result<&AsyncFd<OwnedFd>> {
        if let Some(writable) = self.writable.get() {
            return Ok(writable);
        }
        let duplicate = self.socket().as_fd().try_clone_to_owned()?;
        let registered = sys::register(duplicate, Interest::WRITABLE)?;
        Ok(self.writable.get_or_init(|| registered))
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        loop {
            let Poll::Ready(ready) = self.fd.poll_read_ready(cx) else {
                self.turn.waited();
                return Poll::Pending;
            };
            let mut ready = ready?;
            match self.socket().recv_now() {
                Ok(received) => {
                    // An edge tells what arrives from now on. The end of the stream makes no further one.
                    if received.drained && !received.chunk.is_empty() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(received.chunk));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_recv_piped(&self, cx: &mut Context<'_>) -> Poll<io::Result<Piped>> {
        loop {
            let Poll::Ready(ready) = self.fd.poll_read_ready(cx) else {
                self.turn.waited();
                return Poll::Pending;
            };
            match self.socket().recv_piped_now() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready?.clear_ready(),
                received => return Poll::Ready(received),
            }
        }
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&Socket) -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        loop {
            match attempt(self.socket()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.writable()?.poll_write_ready(cx))?.clear_ready();
        }
    }
}

impl Stream for EpollStream {
    async fn recv(&self, _hint: RecvHint) -> io::Result<Chunk> {
        if let Some(chunk) = self.returned.take() {
            return Ok(chunk);
        }
        if !self.turn.goes_on() {
            // Tokio's yield also asks the reactor what else has become ready; a mere wake-up would come round up to 61 times
            // before that.
            tokio::task::yield_now().await;
        }
        // The reactor knows whether an attempt pays; the hint is for drivers that do not.
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    async fn send(&self, mut parts: Parts) -> io::Result<()> {
        fair::behind_others(&parts).await;
        poll_fn(|cx| self.poll_send(cx, |socket| socket.send_now(&mut parts))).await
    }

    fn put_back(&self, chunk: Chunk) {
        self.returned.put(chunk);
    }

    fn is_quiet(&self) -> bool {
        let looked = self
            .fd
            .try_io(Interest::READABLE, |socket| match socket.has_ended() {
                true => Ok(()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            });
        looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn socket(&self) -> &Rc<Socket> {
        self.fd.get_ref()
    }
}

impl Wire for EpollStream {
    async fn recv_piped(&self) -> io::Result<Piped> {
        if !self.turn.goes_on_with_many() {
            tokio::task::yield_now().await;
        }
        poll_fn(|cx| self.poll_recv_piped(cx)).await
    }

    async fn send_piped(&self, mut piped: Piped) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx, |socket| socket.send_piped_now(&mut piped))).await
    }

    fn into_socket(self) -> Rc<Socket> {
        self.fd.into_inner()
    }
}
