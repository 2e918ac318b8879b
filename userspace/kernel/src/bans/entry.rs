//! One ban: as the maps hold it and as people see it.

use crate::clock::span_ns;
use abi::{Lists, Origin, REASON_MAX_BYTES};
use std::sync::Arc;
use std::time::Duration;
use types::IpNet;

const SECOND_NS: u64 = 1_000_000_000;

/// A ban that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The address (full length) or prefix.
    pub target: IpNet,
    /// Why, as far as it was kept.
    pub reason: String,
    /// How long it will hold; none where it has no end.
    pub remaining: Option<Duration>,
    /// How long ago it was made.
    pub age: Duration,
    /// A ban list has it.
    pub from_file: bool,
    /// Its score was too high.
    pub by_score: bool,
    /// Which ban of the target it is, where it is one by score: 1 is the first.
    pub repetition: u8,
    /// Which list: a file, a URL, or the name that it was loaded under.
    pub source: Option<Arc<str>>,
    /// Packets that it dropped in the kernel; beyond 65,536 an estimate, good to about one in a hundred.
    pub packets: u64,
}

impl Ban {
    pub(super) fn new(
        target: IpNet,
        ban: &abi::Ban,
        now_ns: u64,
        source: Option<Arc<str>>,
    ) -> Self {
        let remaining = ban.expires_ns.saturating_sub(now_ns);
        let reason = ban
            .reason
            .get(..usize::from(ban.reason_len))
            .unwrap_or_default();
        Self {
            target,
            reason: String::from_utf8_lossy(reason).into_owned(),
            remaining: (ban.expires_ns != 0).then(|| Duration::from_nanos(remaining)),
            age: Duration::from_secs((now_ns / SECOND_NS).saturating_sub(u64::from(ban.added_s))),
            from_file: ban.origin == Origin::List as u8,
            by_score: ban.origin == Origin::Score as u8,
            repetition: ban.repetition,
            source,
            packets: ban.packets,
        }
    }
}

pub(super) fn new(
    target: &IpNet,
    now_ns: u64,
    ttl: Option<Duration>,
    origin: Origin,
    reason: &str,
) -> abi::Ban {
    let Reason { bytes, used } = kept(reason);
    abi::Ban {
        // 0 means no end, so the end of time itself is the last moment before it.
        expires_ns: ttl.map_or(0, |ttl| now_ns.saturating_add(span_ns(ttl)).max(1)),
        packets: 0,
        // 136 years of uptime.
        added_s: u32::try_from(now_ns / SECOND_NS).unwrap_or(u32::MAX),
        lists: Lists::ALWAYS,
        prefix_len: target.prefix_len(),
        origin: origin as u8,
        reason_len: used,
        repetition: 0,
        reason: bytes,
    }
}

/// A ban of a list.
pub(super) fn listed(length: u8, added_s: u32, reason: Reason) -> abi::Ban {
    abi::Ban {
        expires_ns: 0,
        packets: 0,
        added_s,
        lists: Lists::ALWAYS,
        prefix_len: length,
        origin: Origin::List as u8,
        reason_len: reason.used,
        repetition: 0,
        reason: reason.bytes,
    }
}

/// As much of a reason as a ban has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reason {
    bytes: [u8; REASON_MAX_BYTES],
    used: u8,
}

impl Default for Reason {
    fn default() -> Self {
        kept("")
    }
}

impl Reason {
    pub(super) fn of(ban: &abi::Ban) -> Self {
        Self {
            bytes: ban.reason,
            used: ban.reason_len,
        }
    }
}

/// As many characters as fit. Control characters become spaces: the reason goes to terminals and logs.
pub(super) fn kept(reason: &str) -> Reason {
    let mut bytes = [0; REASON_MAX_BYTES];
    let mut used = 0;
    for character in reason.chars() {
        let character = if character.is_control() {
            ' '
        } else {
            character
        };
        let Some(free) = bytes.get_mut(used..used + character.len_utf8()) else {
            break;
        };
        character.encode_utf8(free);
        used += character.len_utf8();
    }
    Reason {
        bytes,
        used: used as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(reason: &str) -> String {
        let target = "203.0.113.7/32".parse().expect("a prefix");
        let ban = new(&target, 5, None, Origin::Added, reason);
        Ban::new(target, &ban, 5, None).reason
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(round_trip("scanner"), "scanner");
        assert_eq!(round_trip(""), "");
        assert_eq!(round_trip(&"x".repeat(100)), "x".repeat(36));
        assert_eq!(round_trip(&"ä".repeat(100)), "ä".repeat(18));
        assert_eq!(round_trip(&format!("{}äb", "x".repeat(35))), "x".repeat(35));
    }

    #[test]
    fn reasons_do_not_steer_a_terminal() {
        assert_eq!(round_trip("a\x1b[31m\nb"), "a [31m b");
    }

    #[test]
    fn a_very_long_ban_does_not_wrap() {
        let target = "203.0.113.7/32".parse().expect("a prefix");
        let ban = new(
            &target,
            u64::MAX - 1,
            Some(Duration::MAX),
            Origin::Added,
            "",
        );
        assert_eq!(ban.expires_ns, u64::MAX);
    }
}
