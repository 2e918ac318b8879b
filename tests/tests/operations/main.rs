//! What operators do to a host with the kernel path: prefixes on listeners, few capabilities, faults.
//!
//! Namespaces are those of the kernel room's tests.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../userspace/kernel/tests/support/mod.rs"]
mod support;

mod addresses;
mod faults;
mod host;
mod privileges;
