//! L4 services as an operator configures them: the program at a wire of namespaces, clients and endpoints around it.
//!
//! The network is that of the kernel room's tests.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../userspace/kernel/tests/support/mod.rs"]
mod support;

mod ends;
mod health;
mod modes;
mod network;
mod reload;
mod user_space;
