//! The few calls that no safe crate offers.
#![allow(unsafe_code)]

use libc::{c_int, socklen_t};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Accepts only once bytes have arrived, or after so many seconds (tcp(7), TCP_DEFER_ACCEPT).
pub(crate) fn set_defer_accept(socket: impl AsFd, seconds: u32) -> io::Result<()> {
    let seconds = c_int::try_from(seconds).unwrap_or(c_int::MAX);
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds)
}

/// Lets the kernel choose the local port at connect instead of at bind (ip(7), IP_BIND_ADDRESS_NO_PORT).
pub(crate) fn set_bind_address_no_port(socket: impl AsFd) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Lets the socket have an address that is not one of this host (ip(7), IP_TRANSPARENT). `EPERM` without CAP_NET_ADMIN and
/// CAP_NET_RAW.
pub(crate) fn set_transparent(socket: impl AsFd, is_ipv6: bool) -> io::Result<()> {
    let (level, name) = match is_ipv6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT),
        false => (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
    };
    set_option(socket, level, name, 1)
}

fn set_option(socket: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<c_int>()` bytes from a pointer to a c_int that lives through the call, and the
    // descriptor is borrowed for as long.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A type whose descriptor never changes and stays open for as long as the value lives.
///
/// # Safety
/// `AsRawFd` must always name the same open descriptor.
pub(crate) unsafe trait OwnsFd: AsRawFd {}

// SAFETY: both own their descriptor and do not let go of it before they are dropped.
unsafe impl OwnsFd for OwnedFd {}
// SAFETY: as above.
unsafe impl OwnsFd for std::net::TcpListener {}
// SAFETY: the socket owns its descriptor in a field that is never replaced, and the reference keeps it alive.
unsafe impl OwnsFd for std::rc::Rc<crate::Socket> {}

/// Registers a descriptor with tokio's reactor.
pub(crate) fn register<T: OwnsFd>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: `OwnsFd` promises what tokio asks for: one open descriptor for the lifetime of the value.
    unsafe { AsyncFd::register_with_interest(owner, interest) }.map_err(Into::into)
}
