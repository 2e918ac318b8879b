//! The PROXY protocol, versions 1 and 2: how a proxy in front tells whose connection it brings.
//!
//! [`read`] takes what has arrived so far and finds a header, or says that more is needed, or that there is none.
//! [`write_v1`] and [`write_v2`] make one. The specification is HAProxy's `proxy-protocol.txt`.

mod crc32c;
mod error;
mod tlv;
mod v1;
mod v2;

pub use error::ProxyError;
pub use tlv::{Ssl, Tlv, Tlvs, kind};
pub use v1::{MAX_BYTES as MAX_V1_BYTES, write as write_v1};
pub use v2::{MAX_BLOCK_BYTES as MAX_V2_BLOCK_BYTES, Outgoing, write as write_v2};

use std::net::SocketAddr;

/// What the bytes at the beginning of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<'b> {
    /// A header, and how many bytes it takes. What follows belongs to the connection that it announces.
    Header(Header<'b>, usize),
    /// The beginning of a header: more is needed.
    Partial,
    /// No header: the bytes begin like nothing that the protocol knows.
    Absent,
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'b> {
    /// 1 or 2.
    pub version: u8,
    /// Whose connection it is.
    pub origin: Origin,
    /// What else is told of it; only version 2 has any.
    pub tlvs: Tlvs<'b>,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// That of the proxy itself, a health check for example: the addresses of the connection are the right ones.
    Local,
    /// Nobody that has an address of IP (`UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`): the addresses of the connection have to do.
    Unknown,
    /// A client's.
    Client(Addresses),
}

/// Both ends of a connection, as the proxy in front saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

impl Addresses {
    /// The same with both ends in one family: where they differ, IPv4 is written as IPv6 (`::ffff:a.b.c.d`).
    #[must_use]
    pub fn in_one_family(self) -> Self {
        let source = SocketAddr::new(self.source.ip().to_canonical(), self.source.port());
        let destination = SocketAddr::new(
            self.destination.ip().to_canonical(),
            self.destination.port(),
        );
        if source.is_ipv4() == destination.is_ipv4() {
            return Self {
                source,
                destination,
            };
        }
        Self {
            source: mapped(source),
            destination: mapped(destination),
        }
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        std::net::IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        std::net::IpAddr::V6(_) => address,
    }
}

/// Looks for a header at the beginning of what has arrived. To be called with all of it again when more has come.
///
/// # Errors
/// The bytes are a header, or can only become one, and it is malformed: the connection has to be closed.
pub fn read(bytes: &[u8]) -> Result<Reading<'_>, ProxyError> {
    if begins_alike(bytes, v2::SIGNATURE) {
        v2::read(bytes)
    } else if begins_alike(bytes, v1::SIGNATURE) {
        v1::read(bytes)
    } else {
        Ok(Reading::Absent)
    }
}

/// Whether the bytes begin with the signature, as far as they go.
fn begins_alike(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests;
