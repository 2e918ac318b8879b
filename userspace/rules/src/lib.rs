//! For people who write rules: the rules that ship with the program, and everything that `bascule rules`, `bascule replay` and
//! `bascule crs` do.
//!
//! It reads files and runs transactions in the process; it has no servers and opens no connections.
#![forbid(unsafe_code)]

mod base64;
mod book;
mod check;
mod coverage;
pub mod crs;
mod exclude;
mod explain;
mod files;
mod finding;
mod ftw;
#[cfg(test)]
mod hostile;
mod inspect;
mod lint;
mod profile;
mod reflect;
mod replay;
pub mod request;
pub mod shipped;
mod source;
pub mod trace;

pub use check::{CheckReport, check};
pub use coverage::{Category, Coverage};
pub use exclude::Exclusion;
pub use explain::{Explanation, Story, explain};
pub use files::FileError;
pub use finding::{Finding, Severity, listed};
pub use ftw::{TestError, TestFailure, TestReport, test};
pub use inspect::Inspected;
pub use profile::{Profile, RuleCost, TargetCost, profile};
pub use replay::{Change, ChangedRule, Difference, Replay, ReplayError, replay};
pub use request::{Request, RequestError};
pub use source::Rules;
