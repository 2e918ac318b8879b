//! Packet tables of the L4 services: a packet of a client or an endpoint in, the verdict and the packet out.

mod bench;
mod errors;
mod flows;
mod forwarding;
mod fragments;
mod room;
#[path = "../support/mod.rs"]
mod support;
