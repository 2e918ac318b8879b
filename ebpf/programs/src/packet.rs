//! Reading a frame once: [`parse`] makes one [`Headers`] of it, for the gate and for the services behind it.

mod network;
mod transport;

use abi::{Reason, limits};
use aya_ebpf::helpers::bpf_xdp_get_buff_len;
use aya_ebpf::programs::XdpContext;

const ETHERNET_BYTES: usize = 14;
const VLAN_BYTES: usize = 4;

mod ether {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const IPV6: u16 = 0x86dd;
    /// 802.1Q
    pub(super) const VLAN: u16 = 0x8100;
    /// 802.1ad, the outer one of two tags
    pub(super) const SERVICE_VLAN: u16 = 0x88a8;
}

/// Protocols above IP, by their IANA numbers.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ICMPV6: u8 = 58;
}

/// Bits of the flags byte of a TCP header.
pub(crate) mod tcp {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const ACK: u8 = 0x10;
    pub(crate) const URG: u8 = 0x20;
}

/// The IP version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Whether the packet is a whole one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// No fragment.
    Whole,
    /// The first of several: it has the transport header.
    First,
    /// A later one: there are no ports in it.
    Later,
}

/// An address in network byte order; an IPv4 one is mapped (`::ffff:203.0.113.7`), so that one key fits both.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Address(pub(crate) [u32; 4]);

impl Address {
    #[inline(always)]
    pub(crate) const fn mapped(v4: u32) -> Self {
        Self([0, 0, 0xffff_u32.to_be(), v4])
    }

    /// The IPv4 address in it, as the key of a map.
    #[inline(always)]
    pub(crate) const fn v4(&self) -> [u8; 4] {
        self.0[3].to_ne_bytes()
    }

    /// 127.0.0.0/8 or ::1.
    #[inline(always)]
    pub(crate) fn is_loopback(&self) -> bool {
        let Self([first, second, third, fourth]) = *self;
        let is_v4 = first == 0 && second == 0 && third == 0xffff_u32.to_be();
        let is_v6 = first == 0 && second == 0 && third == 0 && fourth == 1_u32.to_be();
        (is_v4 && u32::from_be(fourth) >> 24 == 127) || is_v6
    }

    /// All of it, as the key of a map.
    #[inline(always)]
    pub(crate) fn octets(&self) -> [u8; 16] {
        // SAFETY: both are 16 bytes without padding, and every bit pattern is a value of both.
        unsafe { core::mem::transmute(self.0) }
    }
}

/// What a frame says of itself. Offsets count from the frame's first byte and are at most [`MAX_OFFSET`].
pub(crate) struct Headers {
    pub(crate) family: Family,
    pub(crate) fragment: Fragment,
    /// The transport protocol; of IPv6 the header behind the extensions.
    pub(crate) protocol: u8,
    /// The flags byte of a TCP header; 0 where there is none.
    pub(crate) tcp_flags: u8,
    /// Type and code of ICMP or ICMPv6; 0 where it is neither.
    pub(crate) icmp: (u8, u8),
    /// Of TCP and UDP, in host byte order; 0 where there are none (other protocols, later fragments).
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// Where the IP header begins.
    pub(crate) l3: usize,
    /// Where the transport header begins.
    pub(crate) l4: usize,
    /// Where the IP packet ends; a short frame has padding behind it.
    pub(crate) end: usize,
    /// Time to live, or hop limit.
    pub(crate) hops: u8,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// Bytes of the frame.
    pub(crate) bytes: u64,
    /// What is wrong behind the addresses; such a packet does not reach the services.
    pub(crate) fault: Option<Reason>,
}

impl Headers {
    /// A TCP segment that asks for a new connection.
    #[inline(always)]
    pub(crate) fn opens_connection(&self) -> bool {
        self.protocol == protocol::TCP && self.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    }
}

/// No offset of a header is larger: VLAN tags, an IP header and as many extension headers as are walked.
pub(crate) const MAX_OFFSET: usize = 0x7fff;

/// The bytes of a frame that can be read directly. Headers always lie there, also where the packet is in pieces.
pub(crate) struct Packet {
    start: usize,
    end: usize,
    /// Bytes of the frame, those in further pieces included.
    bytes: usize,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        Self {
            start: context.data(),
            end: context.data_end(),
            // SAFETY: the context is the one that the kernel passed in.
            bytes: unsafe { bpf_xdp_get_buff_len(context.ctx) } as usize,
        }
    }

    #[inline(always)]
    fn parse(&self, headers: &mut Headers) -> Result<(), Reason> {
        headers.bytes = self.bytes as u64;
        let (kind, l3) = self.network()?;
        match kind {
            ether::IPV4 => self.ipv4(l3, headers),
            ether::IPV6 => self.ipv6(l3, headers),
            kind if is_vlan(kind) => Err(Reason::PassVlanDepth),
            _ => Err(Reason::PassNotIp),
        }
    }

    /// A copy of the bytes at an offset; none where the packet ends before.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        // The mask changes nothing; it lets the verifier see that the offset is bounded.
        let at = self.start + (offset & MAX_OFFSET);
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: compared with the packet's end above, as the verifier checks again. T is an integer or an array of
        // them, so every bit pattern is one. Headers lie at odd places; this target has no alignment to keep, and a read
        // that says so would be one load for each byte.
        Some(unsafe { (at as *const T).read_volatile() })
    }

    /// Four bytes, in one load.
    #[inline(always)]
    fn read_bytes(&self, offset: usize) -> Option<[u8; 4]> {
        self.read(offset).map(u32::to_ne_bytes)
    }

    /// As [`read`](Self::read), of a number in network byte order.
    #[inline(always)]
    fn read_u16(&self, offset: usize) -> Option<u16> {
        self.read(offset).map(u16::from_be)
    }

    /// The EtherType behind the VLAN tags, and where its header begins.
    #[inline(always)]
    fn network(&self) -> Result<(u16, usize), Reason> {
        let mut kind = self.ether_type(ETHERNET_BYTES - 2)?;
        let mut offset = ETHERNET_BYTES;
        for _ in 0..limits::VLAN_TAGS {
            if !is_vlan(kind) {
                break;
            }
            kind = self.ether_type(offset + VLAN_BYTES - 2)?;
            offset += VLAN_BYTES;
        }
        Ok((kind, offset))
    }

    #[inline(always)]
    fn ether_type(&self, offset: usize) -> Result<u16, Reason> {
        self.read_u16(offset).ok_or(Reason::DropMalformed)
    }
}

/// Reads a frame. The answer says why there is no address to judge, if there is none: it is no IP, or its fixed header
/// is broken.
///
/// A function of its own, with the headers in a map: so the verifier sees one state of them behind it, whatever way they
/// were read, and they take nothing of the stack.
#[inline(never)]
pub(crate) fn parse(context: &XdpContext, headers: &mut Headers) -> Option<Reason> {
    let packet = Packet::new(context);
    packet.parse(headers).err()
}

/// The same number, of which the compiler knows nothing.
#[inline(always)]
fn opaque(number: usize) -> usize {
    // SAFETY: a reference to a value of ours.
    unsafe { (&raw const number).read_volatile() }
}

#[inline(always)]
fn is_vlan(kind: u16) -> bool {
    matches!(kind, ether::VLAN | ether::SERVICE_VLAN)
}
