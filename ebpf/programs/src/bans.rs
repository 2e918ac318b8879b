//! Who is banned, and who may never be.

use crate::atomic;
use crate::maps::{ALLOW_V4, ALLOW_V6, BANS_V4, BANS_V6, PREFIX_BANS_V4, PREFIX_BANS_V6};
use crate::packet::{Family, Headers};
use crate::xdp_gate::Verdict;
use abi::{Ban, Reason, Settings, limits};
use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_boot_ns};
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};

/// What the ban lists say of a source.
pub(crate) enum Found {
    Nothing,
    /// There was a ban, but it has ended.
    Ended,
    Banned(Verdict),
}

/// Looks for the source among banned addresses, then among banned prefixes.
#[inline(always)]
pub(crate) fn find(settings: &Settings, headers: &Headers) -> Found {
    let generation = settings.generation;
    match headers.family {
        Family::V4 => {
            let address = headers.source.v4();
            // SAFETY: entries are not preallocated, so RCU keeps one that is deleted as it was until we are done.
            let exact = ask(unsafe { BANS_V4.get(address) }, generation);
            if let State::Holds(hit) = exact {
                return hit.found(Reason::DropExactV4);
            }
            let prefix = State::from_code(prefixes_v4(headers, generation));
            together(exact, prefix, Reason::DropPrefixV4)
        }
        Family::V6 => {
            let address = headers.source.octets();
            // SAFETY: as above.
            let exact = ask(unsafe { BANS_V6.get(address) }, generation);
            if let State::Holds(hit) = exact {
                return hit.found(Reason::DropExactV6);
            }
            let prefix = State::from_code(prefixes_v6(headers, generation));
            together(exact, prefix, Reason::DropPrefixV6)
        }
    }
}

/// Whether the source is on the allow list.
#[inline(always)]
pub(crate) fn is_allowed(headers: &Headers) -> bool {
    match headers.family {
        Family::V4 => ALLOW_V4.get(Key::new(32, headers.source.v4())).is_some(),
        Family::V6 => ALLOW_V6
            .get(Key::new(128, headers.source.octets()))
            .is_some(),
    }
}

#[inline(always)]
fn together(exact: State, prefix: State, drop: Reason) -> Found {
    match (exact, prefix) {
        (_, State::Holds(hit)) => hit.found(drop),
        (State::Ended(_), _) | (_, State::Ended(_)) => Found::Ended,
        _ => Found::Nothing,
    }
}

/// What a lookup says. No pointers: the verifier does not follow one through the many ways to here.
#[derive(Clone, Copy)]
enum State {
    Absent,
    /// One that has expired, or is of another generation; its length.
    Ended(u8),
    Holds(Hit),
}

impl State {
    const ABSENT: u32 = 0;
    const ENDED: u32 = 1;
    const HOLDS: u32 = 2;
    const FIRST: u32 = 4;

    /// In one number, as a function of the kernel can return it.
    #[inline(always)]
    fn code(self) -> u32 {
        match self {
            Self::Absent => Self::ABSENT,
            Self::Ended(_) => Self::ENDED,
            Self::Holds(hit) => {
                let first = if hit.first { Self::FIRST } else { 0 };
                Self::HOLDS | first | u32::from(hit.prefix_len) << 8
            }
        }
    }

    #[inline(always)]
    fn from_code(code: u32) -> Self {
        match code & (Self::ENDED | Self::HOLDS) {
            Self::ABSENT => Self::Absent,
            Self::ENDED => Self::Ended(0),
            _ => Self::Holds(Hit {
                prefix_len: (code >> 8) as u8,
                first: code & Self::FIRST != 0,
            }),
        }
    }
}

// Functions of their own: what they did is behind the verifier when they return, but for one number.

#[inline(never)]
fn prefixes_v4(headers: &Headers, generation: u32) -> u32 {
    ask_prefixes(&PREFIX_BANS_V4, headers.source.v4(), 32, generation).code()
}

#[inline(never)]
fn prefixes_v6(headers: &Headers, generation: u32) -> u32 {
    ask_prefixes(&PREFIX_BANS_V6, headers.source.octets(), 128, generation).code()
}

/// A ban that holds, and has counted the packet.
#[derive(Clone, Copy)]
struct Hit {
    prefix_len: u8,
    first: bool,
}

impl Hit {
    #[inline(always)]
    fn found(self, reason: Reason) -> Found {
        Found::Banned(Verdict {
            reason,
            prefix_len: self.prefix_len,
            first: self.first,
        })
    }
}

#[inline(always)]
fn ask(ban: Option<&Ban>, generation: u32) -> State {
    let Some(ban) = ban else {
        return State::Absent;
    };
    // Most bans of a flood have no end: only those that have one cost a look at the clock.
    // SAFETY: the helper has no preconditions.
    let expired = ban.expires_ns != 0 && ban.is_expired(unsafe { bpf_ktime_get_boot_ns() });
    if expired || !ban.lists.hold_in(generation) {
        State::Ended(ban.prefix_len)
    } else {
        State::Holds(hit(ban))
    }
}

/// A packet for a ban's counter.
#[inline(always)]
fn hit(ban: &Ban) -> Hit {
    let before = ban.packets;
    let step = u64::from(limits::BAN_COUNT_STEP);
    let more = if before < limits::BAN_COUNT_EXACT {
        1
    // SAFETY: the helper has no preconditions.
    } else if u64::from(unsafe { bpf_get_prandom_u32() }) & (step - 1) == 0 {
        step
    } else {
        0
    };
    if more != 0 {
        let packets = core::ptr::from_ref(&ban.packets).cast_mut();
        // SAFETY: it is in a map's value, which is written from outside at any time, and lives until the program ends.
        unsafe { atomic::add(packets, more) };
    }
    Hit {
        prefix_len: ban.prefix_len,
        first: before == 0,
    }
}

/// The longest banned prefix that still holds. One that has ended hides the shorter ones behind it, so the search
/// goes on with fewer bits.
#[inline(always)]
fn ask_prefixes<const BYTES: usize>(
    trie: &LpmTrie<[u8; BYTES], Ban>,
    address: [u8; BYTES],
    bits: u32,
    generation: u32,
) -> State {
    let mut key = Key::new(bits, address);
    let mut seen = State::Absent;
    for _ in 0..limits::EXPIRED_PREFIXES {
        match ask(trie.get(&key), generation) {
            State::Absent => return seen,
            State::Ended(0) => return State::Ended(0),
            State::Ended(length) => {
                seen = State::Ended(length);
                key.prefix_len = u32::from(length) - 1;
            }
            holds => return holds,
        }
    }
    seen
}
