//! The traffic of the benches: each run of the program makes the packet another one, of the next flow, and hands it to the
//! program under test or to a cable. So a bench has as many flows as there are in life, and what they touch is as cold.
#![no_std]
#![no_main]
#![warn(missing_docs)]

use abi::traffic::Plan;
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::{bpf_redirect, bpf_xdp_adjust_head};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, PerCpuArray, ProgramArray};
use aya_ebpf::programs::XdpContext;

#[map]
static PLAN: Array<Plan> = Array::with_max_entries(1, 0);
#[map]
static COUNT: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
#[map]
static TARGET: ProgramArray = ProgramArray::with_max_entries(1, 0);

// Offsets in a frame without tags, options and extension headers.
const ETHER_TYPE: usize = 12;
mod v4 {
    pub(super) const HEADER: usize = 14;
    pub(super) const HOPS: usize = 22;
    pub(super) const CHECKSUM: usize = 24;
    pub(super) const SOURCE: usize = 26;
    pub(super) const DESTINATION: usize = 30;
    pub(super) const PORTS: usize = 34;
    pub(super) const TCP_FLAGS: usize = 46;
}
mod v6 {
    pub(super) const HOPS: usize = 21;
    pub(super) const SOURCE: usize = 22;
    pub(super) const DESTINATION: usize = 38;
    pub(super) const PORTS: usize = 54;
    pub(super) const TCP_FLAGS: usize = 66;
}

/// What is new in a packet.
struct Next {
    source: [u32; 4],
    destination: [u32; 4],
    ports: [u16; 2],
}

/// Drops everything.
#[xdp(frags)]
fn sink(_context: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// Makes the next packet and hands it on.
#[xdp(frags)]
fn traffic(context: XdpContext) -> u32 {
    make(&context).unwrap_or(xdp_action::XDP_ABORTED)
}

#[inline(always)]
fn make(context: &XdpContext) -> Option<u32> {
    let plan = PLAN.get(0)?;
    let count = COUNT.get_ptr_mut(0)?;
    // SAFETY: the pointer is to this CPU's own value.
    let turn = unsafe {
        *count += 1;
        *count as u32
    };
    let next = next(plan, turn);
    let bytes = context.data_end() - context.data();
    let longer = bytes as i32 - plan.bytes as i32;
    // SAFETY: the context is the one that the kernel passed in.
    if longer > 0 && unsafe { bpf_xdp_adjust_head(context.ctx, longer) } != 0 {
        return None;
    }
    put(context, 0, plan.receiver)?;
    // Where something was taken off, the Ethernet header went with it.
    put(context, ETHER_TYPE, plan.ether_type)?;
    if plan.is_v6 != 0 {
        put(context, v6::HOPS, plan.hops)?;
        put(context, v6::SOURCE, next.source)?;
        put(context, v6::DESTINATION, next.destination)?;
        put(context, v6::PORTS, next.ports)?;
    } else {
        put(context, v4::HOPS, plan.hops)?;
        put(context, v4::SOURCE, next.source[3])?;
        put(context, v4::DESTINATION, next.destination[3])?;
        put(context, v4::PORTS, next.ports)?;
        put(context, v4::CHECKSUM, 0_u16)?;
        put(context, v4::CHECKSUM, checksum(context)?)?;
    }
    if plan.tcp != 0 {
        let flags = if plan.is_v6 != 0 {
            v6::TCP_FLAGS
        } else {
            v4::TCP_FLAGS
        };
        put(context, flags, plan.tcp)?;
    }
    if plan.interface != 0 {
        // SAFETY: the helper has no preconditions.
        return Some(unsafe { bpf_redirect(plan.interface, 0) } as u32);
    }
    // SAFETY: nothing here has to be dropped.
    unsafe { TARGET.tail_call(context, 0) };
    None
}

#[inline(always)]
fn next(plan: &Plan, turn: u32) -> Next {
    let flow = plan.flow(turn);
    let port_bits = plan.port_bits & 15;
    let address = flow >> port_bits;
    let port = flow & ((1 << port_bits) - 1);
    let mut source = plan.source;
    let word = (plan.source_word & 3) as usize;
    let more = address.wrapping_mul(plan.source_step);
    source[word] = u32::from_be(source[word]).wrapping_add(more).to_be();
    let mut destination = plan.destination;
    if plan.destinations > 1 {
        let more = flow % plan.destinations;
        destination[3] = u32::from_be(destination[3]).wrapping_add(more).to_be();
    }
    Next {
        source,
        destination,
        ports: [
            plan.source_port.wrapping_add(port as u16).to_be(),
            plan.destination_port.to_be(),
        ],
    }
}

/// A place in the frame.
#[inline(always)]
fn at<T>(context: &XdpContext, offset: usize) -> Option<*mut T> {
    let at = context.data() + offset;
    (at + size_of::<T>() <= context.data_end()).then_some(at as *mut T)
}

#[inline(always)]
fn put<T>(context: &XdpContext, offset: usize, value: T) -> Option<()> {
    // SAFETY: `at` compared it with the packet's end. This target has no alignment to keep, and a write that says so would
    // be one for each byte.
    unsafe { at::<T>(context, offset)?.write_volatile(value) };
    Some(())
}

/// The checksum of the IPv4 header, its own field being 0.
#[inline(always)]
fn checksum(context: &XdpContext) -> Option<u16> {
    // SAFETY: as in `put`.
    let words = unsafe { at::<[u32; 5]>(context, v4::HEADER)?.read_volatile() };
    let mut sum = 0_u64;
    for word in words {
        sum += u64::from(word);
    }
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    Some(!(sum as u16))
}

/// Never reached: the verifier admits no code that can panic.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// What the helpers that this program calls want of it.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
