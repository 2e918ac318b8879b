//! The control plane: everything that is not on the path of a request.
//!
//! `supervisor` is the process as a whole, `handover` passes it on to the next one, `build` makes a generation of a configuration, `watch` says when it is time
//! for another one, `kernel_path` has the XDP gate, `ban_lists` where its lists come from, `floods` watches it, `probes` and `keys` keep endpoints' health and key sets up to date,
//! `admin` serves the API that `client` speaks to.
#![forbid(unsafe_code)]

mod access_log;
pub mod admin;
mod audit_sinks;
mod auto_ban;
mod ban_lists;
mod build;
mod check;
pub mod client;
mod download;
mod error;
mod floods;
mod handover;
mod https;
mod kernel_path;
pub mod key_store;
mod keys;
mod listening;
mod lookup;
mod policy;
mod probes;
mod random;
mod self_test;
mod service;
mod splicing;
mod steering;
mod supervisor;
#[cfg(test)]
mod testing;
mod unwrap;
mod upgrades;
mod watch;

pub use ::rules::Coverage;
pub use build::{KeySource, PolicyReport, ProbeKind, ProbePlan};
pub use check::{CheckReport, check};
pub use download::{DownloadError, download};
pub use error::StartError;
pub use handover::{Predecessor, UpgradeError};
pub use kernel::{HostReport, InterfaceReport, KernelPath};
pub use policy::{PolicyError, policy_rules};
pub use self_test::SelfTest;
pub use supervisor::{Reloaded, StartOptions, State, Supervisor, run};
pub use unwrap::unwrap;
