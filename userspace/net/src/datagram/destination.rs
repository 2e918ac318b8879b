//! Datagrams with the address that they were for: a socket may receive for many addresses, and answers have to come from the one
//! that was asked.

use super::MAX_BYTES;
use crate::{Buffer, Class, sys};
use socket2::{MsgHdr, SockAddr, SockRef};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

/// A datagram that has come.
#[derive(Debug)]
pub struct Datagram {
    /// Its bytes.
    pub bytes: Buffer,
    /// Who has sent it.
    pub from: SocketAddr,
    /// The address and port that it was for; none where the kernel does not tell.
    pub to: Option<SocketAddr>,
}

/// Length, level and type of a control message (cmsg(3)).
const HEADER_BYTES: usize = size_of::<usize>() + 8;

pub(super) fn recv(socket: impl AsFd) -> io::Result<Datagram> {
    let mut bytes = Buffer::of(Class::Large);
    let room = bytes.as_mut_vec();
    room.clear();
    room.reserve(MAX_BYTES);
    let (from, control) = sys::recv_with_control(&socket, room)?;
    let from = from
        .as_socket()
        .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    Ok(Datagram {
        bytes,
        from,
        to: destination(&control),
    })
}

/// The address in the first control message that has one.
fn destination(mut control: &[u8]) -> Option<SocketAddr> {
    loop {
        let (length, rest) = control.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let length = usize::from_ne_bytes(*length);
        let of = (i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind));
        let data = control.get(HEADER_BYTES..length)?;
        match of {
            (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR) => return v4(data),
            (libc::IPPROTO_IPV6, libc::IPV6_ORIGDSTADDR) => return v6(data),
            _ => {}
        }
        control = control.get(length.next_multiple_of(size_of::<usize>())..)?;
    }
}

/// A `sockaddr_in` (ip(7)).
fn v4(bytes: &[u8]) -> Option<SocketAddr> {
    let port: [u8; 2] = bytes.get(2..4)?.try_into().ok()?;
    let address: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
    let address = Ipv4Addr::from(address);
    Some(SocketAddr::new(address.into(), u16::from_be_bytes(port)))
}

/// A `sockaddr_in6` (ipv6(7)). The scope is left out: whoever answers takes the address alone.
fn v6(bytes: &[u8]) -> Option<SocketAddr> {
    let port: [u8; 2] = bytes.get(2..4)?.try_into().ok()?;
    let address: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
    let address = Ipv6Addr::from(address);
    Some(SocketAddr::new(address.into(), u16::from_be_bytes(port)))
}

/// Sends by a control message that names the source (IP_PKTINFO, IPV6_PKTINFO).
pub(super) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    from: IpAddr,
    to: SocketAddr,
) -> io::Result<()> {
    let (level, kind, info) = match from {
        // An `in_pktinfo`: the interface, which is for the kernel to find, the source, and what only a receiver is told.
        IpAddr::V4(from) => (
            libc::IPPROTO_IP,
            libc::IP_PKTINFO,
            [&[0; 4][..], &from.octets(), &[0; 4]].concat(),
        ),
        // An `in6_pktinfo`.
        IpAddr::V6(from) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_PKTINFO,
            [&from.octets()[..], &[0; 4]].concat(),
        ),
    };
    let length = HEADER_BYTES + info.len();
    let mut control = Vec::with_capacity(length.next_multiple_of(size_of::<usize>()));
    control.extend_from_slice(&length.to_ne_bytes());
    control.extend_from_slice(&level.to_ne_bytes());
    control.extend_from_slice(&kind.to_ne_bytes());
    control.extend_from_slice(&info);
    control.resize(length.next_multiple_of(size_of::<usize>()), 0);
    let to = SockAddr::from(to);
    let slices = [IoSlice::new(bytes)];
    let message = MsgHdr::new()
        .with_addr(&to)
        .with_buffers(&slices)
        .with_control(&control);
    SockRef::from(&socket).sendmsg(&message, 0).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_never_overrun() {
        let mut control = Vec::new();
        control.extend_from_slice(&(HEADER_BYTES + 16).to_ne_bytes());
        control.extend_from_slice(&libc::IPPROTO_IP.to_ne_bytes());
        control.extend_from_slice(&libc::IP_ORIGDSTADDR.to_ne_bytes());
        control.extend_from_slice(&[2, 0, 0, 53, 203, 0, 113, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let expected = "203.0.113.7:53".parse().ok();
        assert_eq!(destination(&control), expected);
        for cut in 0..control.len() {
            assert_eq!(destination(&control[..cut]), None, "{cut}");
        }
        // A length of 0 must not loop for ever.
        assert_eq!(destination(&[0; 64]), None);
    }
}
