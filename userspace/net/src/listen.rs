//! Opening, accepting and connecting: the system calls that both drivers share.

use crate::socket::{Socket, keep_alive_option};
use crate::{ConnectOptions, ListenOptions, sys};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, SockAddr, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::rc::Rc;
use tokio::io::Interest;

/// Opens a listening socket without a driver: to bind before privileges are dropped, or to hand it to workers
/// ([`crate::Driver::adopt`]).
///
/// # Errors
/// The address cannot be bound.
pub fn open(address: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(options.reuse_port)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.v6_only)?;
    }
    inherited(&socket, options)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(options.backlog)?;
    Ok(socket.into())
}

/// Whether further sockets can be bound to the address of this one (SO_REUSEPORT).
#[must_use]
pub fn shares_port(listener: &TcpListener) -> bool {
    socket2::SockRef::from(listener)
        .reuse_port()
        .unwrap_or(false)
}

/// Makes a socket that listens already one of ours.
pub(crate) fn adopt(listener: &TcpListener, options: &ListenOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let socket = socket2::SockRef::from(listener);
    inherited(&socket, options)?;
    // Calling it again changes the backlog and nothing else.
    socket.listen(options.backlog)
}

/// Sets on a listener what accepted connections inherit.
fn inherited(socket: &socket2::Socket, options: &ListenOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(keep_alive) = options.keep_alive {
        socket.set_tcp_keepalive(&keep_alive_option(keep_alive))?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    if let Some(wait) = options.defer_accept {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        sys::set_defer_accept(socket, seconds)?;
    }
    Ok(())
}

/// Accepts a connection that waits. `WouldBlock` where none does.
pub(crate) fn accept_now(listener: impl AsFd) -> io::Result<(Socket, SocketAddr)> {
    let (fd, peer) =
        rustix::net::acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let peer = peer
        .and_then(|peer| SocketAddr::try_from(peer).ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    Ok((Socket::new(fd, Some(peer)), peer))
}

/// Connects within the time that the options give.
pub(crate) async fn connect(
    address: SocketAddr,
    options: &ConnectOptions,
) -> io::Result<Rc<Socket>> {
    let raw = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if let Some(local) = options.bind {
        if options.transparent {
            sys::set_transparent(&raw, address.is_ipv6())?;
        }
        if local.port() == 0 {
            sys::set_bind_address_no_port(&raw)?;
        }
        raw.bind(&SockAddr::from(local))?;
    }
    let made = raw.connect(&SockAddr::from(address));
    let socket = Rc::new(Socket::new(raw.into(), Some(address)));
    socket.configure(options.keep_alive, options.user_timeout);
    match made {
        Ok(()) => return Ok(socket),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    let writable = sys::register(socket.clone(), Interest::WRITABLE)?;
    match tokio::time::timeout(options.timeout, writable.writable()).await {
        Ok(ready) => drop(ready?),
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    }
    match socket2::SockRef::from(&*socket).take_error()? {
        Some(error) => Err(error),
        None => Ok(socket),
    }
}

/// What an error of [`crate::Listener::accept`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// The connection went away before it was accepted, or the network had an error for it: accept the next.
    Connection,
    /// No descriptor or memory is free (EMFILE, ENFILE, ENOBUFS, ENOMEM): pause, then try again. The connections wait in
    /// the backlog meanwhile.
    Exhausted,
    /// The listener is of no use any more.
    Listener,
}

/// Tells what an error of [`crate::Listener::accept`] is about (accept(2), "Error handling").
#[must_use]
pub fn accept_error(error: &io::Error) -> AcceptError {
    let Some(code) = error.raw_os_error() else {
        return AcceptError::Connection;
    };
    match Errno::from_raw_os_error(code) {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => AcceptError::Exhausted,
        Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::OPNOTSUPP | Errno::FAULT => {
            AcceptError::Listener
        }
        _ => AcceptError::Connection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_accept_tell_what_to_do() {
        for (errno, what) in [
            (libc::EMFILE, AcceptError::Exhausted),
            (libc::ENFILE, AcceptError::Exhausted),
            (libc::ENOBUFS, AcceptError::Exhausted),
            (libc::ECONNABORTED, AcceptError::Connection),
            (libc::EPERM, AcceptError::Connection),
            (libc::ENETDOWN, AcceptError::Connection),
            (libc::EINVAL, AcceptError::Listener),
            (libc::EBADF, AcceptError::Listener),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(accept_error(&error), what, "{error}");
        }
    }
}
