//! Bytes that have arrived on a connection and that nobody has taken yet.

use net::{Buffer, Chunk};

/// The unread bytes of a connection, in one piece. Mostly that piece is a slice of the buffer that the last receive
/// filled; only a head that spans several receives is copied together.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Chunk,
}

impl Inbox {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds what a receive brought.
    pub(crate) fn push(&mut self, more: Chunk) {
        if self.bytes.is_empty() {
            self.bytes = more;
            return;
        }
        let mut joined = Buffer::with_capacity(self.bytes.len() + more.len());
        joined.extend_from_slice(&self.bytes);
        joined.extend_from_slice(&more);
        self.bytes = joined.freeze();
    }

    /// Takes the first `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Chunk {
        self.bytes.split_to(count)
    }

    /// Takes everything.
    pub(crate) fn take_all(&mut self) -> Chunk {
        std::mem::take(&mut self.bytes)
    }
}
