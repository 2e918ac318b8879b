//! A packet inside another one (RFC 2003, 2473, 4213), so that it reaches an endpoint over any network.

use super::rewrite::place;
use super::segment::Segment;
use super::{checksum, way};
use abi::Reason;
use abi::service::Flow;
use aya_ebpf::helpers::bpf_xdp_adjust_head;
use aya_ebpf::programs::XdpContext;

const IPV4_BYTES: u32 = 20;
const IPV6_BYTES: u32 = 40;
const ETHER_IPV4: u16 = 0x0800_u16.to_be();
const ETHER_IPV6: u16 = 0x86dd_u16.to_be();
/// Protocol numbers of an IP packet in another.
const IPV4_INSIDE: u8 = 4;
const IPV6_INSIDE: u8 = 41;
/// Hops that the outer packet lives; RFC 1700.
const HOPS: u8 = 64;
const DO_NOT_FRAGMENT: u16 = 0x4000_u16.to_be();

#[repr(C, packed)]
struct Ethernet {
    addresses: [u8; 12],
    kind: u16,
}

#[repr(C, packed)]
struct OuterIpv4 {
    ethernet: Ethernet,
    version: u8,
    class: u8,
    bytes: u16,
    id: u16,
    fragment: u16,
    hops: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

#[repr(C, packed)]
struct OuterIpv6 {
    ethernet: Ethernet,
    version: [u8; 4],
    bytes: u16,
    protocol: u8,
    hops: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

/// Bytes that the outer header adds.
#[inline(always)]
pub(super) fn overhead(flow: &Flow) -> u32 {
    if way::is_v4(flow) {
        IPV4_BYTES
    } else {
        IPV6_BYTES
    }
}

/// Wraps the packet.
#[inline(always)]
pub(super) fn wrap(context: &XdpContext, segment: &Segment, flow: &Flow) -> Result<(), Reason> {
    let more = overhead(flow);
    // The traffic class is copied, so that congestion marks of the outer way can be told apart (RFC 6040).
    let class = class(context, segment).ok_or(Reason::DropMalformed)?;
    // SAFETY: the context is the one that the kernel passed in.
    if unsafe { bpf_xdp_adjust_head(context.ctx, -(more as i32)) } != 0 {
        return Err(Reason::DropServiceNoRoute);
    }
    let protocol = if segment.is_v6 {
        IPV6_INSIDE
    } else {
        IPV4_INSIDE
    };
    let inner_bytes = segment.packet_bytes as u16;
    if more == IPV4_BYTES {
        let outer: *mut OuterIpv4 = place(context, 0).ok_or(Reason::DropMalformed)?;
        let header = OuterIpv4 {
            ethernet: Ethernet {
                addresses: flow.hop_addresses,
                kind: ETHER_IPV4,
            },
            version: 0x45,
            class,
            bytes: (inner_bytes + IPV4_BYTES as u16).to_be(),
            id: 0,
            fragment: DO_NOT_FRAGMENT,
            hops: HOPS,
            protocol,
            checksum: 0,
            source: flow.source[3],
            destination: flow.destination[3],
        };
        let sum = u64::from(u16::from_ne_bytes([header.version, class]))
            + u64::from(header.bytes)
            + u64::from(DO_NOT_FRAGMENT)
            + u64::from(u16::from_ne_bytes([HOPS, protocol]))
            + u64::from(flow.source[3])
            + u64::from(flow.destination[3]);
        let header = OuterIpv4 {
            checksum: !checksum::fold(sum),
            ..header
        };
        // SAFETY: `place` compared it with the packet's end; the struct is packed, so it has no alignment.
        unsafe { outer.write_unaligned(header) };
    } else {
        let outer: *mut OuterIpv6 = place(context, 0).ok_or(Reason::DropMalformed)?;
        let header = OuterIpv6 {
            ethernet: Ethernet {
                addresses: flow.hop_addresses,
                kind: ETHER_IPV6,
            },
            version: [0x60 | class >> 4, class << 4, 0, 0],
            bytes: inner_bytes.to_be(),
            protocol,
            hops: HOPS,
            source: flow.source,
            destination: flow.destination,
        };
        // SAFETY: as above.
        unsafe { outer.write_unaligned(header) };
    }
    Ok(())
}

/// The traffic class of the packet: the second byte of IPv4, the two halves in the middle of IPv6's first two.
#[inline(always)]
fn class(context: &XdpContext, segment: &Segment) -> Option<u8> {
    let start: *mut [u8; 2] = place(context, way::UNTAGGED as usize)?;
    // SAFETY: `place` compared it with the packet's end.
    let [first, second] = unsafe { start.read_unaligned() };
    Some(if segment.is_v6 {
        first << 4 | second >> 4
    } else {
        second
    })
}
