//! Typed configuration: one YAML file, its JSON Schema, validation with file, line and column, differences between
//! generations.
//!
//! The way of a file: `document` makes a bounded tree of it in which every value knows its place; `setting` reads the
//! typed blocks of `blocks` from that tree and collects everything that is wrong; `check` looks at the whole. Nothing
//! is done here: `control` translates a [`Config`] into what the other rooms need.
#![forbid(unsafe_code)]

mod block;
mod blocks;
mod check;
mod closest;
mod config;
mod diagnostic;
mod diff;
mod document;
mod environment;
mod reader;
mod schema;
mod setting;
mod source;
mod values;

pub use blocks::*;
pub use config::{Config, Loaded, default_admin_socket, parse_str};
pub use diagnostic::{Diagnostic, Diagnostics, Kind, MAX_DIAGNOSTICS, Severity, Span, Spanned};
pub use diff::{Action, Change, diff};
pub use document::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
pub use environment::{Env, FileKind, Host, Pretend, matches};
pub use schema::schema;
pub use source::Source;
pub use values::*;
