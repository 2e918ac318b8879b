//! A host of a test's own: a network namespace in which the test, its clients and the program are.

use crate::support::namespace::{inside, ip, try_ip};
use crate::support::unique;
use std::process::Command;

/// The namespace; removed at the end.
pub(crate) struct Host(String);

impl Host {
    /// Says why not where it cannot be made.
    pub(crate) fn new() -> Option<Self> {
        let host = Self(unique("bso-"));
        if !try_ip(&format!("netns add {}", host.0)) {
            println!("skipped: network namespaces cannot be made here");
            return None;
        }
        host.ip("link set lo up");
        Some(host)
    }

    /// `ip` in the namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.0));
    }

    /// Runs something there. What it starts and opens stays there.
    pub(crate) fn at<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.0, work)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}
