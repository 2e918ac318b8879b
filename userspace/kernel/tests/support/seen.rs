//! Packets, read back: what came out of a program, its lengths and checksums held against a slow reference.

use super::packet::{TCP, UDP, sum};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What an IP packet with ports says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) protocol: u8,
    pub(crate) hops: u8,
    /// What is behind the TCP or UDP header.
    pub(crate) payload: Vec<u8>,
}

impl Seen {
    /// From and to, as `10.0.0.1:80 > 10.0.0.2:81`.
    pub(crate) fn path(&self) -> String {
        format!("{} > {}", self.source, self.destination)
    }
}

/// The frame's MAC address of the receiver.
pub(crate) fn receiver(frame: &[u8]) -> [u8; 6] {
    frame[..6].try_into().expect("an Ethernet header")
}

/// The IP packet in an Ethernet frame without tags.
pub(crate) fn network(frame: &[u8]) -> &[u8] {
    let expected: &[u8] = if frame[14] >> 4 == 4 {
        &[0x08, 0x00]
    } else {
        &[0x86, 0xdd]
    };
    assert_eq!(&frame[12..14], expected, "the type of the frame");
    &frame[14..]
}

/// Reads a frame; panics where a length or checksum is wrong.
pub(crate) fn read(frame: &[u8]) -> Seen {
    read_ip(network(frame))
}

/// The addresses, protocol, hops and content of an IP packet whose header holds.
pub(crate) fn open(packet: &[u8]) -> (IpAddr, IpAddr, u8, u8, &[u8]) {
    if packet[0] >> 4 == 4 {
        let header = usize::from(packet[0] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert_eq!(sum(&packet[..header]), 0xffff, "the checksum of IPv4");
        let address = |at: usize| {
            let octets: [u8; 4] = packet[at..at + 4].try_into().expect("an address");
            IpAddr::V4(Ipv4Addr::from(octets))
        };
        let inside = &packet[header..total];
        (address(12), address(16), packet[9], packet[8], inside)
    } else {
        let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        let address = |at: usize| {
            let octets: [u8; 16] = packet[at..at + 16].try_into().expect("an address");
            IpAddr::V6(Ipv6Addr::from(octets))
        };
        let inside = &packet[40..40 + length];
        (address(8), address(24), packet[6], packet[7], inside)
    }
}

/// As [`read`], of an IP packet without its frame. IPv6 without extension headers.
pub(crate) fn read_ip(packet: &[u8]) -> Seen {
    let (source, destination, protocol, hops, segment) = open(packet);
    let unchecked = protocol == UDP && segment[6..8] == [0, 0];
    if !unchecked {
        assert_eq!(
            covered(source, destination, protocol, segment),
            0xffff,
            "the checksum of protocol {protocol}"
        );
    }
    let header = match protocol {
        TCP => usize::from(segment[12] >> 4) * 4,
        _ => 8,
    };
    let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    Seen {
        source: SocketAddr::new(source, port(0)),
        destination: SocketAddr::new(destination, port(2)),
        protocol,
        hops,
        payload: segment[header..].to_vec(),
    }
}

/// The sum over a segment and its pseudo header.
pub(crate) fn covered(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let mut bytes = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
        }
    }
    bytes.extend_from_slice(&(segment.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&[0, protocol]);
    bytes.extend_from_slice(segment);
    sum(&bytes)
}
