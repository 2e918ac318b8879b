//! Datagrams. Both drivers wait for them through tokio's reactor.

mod destination;

pub use destination::Datagram;

use crate::{Buffer, Class, ConnectOptions, raised, sys};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The largest datagram that is taken; what is beyond is cut off (an Ethernet frame has 1,500 bytes).
const MAX_BYTES: usize = crate::LARGE_BYTES;

/// Opens a socket for datagrams without a driver. Several may have the same address (SO_REUSEPORT): the kernel gives all
/// datagrams of one client to the same one.
///
/// # Errors
/// The address cannot be bound.
pub fn open_datagrams(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        None,
    )?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// A socket for datagrams.
#[derive(Debug)]
pub struct Datagrams(UdpSocket);

impl Datagrams {
    /// Makes a socket that is bound one of ours. Call it inside the runtime.
    ///
    /// # Errors
    /// It cannot be registered.
    pub fn adopt(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Where the kernel does not tell, answers come from the address that it chooses.
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        let _ = sys::ask_for_destinations(&socket, is_ipv6);
        UdpSocket::from_std(socket).map(Self)
    }

    /// A socket to answer from, where the one that received has another port. It is not made to receive.
    ///
    /// # Errors
    /// No descriptor is free, or the port is refused.
    pub fn answering(from: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(from), Type::DGRAM.nonblocking(), None)?;
        socket.set_reuse_port(true)?;
        if from.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        sys::set_freebind(&socket, from.is_ipv6())?;
        raised::with(raised::LOW_PORT, || socket.bind(&SockAddr::from(from)))?;
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// The descriptor is none of a socket any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// A socket that talks with one address alone.
    ///
    /// # Errors
    /// No descriptor is free, or the source address is refused.
    pub fn connect(address: SocketAddr, options: &ConnectOptions) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking(),
            None,
        )?;
        if let Some(local) = options.bind {
            if options.transparent {
                sys::set_transparent(&socket, address.is_ipv6())?;
            }
            socket.bind(&SockAddr::from(local))?;
        }
        socket.connect(&SockAddr::from(address))?;
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// Waits for a datagram. No buffer is held meanwhile.
    ///
    /// # Errors
    /// What the kernel says of an earlier datagram: nobody listens there, for example.
    pub async fn recv(&self) -> io::Result<(Buffer, SocketAddr)> {
        loop {
            let ready = self.0.ready(Interest::READABLE | Interest::ERROR).await?;
            if ready.is_error() {
                self.take_error()?;
            }
            let mut buffer = Buffer::of(Class::Large);
            let bytes = buffer.as_mut_vec();
            bytes.resize(MAX_BYTES, 0);
            match self.0.try_recv_from(bytes) {
                Ok((count, from)) => {
                    bytes.truncate(count);
                    return Ok((buffer, from));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for a datagram, and tells the address that it was for as well. No buffer is held meanwhile.
    ///
    /// # Errors
    /// As [`Datagrams::recv`].
    pub async fn recv_with_destination(&self) -> io::Result<Datagram> {
        loop {
            let ready = self.0.ready(Interest::READABLE | Interest::ERROR).await?;
            if ready.is_error() {
                self.take_error()?;
            }
            let received = self
                .0
                .try_io(Interest::READABLE, || destination::recv(&self.0));
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// Sends a datagram that comes from this address of the host, in the place of the one that the kernel would choose.
    ///
    /// # Errors
    /// As [`Datagrams::send_to`], or the address is not of this host.
    pub fn send_from(&self, bytes: &[u8], from: IpAddr, to: SocketAddr) -> io::Result<()> {
        destination::send(&self.0, bytes, from, to)
    }

    /// What the kernel was told of an earlier datagram; the reactor is told that it is known now.
    fn take_error(&self) -> io::Result<()> {
        let told = self.0.take_error()?;
        let seen = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = self.0.try_io(Interest::ERROR, seen);
        told.map_or(Ok(()), Err)
    }

    /// Sends a datagram to the address that the socket is connected to.
    ///
    /// # Errors
    /// It was not sent: the socket's buffer is full, or the kernel says why.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // Not through the reactor: of a new socket it does not know yet that there is room.
        SockRef::from(&self.0).send(bytes).map(drop)
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// It was not sent: the socket's buffer is full, or the kernel says why.
    pub fn send_to(&self, bytes: &[u8], address: SocketAddr) -> io::Result<()> {
        SockRef::from(&self.0)
            .send_to(bytes, &SockAddr::from(address))
            .map(drop)
    }
}
