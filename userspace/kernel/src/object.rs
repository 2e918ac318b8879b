//! The objects with the BPF programs, embedded at build time; none where it was built on a host without an eBPF toolchain.

include!(concat!(env!("OUT_DIR"), "/object.rs"));
