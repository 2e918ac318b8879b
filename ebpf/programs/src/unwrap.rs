//! For endpoints of L4 services that get their packets through tunnels: takes them out (RFC 2003, RFC 2473, RFC 4213), so
//! that the kernel needs no device for them. Only tunnels from addresses that are known end here.
#![no_std]
#![no_main]

use abi::service::{Address, v4};
use abi::unwrap::{SOURCES_MAX, counts};
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_xdp_adjust_head;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{HashMap, PerCpuArray};
use aya_ebpf::programs::XdpContext;

#[map(name = "TUNNEL_SOURCES")]
static SOURCES: HashMap<Address, u32> = HashMap::with_max_entries(SOURCES_MAX, 0);
#[map(name = "TUNNEL_COUNTS")]
static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(counts::ALL, 0);

const ETHERNET_BYTES: usize = 14;
const ETHER_IPV4: u16 = 0x0800_u16.to_be();
const ETHER_IPV6: u16 = 0x86dd_u16.to_be();
/// Protocol numbers of an IP packet in another.
const IPV4_INSIDE: u8 = 4;
const IPV6_INSIDE: u8 = 41;
/// An IPv4 header without options.
const PLAIN_IPV4: u8 = 0x45;
/// A fragment, or the first of some.
const FRAGMENT: u16 = 0x3fff;
/// Congestion was experienced; the lower two bits of the traffic class (RFC 3168).
const CONGESTION: u8 = 3;

#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Ethernet {
    addresses: [u8; 12],
    kind: u16,
}

#[repr(C, packed)]
struct Ipv4 {
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
struct Ipv6 {
    version: [u8; 4],
    bytes: u16,
    protocol: u8,
    hops: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

/// What the outer header says.
struct Outer {
    source: Address,
    bytes: usize,
    class: u8,
    protocol: u8,
}

/// `frags`: a packet may come in several pieces; the headers are in the first.
#[xdp(frags)]
pub fn xdp_unwrap(context: XdpContext) -> u32 {
    let Some((outer, ethernet)) = outer(&context) else {
        return xdp_action::XDP_PASS;
    };
    let is_plain = matches!(outer.protocol, IPV4_INSIDE | IPV6_INSIDE);
    if !is_plain {
        return xdp_action::XDP_PASS;
    }
    // SAFETY: only whether it is there matters.
    if outer.bytes == 0 || unsafe { SOURCES.get(&outer.source) }.is_none() {
        count(counts::OTHERS);
        return xdp_action::XDP_PASS;
    }
    if take_out(&context, &outer, ethernet).is_some() {
        count(counts::UNWRAPPED);
        xdp_action::XDP_PASS
    } else {
        count(counts::DROPPED);
        xdp_action::XDP_DROP
    }
}

/// The outer header; 0 bytes where it is one that nothing is taken out of.
#[inline(always)]
fn outer(context: &XdpContext) -> Option<(Outer, Ethernet)> {
    let ethernet: *const Ethernet = at(context, 0)?;
    // SAFETY: `at` compared it with the packet's end; the struct is packed, so it has no alignment.
    let ethernet = unsafe { ethernet.read_unaligned() };
    let outer = match ethernet.kind {
        ETHER_IPV4 => {
            let header: *const Ipv4 = at(context, ETHERNET_BYTES)?;
            // SAFETY: as above.
            let header = unsafe { header.read_unaligned() };
            let is_whole = u16::from_be(header.fragment) & FRAGMENT == 0;
            let is_plain = header.version == PLAIN_IPV4 && is_whole;
            Outer {
                source: v4(header.source),
                bytes: if is_plain { size_of::<Ipv4>() } else { 0 },
                class: header.class,
                protocol: header.protocol,
            }
        }
        ETHER_IPV6 => {
            let header: *const Ipv6 = at(context, ETHERNET_BYTES)?;
            // SAFETY: as above.
            let header = unsafe { header.read_unaligned() };
            Outer {
                source: header.source,
                bytes: size_of::<Ipv6>(),
                class: header.version[0] << 4 | header.version[1] >> 4,
                protocol: header.protocol,
            }
        }
        _ => return None,
    };
    Some((outer, ethernet))
}

/// Removes the outer header. Nothing: what is inside cannot be meant.
#[inline(always)]
fn take_out(context: &XdpContext, outer: &Outer, ethernet: Ethernet) -> Option<()> {
    let is_v6 = outer.protocol == IPV6_INSIDE;
    let start = ETHERNET_BYTES + outer.bytes;
    let version: *const u8 = at(context, start)?;
    // SAFETY: as above.
    let version = unsafe { version.read() } >> 4;
    if version != if is_v6 { 6 } else { 4 } {
        return None;
    }
    if outer.class & CONGESTION == CONGESTION {
        mark(context, start, is_v6)?;
    }
    // SAFETY: the context is the one that the kernel passed in.
    if unsafe { bpf_xdp_adjust_head(context.ctx, outer.bytes as i32) } != 0 {
        return None;
    }
    let place: *mut Ethernet = at(context, 0)?;
    let kind = if is_v6 { ETHER_IPV6 } else { ETHER_IPV4 };
    // SAFETY: as above.
    unsafe { place.write_unaligned(Ethernet { kind, ..ethernet }) };
    Some(())
}

/// Congestion on the way of the tunnel is congestion of the packet (RFC 6040, 4.2). Whose sender does not know the mark is
/// told by a loss.
#[inline(always)]
fn mark(context: &XdpContext, start: usize, is_v6: bool) -> Option<()> {
    if is_v6 {
        let header: *mut Ipv6 = at(context, start)?;
        // SAFETY: as above.
        let header = unsafe { &mut *header };
        if header.version[1] >> 4 & CONGESTION == 0 {
            return None;
        }
        header.version[1] |= CONGESTION << 4;
        return Some(());
    }
    let header: *mut Ipv4 = at(context, start)?;
    // SAFETY: as above.
    let header = unsafe { &mut *header };
    let old = header.class;
    if old & CONGESTION == 0 {
        return None;
    }
    header.class = old | CONGESTION;
    // RFC 1624: the low byte of a word grows by so much, the sum falls by as much.
    let more = u32::from(header.class - old);
    let sum = u32::from(!u16::from_be(header.checksum)) + more;
    header.checksum = (!((sum & 0xffff) + (sum >> 16)) as u16).to_be();
    Some(())
}

#[inline(always)]
fn at<T>(context: &XdpContext, offset: usize) -> Option<*mut T> {
    let place = context.data() + offset;
    if place + size_of::<T>() > context.data_end() {
        return None;
    }
    Some(place as *mut T)
}

#[inline(always)]
fn count(number: u32) {
    if let Some(counter) = COUNTS.get_ptr_mut(number) {
        // SAFETY: the pointer is to this CPU's own value, and a program is not interrupted by itself on one CPU.
        unsafe { *counter = (*counter).wrapping_add(1) };
    }
}

/// The helpers are open to every program; the string is that of all programs here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier admits no code that can panic.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
