//! What one send takes: a short list of pieces that leave in one system call.

use crate::{Buffer, Chunk, SMALL_BYTES};
use smallvec::SmallVec;
use std::io::IoSlice;
use std::ops::Deref;

/// Pieces that a list holds without an allocation: a head, a chunk size, a body, its end.
const INLINE_PIECES: usize = 4;

/// Most pieces that go into one system call; the rest go with the next (the kernel takes up to 1024).
pub(crate) const PIECES_A_CALL: usize = 16;

/// Bytes to send.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A part of a pooled buffer.
    Chunk(Chunk),
    /// Bytes of the program itself.
    Static(&'static [u8]),
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Chunk(chunk) => chunk,
            Self::Static(bytes) => bytes,
        }
    }
}

impl From<Chunk> for Piece {
    fn from(chunk: Chunk) -> Self {
        Self::Chunk(chunk)
    }
}

impl From<Buffer> for Piece {
    fn from(buffer: Buffer) -> Self {
        Self::Chunk(buffer.freeze())
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Chunk(bytes.into())
    }
}

impl From<&'static [u8]> for Piece {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Static(bytes)
    }
}

impl<const N: usize> From<&'static [u8; N]> for Piece {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::Static(bytes)
    }
}

/// A list of pieces, sent in order. Empty pieces are left out.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pieces: SmallVec<[Piece; INLINE_PIECES]>,
}

impl Parts {
    /// No pieces.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: impl Into<Piece>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    /// Appends a piece and returns the list: `Parts::new().with(head).with(body)`.
    #[must_use]
    pub fn with(mut self, piece: impl Into<Piece>) -> Self {
        self.push(piece);
        self
    }

    /// How many bytes there are in all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Piece> {
        self.pieces.iter()
    }

    /// Drops the first bytes, which were sent; pieces sent as a whole release their buffers.
    pub fn advance(&mut self, mut bytes: usize) {
        let mut sent = 0;
        for piece in &mut self.pieces {
            if bytes < piece.len() {
                match piece {
                    Piece::Chunk(chunk) => chunk.advance(bytes),
                    Piece::Static(rest) => *rest = rest.get(bytes..).unwrap_or_default(),
                }
                break;
            }
            bytes -= piece.len();
            sent += 1;
        }
        if sent == self.pieces.len() {
            self.pieces.clear();
        } else {
            self.pieces.drain(..sent);
        }
    }

    /// Makes one piece of several where they fit a small buffer: copying a head and a short body together costs less
    /// than a system call with a list of pieces.
    pub(crate) fn join_small(&mut self) {
        let bytes = self.bytes();
        if self.pieces.len() < 2 || bytes > SMALL_BYTES {
            return;
        }
        let mut joined = Buffer::with_capacity(bytes);
        for piece in self.pieces.drain(..) {
            joined.extend_from_slice(&piece);
        }
        self.push(joined);
    }

    /// The piece that is all there is.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        match &self.pieces[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The pieces as the kernel wants them, at most [`PIECES_A_CALL`], in the caller's memory.
    pub(crate) fn io_slices<'a, 's>(
        &'a self,
        slices: &'s mut [IoSlice<'a>; PIECES_A_CALL],
    ) -> &'s [IoSlice<'a>] {
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        slices.get(..count).unwrap_or_default()
    }
}

impl<P: Into<Piece>> From<P> for Parts {
    fn from(piece: P) -> Self {
        Self::new().with(piece)
    }
}

impl<'a> IntoIterator for &'a Parts {
    type Item = &'a Piece;
    type IntoIter = std::slice::Iter<'a, Piece>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Parts {
    type Item = Piece;
    type IntoIter = smallvec::IntoIter<[Piece; INLINE_PIECES]>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(parts: &Parts) -> Vec<usize> {
        parts.iter().map(|piece| piece.len()).collect()
    }

    #[test]
    fn small_pieces_become_one_and_large_ones_stay() {
        let head = || Piece::from(b"head ");
        let mut small = Parts::from(head()).with(vec![b'x'; SMALL_BYTES - 5]);
        small.join_small();
        assert_eq!(sizes(&small), [SMALL_BYTES]);
        assert!(small.only().is_some_and(|all| all.starts_with(b"head xx")));

        let mut large = Parts::from(head()).with(vec![b'x'; SMALL_BYTES - 4]);
        large.join_small();
        assert_eq!(sizes(&large), [5, SMALL_BYTES - 4]);

        let mut one = Parts::from(head());
        one.join_small();
        assert!(matches!(one.iter().next(), Some(Piece::Static(b"head "))));
        let mut none = Parts::new();
        none.join_small();
        assert!(none.is_empty());
    }
}
