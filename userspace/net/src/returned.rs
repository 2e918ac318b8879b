//! Bytes that were received too early: by whoever looked at the beginning of a connection, for whoever serves it.

use crate::Chunk;
use std::cell::Cell;
use std::fmt;

/// A place for one chunk.
#[derive(Default)]
pub(crate) struct Returned {
    // Asked by every receive, so it is no more than a byte.
    has_some: Cell<bool>,
    chunk: Cell<Chunk>,
}

impl Returned {
    pub(crate) fn put(&self, chunk: Chunk) {
        self.has_some.set(!chunk.is_empty());
        self.chunk.set(chunk);
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Chunk> {
        self.has_some.replace(false).then(|| self.chunk.take())
    }
}

impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Returned({})", self.has_some.get())
    }
}
