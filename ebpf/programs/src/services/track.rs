//! How long flows are remembered, and what their TCP flags tell.

use super::maps::FLOWS;
use super::segment::Segment;
use crate::packet::{protocol, tcp};
use abi::service::timeouts;
use abi::service::{Flow, FlowKey, FlowKind, tcp_state};

const SECOND_NS: u64 = 1_000_000_000;

/// Whether a packet begins something new under the same addresses and ports: the flow was silent for too long, or it
/// is ending and the client opens another.
#[inline(always)]
pub(super) fn has_ended(flow: &Flow, segment: &Segment, now_ns: u64) -> bool {
    let is_tcp = segment.protocol == protocol::TCP;
    let seconds = if !is_tcp || flow.state == tcp_state::ESTABLISHED {
        flow.idle_s
    } else if flow.state & tcp_state::CLOSING != 0 {
        timeouts::CLOSING_S
    } else {
        timeouts::HANDSHAKE_S
    };
    let age_ns = now_ns.wrapping_sub(flow.last_ns);
    // The clock of another CPU may be a tick behind.
    if age_ns as i64 > 0 && age_ns > u64::from(seconds) * SECOND_NS {
        return true;
    }
    is_tcp
        && flow.kind != FlowKind::Reply as u8
        && segment.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN
        && flow.state & tcp_state::CLOSING != 0
}

/// Notes a packet of the client.
#[inline(always)]
pub(super) fn forward(flow: &mut Flow, segment: &Segment, now_ns: u64) {
    let state = flow.state | client_bits(segment.tcp_flags);
    note(flow, segment, state, now_ns);
}

/// Notes a packet of the endpoint.
#[inline(always)]
pub(super) fn reply(flow: &mut Flow, segment: &Segment, now_ns: u64) {
    let mut bits = 0;
    if segment.tcp_flags & tcp::FIN != 0 {
        bits |= tcp_state::ENDPOINT_FIN;
    }
    if segment.tcp_flags & tcp::RST != 0 {
        bits |= tcp_state::RESET;
    }
    let state = flow.state | bits;
    note(flow, segment, state, now_ns);
}

/// What a client's flags tell. An ACK without a SYN says that it has gone on after its SYN.
#[inline(always)]
pub(super) const fn client_bits(flags: u8) -> u8 {
    let mut bits = 0;
    if flags & (tcp::SYN | tcp::ACK) == tcp::ACK {
        bits |= tcp_state::ESTABLISHED;
    }
    if flags & tcp::FIN != 0 {
        bits |= tcp_state::CLIENT_FIN;
    }
    if flags & tcp::RST != 0 {
        bits |= tcp_state::RESET;
    }
    bits
}

/// The other direction learns what is new, and once a second that this one lives.
#[inline(always)]
fn note(flow: &mut Flow, segment: &Segment, state: u8, now_ns: u64) {
    let is_news = state != flow.state;
    let was_quiet = now_ns.wrapping_sub(flow.last_ns) > SECOND_NS;
    if is_news || was_quiet {
        flow.state = state;
        if flow.kind == FlowKind::Nat as u8 || flow.kind == FlowKind::Reply as u8 {
            tell_other(flow, segment.key.protocol, state, now_ns);
        }
    }
    flow.last_ns = now_ns;
}

#[inline(never)]
fn tell_other(flow: &Flow, protocol: u32, state: u8, now_ns: u64) {
    if let Some(other) = FLOWS.get_ptr_mut(&opposite(flow, protocol)) {
        // SAFETY: as in `balance`: an entry of the map, and any value of these two fields is a good one.
        unsafe {
            (*other).state |= state;
            (*other).last_ns = now_ns;
        }
    }
}

/// The key of the other direction: what its packets have when they come in here.
#[inline(always)]
pub(super) fn opposite(flow: &Flow, protocol: u32) -> FlowKey {
    FlowKey {
        source: flow.destination,
        destination: flow.source,
        ports: flow.ports.rotate_left(16),
        protocol,
    }
}
