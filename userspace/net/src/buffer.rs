//! Bytes on their way through a worker: [`Buffer`] is written, [`Chunk`] is read and shared.

use crate::pool::{self, Block, Class};
use std::fmt;
use std::ops::{Bound, Deref, RangeBounds};
use std::rc::Rc;

/// A pooled buffer that is being written. Dropped or sent, it returns to its thread's pool.
pub struct Buffer {
    // `None` only while it is dropped or frozen.
    block: Option<Block>,
}

impl Buffer {
    /// An empty buffer that holds at least so many bytes without growing. More than [`crate::LARGE_BYTES`] come from
    /// the allocator and do not return to the pool.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let block = match Class::fitting(bytes) {
            Some(class) => pool::take(class),
            None => Rc::new(Vec::with_capacity(bytes)),
        };
        Self { block: Some(block) }
    }

    /// An empty buffer of a class.
    #[must_use]
    pub fn of(class: Class) -> Self {
        Self {
            block: Some(pool::take(class)),
        }
    }

    /// Appends bytes; the buffer grows where they do not fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.as_mut_vec().extend_from_slice(bytes);
    }

    /// The bytes as the vector they are. Whoever lets it grow past its class takes it out of the pool.
    pub fn as_mut_vec(&mut self) -> &mut Vec<u8> {
        // Nobody else holds the block before it is frozen, so this never copies.
        Rc::make_mut(self.block.get_or_insert_with(|| pool::take(Class::Small)))
    }

    /// Ends the writing: the bytes become a chunk.
    #[must_use]
    pub fn freeze(mut self) -> Chunk {
        let block = self.block.take();
        let end = block.as_ref().map_or(0, |block| block.len());
        Chunk {
            block,
            start: 0,
            end,
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::of(Class::Small)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| block.as_slice())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            pool::give(block);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len())
    }
}

/// A read-only part of a pooled buffer. Clones and slices share the buffer (they are counted references, bound to the
/// thread); the last one dropped returns it to the pool.
///
/// A chunk keeps its whole buffer alive. [`crate::Stream::recv`] therefore hands out chunks in buffers that fit; who
/// keeps a small slice of a large chunk for long should copy it.
#[derive(Default)]
pub struct Chunk {
    // `None` where empty.
    block: Option<Block>,
    start: usize,
    end: usize,
}

impl Chunk {
    /// No bytes: as a result of a receive, the end of the stream.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            block: None,
            start: 0,
            end: 0,
        }
    }

    /// Copies bytes into a pooled buffer that fits.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::empty();
        }
        let mut buffer = Buffer::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer.freeze()
    }

    /// How many bytes the buffer behind this chunk occupies, for memory limits.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.capacity())
    }

    /// Drops the first bytes; all of them where there are fewer.
    pub fn advance(&mut self, bytes: usize) {
        self.start += bytes.min(self.len());
    }

    /// Keeps the first bytes only.
    pub fn truncate(&mut self, bytes: usize) {
        self.end = self.end.min(self.start + bytes.min(self.len()));
    }

    /// A part that shares the buffer. A range that reaches outside is cut to what there is.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(&at) => at,
            Bound::Excluded(&at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&at) => at.saturating_add(1),
            Bound::Excluded(&at) => at,
            Bound::Unbounded => usize::MAX,
        };
        let mut part = self.clone();
        part.truncate(to);
        part.advance(from);
        part
    }

    /// Splits off and returns the first bytes; all of them where there are fewer.
    #[must_use]
    pub fn split_to(&mut self, bytes: usize) -> Self {
        if bytes >= self.len() {
            return std::mem::take(self);
        }
        let head = self.slice(..bytes);
        self.advance(bytes);
        head
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.block
            .as_ref()
            .and_then(|block| block.get(self.start..self.end))
            .unwrap_or_default()
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for Chunk {
    fn clone(&self) -> Self {
        Self {
            block: self.block.clone(),
            start: self.start,
            end: self.end,
        }
    }
}

impl Drop for Chunk {
    #[inline]
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            pool::give(block);
        }
    }
}

impl From<Buffer> for Chunk {
    fn from(buffer: Buffer) -> Self {
        buffer.freeze()
    }
}

impl From<Vec<u8>> for Chunk {
    /// Takes the vector as it is, without a copy.
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            start: 0,
            end: bytes.len(),
            block: Some(Rc::new(bytes)),
        }
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len())
    }
}
