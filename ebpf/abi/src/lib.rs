//! Keys and values of the BPF maps, as both sides of the kernel boundary see them.
//!
//! Every value is `repr(C)` with its padding spelled out, so that no byte of it is undefined. A change of anything
//! in here that an older program would misread raises [`VERSION`].
#![no_std]

mod ban;
mod reason;
#[cfg(feature = "user")]
mod user;

pub use ban::{Ban, Origin, REASON_MAX_BYTES};
pub use reason::{Counter, Reason};

/// The version of keys, values and map names. Pinned maps of another version are not adopted.
pub const VERSION: u32 = 1;

/// The name of the program that stands at the gate.
pub const XDP_GATE: &str = "xdp_gate";

/// Names of the maps: in the object, of the pins, and as `bpftool map` shows them (which cuts at 15 bytes).
pub mod maps {
    /// Array of one `u32`: the [`VERSION`](crate::VERSION) of the maps beside it.
    pub const VERSION: &str = "ABI_VERSION";
    /// Hash from an IPv4 address (network byte order) to its [`Ban`](crate::Ban).
    pub const BANS_V4: &str = "BANS_V4";
    /// Hash from an IPv6 address (network byte order) to its [`Ban`](crate::Ban).
    pub const BANS_V6: &str = "BANS_V6";
    /// Longest-prefix trie from an IPv4 prefix to its [`Ban`](crate::Ban).
    pub const PREFIX_BANS_V4: &str = "PREFIX_BANS_V4";
    /// Longest-prefix trie from an IPv6 prefix to its [`Ban`](crate::Ban).
    pub const PREFIX_BANS_V6: &str = "PREFIX_BANS_V6";
    /// Per-CPU array from a [`Reason`](crate::Reason) to its [`Counter`](crate::Counter).
    pub const COUNTERS: &str = "COUNTERS";

    /// Every map there is.
    pub const ALL: [&str; 6] = [
        VERSION,
        BANS_V4,
        BANS_V6,
        PREFIX_BANS_V4,
        PREFIX_BANS_V6,
        COUNTERS,
    ];
}

/// Bounds of the maps and of the work on one packet.
pub mod limits {
    /// Addresses that can be banned at one time, for each IP version, unless the operator says otherwise.
    /// A further ban is refused and counted.
    pub const ADDRESSES: u32 = 131_072;
    /// Prefixes that can be banned at one time, for each IP version, unless the operator says otherwise.
    /// A further ban is refused and counted.
    pub const PREFIXES: u32 = 16_384;
    /// VLAN tags that are looked through. A packet with more passes and is counted.
    pub const VLAN_TAGS: u32 = 2;
    /// IPv6 extension headers that are walked. A packet with more passes and is counted; its source address was
    /// checked before.
    pub const IPV6_EXTENSIONS: u32 = 8;
    /// Expired prefix bans that are looked past, from the longest to the shortest, to find one that still holds.
    /// Behind as many the packet passes; the user-space sweep removes them within seconds.
    pub const EXPIRED_PREFIXES: u32 = 4;
}
