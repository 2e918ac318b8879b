//! One form for a path and a host, so that the router, the WAF, auth and the endpoint all see the same bytes.

pub mod host;
pub mod path;

pub use host::{HostError, host};
pub use path::{Backslash, EncodedSlash, PathError, PathPolicy, path};

/// The outcome of a normalisation: most input is normal already and is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal<'a> {
    /// This part of the input is the normal form.
    Same(&'a [u8]),
    /// The normal form is in the buffer that was given for it.
    Rewritten,
}

impl<'a> Normal<'a> {
    /// The normal form; `out` is the buffer that was given for it.
    #[must_use]
    pub const fn bytes(self, out: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Same(part) => part,
            Self::Rewritten => out,
        }
    }
}
