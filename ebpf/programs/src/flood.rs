//! Floods of new connections, counted over all sources: spoofed ones come from everywhere, a packet each.

use crate::atomic;
use crate::maps::FLOOD;
use crate::packet::{Headers, protocol, tcp};
use crate::syn_cookie::{self, Ack};
use abi::{Reason, Settings, flags, limits};
use aya_ebpf::programs::XdpContext;

const SECOND_NS: u64 = 1_000_000_000;

/// The state of the host.
#[derive(Clone, Copy)]
pub(crate) struct Flood {
    state: Option<*mut abi::Flood>,
    on: bool,
}

impl Flood {
    #[inline(always)]
    pub(crate) fn now(settings: &Settings, now_ns: u64) -> Self {
        if settings.flags & flags::FLOOD == 0 {
            return Self {
                state: None,
                on: false,
            };
        }
        let state = FLOOD.get_ptr_mut(0);
        // SAFETY: the pointer is into the map, valid for as long as the program runs.
        let on = state.is_some_and(|state| unsafe { (*state).until_ns } > now_ns);
        Self { state, on }
    }

    #[inline(always)]
    pub(crate) fn is_on(self) -> bool {
        self.on
    }
}

/// Counts a new connection, and says what is to be done with the packet in a flood.
///
/// A function of its own for the verifier's sake: it has a stack of its own and returns one number.
#[inline(never)]
pub(crate) fn judge(
    context: &XdpContext,
    settings: &Settings,
    headers: &Headers,
    is_new: bool,
    now_ns: u64,
) -> Option<Reason> {
    let flood = Flood::now(settings, now_ns);
    let state = flood.state?;
    let mut on = flood.on;
    let mut beyond = false;
    if is_new {
        beyond = count(state, now_ns) > u64::from(settings.flood_connections);
        if beyond {
            // SAFETY: as in `count`. CPUs that come here together all write the same to a few microseconds.
            unsafe {
                (*state).until_ns = now_ns + limits::FLOOD_HOLD_NS;
                if !on {
                    (*state).begun += 1;
                }
            }
            on = true;
        }
    }
    if !on || headers.protocol != protocol::TCP || headers.fault.is_some() {
        return None;
    }
    let cookies = settings.flags & flags::SYN_COOKIES != 0;
    if headers.opens_connection() {
        if cookies && syn_cookie::answer(context, headers) != 0 {
            return Some(Reason::AnswerSynCookie);
        }
        let limited = settings.flags & flags::LIMIT_SYNS != 0;
        return (limited && beyond).then_some(Reason::DropFlood);
    }
    let is_ack = headers.tcp_flags & (tcp::ACK | tcp::SYN | tcp::RST) == tcp::ACK;
    (cookies && is_ack && syn_cookie::check(context, headers) == Ack::Forged as u32)
        .then_some(Reason::DropFloodAck)
}

/// New connections of this second, this one included.
#[inline(always)]
fn count(state: *mut abi::Flood, now_ns: u64) -> u64 {
    let second = now_ns / SECOND_NS;
    // SAFETY: the pointer is into the map, aligned and valid for as long as the program runs. CPUs that begin a second
    // together lose a few connections of the count between them.
    unsafe {
        if (*state).second != second {
            (*state).second = second;
            (*state).connections = 0;
        }
        atomic::add(&raw mut (*state).connections, 1) + 1
    }
}
