//! One ban, the same for an address and for a prefix.

/// Bytes of a ban's reason that are kept. Longer ones are cut at a character's border.
pub const REASON_MAX_BYTES: usize = 40;

/// Who made a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// The operator or a verdict, at run time.
    Added = 0,
    /// A ban file of the configuration.
    File = 1,
}

/// The value of all four ban maps: 64 bytes, one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ban {
    /// Nanoseconds of the boot clock (CLOCK_BOOTTIME) when the ban ends; 0 where it does not end.
    pub expires_ns: u64,
    /// Nanoseconds of the boot clock when it was made.
    pub added_ns: u64,
    /// Length of the prefix in bits; 32 or 128 for an address. The program continues with a shorter prefix where
    /// this one has expired.
    pub prefix_len: u8,
    /// An [`Origin`].
    pub origin: u8,
    /// Bytes of `reason` that are in use.
    pub reason_len: u8,
    /// Padding, always 0.
    pub reserved: [u8; 5],
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

const _: () = assert!(size_of::<Ban>() == 64);
