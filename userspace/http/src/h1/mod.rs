//! HTTP/1.1 on the wire (RFC 9112).

pub mod body;
pub mod chunk;
mod diagnose;
mod error;
mod framing;
mod glimpse;
mod limits;
pub mod request;
pub mod response;
mod scan;
mod target;
mod trailers;

pub use error::{Fault, HeadError, Side};
pub use framing::Framing;
pub use glimpse::Glimpse;
pub use limits::{
    BodyLimits, CONNECTION_BYTES_MAX, HEADER_COUNT_MAX, HeadLimits, LengthBesideCoding,
    METHOD_BYTES_MAX,
};
pub use target::{Target, TargetForm};
pub use trailers::Trailers;
pub(crate) use trailers::is_forwarding_name;

/// What a look at the buffer gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    /// The head is not complete. Call again with the same bytes and more behind them; what was seen is not
    /// scanned again.
    Partial,
    /// The head is complete.
    Complete {
        /// Bytes of the buffer that belong to the head, empty lines before it included. The body begins here.
        consumed: usize,
    },
}
