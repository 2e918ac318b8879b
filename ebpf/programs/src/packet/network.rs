//! IPv4, IPv6 and its extension headers.

use super::{Address, Family, Fragment, Headers, Packet};
use abi::{Reason, limits};

const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;

/// More fragments, in the field of an IPv4 fragment's offset.
const V4_MORE: u16 = 0x2000;
const V4_OFFSET: u16 = 0x1fff;
/// The same in an IPv6 fragment header.
const V6_MORE: u16 = 1;
const V6_OFFSET: u16 = 0xfff8;
/// The largest IP packet that is no jumbogram, its header included.
const PACKET_MAX_BYTES: usize = 0xffff;

/// Extension headers of IPv6 (RFC 8200, 4) and those that share their form.
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

impl Packet {
    #[inline(always)]
    pub(super) fn ipv4(&self, l3: usize, headers: &mut Headers) -> Result<(), Reason> {
        let malformed = Reason::DropMalformed;
        let [version, _, high, low] = self.read_bytes(l3).ok_or(malformed)?;
        let place = self.read_u16(l3 + 6).ok_or(malformed)?;
        let [hops, protocol, _, _] = self.read_bytes(l3 + 8).ok_or(malformed)?;
        let [source, destination]: [u32; 2] = self.read(l3 + 12).ok_or(malformed)?;
        // Linux 6.1 loses its bounds on ways that cannot be; so the compiler must not know them and leave the mask of reads out.
        let header_bytes = super::opaque(usize::from(version & 0x0f) * 4);
        let total_bytes = usize::from(u16::from_be_bytes([high, low]));
        let there = self.bytes.wrapping_sub(l3);
        // Segments that the kernel joined may be longer than the field can say; it is 0 then.
        let joined = total_bytes == 0 && there > PACKET_MAX_BYTES;
        let total_bytes = if joined { there } else { total_bytes };
        let well_formed = version >> 4 == 4
            && header_bytes >= IPV4_BYTES
            && total_bytes >= header_bytes
            && total_bytes <= there;
        if !well_formed {
            return Err(malformed);
        }
        *headers = Headers {
            family: Family::V4,
            fragment: v4_fragment(place),
            protocol,
            tcp_flags: 0,
            icmp: (0, 0),
            source_port: 0,
            destination_port: 0,
            l3,
            l4: l3 + header_bytes,
            end: l3 + total_bytes,
            hops,
            source: Address::mapped(source),
            destination: Address::mapped(destination),
            bytes: self.bytes as u64,
            fault: None,
        };
        let offset_bytes = usize::from(place & V4_OFFSET) * 8;
        let broken = headers.fragment != Fragment::Whole
            && bad_fragment(
                offset_bytes,
                total_bytes - header_bytes,
                place & V4_MORE != 0,
            );
        if broken {
            headers.fault = Some(malformed);
        } else {
            self.transport(headers, offset_bytes);
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn ipv6(&self, l3: usize, headers: &mut Headers) -> Result<(), Reason> {
        let malformed = Reason::DropMalformed;
        let [version, _, _, _] = self.read_bytes(l3).ok_or(malformed)?;
        let [high, low, protocol, hops] = self.read_bytes(l3 + 4).ok_or(malformed)?;
        let source = self.read(l3 + 8).ok_or(malformed)?;
        let destination = self.read(l3 + 24).ok_or(malformed)?;
        let payload_bytes = usize::from(u16::from_be_bytes([high, low]));
        let there = self.bytes.wrapping_sub(l3 + IPV6_BYTES);
        // A jumbogram (RFC 2675), or segments that the kernel joined: the length is in an extension header.
        let jumbo = payload_bytes == 0 && there > PACKET_MAX_BYTES;
        let payload_bytes = if jumbo { there } else { payload_bytes };
        if version >> 4 != 6 || payload_bytes > there {
            return Err(malformed);
        }
        let l4 = l3 + IPV6_BYTES;
        *headers = Headers {
            family: Family::V6,
            fragment: Fragment::Whole,
            protocol,
            tcp_flags: 0,
            icmp: (0, 0),
            source_port: 0,
            destination_port: 0,
            l3,
            l4,
            end: l4 + payload_bytes,
            hops,
            source: Address(source),
            destination: Address(destination),
            bytes: self.bytes as u64,
            fault: None,
        };
        match self.extensions(headers) {
            Ok(offset_bytes) => self.transport(headers, offset_bytes),
            Err(fault) => headers.fault = Some(fault),
        }
        Ok(())
    }

    /// Walks extension headers to the transport header. Gives the offset of the fragment, 0 of a whole packet.
    #[inline(always)]
    fn extensions(&self, headers: &mut Headers) -> Result<usize, Reason> {
        for _ in 0..limits::IPV6_EXTENSIONS {
            if !is_extension(headers.protocol) {
                return Ok(0);
            }
            let [next_header, length, high, low] =
                self.read_bytes(headers.l4).ok_or(Reason::DropMalformed)?;
            let kind = headers.protocol;
            headers.l4 += match kind {
                next::FRAGMENT => 8,
                next::AUTHENTICATION => (usize::from(length) + 2) * 4,
                _ => (usize::from(length) + 1) * 8,
            };
            headers.protocol = next_header;
            if headers.l4 > headers.end {
                return Err(Reason::DropMalformed);
            }
            if kind == next::FRAGMENT {
                let place = u16::from_be_bytes([high, low]);
                let offset_bytes = usize::from(place & V6_OFFSET);
                let more = place & V6_MORE != 0;
                headers.fragment = match (offset_bytes, more) {
                    // An atomic fragment (RFC 6946).
                    (0, false) => Fragment::Whole,
                    (0, true) => Fragment::First,
                    _ => Fragment::Later,
                };
                let whole = headers.fragment == Fragment::Whole;
                if !whole && bad_fragment(offset_bytes, headers.end - headers.l4, more) {
                    return Err(Reason::DropMalformed);
                }
                if headers.fragment == Fragment::Later {
                    // The headers behind are in the first one.
                    return Ok(offset_bytes);
                }
            }
        }
        if is_extension(headers.protocol) {
            return Err(Reason::DropHeaderDepth);
        }
        Ok(0)
    }
}

#[inline(always)]
fn v4_fragment(place: u16) -> Fragment {
    if place & V4_OFFSET != 0 {
        Fragment::Later
    } else if place & V4_MORE != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    }
}

/// A fragment without bytes, one that cannot be followed by another, or one that ends behind the largest packet.
#[inline(always)]
fn bad_fragment(offset_bytes: usize, bytes: usize, more: bool) -> bool {
    bytes == 0 || (more && !bytes.is_multiple_of(8)) || offset_bytes + bytes > PACKET_MAX_BYTES
}

#[inline(always)]
fn is_extension(header: u8) -> bool {
    matches!(
        header,
        next::HOP_BY_HOP
            | next::ROUTING
            | next::FRAGMENT
            | next::AUTHENTICATION
            | next::DESTINATION
            | next::MOBILITY
            | next::HOST_IDENTITY
            | next::SHIM6
    )
}
