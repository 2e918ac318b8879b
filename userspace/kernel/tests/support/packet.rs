//! Packets, built as they are read: `Packet::new().eth().vlan(7).ipv4("203.0.113.7").udp()`.

use std::net::{Ipv4Addr, Ipv6Addr};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// A packet under construction. Each layer sets the type field of the one before it.
#[derive(Clone, Default)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    /// Where the field is that names the next layer, and how wide it is.
    next: Option<Next>,
    /// Where the length fields of IP headers are, to be filled in at the end.
    lengths: Vec<Length>,
}

#[derive(Clone, Copy)]
enum Next {
    EtherType(usize),
    Protocol(usize),
}

#[derive(Clone, Copy)]
struct Length {
    at: usize,
    counted_from: usize,
}

impl Packet {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn eth(mut self) -> Self {
        self.bytes
            .extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        self.push_ether_type()
    }

    /// An 802.1Q tag.
    pub(crate) fn vlan(self, id: u16) -> Self {
        self.tag(0x8100, id)
    }

    /// An 802.1ad tag, the outer one of two.
    pub(crate) fn service_vlan(self, id: u16) -> Self {
        self.tag(0x88a8, id)
    }

    fn tag(mut self, kind: u16, id: u16) -> Self {
        self.set_ether_type(kind);
        self.bytes.extend_from_slice(&id.to_be_bytes());
        self.push_ether_type()
    }

    /// Anything that is not IP.
    pub(crate) fn ether_type(mut self, kind: u16) -> Self {
        self.set_ether_type(kind);
        self.bytes.extend_from_slice(&[0; 28]);
        self
    }

    pub(crate) fn ipv4(self, source: &str) -> Self {
        self.ipv4_with_options(source, 0)
    }

    pub(crate) fn ipv4_with_options(mut self, source: &str, words: u8) -> Self {
        self.set_ether_type(IPV4);
        let start = self.bytes.len();
        self.bytes
            .extend_from_slice(&[0x45 + words, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0]);
        let source: Ipv4Addr = source.parse().expect("an IPv4 address");
        self.bytes.extend_from_slice(&source.octets());
        self.bytes.extend_from_slice(&[192, 0, 2, 1]);
        self.bytes
            .extend(std::iter::repeat_n(1, usize::from(words) * 4));
        self.next = Some(Next::Protocol(start + 9));
        self.lengths.push(Length {
            at: start + 2,
            counted_from: start,
        });
        self
    }

    pub(crate) fn ipv6(mut self, source: &str) -> Self {
        self.set_ether_type(IPV6);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0x60, 0, 0, 0, 0, 0, 59, 64]);
        let source: Ipv6Addr = source.parse().expect("an IPv6 address");
        self.bytes.extend_from_slice(&source.octets());
        self.bytes.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        self.next = Some(Next::Protocol(start + 6));
        self.lengths.push(Length {
            at: start + 4,
            counted_from: start + 40,
        });
        self
    }

    /// An IPv6 extension header of `8 * (words + 1)` bytes.
    pub(crate) fn extension(self, header: u8, words: u8) -> Self {
        let rest = usize::from(words) * 8 + 6;
        self.header(header, words, &vec![0; rest])
    }

    /// An IPv6 fragment header; `offset` in units of 8 bytes.
    pub(crate) fn fragment(self, offset: u16) -> Self {
        let [high, low] = (offset << 3).to_be_bytes();
        self.header(44, 0, &[high, low, 0, 0, 0, 1])
    }

    fn header(mut self, number: u8, length: u8, rest: &[u8]) -> Self {
        self.set_protocol(number);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[59, length]);
        self.bytes.extend_from_slice(rest);
        self.next = Some(Next::Protocol(start));
        self
    }

    pub(crate) fn udp(mut self) -> Self {
        self.set_protocol(17);
        self.bytes
            .extend_from_slice(&[0x30, 0x39, 0, 53, 0, 12, 0, 0]);
        self.bytes.extend_from_slice(b"data");
        self
    }

    /// The packet, lengths filled in.
    pub(crate) fn build(mut self) -> Vec<u8> {
        for length in self.lengths {
            let bytes = (self.bytes.len() - length.counted_from) as u16;
            self.bytes[length.at..length.at + 2].copy_from_slice(&bytes.to_be_bytes());
        }
        self.bytes
    }

    /// The first bytes of it alone, lengths as if it were whole.
    pub(crate) fn cut(self, bytes: usize) -> Vec<u8> {
        let mut packet = self.build();
        packet.truncate(bytes);
        packet
    }

    /// With one byte of it changed.
    pub(crate) fn with(self, at: usize, byte: u8) -> Vec<u8> {
        let mut packet = self.build();
        packet[at] = byte;
        packet
    }

    fn push_ether_type(mut self) -> Self {
        self.next = Some(Next::EtherType(self.bytes.len()));
        self.bytes.extend_from_slice(&[0, 0]);
        self
    }

    fn set_ether_type(&mut self, kind: u16) {
        let Some(Next::EtherType(at)) = self.next else {
            panic!("this layer follows Ethernet or VLAN");
        };
        self.bytes[at..at + 2].copy_from_slice(&kind.to_be_bytes());
    }

    fn set_protocol(&mut self, number: u8) {
        let Some(Next::Protocol(at)) = self.next else {
            panic!("this layer follows IP");
        };
        self.bytes[at] = number;
    }
}
