//! End-to-end tests: the program in front of endpoints and clients of our own, over real sockets on loopback.
//!
//! [`Bascule`] is the program under test, started from a configuration as an operator writes it. [`Origin`] stands behind
//! it and keeps a log of what it was asked; [`Client`] stands before it and says every byte itself. Both speak through a
//! [`Wire`]. The suites are in `tests/suite`, one subject a file.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    reason = "a harness of tests fails by panicking and tells by printing"
)]

mod access_log;
mod bascule;
mod client;
mod endpoint;
mod io;
mod load;
mod message;
mod metrics;
mod origin;
mod pattern;
mod port;
mod program;
mod setup;
mod tls;
mod token;
mod wait;
mod wire;

pub mod conformance;
pub mod crs;

pub use access_log::AccessLog;
pub use bascule::Bascule;
pub use client::{Client, request, socket_from};
pub use endpoint::Endpoint;
pub use io::Io;
pub use load::{Load, Report};
pub use message::{Answer, Body, Fields, Framing, Seen};
pub use metrics::Metrics;
pub use origin::{Conversation, Origin, Reply};
pub use pattern::{Digest, Pattern};
pub use port::Port;
pub use program::{
    Finished, can_become_another_user, path as program_path, run as run_program,
    run_as as run_program_as,
};
pub use setup::{Refused, Setup};
pub use tls::{Authority, Identity, KeyKind, Session, TlsClient, server as tls_server};
pub use token::{SigningKey, claims, jwks};
pub use wait::{eventually, within};
pub use wire::Wire;
