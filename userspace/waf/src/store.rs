//! Where a transaction keeps its bytes: one buffer that only grows, and ranges of it.

/// A range of a [`Store`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// This span and the one that begins where it ends; `None` where that is not so.
    pub(crate) fn joined_with(self, next: Span) -> Option<Span> {
        (self.end == next.start).then_some(Span {
            start: self.start,
            end: next.end,
        })
    }

    /// The part from `start` to `end`, offsets within this span; cut where it ends.
    pub(crate) fn slice(self, start: usize, end: usize) -> Span {
        let end = end.min(self.len());
        let start = start.min(end);
        // Both fit: they are not greater than a length that came from u32.
        Span {
            start: self.start + start as u32,
            end: self.start + end as u32,
        }
    }
}

/// Bytes of one transaction. What is pushed stays until [`Store::clear`]; the memory is kept for the next transaction.
#[derive(Debug, Default)]
pub(crate) struct Store {
    bytes: Vec<u8>,
    /// Where [`Store::derive`] writes before it appends.
    derived: Vec<u8>,
    full: bool,
}

impl Store {
    /// Bytes that one transaction may keep: decoded arguments, headers, variables. When it is full nothing more is stored and the
    /// transaction ends with [`crate::EngineError::MemoryLimit`].
    pub(crate) const LIMIT_BYTES: usize = 256 << 20;

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.full = false;
    }

    /// Whether something did not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn get(&self, span: Span) -> &[u8] {
        self.bytes
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Span {
        self.write(|out| out.extend_from_slice(bytes))
    }

    /// Appends what `write` writes. `write` only appends.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > Self::LIMIT_BYTES {
            self.bytes.truncate(start);
            self.full = true;
            return Span::default();
        }
        Span {
            start: start as u32,
            end: self.bytes.len() as u32,
        }
    }

    /// Appends a name and what stands under it, behind their lengths: whatever pairs come one after the other, nothing else reads the
    /// same. The span of all of it; [`Store::pair`] finds the two in it.
    pub(crate) fn push_pair(&mut self, name: &[u8], value: &[u8]) -> Span {
        self.write(|out| {
            write_lengths(out, name.len(), value.len());
            out.extend_from_slice(name);
            out.extend_from_slice(value);
        })
    }

    /// The same of two spans of this store.
    pub(crate) fn push_stored_pair(&mut self, name: Span, value: Span) -> Span {
        let range = |part: Span| part.start as usize..part.end as usize;
        self.write(|out| {
            write_lengths(out, name.len(), value.len());
            out.extend_from_within(range(name));
            out.extend_from_within(range(value));
        })
    }

    /// Where the name and the value lie in a pair whose name is so long.
    pub(crate) fn pair(written: Span, name: usize) -> (Span, Span) {
        let name_end = PAIR_LENGTHS + name;
        (
            written.slice(PAIR_LENGTHS, name_end),
            written.slice(name_end, written.len()),
        )
    }

    /// Appends `from` as `change` rewrites it.
    pub(crate) fn derive(&mut self, from: Span, change: impl FnOnce(&[u8], &mut Vec<u8>)) -> Span {
        let mut derived = std::mem::take(&mut self.derived);
        derived.clear();
        change(self.get(from), &mut derived);
        let span = self.push(&derived);
        self.derived = derived;
        span
    }

    /// Appends two parts with a byte between them.
    pub(crate) fn joined(&mut self, first: Span, between: u8, second: Span) -> Span {
        let range = |part: Span| part.start as usize..part.end as usize;
        self.write(|out| {
            // Spans are of this store, which only grows.
            out.extend_from_within(range(first));
            out.push(between);
            out.extend_from_within(range(second));
        })
    }

    pub(crate) fn number(&mut self, number: i64) -> Span {
        // Scores and counts are small.
        if let Ok(digit @ 0..=9) = u8::try_from(number) {
            return self.push(&[b'0' + digit]);
        }
        self.write(|out| {
            // Writing to a Vec cannot fail.
            let _ = std::io::Write::write_fmt(out, format_args!("{number}"));
        })
    }
}

/// Bytes of the lengths before a pair.
const PAIR_LENGTHS: usize = 8;

fn write_lengths(out: &mut Vec<u8>, name: usize, value: usize) {
    // A store is shorter than 4 GiB.
    let lengths = (name as u64) | (value as u64) << 32;
    out.extend_from_slice(&lengths.to_le_bytes());
}
