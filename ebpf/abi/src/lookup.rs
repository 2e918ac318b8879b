//! Which listening socket serves an address and port that nobody is bound to: prefixes, ranges of ports, and sockets.
//!
//! These maps belong to one process and are not pinned, so they have no version.

/// The name of the program.
pub const PROGRAM: &str = "lookup";

/// Names of the maps.
pub mod maps {
    /// Array of one `u32`: which of the two [sides](super::SIDES) of the other maps counts.
    pub const SIDE: &str = "SIDE";
    /// Longest-prefix trie from a [`KeyV4`](super::KeyV4) to its [`Ports`](super::Ports).
    pub const PREFIXES_V4: &str = "PREFIXES_V4";
    /// Longest-prefix trie from a [`KeyV6`](super::KeyV6) to its [`Ports`](super::Ports).
    pub const PREFIXES_V6: &str = "PREFIXES_V6";
    /// Array of [`Range`](super::Range): those of a prefix stand together, in their order.
    pub const RANGES: &str = "RANGES";
    /// Array of sockets, one a listener: of a group (SO_REUSEPORT) any, the kernel chooses among them.
    pub const SOCKETS: &str = "SOCKETS";
}

/// Each change is written to the side that does not count, which counts then as a whole.
pub const SIDES: u32 = 2;
/// Prefixes of each IP version, of all listeners together.
pub const PREFIXES_MAX: u32 = 16_384;
/// Ranges of ports of all prefixes together, those included that a prefix has from a wider one.
pub const RANGES_MAX: u32 = 65_536;
/// Listeners that serve prefixes.
pub const SOCKETS_MAX: u32 = 1024;
/// The place of a range that is left to bound sockets.
pub const NOBODY: u32 = u32::MAX;

/// Bits of a key in front of the address: they all count.
pub const KEY_BITS: u32 = 32;

/// What is looked up for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct KeyV4 {
    /// 0 or 1.
    pub side: u8,
    /// The IP protocol.
    pub protocol: u8,
    /// Padding, always 0.
    pub reserved: [u8; 2],
    /// The address, in network byte order.
    pub address: [u8; 4],
}

/// As [`KeyV4`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct KeyV6 {
    /// 0 or 1.
    pub side: u8,
    /// The IP protocol.
    pub protocol: u8,
    /// Padding, always 0.
    pub reserved: [u8; 2],
    /// The address, in network byte order.
    pub address: [u8; 16],
}

/// Where the ranges of a prefix are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ports {
    /// Index of the first.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// Some ports of a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Range {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
    /// Index of the socket, or [`NOBODY`].
    pub socket: u32,
}
