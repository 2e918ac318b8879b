//! A connected TCP socket and the system calls on it that never wait.

use crate::parts::PIECES_A_CALL;
use crate::pipe::{PIPE_BYTES, Pipe};
use crate::pool::{Class, MEDIUM_BYTES};
use crate::{Buffer, Chunk, KeepAlive, Parts, Piped, sys};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use rustix::pipe::{SpliceFlags, splice};
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
    /// Bytes that were taken out of it.
    taken: Cell<u64>,
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
            taken: Cell::new(0),
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
        self.taken.set(self.taken.get() + received as u64);
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

    /// Receives what is there without waiting. `WouldBlock` where nothing is there, an empty chunk at the end of the stream.
    /// For sockets of streams that were given up ([`crate::Stream::into_socket`]).
    ///
    /// # Errors
    /// The connection has broken.
    pub fn try_recv(&self) -> io::Result<Chunk> {
        self.recv_now().map(|received| received.chunk)
    }

    /// Sends as much as the socket takes without waiting and drops it from `parts`. `WouldBlock` where it takes nothing more.
    /// For sockets of streams that were given up.
    ///
    /// # Errors
    /// The connection has broken.
    pub fn try_send(&self, parts: &mut Parts) -> io::Result<()> {
        self.send_now(parts)
    }

    /// Receives what is there into a pipe. `WouldBlock` where nothing is there.
    pub(crate) fn recv_piped_now(&self) -> io::Result<Piped> {
        let pipe = Pipe::take()?;
        match splice(&self.fd, None, &pipe.into, None, PIPE_BYTES, SPLICE) {
            Ok(0) => {
                pipe.give();
                Ok(Piped::default())
            }
            Ok(bytes) => {
                self.taken.set(self.taken.get() + bytes as u64);
                Ok(Piped::new(pipe, bytes))
            }
            Err(error) => {
                pipe.give();
                Err(error.into())
            }
        }
    }

    /// Sends as much out of a pipe as the socket takes. `WouldBlock` where it takes nothing more.
    pub(crate) fn send_piped_now(&self, piped: &mut Piped) -> io::Result<()> {
        while let Some(pipe) = piped.pipe() {
            match splice(&pipe.out, None, &self.fd, None, piped.len(), SPLICE)? {
                // Never, as long as something is in the pipe.
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => piped.advance(sent),
            }
        }
        Ok(())
    }

    /// Bytes that were taken out of the socket since it was connected.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// What TCP itself has counted.
    ///
    /// # Errors
    /// The kernel does not tell (before 4.1).
    pub fn progress(&self) -> io::Result<Progress> {
        sys::tcp_progress(self)
    }

    /// Lets the kernel look again at what has been received, as if the last of it came now: for who took over its way.
    ///
    /// # Errors
    /// The socket is not connected any more.
    pub fn look_again(&self) -> io::Result<()> {
        // The kernel checks whether readers are to be woken (tcp_set_rcvlowat), also where nothing changes.
        sys::set_receive_low_water(self, 1)
    }
}

/// Pages move, nothing waits.
const SPLICE: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// What TCP has counted of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether both sides can still send.
    pub is_established: bool,
    /// Whether the connection is no more: both sides ended, or it was reset.
    pub is_closed: bool,
    /// Bytes that have come from the peer in order, taken or not. A FIN counts as one.
    pub received: u64,
    /// Bytes that were handed to the socket for sending, and were sent or wait in it. Where we connected, our SYN counts as one.
    pub written: u64,
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
