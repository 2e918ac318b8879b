//! Tells the sender of a packet that it is too big for its way (RFC 1191, RFC 8201).

use super::checksum;
use super::maps::{PACE, Pace};
use super::rewrite::place;
use super::segment::Segment;
use abi::limits;
use aya_ebpf::helpers::generated::{bpf_csum_diff, bpf_xdp_adjust_head, bpf_xdp_adjust_tail};
use aya_ebpf::programs::XdpContext;

const SECOND_NS: u64 = 1_000_000_000;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const ICMP_BYTES: u32 = 8;
const IPV4_BYTES: u32 = 20;
const IPV6_BYTES: u32 = 40;
/// How much of the packet is quoted: as much as one checksum takes, or what ports need behind the longest headers.
const LONG: u32 = 504;
const SHORT: u32 = 72;
const HOPS: u8 = 64;
/// An Ethernet header with two tags.
const LINK_MAX: u32 = 22;

#[repr(C, packed)]
struct Ipv4 {
    version: u16,
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
struct Ipv6 {
    version: [u8; 4],
    bytes: u16,
    protocol: u8,
    hops: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

#[repr(C, packed)]
struct Icmp {
    kind: u8,
    code: u8,
    checksum: u16,
    /// ICMP: zeros and the MTU; ICMPv6: the MTU.
    mtu: [u8; 4],
}

/// Makes the answer of the packet. `false`: there is none, because of the pace of answers or for want of bytes to quote.
#[inline(never)]
pub(super) fn answer(context: &XdpContext, segment: &Segment, mtu: u32, now_ns: u64) -> bool {
    let network = segment.network;
    let plain = matches!(network, 14 | 18 | LINK_MAX);
    if !plain || !may_answer(now_ns) {
        return false;
    }
    let there = (context.data_end() - context.data()) as u32;
    let quoted = if segment.packet_bytes >= LONG && there >= network + LONG {
        LONG
    } else if segment.packet_bytes >= SHORT && there >= network + SHORT {
        SHORT
    } else {
        return false;
    };
    let more = ICMP_BYTES
        + if segment.is_v6 {
            IPV6_BYTES
        } else {
            IPV4_BYTES
        };
    let excess = segment.frame_bytes - network - quoted;
    // SAFETY: the context is the one that the kernel passed in.
    let cut = unsafe { bpf_xdp_adjust_tail(context.ctx, -(excess as i32)) };
    if cut != 0 {
        return false;
    }
    // SAFETY: as above.
    let grown = unsafe { bpf_xdp_adjust_head(context.ctx, -(more as i32)) };
    grown == 0 && write(context, segment, quoted, more, mtu).is_some()
}

/// One CPU answers so many packets a second and no more (RFC 4443, 2.4 f).
#[inline(always)]
fn may_answer(now_ns: u64) -> bool {
    let Some(pace) = PACE.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the pointer is to this CPU's own value, and a program is not interrupted by itself on one CPU.
    let pace = unsafe { &mut *pace };
    let second = now_ns / SECOND_NS;
    if pace.second != second {
        *pace = Pace { second, answers: 0 };
    }
    pace.answers += 1;
    pace.answers <= limits::ANSWERS_A_SECOND
}

#[inline(always)]
fn write(context: &XdpContext, segment: &Segment, quoted: u32, more: u32, mtu: u32) -> Option<()> {
    let network = segment.network as usize & 0x1f;
    turn_link(context, network, more as usize)?;
    if segment.is_v6 {
        write_v6(context, segment, network, quoted, mtu)
    } else {
        write_v4(context, segment, network, quoted, mtu)
    }
}

/// The Ethernet header, back to where it came from, with its tags.
#[inline(always)]
fn turn_link(context: &XdpContext, network: usize, more: usize) -> Option<()> {
    let old: *const [u8; 14] = place(context, more)?;
    let new: *mut [u8; 14] = place(context, 0)?;
    // SAFETY: `place` compared all of these with the packet's end; they are bytes, and the old ones are read before the new
    // ones are written.
    unsafe {
        let old = old.read_unaligned();
        let mut turned = old;
        turned[..6].copy_from_slice(&old[6..12]);
        turned[6..12].copy_from_slice(&old[..6]);
        if network > 14 {
            let tag: *const [u8; 4] = place(context, more + 14)?;
            let to: *mut [u8; 4] = place(context, 14)?;
            to.write_unaligned(tag.read_unaligned());
        }
        if network > 18 {
            let tag: *const [u8; 4] = place(context, more + 18)?;
            let to: *mut [u8; 4] = place(context, 18)?;
            to.write_unaligned(tag.read_unaligned());
        }
        new.write_unaligned(turned);
    }
    Some(())
}

#[inline(always)]
fn write_v4(
    context: &XdpContext,
    segment: &Segment,
    network: usize,
    quoted: u32,
    mtu: u32,
) -> Option<()> {
    const UNREACHABLE: u8 = 3;
    const TOO_BIG: u8 = 4;
    let at: *mut Ipv4 = place(context, network)?;
    let header = Ipv4 {
        version: 0x4500_u16.to_be(),
        bytes: ((IPV4_BYTES + ICMP_BYTES + quoted) as u16).to_be(),
        id: 0,
        fragment: 0,
        hops: HOPS,
        protocol: ICMP,
        checksum: 0,
        source: segment.key.destination[3],
        destination: segment.key.source[3],
    };
    let sum = u64::from(header.version)
        + u64::from(header.bytes)
        + u64::from(u16::from_ne_bytes([HOPS, ICMP]))
        + u64::from(header.source)
        + u64::from(header.destination);
    let header = Ipv4 {
        checksum: !checksum::fold(sum),
        ..header
    };
    // SAFETY: `place` compared it with the packet's end; the struct is packed, so it has no alignment.
    unsafe { at.write_unaligned(header) };
    let [_, _, high, low] = mtu.to_be_bytes();
    let icmp = Icmp {
        kind: UNREACHABLE,
        code: TOO_BIG,
        checksum: 0,
        mtu: [0, 0, high, low],
    };
    write_icmp(context, network + IPV4_BYTES as usize, icmp, quoted, 0)
}

#[inline(always)]
fn write_v6(
    context: &XdpContext,
    segment: &Segment,
    network: usize,
    quoted: u32,
    mtu: u32,
) -> Option<()> {
    const TOO_BIG: u8 = 2;
    let at: *mut Ipv6 = place(context, network)?;
    let bytes = ((ICMP_BYTES + quoted) as u16).to_be();
    let header = Ipv6 {
        version: [0x60, 0, 0, 0],
        bytes,
        protocol: ICMPV6,
        hops: HOPS,
        source: segment.key.destination,
        destination: segment.key.source,
    };
    let mut pseudo = u64::from(bytes) + u64::from(u16::from_ne_bytes([0, ICMPV6]));
    for word in 0..4 {
        pseudo += u64::from(segment.key.source[word]) + u64::from(segment.key.destination[word]);
    }
    // SAFETY: as above.
    unsafe { at.write_unaligned(header) };
    let icmp = Icmp {
        kind: TOO_BIG,
        code: 0,
        checksum: 0,
        mtu: mtu.to_be_bytes(),
    };
    write_icmp(context, network + IPV6_BYTES as usize, icmp, quoted, pseudo)
}

/// The message's header, with the checksum over it and what it quotes.
#[inline(always)]
fn write_icmp(context: &XdpContext, at: usize, icmp: Icmp, quoted: u32, pseudo: u64) -> Option<()> {
    let header: *mut Icmp = place(context, at)?;
    // SAFETY: as above.
    unsafe { header.write_unaligned(icmp) };
    let sum = if quoted == LONG {
        sum::<{ (ICMP_BYTES + LONG) as usize }>(context, at)?
    } else {
        sum::<{ (ICMP_BYTES + SHORT) as usize }>(context, at)?
    };
    let header: *mut Icmp = place(context, at)?;
    // SAFETY: as above.
    unsafe { (*header).checksum = !checksum::fold(pseudo + sum) };
    Some(())
}

#[inline(always)]
fn sum<const BYTES: usize>(context: &XdpContext, at: usize) -> Option<u64> {
    let message: *mut [u8; BYTES] = place(context, at)?;
    // SAFETY: `place` compared all of it with the packet's end; the helper reads it alone.
    let sum = unsafe { bpf_csum_diff(core::ptr::null_mut(), 0, message.cast(), BYTES as u32, 0) };
    u32::try_from(sum).ok().map(u64::from)
}
