//! The end of a packet's way through the services: changed, counted, and sent out.

use super::maps::{ENDPOINT_COUNTERS, ERROR_PROGRAMS, WAYS_OUT};
use super::segment::Segment;
use super::{rewrite, tunnel, way};
use abi::Reason;
use abi::service::{Flow, FlowKind};
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::programs::XdpContext;

#[inline(always)]
pub(super) const fn drop(reason: Reason) -> (u32, Reason) {
    (xdp_action::XDP_DROP, reason)
}

/// Sends a packet the way of its flow.
#[inline(always)]
pub(super) fn send(
    context: &XdpContext,
    segment: &Segment,
    flow: &mut Flow,
    is_counted: bool,
    now_ns: u64,
) -> (u32, Reason) {
    if !way::is_fresh(flow, now_ns)
        && let Err(reason) = way::find(context, segment, flow, now_ns)
    {
        return drop(reason);
    }
    let is_tunnel = flow.kind == FlowKind::Tunnel as u8;
    let overhead = if is_tunnel { tunnel::overhead(flow) } else { 0 };
    if segment.packet_bytes + overhead > u32::from(flow.hop_mtu) {
        // The program of errors tells the sender.
        // SAFETY: nothing here has to be dropped.
        unsafe { ERROR_PROGRAMS.tail_call(context, 0) };
        return drop(Reason::DropServiceTooBig);
    }
    let leaves_here = flow.hop_interface != way::STACK;
    let changed = if is_tunnel {
        tunnel::wrap(context, segment, flow)
    } else if flow.kind == FlowKind::L2Dsr as u8 {
        rewrite::ethernet(context, flow)
    } else {
        rewrite::packet(context, segment, flow, leaves_here)
    };
    if let Err(reason) = changed {
        return drop(reason);
    }
    if is_counted {
        count(segment, flow);
    }
    if !leaves_here {
        return (xdp_action::XDP_PASS, Reason::PassServiceStack);
    }
    (leave(context, flow), reason(flow))
}

/// Out of the interface that the flow leaves by.
#[inline(always)]
pub(super) fn leave(context: &XdpContext, flow: &Flow) -> u32 {
    if flow.hop_interface == way::STACK {
        xdp_action::XDP_PASS
    } else if flow.hop_interface == context.ingress_ifindex() as u32 {
        xdp_action::XDP_TX
    } else {
        WAYS_OUT
            .redirect(flow.hop_interface, u64::from(xdp_action::XDP_DROP))
            .unwrap_or(xdp_action::XDP_DROP)
    }
}

#[inline(always)]
fn reason(flow: &Flow) -> Reason {
    if flow.kind == FlowKind::Nat as u8 {
        Reason::ForwardNat
    } else if flow.kind == FlowKind::Reply as u8 {
        Reason::ForwardReply
    } else if flow.kind == FlowKind::L2Dsr as u8 {
        Reason::ForwardL2Dsr
    } else {
        Reason::ForwardTunnel
    }
}

#[inline(always)]
fn count(segment: &Segment, flow: &Flow) {
    let Some(counter) = ENDPOINT_COUNTERS.get_ptr_mut(flow.endpoint) else {
        return;
    };
    let bytes = u64::from(segment.frame_bytes);
    // SAFETY: the pointer is into this CPU's own slot, and a program is not interrupted by itself on one CPU.
    unsafe {
        if flow.kind == FlowKind::Reply as u8 {
            (*counter).reply_packets = (*counter).reply_packets.wrapping_add(1);
            (*counter).reply_bytes = (*counter).reply_bytes.wrapping_add(bytes);
        } else {
            (*counter).packets = (*counter).packets.wrapping_add(1);
            (*counter).bytes = (*counter).bytes.wrapping_add(bytes);
        }
    }
}
