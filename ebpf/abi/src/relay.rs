//! Bytes of a connection that go from socket to socket in the kernel: what the program and the worker tell each other.
//!
//! These maps belong to one worker and are not pinned, so they have no version.
//!
//! A connection has two places that stand together, one a side; the other side of `place` is `place ^ 1`. What a side receives
//! is handed to the other one, or left to the worker ([`Side::passed`]): where it is told to, and where the other side does
//! not take bytes as fast as they come. Then the worker moves by hand what was left to it, in order, before it lets the
//! program go on ([`Side::taken`]).

/// The name of the program.
pub const PROGRAM: &str = "relay";

/// The global that tells where the kernel keeps the sequence number that a socket writes next (`tcp_sock.write_seq`).
pub const WRITE_SEQ: &str = "WRITE_SEQ";

/// Names of the maps.
pub mod maps {
    /// Hash from the cookie of a socket (`u64`) to its place (`u32`).
    pub const PLACES: &str = "PLACES";
    /// Array of sockets, by place.
    pub const SOCKETS: &str = "SOCKETS";
    /// Array of [`Side`](super::Side), by place; the worker has it in its memory.
    pub const SIDES: &str = "SIDES";
    /// Ring of places (`u32`): the worker is to look at them.
    pub const CALLS: &str = "CALLS";
}

/// Bytes that may wait in the kernel for one side to take them, beside its send buffer. Further ones are left to the worker, so
/// that their sender is held back.
pub const QUEUE_BYTES: u32 = 1024 * 1024;

/// Bytes of the ring of calls. A call that finds no room is lost; the worker looks at all sides now and then.
pub const CALLS_BYTES: u32 = 64 * 1024;

/// What is known of one side. A cache line, so that sides do not disturb each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Side {
    /// Bytes that were handed to the other side. The program adds.
    pub handed: u64,
    /// How often something was left to the worker. The program adds one.
    pub passed: u64,
    /// The value of `passed` up to which the worker has moved everything. The program hands on bytes only where both are equal.
    /// The worker writes.
    pub taken: u64,
    /// The value of `taken` for which `base` holds. The program's own.
    pub based_on: u64,
    /// The sequence number that the other side would write next, if nothing had been handed to it. The program's own.
    pub base: u32,
}

impl Side {
    /// Everything is left to the worker until it says that it has all there is.
    pub const HELD: Self = Self {
        handed: 0,
        passed: 1,
        taken: 0,
        based_on: u64::MAX,
        base: 0,
    };
}

const _: () = assert!(size_of::<Side>() == 64);
