//! Places inside a buffer.

use std::ops::Range;

/// A half-open range of a buffer, kept apart from the buffer so that a head can be reused for the next one.
///
/// A span never panics: one that does not fit the buffer it is read from yields an empty slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of `start..end`. Offsets beyond 4 GiB give the empty span; heads are bounded far below that.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) if start <= end => Self { start, end },
            _ => Self::default(),
        }
    }

    /// Where `part` lies within `whole`; the empty span if it does not lie there.
    pub(crate) fn of(whole: &[u8], part: &[u8]) -> Self {
        let base = whole.as_ptr() as usize;
        match (part.as_ptr() as usize).checked_sub(base) {
            Some(start) if start + part.len() <= whole.len() => {
                Self::new(start, start + part.len())
            }
            _ => Self::default(),
        }
    }

    /// The bytes of the span in the buffer that it was taken from.
    #[inline]
    #[must_use]
    pub fn slice(self, buffer: &[u8]) -> &[u8] {
        buffer
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// First byte.
    #[must_use]
    pub const fn start(self) -> usize {
        self.start as usize
    }

    /// One past the last byte.
    #[must_use]
    pub const fn end(self) -> usize {
        self.end as usize
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it covers nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// As a range.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}
