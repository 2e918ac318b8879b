//! What user space tells the programs, and may change at any time.

/// Bits of [`Settings::flags`].
pub mod flags {
    /// Malformed packets are judged by their address alone and go to the stack, which refuses them.
    pub const PASS_MALFORMED: u32 = 1;
    /// Fragments are dropped.
    pub const DROP_FRAGMENTS: u32 = 1 << 1;
    /// There is an allow list.
    pub const ALLOW: u32 = 1 << 2;
    /// Addresses have limits.
    pub const ADDRESS_LIMITS: u32 = 1 << 3;
    /// Prefixes have limits.
    pub const PREFIX_LIMITS: u32 = 1 << 4;
    /// New connections have a limit, beyond which there is a flood.
    pub const FLOOD: u32 = 1 << 5;
    /// In a flood SYNs to listeners are answered with SYN cookies.
    pub const SYN_COOKIES: u32 = 1 << 6;
    /// In a flood SYNs beyond the limit are dropped, where no cookie answers them.
    pub const LIMIT_SYNS: u32 = 1 << 7;
}

/// The one value of the map `SETTINGS`. All zeros: no limits, no lists, no samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// See [`flags`].
    pub flags: u32,
    /// The generation of the ban lists that counts.
    pub generation: u32,
    /// One in so many dropped packets is sampled, on each CPU; 0: none.
    pub sample_every: u32,
    /// New connections a second, over all sources, beyond which there is a flood.
    pub flood_connections: u32,
    /// What an address may send.
    pub address: Limits,
    /// What a /24 or /64 may send.
    pub prefix: Limits,
}

/// What one source may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Limits {
    /// Packets.
    pub packets: Rate,
    /// TCP packets that open a connection.
    pub syns: Rate,
    /// Bytes, from the Ethernet header on.
    pub bytes: Rate,
}

/// A token bucket, counted in time: each unit takes as long as the bucket needs to fill up by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rate {
    /// Time of one unit, in nanoseconds with [`COST_BITS`](Self::COST_BITS) bits behind the point; 0: no limit.
    pub cost: u64,
    /// Nanoseconds that an empty bucket takes to be full.
    pub full_ns: u64,
}

impl Rate {
    /// Bits of `cost` behind the point.
    pub const COST_BITS: u32 = 20;

    /// So many units a second, and at most `burst` at once.
    #[must_use]
    pub const fn new(per_second: u64, burst: u64) -> Self {
        const SECOND: u64 = 1_000_000_000 << Rate::COST_BITS;
        let per_second = if per_second == 0 { 1 } else { per_second };
        // Not less than one step: a faster rate is none.
        let cost = SECOND / per_second;
        let cost = if cost == 0 { 1 } else { cost };
        let full = (cost as u128 * burst as u128) >> Self::COST_BITS;
        let full_ns = if full > Self::FULL_MAX_NS as u128 {
            Self::FULL_MAX_NS
        } else {
            full as u64
        };
        Self { cost, full_ns }
    }

    /// The longest time to fill up, about nine years.
    const FULL_MAX_NS: u64 = 1 << 58;

    /// Nanoseconds that `units` take.
    #[inline(always)]
    #[must_use]
    pub const fn time_of(&self, units: u64) -> u64 {
        self.cost.wrapping_mul(units) >> Self::COST_BITS
    }
}

/// The buckets of one source: for each the moment (boot clock, nanoseconds) when it will be full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Source {
    /// Of packets.
    pub packets: u64,
    /// Of SYNs.
    pub syns: u64,
    /// Of bytes.
    pub bytes: u64,
}

/// The one value of the map `FLOOD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Flood {
    /// The second of the boot clock that `connections` counts.
    pub second: u64,
    /// New connections in it.
    pub connections: u64,
    /// When the flood ends unless it goes on; 0: there was none.
    pub until_ns: u64,
    /// Floods that began.
    pub begun: u64,
}

const _: () = assert!(size_of::<Settings>() == 112);
