//! What comes before the bytes of a connection: PROXY protocol headers ([`proxy`]) and TLS ClientHellos ([`hello`]).
//!
//! Bytes in, decisions out: no I/O, no clock. Whatever a peer sends leads to a value or an error, never to a panic, and
//! every length has a bound.
#![forbid(unsafe_code)]

pub mod hello;
pub mod proxy;
