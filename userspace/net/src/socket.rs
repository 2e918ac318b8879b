//! A connected TCP socket and the system calls on it that never wait.

use crate::parts::PIECES_A_CALL;
use crate::pool::{Class, MEDIUM_BYTES};
use crate::{Buffer, Chunk, KeepAlive, Parts};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{SockRef, TcpKeepalive};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// A connected socket. It is closed when the last reference goes.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    peer: Cell<Option<SocketAddr>>,
}

/// What one receive call found.
pub(crate) struct Received {
    /// The bytes; empty at the end of the stream.
    pub(crate) chunk: Chunk,
    /// The call did not fill its buffer: another one now would find nothing.
    pub(crate) drained: bool,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd, peer: Option<SocketAddr>) -> Self {
        Self {
            fd,
            peer: Cell::new(peer),
        }
    }

    /// The descriptor's number, for tools that name sockets by it (sockmap, kTLS). It stays valid while `self` lives.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Our end's address.
    ///
    /// # Errors
    /// The socket is not connected any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        internet(&SockRef::from(&self.fd).local_addr()?)
    }

    /// The peer's address, as it was when the connection was made.
    ///
    /// # Errors
    /// The socket is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        if let Some(peer) = self.peer.get() {
            return Ok(peer);
        }
        let peer = internet(&SockRef::from(&self.fd).peer_addr()?)?;
        self.peer.set(Some(peer));
        Ok(peer)
    }

    /// Shuts one direction or both down at once. Waiters notice: a receive ends, a send fails.
    pub fn shutdown(&self, how: Shutdown) {
        // The only error is "not connected": then it is shut already.
        let _ = SockRef::from(&self.fd).shutdown(how);
    }

    /// Whether the peer has closed, or has sent something that nobody asked for: such a connection carries no further
    /// request. Looks without waiting and takes nothing.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(
            rustix::net::recv(&self.fd, &mut [0_u8; 1], flags),
            Err(rustix::io::Errno::WOULDBLOCK)
        )
    }

    /// Lets the next close send a reset instead of a FIN, so that nothing lingers: for peers that attack.
    pub fn reset_on_close(&self) {
        let _ = SockRef::from(&self.fd).set_linger(Some(Duration::ZERO));
    }

    /// Resets the connection at once, whatever is still to be sent. Waiters notice.
    pub fn abort(&self) {
        // TCP takes an address of no family as the wish to disconnect; the only error is "not connected".
        let _ = rustix::net::connect_unspec(&self.fd);
    }

    /// Sets what both accepted and made connections have. Options that the kernel refuses are no reason to lose the
    /// connection.
    pub(crate) fn configure(&self, keep_alive: Option<KeepAlive>, user_timeout: Option<Duration>) {
        let socket = SockRef::from(&self.fd);
        // Accepted sockets inherit TCP_NODELAY and the others from the listener; this is for those we make.
        let _ = socket.set_tcp_nodelay(true);
        if let Some(keep_alive) = keep_alive {
            let _ = socket.set_tcp_keepalive(&keep_alive_option(keep_alive));
        }
        if user_timeout.is_some() {
            let _ = socket.set_tcp_user_timeout(user_timeout);
        }
    }

    /// Receives what is there into the thread's large buffer and hands it out in one that fits. `WouldBlock` where
    /// nothing is there.
    pub(crate) fn recv_now(&self) -> io::Result<Received> {
        let mut buffer = Buffer::of(Class::Large);
        let bytes = buffer.as_mut_vec();
        let room = bytes.capacity();
        let (received, _) =
            rustix::net::recv(&self.fd, spare_capacity(bytes), RecvFlags::DONTWAIT)?;
        Ok(Received {
            chunk: right_sized(buffer),
            drained: received < room,
        })
    }

    /// Sends as much as the socket takes and drops it from `parts`. `WouldBlock` where it takes nothing more.
    pub(crate) fn send_now(&self, parts: &mut Parts) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        while !parts.is_empty() {
            parts.join_small();
            let sent = match parts.only() {
                Some(one) => rustix::net::send(&self.fd, one, flags)?,
                None => rustix::net::sendmsg(
                    &self.fd,
                    parts.io_slices(&mut [IoSlice::new(&[]); PIECES_A_CALL]),
                    &mut SendAncillaryBuffer::default(),
                    flags,
                )?,
            };
            parts.advance(sent);
        }
        Ok(())
    }
}

/// A chunk of the bytes in a buffer that is not much larger than they are, so that whoever keeps it does not keep 128 KB.
fn right_sized(buffer: Buffer) -> Chunk {
    if buffer.len() <= MEDIUM_BYTES {
        return Chunk::copy_of(&buffer);
    }
    buffer.freeze()
}

pub(crate) fn keep_alive_option(keep_alive: KeepAlive) -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(keep_alive.idle)
        .with_interval(keep_alive.interval)
        .with_retries(keep_alive.probes)
}

fn internet(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    address
        .as_socket()
        .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
