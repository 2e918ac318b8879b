//! The object with the BPF programs, embedded at build time.

/// The object; none where it was built on a host without an eBPF toolchain.
pub(crate) const OBJECT: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/object.rs"));
