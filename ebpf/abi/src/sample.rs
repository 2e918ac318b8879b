//! What is kept of a dropped packet.

/// Bytes of a sample's packet: the headers of most, no payload beyond.
pub const SAMPLE_HEAD_BYTES: usize = 80;

/// One record of the ring `SAMPLES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sample {
    /// Nanoseconds of the boot clock.
    pub time_ns: u64,
    /// The packet's source, an IPv4 one mapped; all 0 where it could not be read.
    pub source: [u8; 16],
    /// The number of its [`Reason`](crate::Reason).
    pub reason: u32,
    /// The interface that it came in by.
    pub interface: u32,
    /// Bytes of the frame.
    pub bytes: u32,
    /// Bytes of `head` that are in use.
    pub head_bytes: u16,
    /// Length of the ban that dropped it; 0 where none did.
    pub prefix_len: u8,
    /// Padding, always 0.
    pub reserved: u8,
    /// The frame's first bytes: up to the end of its transport header.
    pub head: [u8; SAMPLE_HEAD_BYTES],
}

const _: () = assert!(size_of::<Sample>() == 120);
