//! Tunnels that end here: packets inside IP packets (IPIP, IP6IP6, one in the other), taken out at an endpoint.

/// The name of the program.
pub const PROGRAM: &str = "xdp_unwrap";

/// Names of the maps.
pub mod maps {
    /// Hash from an [`Address`](crate::service::Address) that tunnels come from to a `u32`, which is 1.
    pub const SOURCES: &str = "TUNNEL_SOURCES";
    /// Per-CPU array of `u64`s, by the numbers of [`counts`](super::counts).
    pub const COUNTS: &str = "TUNNEL_COUNTS";
}

/// Addresses that tunnels may come from. More are refused.
pub const SOURCES_MAX: u32 = 256;

/// What is counted.
pub mod counts {
    /// Packets that were taken out.
    pub const UNWRAPPED: u32 = 0;
    /// Passed as they are: tunnels of somebody else, fragments, options.
    pub const OTHERS: u32 = 1;
    /// Dropped: nothing inside that can be meant, or congestion that its sender could not be told of.
    pub const DROPPED: u32 = 2;
    /// How many there are.
    pub const ALL: u32 = 3;
}
