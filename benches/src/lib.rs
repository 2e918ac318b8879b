//! Benchmarks: in process and beside peers.
#![forbid(unsafe_code)]
