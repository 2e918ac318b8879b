//! What the headers of a sampled packet say. They come from the network, cut where the program stopped: whatever is missing
//! or makes no sense is left out.

use abi::{SAMPLE_HEAD_BYTES, Sample};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The headers of a packet, as far as they can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// From where to where.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// What is in the IP packet.
    pub transport: Option<Carried>,
}

/// The transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// TCP, with ports and flags.
    Tcp {
        /// The sender's port.
        source: u16,
        /// The receiver's port.
        destination: u16,
        /// The byte with CWR, ECE, URG, ACK, PSH, RST, SYN and FIN.
        flags: u8,
    },
    /// UDP.
    Udp {
        /// The sender's port.
        source: u16,
        /// The receiver's port.
        destination: u16,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
    },
    /// Another protocol, by its number, or a piece of a packet that has no transport header.
    Other(u8),
}

impl Carried {
    /// The protocol in one word.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Tcp { .. } => "tcp".to_owned(),
            Self::Udp { .. } => "udp".to_owned(),
            Self::Icmp { .. } => "icmp".to_owned(),
            Self::Other(number) => format!("protocol {number}"),
        }
    }
}

impl fmt::Display for Headers {
    /// `tcp 203.0.113.7:4711 > 192.0.2.1:443 SYN`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((from, to)) = self.addresses else {
            return f.write_str("no IP");
        };
        let port = |address: IpAddr, port: u16| std::net::SocketAddr::new(address, port);
        match self.transport {
            None => write!(f, "{from} > {to}"),
            Some(Carried::Tcp {
                source,
                destination,
                flags,
            }) => {
                let (from, to) = (port(from, source), port(to, destination));
                write!(f, "tcp {from} > {to} {}", flag_names(flags))
            }
            Some(Carried::Udp {
                source,
                destination,
            }) => {
                let (from, to) = (port(from, source), port(to, destination));
                write!(f, "udp {from} > {to}")
            }
            Some(Carried::Icmp { kind, code }) => {
                write!(f, "icmp {from} > {to} type {kind} code {code}")
            }
            Some(other @ Carried::Other(_)) => write!(f, "{} {from} > {to}", other.name()),
        }
    }
}

fn flag_names(flags: u8) -> String {
    const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set = (0..8).filter(|bit| flags >> bit & 1 != 0);
    let names: Vec<&str> = set.filter_map(|bit| NAMES.get(bit).copied()).collect();
    if names.is_empty() {
        return "no flags".to_owned();
    }
    names.join(",")
}

/// A record of the ring; none where it is not one.
pub(super) fn sample(record: &[u8]) -> Option<Sample> {
    let (time_ns, rest) = record.split_first_chunk()?;
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (reason, rest) = rest.split_first_chunk()?;
    let (interface, rest) = rest.split_first_chunk()?;
    let (bytes, rest) = rest.split_first_chunk()?;
    let (head_bytes, rest) = rest.split_first_chunk()?;
    let ([prefix_len, reserved], rest) = rest.split_first_chunk::<2>()?;
    let head = rest.first_chunk::<SAMPLE_HEAD_BYTES>()?;
    Some(Sample {
        time_ns: u64::from_ne_bytes(*time_ns),
        source: *source,
        reason: u32::from_ne_bytes(*reason),
        interface: u32::from_ne_bytes(*interface),
        bytes: u32::from_ne_bytes(*bytes),
        head_bytes: u16::from_ne_bytes(*head_bytes),
        prefix_len: *prefix_len,
        reserved: *reserved,
        head: *head,
    })
}

const VLANS: [u16; 2] = [0x8100, 0x88a8];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Reads a frame from its Ethernet header on.
pub(super) fn headers(frame: &[u8]) -> Headers {
    read(frame).unwrap_or_default()
}

fn read(frame: &[u8]) -> Option<Headers> {
    let mut kind = number(frame, 12)?;
    let mut at = 14;
    while VLANS.contains(&kind) {
        kind = number(frame, at + 2)?;
        at += 4;
    }
    let packet = frame.get(at..)?;
    match kind {
        IPV4 => v4(packet),
        IPV6 => v6(packet),
        _ => None,
    }
}

fn v4(packet: &[u8]) -> Option<Headers> {
    let source: [u8; 4] = *packet.get(12..)?.first_chunk()?;
    let destination: [u8; 4] = *packet.get(16..)?.first_chunk()?;
    let protocol = *packet.get(9)?;
    let is_first = number(packet, 6)? & 0x1fff == 0;
    let length = usize::from(*packet.first()? & 0x0f) * 4;
    let rest = packet.get(length..).filter(|_| is_first && length >= 20);
    let addresses = (
        Ipv4Addr::from(source).into(),
        Ipv4Addr::from(destination).into(),
    );
    Some(Headers {
        addresses: Some(addresses),
        transport: transport(protocol, rest),
    })
}

fn v6(packet: &[u8]) -> Option<Headers> {
    const FRAGMENT: u8 = 44;
    // Hop by hop, routing, destination, mobility, HIP, Shim6: each says its length behind the first eight bytes.
    const EXTENSIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];
    let source: [u8; 16] = *packet.get(8..)?.first_chunk()?;
    let destination: [u8; 16] = *packet.get(24..)?.first_chunk()?;
    let mut protocol = *packet.get(6)?;
    let mut rest = packet.get(40..);
    let mut is_first = true;
    while let Some(header) = rest {
        let length = match protocol {
            FRAGMENT => {
                is_first = number(header, 2).is_some_and(|offset| offset >> 3 == 0);
                8
            }
            one if EXTENSIONS.contains(&one) => {
                8 + usize::from(header.get(1).copied().unwrap_or(0)) * 8
            }
            _ => break,
        };
        let Some(next) = header.first() else {
            break;
        };
        protocol = *next;
        rest = header.get(length..).filter(|_| is_first);
    }
    let addresses = (
        Ipv6Addr::from(source).into(),
        Ipv6Addr::from(destination).into(),
    );
    Some(Headers {
        addresses: Some(addresses),
        transport: transport(protocol, rest),
    })
}

fn transport(protocol: u8, header: Option<&[u8]>) -> Option<Carried> {
    let other = Some(Carried::Other(protocol));
    let Some(header) = header else {
        return other;
    };
    let ports = number(header, 0).zip(number(header, 2));
    let read = match protocol {
        6 => ports
            .zip(header.get(13))
            .map(|((source, destination), flags)| Carried::Tcp {
                source,
                destination,
                flags: *flags,
            }),
        17 => ports.map(|(source, destination)| Carried::Udp {
            source,
            destination,
        }),
        1 | 58 => header
            .first()
            .zip(header.get(1))
            .map(|(kind, code)| Carried::Icmp {
                kind: *kind,
                code: *code,
            }),
        _ => None,
    };
    read.or(other)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let two: &[u8; 2] = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u16, packet: &[u8]) -> Vec<u8> {
        [&[0; 12], &kind.to_be_bytes()[..], packet].concat()
    }

    fn v4_packet(protocol: u8, fragment: u16, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet.extend([203, 0, 113, 7, 192, 0, 2, 1]);
        packet.extend(rest);
        packet
    }

    fn v6_packet(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        packet.extend(
            "2001:db8::7"
                .parse::<Ipv6Addr>()
                .expect("an address")
                .octets(),
        );
        packet.extend(
            "2001:db8::1"
                .parse::<Ipv6Addr>()
                .expect("an address")
                .octets(),
        );
        packet.extend(rest);
        packet
    }

    #[test]
    fn headers_are_told_in_a_line() {
        let tcp = [0x12, 0x67, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02];
        let udp = [0x12, 0x67, 0, 53, 0, 8, 0, 0];
        let extended = [&[6, 0, 0, 0, 0, 0, 0, 0], &tcp[..]].concat();
        let second = [6, 0, 0x01, 0x00, 0, 0, 0, 0];
        for (frame, told) in [
            (
                frame(IPV4, &v4_packet(6, 0, &tcp)),
                "tcp 203.0.113.7:4711 > 192.0.2.1:443 SYN",
            ),
            (
                frame(IPV4, &v4_packet(17, 0, &udp)),
                "udp 203.0.113.7:4711 > 192.0.2.1:53",
            ),
            (
                frame(IPV4, &v4_packet(1, 0, &[8, 0, 0, 0])),
                "icmp 203.0.113.7 > 192.0.2.1 type 8 code 0",
            ),
            (
                frame(IPV4, &v4_packet(17, 100, &udp)),
                "protocol 17 203.0.113.7 > 192.0.2.1",
            ),
            (
                frame(IPV6, &v6_packet(60, &extended)),
                "tcp [2001:db8::7]:4711 > [2001:db8::1]:443 SYN",
            ),
            (
                frame(IPV6, &v6_packet(44, &second)),
                "protocol 6 2001:db8::7 > 2001:db8::1",
            ),
            (frame(0x0806, &[]), "no IP"),
            (Vec::new(), "no IP"),
        ] {
            assert_eq!(headers(&frame).to_string(), told);
        }
        let tagged = [&[0, 1, 8, 0][..], &v4_packet(6, 0, &tcp)].concat();
        let told = headers(&frame(0x8100, &tagged)).to_string();
        assert_eq!(told, "tcp 203.0.113.7:4711 > 192.0.2.1:443 SYN");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_told(
            start in 0..4_usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..SAMPLE_HEAD_BYTES),
        ) {
            let kind = [IPV4, IPV6, 0x8100, 0x88a8];
            let _ = headers(&bytes).to_string();
            let _ = headers(&frame(kind[start], &bytes)).to_string();
            let _ = sample(&bytes);
        }
    }
}
