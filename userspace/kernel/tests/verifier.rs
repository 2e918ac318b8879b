//! The kernel's verifier takes every program. Alone in its file, so that a new kernel can be asked for this first.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use kernel::{Lookup, Steering};
use support::{PinDir, bans, kernel_path_is_there};

#[test]
fn the_gate_and_its_services_load() {
    if kernel_path_is_there() {
        PinDir::new().attach(&[], &bans()).unwrap();
    }
}

#[test]
fn the_choice_of_workers_loads() {
    if kernel_path_is_there() {
        Steering::load(4).unwrap();
    }
}

#[test]
fn the_search_for_sockets_loads() {
    if kernel_path_is_there() {
        Lookup::load().unwrap();
    }
}
