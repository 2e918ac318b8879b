//! Changes to a head that the operator or a stage of ours asked for.

use crate::chars::{TOKEN, is_field_value};

/// A change to the fields of a head on its way. Names are compared in any case, and `_` like `-`, as CGI-like
/// endpoints do: removing `X-Consumer` also removes a client's `x_consumer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Adds a field beside those of the same name.
    Add {
        /// The name.
        name: &'a str,
        /// The value.
        value: &'a [u8],
    },
    /// Puts a field in place of all of the same name.
    Set {
        /// The name.
        name: &'a str,
        /// The value.
        value: &'a [u8],
    },
    /// Removes all fields of the name: credentials that were checked here, for example.
    Remove {
        /// The name.
        name: &'a str,
    },
}

impl Edit<'_> {
    /// Whether it takes a field of this name out of the head.
    pub(super) fn removes(&self, field: &[u8]) -> bool {
        match self {
            Self::Set { name, .. } | Self::Remove { name } => is_same_name(name.as_bytes(), field),
            Self::Add { .. } => false,
        }
    }

    /// Whether the field can be written. One with a control byte in its value, or a name that is no token, would be
    /// a way to smuggle fields in; it is left out.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match self {
            Self::Add { name, value } | Self::Set { name, value } => {
                TOKEN.covers(name.as_bytes()) && value.iter().all(|&byte| is_field_value(byte))
            }
            Self::Remove { .. } => true,
        }
    }
}

/// Writes the fields that are added or set.
pub(super) fn put_edits(out: &mut Vec<u8>, edits: &[Edit<'_>]) {
    for edit in edits.iter().filter(|edit| edit.is_valid()) {
        if let Edit::Add { name, value } | Edit::Set { name, value } = edit {
            super::put_field(out, name.as_bytes(), value);
        }
    }
}

fn is_same_name(a: &[u8], b: &[u8]) -> bool {
    let fold = |byte: u8| {
        if byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| fold(a) == fold(b))
}
