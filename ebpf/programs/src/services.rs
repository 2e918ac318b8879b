//! L4 services: packets for a virtual address go to one of its endpoints, and answers that come through here go back.
//!
//! A packet of a known flow costs one look-up of the flow and one of its endpoint. What becomes of its packets is
//! kept with the flow: new addresses and ports, what they add to the checksums, and the way out. A packet of no known
//! flow is looked up among the services; its client's hash chooses the endpoint from the service's Maglev table.

mod checksum;
mod choose;
mod errors;
mod fragments;
mod maps;
mod output;
mod rewrite;
mod segment;
mod too_big;
mod track;
mod tunnel;
mod way;

use crate::maps::count;
use crate::packet::{Fragment, Headers, protocol};
use abi::Reason;
use abi::service::{EndpointState, FlowKind};
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use fragments::Found;
use maps::{ENDPOINTS, ERROR_PROGRAMS, FLOWS, PROGRAMS, SEGMENT, SETTINGS};
use segment::Segment;

/// Forwards a packet that the gate passed. Where there are services, another program goes on with the packet and this
/// one ends: both together need more stack than a program has. Else, and where that program is missing, it returns
/// nothing: the packet is for the stack.
#[inline(always)]
pub(crate) fn forward(context: &XdpContext, headers: &mut Headers) -> Option<(u32, Reason)> {
    if SETTINGS.get(0)?.services == 0 {
        return None;
    }
    let has_ports = matches!(headers.protocol, protocol::TCP | protocol::UDP);
    let is_error =
        headers.fragment == Fragment::Whole && errors::is_error(headers.protocol, headers.icmp.0);
    if !has_ports && !is_error {
        return None;
    }
    if headers.fragment != Fragment::Whole {
        match fragments::find(context, headers) {
            Found::Ports => {}
            Found::Stray => return Some(output::drop(Reason::DropServiceFragment)),
            Found::Nothing => return None,
        }
    }
    let segment = SEGMENT.get_ptr_mut(0)?;
    // SAFETY: the pointer is to this CPU's own value, and a program is not interrupted by itself on one CPU.
    unsafe { segment.write(Segment::new(headers)) };
    // SAFETY: nothing here has to be dropped.
    unsafe {
        if is_error {
            ERROR_PROGRAMS.tail_call(context, 0);
        } else {
            PROGRAMS.tail_call(context, 0);
        }
    }
    None
}

/// Goes on where [`forward`] ends.
#[xdp(frags)]
pub fn xdp_services(context: XdpContext) -> u32 {
    let Some(segment) = SEGMENT.get_ptr(0) else {
        return xdp_action::XDP_PASS;
    };
    // SAFETY: as in `forward`, which has written it for this packet.
    let segment = unsafe { &*segment };
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
    let (action, reason) =
        balance(&context, segment, now_ns).unwrap_or((xdp_action::XDP_PASS, Reason::Pass));
    count(reason, u64::from(segment.frame_bytes));
    action
}

/// What becomes of a packet; nothing where it belongs to no service.
#[inline(always)]
fn balance(context: &XdpContext, segment: &Segment, now_ns: u64) -> Option<(u32, Reason)> {
    let Some(flow) = FLOWS.get_ptr_mut(&segment.key) else {
        return choose::endpoint(context, segment, None, now_ns);
    };
    // SAFETY: the pointer is to an entry of the map, which stays mapped while the program runs. Another CPU may write
    // to it or give it to another flow at the same time: every value that can be read leads to a packet with
    // consistent lengths, and at worst to one that its receiver discards.
    let flow = unsafe { &mut *flow };
    let endpoint = ENDPOINTS.get(flow.endpoint);
    let is_there = endpoint.is_some_and(|endpoint| endpoint.serial == flow.serial);
    let has_ended = track::has_ended(flow, segment, now_ns);
    if flow.kind == FlowKind::Reply as u8 {
        if has_ended {
            return None;
        }
        track::reply(flow, segment, now_ns);
        return Some(output::send(context, segment, flow, is_there, now_ns));
    }
    let keeps = endpoint.is_some_and(|endpoint| {
        endpoint.state == EndpointState::Up as u8 || endpoint.state == EndpointState::Draining as u8
    });
    if has_ended || !is_there || !keeps {
        return choose::endpoint(context, segment, Some(flow), now_ns);
    }
    track::forward(flow, segment, now_ns);
    Some(output::send(context, segment, flow, true, now_ns))
}
