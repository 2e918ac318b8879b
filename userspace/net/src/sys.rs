//! The few calls that no safe crate offers.
#![allow(unsafe_code)]

use crate::{Progress, raised};
use libc::{c_int, socklen_t};
use socket2::{MaybeUninitSlice, MsgHdrMut, SockAddr, SockRef};
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
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
    raised::with(raised::FOREIGN_ADDRESS, || {
        set_option(&socket, level, name, 1)
    })
}

/// Lets each datagram tell the address and port that it was for.
pub(crate) fn ask_for_destinations(socket: &impl AsFd, is_ipv6: bool) -> io::Result<()> {
    match is_ipv6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR, 1)?,
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR, 1)?,
    }
    // Answers come from there; of IPv6, the kernel asks whether an interface has the address, where this does not say otherwise.
    set_freebind(socket, is_ipv6)
}

/// Lets the socket have an address that no interface has: one of a prefix that a route makes local.
pub(crate) fn set_freebind(socket: impl AsFd, is_ipv6: bool) -> io::Result<()> {
    match is_ipv6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_FREEBIND, 1),
    }
}

/// Receives a datagram into a buffer's free room, and gives its sender and its control messages.
pub(crate) fn recv_with_control(
    socket: impl AsFd,
    bytes: &mut Vec<u8>,
) -> io::Result<(SockAddr, Vec<u8>)> {
    let mut control = Vec::with_capacity(CONTROL_BYTES);
    let mut from = SockAddr::from(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0));
    let before = bytes.len();
    let mut room = [MaybeUninitSlice::new(bytes.spare_capacity_mut())];
    let mut message = MsgHdrMut::new()
        .with_addr(&mut from)
        .with_buffers(&mut room)
        .with_control(control.spare_capacity_mut());
    let received = SockRef::from(&socket).recvmsg(&mut message, libc::MSG_DONTWAIT)?;
    let told = message.control_len();
    // SAFETY: the kernel has written so many bytes into the free room of each, from its beginning on; it writes no more than there
    // is.
    unsafe {
        bytes.set_len(before + received);
        control.set_len(told.min(CONTROL_BYTES));
    }
    Ok((from, control))
}

/// Bytes of control messages; a `sockaddr_in6` with its header takes 48.
const CONTROL_BYTES: usize = 128;

/// Wakes readers from so many bytes on (socket(7), SO_RCVLOWAT).
pub(crate) fn set_receive_low_water(socket: impl AsFd, bytes: c_int) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes)
}

/// The beginning of the kernel's `struct tcp_info` (linux/tcp.h), which only ever grows at its end.
#[derive(Default)]
#[repr(C)]
struct TcpInfo {
    state: u8,
    rest: [u8; 7],
    words: [u32; 24],
    rates: [u64; 2],
    bytes_acked: u64,
    bytes_received: u64,
}

/// TCP_ESTABLISHED.
const ESTABLISHED: u8 = 1;
/// TCP_CLOSE.
const CLOSED: u8 = 7;

/// What TCP counts of a connection.
pub(crate) fn tcp_progress(socket: impl AsFd) -> io::Result<Progress> {
    let fd = socket.as_fd().as_raw_fd();
    let mut info = TcpInfo::default();
    let mut bytes = size_of::<TcpInfo>() as socklen_t;
    // SAFETY: the kernel writes at most `bytes` to a struct of plain integers that is as large, and says how many it were; the
    // descriptor is borrowed through the call.
    let told = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut bytes,
        )
    };
    if told != 0 {
        return Err(io::Error::last_os_error());
    }
    if bytes as usize != size_of::<TcpInfo>() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut queued: c_int = 0;
    // After the bytes that were acknowledged: what is acknowledged in between is missing from the sum, never in it twice.
    // SAFETY: SIOCOUTQ writes an int.
    if unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut queued) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Progress {
        is_established: info.state == ESTABLISHED,
        is_closed: info.state == CLOSED,
        received: info.bytes_received,
        written: info.bytes_acked + u64::try_from(queued).unwrap_or(0),
    })
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

/// Puts the calling thread into the lowest class of those that do not wait for their share (sched(7), SCHED_RR), without what it
/// starts.
pub(crate) fn schedule_at_once() -> io::Result<()> {
    const LOWEST: c_int = 1;
    let parameters = libc::sched_param {
        sched_priority: LOWEST,
    };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads a `sched_param` of ours that lives through the call; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
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
