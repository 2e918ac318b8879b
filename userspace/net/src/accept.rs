//! The listener of both drivers. Accepting is rare beside receiving, and tokio's reactor leaves nothing in flight when a
//! listener is dropped: its socket may live on in another worker or process, so it must not be shut down.

use crate::driver::{ListenOptions, Listener, Stream};
use crate::{Socket, listen, sys};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Makes a connection of a driver of a socket.
type IntoStream<S> = fn(Rc<Socket>) -> io::Result<S>;

/// A listening socket whose connections are streams of one driver.
pub struct Acceptor<S> {
    fd: AsyncFd<TcpListener>,
    into_stream: IntoStream<S>,
}

impl<S> Acceptor<S> {
    pub(crate) fn new(
        listener: TcpListener,
        options: &ListenOptions,
        into_stream: IntoStream<S>,
    ) -> io::Result<Self> {
        listen::adopt(&listener, options)?;
        Ok(Self {
            fd: sys::register(listener, Interest::READABLE)?,
            into_stream,
        })
    }
}

impl<S: Stream> Listener for Acceptor<S> {
    type Stream = S;

    async fn accept(&self) -> io::Result<(S, SocketAddr)> {
        loop {
            let mut ready = self.fd.readable().await?;
            match listen::accept_now(self.fd.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Err(error),
                Ok((socket, peer)) => return Ok(((self.into_stream)(Rc::new(socket))?, peer)),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().local_addr()
    }

    fn try_clone_std(&self) -> io::Result<TcpListener> {
        self.fd.get_ref().try_clone()
    }
}

impl<S> fmt::Debug for Acceptor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acceptor").field(self.fd.get_ref()).finish()
    }
}
