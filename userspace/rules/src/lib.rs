//! For people who write rules: the rules that ship with the program, and everything that `bascule rules`, `bascule replay` and
//! `bascule crs` do.
//!
//! It reads files and runs transactions in the process; it has no servers and opens no connections.
#![forbid(unsafe_code)]

mod base64;
mod check;
mod coverage;
mod files;
mod finding;
mod lint;
pub mod request;
pub mod shipped;
mod source;

pub use check::{CheckReport, check};
pub use coverage::{Category, Coverage};
pub use files::FileError;
pub use finding::{Finding, Severity, listed};
pub use request::{Request, RequestError};
pub use source::Rules;
