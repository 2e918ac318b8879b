//! Samples of what is dropped.

use crate::maps::{SAMPLES, SAMPLES_LOST, UNSAMPLED};
use crate::packet::{Headers, protocol};
use crate::xdp_gate::Verdict;
use abi::{SAMPLE_HEAD_BYTES, Sample, Settings};
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use aya_ebpf::helpers::{bpf_ktime_get_boot_ns, bpf_xdp_get_buff_len};
use aya_ebpf::programs::XdpContext;

/// Bytes of a frame that could not be read: Ethernet and the fixed part of IPv6.
const UNREAD_BYTES: usize = 54;

/// Keeps the headers of one in so many dropped packets, and of the first one that a ban drops.
#[inline(always)]
pub(crate) fn take(
    context: &XdpContext,
    settings: &Settings,
    verdict: Verdict,
    headers: Option<&Headers>,
) {
    let every = settings.sample_every;
    if every != 0 && (is_due(every) || verdict.first) {
        write(
            context,
            verdict.reason as u32,
            u32::from(verdict.prefix_len),
            headers,
        );
    }
}

/// How much of a frame is headers.
#[inline(always)]
fn head_bytes(headers: &Headers) -> usize {
    let transport = match headers.protocol {
        protocol::TCP => 20,
        protocol::UDP | protocol::ICMP | protocol::ICMPV6 => 8,
        _ => 0,
    };
    headers.l4 + transport
}

/// Counts down on this CPU.
#[inline(always)]
fn is_due(every: u32) -> bool {
    let Some(unsampled) = UNSAMPLED.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the pointer is into this CPU's own slot.
    unsafe {
        *unsampled += 1;
        let due = *unsampled >= every;
        if due {
            *unsampled = 0;
        }
        due
    }
}

/// A function of its own for the verifier's sake: it has a stack of its own.
#[inline(never)]
fn write(context: &XdpContext, reason: u32, prefix_len: u32, headers: Option<&Headers>) {
    let Some(mut entry) = SAMPLES.reserve::<Sample>(0) else {
        // Nobody reads as fast: the sample is lost, the packet is counted all the same.
        if let Some(lost) = SAMPLES_LOST.get_ptr_mut(0) {
            // SAFETY: the pointer is into this CPU's own slot.
            unsafe { *lost += 1 };
        }
        return;
    };
    // SAFETY: the context is the one that the kernel passed in.
    let bytes = unsafe { bpf_xdp_get_buff_len(context.ctx) } as usize;
    let head_bytes = headers.map_or(UNREAD_BYTES, head_bytes).min(bytes);
    let sample = entry.as_mut_ptr();
    let head_bytes = if head_bytes > SAMPLE_HEAD_BYTES {
        SAMPLE_HEAD_BYTES
    } else {
        head_bytes
    };
    // SAFETY: the entry is ours until it is submitted, aligned for a Sample and as large. Every field is written
    // but the rest of `head`, where an older record of ours may show. The helper writes no more than it holds.
    unsafe {
        (*sample).time_ns = bpf_ktime_get_boot_ns();
        (*sample).source = headers.map_or([0; 16], |headers| headers.source.octets());
        (*sample).reason = reason;
        (*sample).interface = (*context.ctx).ingress_ifindex;
        (*sample).bytes = bytes as u32;
        (*sample).head_bytes = head_bytes as u16;
        (*sample).prefix_len = prefix_len as u8;
        (*sample).reserved = 0;
        let head = (&raw mut (*sample).head).cast();
        // Linux 6.1 takes no length that may be 0, and the compiler forgets what it knows of one: so it is told anew, from the
        // stack.
        let last = (head_bytes as u64).wrapping_sub(1);
        let last = (&raw const last).read_volatile();
        if last >= SAMPLE_HEAD_BYTES as u64
            || bpf_xdp_load_bytes(context.ctx, 0, head, last as u32 + 1) != 0
        {
            (*sample).head_bytes = 0;
        }
    }
    entry.submit(0);
}
