//! The `bascule` command as its users meet it: arguments in, output and exit codes out.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod offline;
mod rules;
mod running;
mod support;
