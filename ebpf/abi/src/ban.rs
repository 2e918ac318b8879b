//! One ban, the same for an address and for a prefix.

/// Bytes of a ban's reason that are kept. Longer ones are cut at a character's border.
pub const REASON_MAX_BYTES: usize = 36;

/// Who made a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// The operator, at run time.
    Added = 0,
    /// A ban list of the configuration.
    List = 1,
    /// The score of a client.
    Score = 2,
}

/// The value of all four ban maps: 64 bytes, one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ban {
    /// Nanoseconds of the boot clock (CLOCK_BOOTTIME) when the ban ends; 0 where it does not end.
    pub expires_ns: u64,
    /// Packets that it dropped; the program counts.
    pub packets: u64,
    /// Seconds of the boot clock when it was made.
    pub added_s: u32,
    /// From or until which generation of the lists it holds.
    pub lists: Lists,
    /// Length of the prefix in bits; 32 or 128 for an address. The program continues with a shorter prefix where
    /// this one has expired.
    pub prefix_len: u8,
    /// An [`Origin`].
    pub origin: u8,
    /// Bytes of `reason` that are in use.
    pub reason_len: u8,
    /// Which ban of its target it is, as far as that was remembered: 1 is the first. 0 where nobody counts.
    pub repetition: u8,
    /// Why, in UTF-8; the rest is 0.
    pub reason: [u8; REASON_MAX_BYTES],
}

impl Ban {
    /// Whether it has ended at `now_ns` of the boot clock.
    #[inline(always)]
    #[must_use]
    pub const fn is_expired(&self, now_ns: u64) -> bool {
        self.expires_ns != 0 && self.expires_ns <= now_ns
    }
}

impl Ban {
    /// Reads a ban of versions 1 and 2, whose bytes were taken for one of today: the moment of its making in nanoseconds
    /// was where the counter is, and a reason of 40 bytes followed the lengths.
    #[must_use]
    pub fn from_old(misread: &Self) -> Self {
        const SECOND_NS: u64 = 1_000_000_000;
        let [prefix_len, origin, reason_len, _] = misread.added_s.to_ne_bytes();
        let head = [
            misread.prefix_len,
            misread.origin,
            misread.reason_len,
            misread.repetition,
        ];
        let mut reason = [0; REASON_MAX_BYTES];
        let old = head.iter().chain(&misread.reason);
        let kept = usize::from(reason_len).min(REASON_MAX_BYTES);
        for (byte, old) in reason.iter_mut().zip(old).take(kept) {
            *byte = *old;
        }
        // Cut between characters.
        let whole = match core::str::from_utf8(reason.get(..kept).unwrap_or_default()) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        for byte in reason.iter_mut().skip(whole) {
            *byte = 0;
        }
        Self {
            expires_ns: misread.expires_ns,
            packets: 0,
            added_s: u32::try_from(misread.packets / SECOND_NS).unwrap_or(u32::MAX),
            lists: Lists::ALWAYS,
            prefix_len,
            origin,
            reason_len: whole as u8,
            repetition: 0,
            reason,
        }
    }
}

/// When an entry counts, by the generation of the lists (`Settings::generation`). A new set of lists is written beside
/// the old one, what is new with [`since`](Self::since) and what is gone with [`until`](Self::until); one write of the
/// generation then switches all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Lists(pub u32);

impl Lists {
    /// Always: what no list says.
    pub const ALWAYS: Self = Self(0);
    const UNTIL: u32 = 1 << 31;
    /// The last generation; user space begins again before.
    pub const LAST: u32 = Self::UNTIL - 1;

    /// From this generation on.
    #[must_use]
    pub const fn since(generation: u32) -> Self {
        Self(generation & Self::LAST)
    }

    /// Up to this generation, it included.
    #[must_use]
    pub const fn until(generation: u32) -> Self {
        Self(generation & Self::LAST | Self::UNTIL)
    }

    /// Whether it counts in a generation.
    #[inline(always)]
    #[must_use]
    pub const fn hold_in(self, generation: u32) -> bool {
        // All ones for `until`, so that the difference changes its sign. Without a branch: each doubles the ways that
        // the verifier walks.
        let until = 0_u32.wrapping_sub(self.0 >> 31);
        let ahead = (generation & Self::LAST).wrapping_sub(self.0 & Self::LAST);
        let ahead = (ahead ^ until).wrapping_sub(until);
        ahead >> 31 == 0
    }
}

const _: () = assert!(size_of::<Ban>() == 64);
const _: () =
    assert!(Lists::ALWAYS.hold_in(0) && Lists::since(7).hold_in(7) && Lists::until(7).hold_in(7));
const _: () = assert!(!Lists::since(7).hold_in(6) && !Lists::until(7).hold_in(8));
