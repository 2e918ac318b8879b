//! Packets, built as they are read: `Packet::new().eth().vlan(7).ipv4("203.0.113.7").to("192.0.2.1").udp()`.
//!
//! `build` fills in lengths and checksums. What a test wants wrong is changed afterwards (`with`, `cut`).

use std::net::{Ipv4Addr, Ipv6Addr};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP: u8 = 1;
pub(crate) const ICMPV6: u8 = 58;

/// Flags of TCP.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

/// MAC addresses of the frames, the receiver's and the sender's.
pub(crate) const TO_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const FROM_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Where packets go unless `to` says otherwise.
pub(crate) const SERVER_V4: &str = "192.0.2.1";
pub(crate) const SERVER_V6: &str = "2001:db8:ffff::1";
/// Ports unless `ports` says otherwise.
pub(crate) const CLIENT_PORT: u16 = 12345;
pub(crate) const SERVER_PORT: u16 = 80;

/// A packet under construction. Each layer sets the type field of the one before it.
#[derive(Clone, Default)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    /// Where the field is that names the next layer.
    next: Option<Next>,
    /// The IP headers, outermost first; lengths and checksums are filled in at the end.
    networks: Vec<Network>,
    /// The transport header: where it begins, and which it is.
    transport: Option<(usize, u8)>,
    /// A later fragment has no transport header, a first one no checksum of its own.
    fragment: bool,
    /// What fragments of one packet share.
    id: u16,
}

#[derive(Clone, Copy)]
enum Next {
    EtherType(usize),
    Protocol(usize),
}

#[derive(Clone, Copy)]
enum Network {
    V4(usize),
    V6(usize),
}

impl Packet {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn eth(mut self) -> Self {
        self.bytes.extend_from_slice(&TO_MAC);
        self.bytes.extend_from_slice(&FROM_MAC);
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

    /// An IP header of the source's version.
    pub(crate) fn ip(self, source: &str) -> Self {
        if source.contains(':') {
            self.ipv6(source)
        } else {
            self.ipv4(source)
        }
    }

    pub(crate) fn ipv4(self, source: &str) -> Self {
        self.ipv4_with_options(source, 0)
    }

    pub(crate) fn ipv4_with_options(mut self, source: &str, words: u8) -> Self {
        self.begin_network(IPV4, 4);
        let start = self.bytes.len();
        self.bytes
            .extend_from_slice(&[0x45 + words, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0]);
        self.bytes.extend_from_slice(&v4(source));
        self.bytes.extend_from_slice(&v4(SERVER_V4));
        self.bytes
            .extend(std::iter::repeat_n(1, usize::from(words) * 4));
        self.next = Some(Next::Protocol(start + 9));
        self.networks.push(Network::V4(start));
        self
    }

    pub(crate) fn ipv6(mut self, source: &str) -> Self {
        self.begin_network(IPV6, 41);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0x60, 0, 0, 0, 0, 0, 59, 64]);
        self.bytes.extend_from_slice(&v6(source));
        self.bytes.extend_from_slice(&v6(SERVER_V6));
        self.next = Some(Next::Protocol(start + 6));
        self.networks.push(Network::V6(start));
        self
    }

    /// An IP header within an IP header is a protocol of it.
    fn begin_network(&mut self, ether_type: u16, protocol: u8) {
        match self.next {
            Some(Next::EtherType(_)) => self.set_ether_type(ether_type),
            _ => self.set_protocol(protocol),
        }
    }

    /// Where it goes.
    pub(crate) fn to(mut self, destination: &str) -> Self {
        match self.network() {
            Network::V4(start) => {
                self.bytes[start + 16..start + 20].copy_from_slice(&v4(destination));
            }
            Network::V6(start) => {
                self.bytes[start + 24..start + 40].copy_from_slice(&v6(destination));
            }
        }
        self
    }

    /// Time to live, or hop limit.
    pub(crate) fn ttl(mut self, hops: u8) -> Self {
        let at = match self.network() {
            Network::V4(start) => start + 8,
            Network::V6(start) => start + 7,
        };
        self.bytes[at] = hops;
        self
    }

    /// An IPv6 extension header of `8 * (words + 1)` bytes.
    pub(crate) fn extension(self, header: u8, words: u8) -> Self {
        let rest = usize::from(words) * 8 + 6;
        self.header(header, words, &vec![0; rest])
    }

    /// Makes it a fragment: by an IPv6 fragment header, or by the fields of the IPv4 header. `offset` is in units of
    /// 8 bytes, `more` says that others follow.
    pub(crate) fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment |= offset != 0 || more;
        match self.network() {
            Network::V4(start) => {
                let place = offset | if more { 0x2000 } else { 0 };
                self.bytes[start + 6..start + 8].copy_from_slice(&place.to_be_bytes());
                self
            }
            Network::V6(_) => {
                let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
                let [id_high, id_low] = self.id.to_be_bytes();
                self.header(44, 0, &[high, low, 0, 0, id_high, id_low])
            }
        }
    }

    /// The id that fragments of one packet share; before `fragment`.
    pub(crate) fn id(mut self, id: u16) -> Self {
        if let Network::V4(start) = self.network() {
            put(&mut self.bytes, start + 4, id);
        }
        self.id = id;
        self
    }

    fn header(mut self, number: u8, length: u8, rest: &[u8]) -> Self {
        self.set_protocol(number);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[59, length]);
        self.bytes.extend_from_slice(rest);
        self.next = Some(Next::Protocol(start));
        self
    }

    /// Another protocol, or a later fragment of one: only the number in the header before, no header.
    pub(crate) fn protocol(mut self, number: u8) -> Self {
        self.set_protocol(number);
        self.transport = None;
        self
    }

    /// A UDP header and 4 bytes of data.
    pub(crate) fn udp(self) -> Self {
        self.udp_header().payload(b"data")
    }

    pub(crate) fn udp_header(mut self) -> Self {
        self.begin_transport(UDP);
        self.push_ports();
        self.bytes.extend_from_slice(&[0, 0, 0, 0]);
        self
    }

    /// A TCP header without options.
    pub(crate) fn tcp(mut self, flags: u8) -> Self {
        self.begin_transport(TCP);
        self.push_ports();
        self.bytes.extend_from_slice(&1000_u32.to_be_bytes());
        self.bytes.extend_from_slice(&2000_u32.to_be_bytes());
        self.bytes
            .extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self
    }

    /// Options of the TCP header before; a multiple of 4 bytes.
    pub(crate) fn tcp_options(mut self, options: &[u8]) -> Self {
        let (start, _) = self.transport.expect("a TCP header");
        assert!(options.len().is_multiple_of(4), "whole words");
        self.bytes[start + 12] += (options.len() as u8 / 4) << 4;
        self.bytes.extend_from_slice(options);
        self
    }

    /// Sequence and acknowledgement numbers of the TCP header before.
    pub(crate) fn numbers(mut self, sequence: u32, acknowledgement: u32) -> Self {
        let (start, _) = self.transport.expect("a TCP header");
        self.bytes[start + 4..start + 8].copy_from_slice(&sequence.to_be_bytes());
        self.bytes[start + 8..start + 12].copy_from_slice(&acknowledgement.to_be_bytes());
        self
    }

    /// The window of the TCP header before.
    pub(crate) fn window(mut self, bytes: u16) -> Self {
        let (start, _) = self.transport.expect("a TCP header");
        put(&mut self.bytes, start + 14, bytes);
        self
    }

    /// No router may fragment it; IPv6 is never fragmented by one.
    pub(crate) fn do_not_fragment(mut self) -> Self {
        if let Network::V4(start) = self.network() {
            put(&mut self.bytes, start + 6, 0x4000);
        }
        self
    }

    /// Ports of the TCP or UDP header before.
    pub(crate) fn ports(mut self, source: u16, destination: u16) -> Self {
        let (start, _) = self.transport.expect("a TCP or UDP header");
        self.bytes[start..start + 2].copy_from_slice(&source.to_be_bytes());
        self.bytes[start + 2..start + 4].copy_from_slice(&destination.to_be_bytes());
        self
    }

    /// ICMP or ICMPv6, as the IP version before it wants, with an empty second word.
    pub(crate) fn icmp(self, kind: u8, code: u8) -> Self {
        self.icmp_with(kind, code, 0)
    }

    /// The same with a second word.
    pub(crate) fn icmp_with(mut self, kind: u8, code: u8, rest: u32) -> Self {
        let number = match self.network() {
            Network::V4(_) => ICMP,
            Network::V6(_) => ICMPV6,
        };
        self.begin_transport(number);
        self.bytes.extend_from_slice(&[kind, code, 0, 0]);
        self.bytes.extend_from_slice(&rest.to_be_bytes());
        self
    }

    /// Data behind what is there.
    pub(crate) fn payload(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The packet, lengths and checksums filled in.
    pub(crate) fn build(mut self) -> Vec<u8> {
        let end = self.bytes.len();
        for network in self.networks.clone() {
            match network {
                Network::V4(start) => {
                    put(&mut self.bytes, start + 2, (end - start) as u16);
                    let header = usize::from(self.bytes[start] & 0x0f) * 4;
                    put(&mut self.bytes, start + 10, 0);
                    let sum = !sum(&self.bytes[start..start + header]);
                    put(&mut self.bytes, start + 10, sum);
                }
                Network::V6(start) => put(&mut self.bytes, start + 4, (end - start - 40) as u16),
            }
        }
        if let Some((start, number)) = self.transport {
            if number == UDP {
                put(&mut self.bytes, start + 4, (end - start) as u16);
            }
            if !self.fragment {
                self.fill_checksum(start, number);
            }
        }
        self.bytes
    }

    fn fill_checksum(&mut self, start: usize, number: u8) {
        let at = start
            + match number {
                TCP => 16,
                UDP => 6,
                _ => 2,
            };
        put(&mut self.bytes, at, 0);
        let checksum = transport_checksum(&self.bytes, self.network(), start, number);
        put(&mut self.bytes, at, checksum);
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

    fn network(&self) -> Network {
        *self.networks.last().expect("an IP header")
    }

    fn begin_transport(&mut self, number: u8) {
        self.set_protocol(number);
        self.transport = Some((self.bytes.len(), number));
    }

    fn push_ports(&mut self) {
        self.bytes.extend_from_slice(&CLIENT_PORT.to_be_bytes());
        self.bytes.extend_from_slice(&SERVER_PORT.to_be_bytes());
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
        put(&mut self.bytes, at, kind);
    }

    fn set_protocol(&mut self, number: u8) {
        let Some(Next::Protocol(at)) = self.next else {
            panic!("this layer follows IP");
        };
        self.bytes[at] = number;
    }
}

/// The checksum of TCP, UDP, ICMP or ICMPv6, its own field taken as 0 by the caller.
fn transport_checksum(bytes: &[u8], network: Network, start: usize, number: u8) -> u16 {
    let segment = &bytes[start..];
    let length = (segment.len() as u32).to_be_bytes();
    let addresses = match network {
        Network::V4(_) if number == ICMP => return !sum(segment),
        Network::V4(at) => &bytes[at + 12..at + 20],
        Network::V6(at) => &bytes[at + 8..at + 40],
    };
    let covered = [addresses, &length, &[0, number], segment].concat();
    match !sum(&covered) {
        // A UDP checksum of 0 says that there is none.
        0 if number == UDP => 0xffff,
        checksum => checksum,
    }
}

/// The sum of 16-bit words in ones' complement, slow and plain.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn v4(address: &str) -> [u8; 4] {
    let address: Ipv4Addr = address.parse().expect("an IPv4 address");
    address.octets()
}

fn v6(address: &str) -> [u8; 16] {
    let address: Ipv6Addr = address.parse().expect("an IPv6 address");
    address.octets()
}
