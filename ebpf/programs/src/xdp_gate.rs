//! The gate: the first thing that a packet meets. It drops what comes from a banned address and passes the rest.

use crate::maps::{self, BANS_V4, BANS_V6, PREFIX_BANS_V4, PREFIX_BANS_V6};
use crate::packet::{self, Family, Headers, Packet};
use crate::services;
use abi::{Ban, Reason, limits};
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::xdp;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::programs::XdpContext;

/// `frags`: drivers with large frames or receive offload hand over packets in several pieces.
#[xdp(frags)]
pub fn xdp_gate(context: XdpContext) -> u32 {
    let packet = Packet::new(&context);
    let (action, reason) = match packet::parse(&packet) {
        Ok(headers) => match judge(&headers) {
            Reason::Pass => services::forward(&context, &headers)
                .unwrap_or((xdp_action::XDP_PASS, Reason::Pass)),
            reason => (action(reason), reason),
        },
        Err(reason) => (action(reason), reason),
    };
    maps::count(reason, packet.bytes());
    action
}

#[inline(always)]
fn action(reason: Reason) -> u32 {
    if reason.drops() {
        xdp_action::XDP_DROP
    } else {
        xdp_action::XDP_PASS
    }
}

#[inline(always)]
fn judge(headers: &Headers) -> Reason {
    if let Some(fault) = headers.fault {
        return fault;
    }
    match headers.family {
        Family::V4 => judge_v4(&headers.source.v4()),
        Family::V6 => judge_v6(&headers.source.octets()),
    }
}

#[inline(always)]
fn judge_v4(address: &[u8; 4]) -> Reason {
    // SAFETY: entries are not preallocated, so RCU keeps one that is deleted as it was until we are done with it.
    let exact = state(unsafe { BANS_V4.get(address) });
    if matches!(exact, State::Holds) {
        return Reason::DropExactV4;
    }
    let prefix = prefix_state(&PREFIX_BANS_V4, *address, 32);
    verdict(exact, prefix, Reason::DropPrefixV4)
}

#[inline(always)]
fn judge_v6(address: &[u8; 16]) -> Reason {
    // SAFETY: as in judge_v4.
    let exact = state(unsafe { BANS_V6.get(address) });
    if matches!(exact, State::Holds) {
        return Reason::DropExactV6;
    }
    let prefix = prefix_state(&PREFIX_BANS_V6, *address, 128);
    verdict(exact, prefix, Reason::DropPrefixV6)
}

#[inline(always)]
fn verdict(exact: State, prefix: State, drop: Reason) -> Reason {
    match (exact, prefix) {
        (_, State::Holds) => drop,
        (State::Expired, _) | (_, State::Expired) => Reason::PassExpired,
        _ => Reason::Pass,
    }
}

/// What a lookup says.
enum State {
    Absent,
    Expired,
    Holds,
}

#[inline(always)]
fn state(ban: Option<&Ban>) -> State {
    match ban {
        None => State::Absent,
        // Most bans of a flood have no end: only those that have one cost a look at the clock.
        Some(ban) if ban.expires_ns == 0 => State::Holds,
        // SAFETY: the helper has no preconditions.
        Some(ban) if ban.is_expired(unsafe { bpf_ktime_get_boot_ns() }) => State::Expired,
        Some(_) => State::Holds,
    }
}

/// The longest banned prefix that still holds. One that has expired hides the shorter ones behind it, so the search
/// goes on with fewer bits.
#[inline(always)]
fn prefix_state<const BYTES: usize>(
    trie: &LpmTrie<[u8; BYTES], Ban>,
    address: [u8; BYTES],
    bits: u32,
) -> State {
    let mut key = Key::new(bits, address);
    let mut seen = State::Absent;
    for _ in 0..limits::EXPIRED_PREFIXES {
        let ban = trie.get(&key);
        match state(ban) {
            State::Holds => return State::Holds,
            State::Absent => return seen,
            State::Expired => seen = State::Expired,
        }
        let length = ban.map_or(0, |ban| u32::from(ban.prefix_len));
        if length == 0 {
            return seen;
        }
        key.prefix_len = length - 1;
    }
    seen
}
