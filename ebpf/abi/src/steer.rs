//! Which worker gets a new connection: what workers publish and what the program reads.
//!
//! These maps belong to one process and are not pinned, so they have no version.

/// The name of the program.
pub const PROGRAM: &str = "steer";

/// Names of the maps.
pub mod maps {
    /// Hash from a listening address ([`Listening`](super::Listening)) to its [`Group`](super::Group).
    pub const GROUPS: &str = "GROUPS";
    /// Array of sockets: those of a group stand together, one a worker, in the order of workers.
    pub const SOCKETS: &str = "SOCKETS";
    /// Array of [`Load`](super::Load), by worker; user space has it in its memory.
    pub const LOADS: &str = "LOADS";
}

/// Workers that can be steered to. With more, the kernel's hash decides.
pub const WORKERS_MAX: u32 = 1024;
/// Listening addresses that are steered. For further ones the kernel's hash decides.
pub const GROUPS_MAX: u32 = 256;
/// Workers that are looked at for one connection, from the one on that the kernel's hash names: so the cost has a bound.
pub const LOOKS: u32 = 16;
/// What a worker without any work counts as busy, so that among idle workers connections decide. A worker that is busy all
/// the time counts 1000 more.
pub const BUSY_BASE: u32 = 250;

/// A listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Listening {
    /// The address in network byte order; IPv4 in the first four bytes, the rest 0.
    pub address: [u32; 4],
    /// The port.
    pub port: u32,
    /// 4 or 6.
    pub version: u32,
}

/// The sockets of a listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Group {
    /// Index of the first worker's socket.
    pub first: u32,
    /// How many workers there are.
    pub workers: u32,
}

/// What a worker publishes. A cache line, so that workers do not disturb each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Load {
    /// Connections that the program has sent to it since it last looked, which it may not have accepted yet. The program adds,
    /// the worker sets it back.
    pub pending: u64,
    /// Open connections.
    pub connections: u32,
    /// How busy it was lately, in thousandths.
    pub busy: u32,
    /// 0, or 1 where it takes no more connections.
    pub draining: u32,
}

impl Load {
    /// What speaks against this worker: its connections, each weighed by how busy it is.
    #[inline(always)]
    #[must_use]
    pub const fn score(&self) -> u64 {
        let connections = self.connections as u64 + self.pending + 1;
        connections * (self.busy as u64 + BUSY_BASE as u64)
    }
}

const _: () = assert!(size_of::<Load>() == 64);
