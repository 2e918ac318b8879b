//! TLS on both sides of the proxy: certificates by name, policies, and a stream that is used like a plain one.
//!
//! Everything cryptographic is rustls with aws-lc-rs. This room chooses the certificate ([`ServerSide`]), says whom an
//! upstream must be ([`ClientSide`]), and moves records between rustls and the sockets of `net` ([`TlsStream`]). It
//! reads no files: PEM comes in as bytes, so that a generation is complete before it is used.
#![forbid(unsafe_code)]

mod certificate;
mod client;
mod error;
mod io;
mod names;
mod server;
mod stream;

pub use certificate::{Certificate, parse_roots};
pub use client::{ClientSide, ClientSpec, Trust};
pub use error::{CertificateError, HandshakeError};
pub use io::Io;
pub use server::{Policy, ServerSide, ServerSpec, Tickets};
pub use stream::{Session, TlsStream};
