//! HTTP semantics: a strict HTTP/1.1 codec, normalisation, bodies, header fields. No I/O.
//!
//! The order of the files is the order in which a message passes through:
//! [`h1::request`] reads a head into spans and decides the framing, [`normalise`] brings path and host into one form,
//! [`forwarded`] finds the client behind trusted proxies, [`forward`] writes the head that goes on to the endpoint,
//! [`h1::body`] decodes what follows, [`h1::response`] reads the answer and [`respond`] writes answers of our own.
//!
//! Invariants: no panic on any input; nothing that can be read in two ways is accepted; no allocation for a request
//! once the reusable parts ([`h1::request::RequestHead`], [`h1::response::ResponseHead`], [`h1::body::BodyDecoder`])
//! have grown to the size that the traffic asks for.
#![forbid(unsafe_code)]

mod chars;
pub mod cookie;
pub mod date;
pub mod field;
pub mod forward;
pub mod forwarded;
pub mod h1;
pub mod media;
mod method;
pub mod normalise;
pub mod query;
pub mod respond;
mod span;

pub use chars::tokens;
pub use field::{Field, Fields, Header, Known};
pub use method::{Method, Scheme, Version};
pub use span::Span;
