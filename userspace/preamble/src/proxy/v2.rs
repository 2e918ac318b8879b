//! Version 2: binary.

use super::crc32c::Crc32c;
use super::tlv::{self, kind};
use super::{Addresses, Header, Origin, ProxyError, Reading, Tlv, Tlvs};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a header begins with.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
const HEAD_BYTES: usize = 16;

/// The longest block of addresses and TLVs that is taken; 65,535 could be announced. A client's certificate fits.
pub const MAX_BLOCK_BYTES: usize = 16 * 1024;

const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const UNSPEC: u8 = 0;
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;
const STREAM: u8 = 1;
const DATAGRAM: u8 = 2;

/// Bytes of two addresses and two ports.
const INET_BYTES: usize = 12;
const INET6_BYTES: usize = 36;
/// Bytes of two paths.
const UNIX_BYTES: usize = 216;

pub(super) fn read(bytes: &[u8]) -> Result<Reading<'_>, ProxyError> {
    // What can be said of a head that is not there as a whole is said at once: nobody has to wait for the rest of garbage.
    let behind = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let command = match behind.first() {
        None => return Ok(Reading::Partial),
        Some(byte) if byte >> 4 != VERSION => return Err(ProxyError::Version(byte >> 4)),
        Some(byte) => byte & 15,
    };
    if command > PROXY {
        return Err(ProxyError::Command(command));
    }
    let Some(&[protocol, high, low]) = behind.get(1..4) else {
        return Ok(Reading::Partial);
    };
    let block_bytes = usize::from(u16::from_be_bytes([high, low]));
    if block_bytes > MAX_BLOCK_BYTES {
        return Err(ProxyError::BlockTooLong(block_bytes));
    }
    // Of LOCAL everything else is to be ignored, the family included.
    if command == PROXY {
        check_protocol(protocol, block_bytes)?;
    }
    let whole = HEAD_BYTES + block_bytes;
    let Some(header) = bytes.get(..whole) else {
        return Ok(Reading::Partial);
    };
    let block = header.get(HEAD_BYTES..).unwrap_or_default();
    let header = match command {
        LOCAL => Header {
            version: VERSION,
            origin: Origin::Local,
            tlvs: Tlvs::default(),
        },
        _ => proxied(header, protocol, block)?,
    };
    Ok(Reading::Header(header, whole))
}

fn check_protocol(protocol: u8, found: usize) -> Result<(), ProxyError> {
    let (family, transport) = (protocol >> 4, protocol & 15);
    if family > UNIX {
        return Err(ProxyError::Family(family));
    }
    if transport > DATAGRAM {
        return Err(ProxyError::Transport(transport));
    }
    let needed = address_bytes(family);
    if found < needed {
        return Err(ProxyError::BlockTooShort { found, needed });
    }
    Ok(())
}

fn address_bytes(family: u8) -> usize {
    match family {
        INET => INET_BYTES,
        INET6 => INET6_BYTES,
        UNIX => UNIX_BYTES,
        _ => 0,
    }
}

fn proxied<'b>(header: &'b [u8], protocol: u8, block: &'b [u8]) -> Result<Header<'b>, ProxyError> {
    let (family, transport) = (protocol >> 4, protocol & 15);
    let (addresses, rest) = block
        .split_at_checked(address_bytes(family))
        .unwrap_or_default();
    let tlvs = match family {
        // Nothing is known of the form of what stands there.
        UNSPEC => Tlvs::new(rest).unwrap_or_default(),
        _ => Tlvs::new(rest)?,
    };
    check_sum(header, tlvs)?;
    let origin = match (family, transport) {
        (_, UNSPEC) => Origin::Unknown,
        (INET, _) => client::<4>(addresses).map_or(Origin::Unknown, Origin::Client),
        (INET6, _) => client::<16>(addresses).map_or(Origin::Unknown, Origin::Client),
        _ => Origin::Unknown,
    };
    Ok(Header {
        version: VERSION,
        origin,
        tlvs,
    })
}

/// Two addresses of so many bytes and two ports.
fn client<const N: usize>(bytes: &[u8]) -> Option<Addresses>
where
    [u8; N]: IntoAddress,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(Addresses {
        source: SocketAddr::new(source.into_address(), u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(
            destination.into_address(),
            u16::from_be_bytes(*destination_port),
        ),
    })
}

trait IntoAddress {
    fn into_address(self) -> IpAddr;
}

impl IntoAddress for [u8; 4] {
    fn into_address(self) -> IpAddr {
        Ipv4Addr::from(self).into()
    }
}

impl IntoAddress for [u8; 16] {
    fn into_address(self) -> IpAddr {
        Ipv6Addr::from(self).into()
    }
}

/// Holds a checksum, where there is one, against the header: it was made with zeros in its own place.
fn check_sum(header: &[u8], tlvs: Tlvs<'_>) -> Result<(), ProxyError> {
    let mut sums = tlvs.filter(|tlv| tlv.kind == kind::CRC32C);
    let Some(sum) = sums.next() else {
        return Ok(());
    };
    let Ok(stated) = <[u8; 4]>::try_from(sum.value) else {
        return Err(ProxyError::ChecksumForm);
    };
    if sums.next().is_some() {
        return Err(ProxyError::ChecksumForm);
    }
    let mut behind = tlvs;
    while behind.next().is_some_and(|tlv| tlv.kind != kind::CRC32C) {}
    let end = header.len() - behind.left();
    let before = header.get(..end - stated.len()).unwrap_or_default();
    let after = header.get(end..).unwrap_or_default();
    let crc = Crc32c::new().add(before).add(&[0; 4]).add(after).finish();
    if crc == u32::from_be_bytes(stated) {
        Ok(())
    } else {
        Err(ProxyError::Checksum)
    }
}

/// A header to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'t> {
    /// Whose connection it is. [`Origin::Local`] for one of our own.
    pub origin: Origin,
    /// Whether what follows are datagrams.
    pub datagram: bool,
    /// What else is told of it. A checksum is not to be among them. What does not fit is left out.
    pub tlvs: &'t [Tlv<'t>],
    /// Whether a checksum is added.
    pub checksum: bool,
}

/// Appends a header.
pub fn write(out: &mut Vec<u8>, header: &Outgoing<'_>) {
    let start = out.len();
    let transport = if header.datagram { DATAGRAM } else { STREAM };
    let (command, protocol, addresses) = match header.origin {
        Origin::Local => (LOCAL, UNSPEC, None),
        Origin::Unknown => (PROXY, UNSPEC, None),
        Origin::Client(addresses) => {
            let addresses = addresses.in_one_family();
            let family = if addresses.source.is_ipv4() {
                INET
            } else {
                INET6
            };
            (PROXY, family << 4 | transport, Some(addresses))
        }
    };
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[VERSION << 4 | command, protocol, 0, 0]);
    if let Some(addresses) = addresses {
        write_addresses(out, addresses);
    }
    // A checksum takes type, length and four bytes.
    let room = HEAD_BYTES + MAX_BLOCK_BYTES - 7;
    for tlv in header.tlvs {
        if out.len() - start + 3 + tlv.value.len() <= room {
            tlv::write(out, tlv.kind, tlv.value);
        }
    }
    if header.checksum {
        tlv::write(out, kind::CRC32C, &[0; 4]);
    }
    let block = u16::try_from(out.len() - start - HEAD_BYTES).unwrap_or(u16::MAX);
    if let Some(length) = out.get_mut(start + HEAD_BYTES - 2..start + HEAD_BYTES) {
        length.copy_from_slice(&block.to_be_bytes());
    }
    if header.checksum {
        let crc = Crc32c::new()
            .add(out.get(start..).unwrap_or_default())
            .finish();
        if let Some(place) = out.last_chunk_mut::<4>() {
            *place = crc.to_be_bytes();
        }
    }
}

fn write_addresses(out: &mut Vec<u8>, addresses: Addresses) {
    for ip in [addresses.source.ip(), addresses.destination.ip()] {
        match ip {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    for port in [addresses.source.port(), addresses.destination.port()] {
        out.extend_from_slice(&port.to_be_bytes());
    }
}
