//! What is measured.

use std::fmt;

/// Open connections of the load generator.
pub(super) const CONNECTIONS: usize = 64;

/// One kind of load: GET with keep-alive over [`CONNECTIONS`] connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) tls: bool,
    pub(super) body_bytes: usize,
}

impl Case {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [false, true]
            .into_iter()
            .flat_map(|tls| [0, 1024, 64 * 1024].map(|body_bytes| Self { tls, body_bytes }))
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        let protocol = if self.tls { "tls" } else { "plain" };
        match self.body_bytes {
            0 => format!("{protocol}-0"),
            bytes => format!("{protocol}-{}k", bytes / 1024),
        }
    }

    pub(super) fn path(self) -> String {
        format!("/bytes/{}", self.body_bytes)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.tls { "TLS 1.3" } else { "plain" };
        let text = match self.body_bytes {
            0 => format!("{protocol}, 0 B"),
            bytes => format!("{protocol}, {} KB", bytes / 1024),
        };
        f.pad(&text)
    }
}
