//! The tests of the configuration: one binary, a module a subject.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod auto_ban;
mod changes;
mod errors;
mod examples;
mod files;
mod given;
mod robust;
mod schema;
mod secrets;
mod services;
