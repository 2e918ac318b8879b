//! Writes the chunked coding (RFC 9112, 7.1).

use super::Trailers;
use crate::field::Header;

/// The end of a chunked body without trailers, behind no data.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// The end of the last chunk's data and of a chunked body without trailers.
pub const END_AND_LAST: &[u8] = b"\r\n0\r\n\r\n";

/// What stands before the data of a chunk, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; Self::LONGEST],
    start: u8,
    end: u8,
}

impl ChunkHead {
    /// CRLF, 16 digits, CRLF.
    const LONGEST: usize = 20;

    /// For the first chunk of a body. `len` must not be 0: that would end the body.
    #[must_use]
    pub fn first(len: u64) -> Self {
        Self::new(len, false)
    }

    /// For a chunk behind another: ends that one as well.
    #[must_use]
    pub fn next(len: u64) -> Self {
        Self::new(len, true)
    }

    fn new(len: u64, ends_another: bool) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = *b"\r\n................\r\n";
        let mut start = Self::LONGEST - 2;
        let mut left = len;
        loop {
            start -= 1;
            bytes[start] = DIGITS[usize::from(left as u8 & 15)];
            left >>= 4;
            if left == 0 {
                break;
            }
        }
        if ends_another {
            start -= 2;
            bytes[start..start + 2].copy_from_slice(b"\r\n");
        }
        Self {
            bytes,
            start: start as u8,
            end: Self::LONGEST as u8,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Writes the end of a chunked body with those trailers that may be sent on and that `keep` lets through.
/// `ends_chunk`: whether data went before.
pub fn write_last(
    out: &mut Vec<u8>,
    ends_chunk: bool,
    trailers: &Trailers,
    keep: impl Fn(&Header<'_>) -> bool,
) {
    if ends_chunk {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for field in trailers.forwardable().filter(keep) {
        out.extend_from_slice(field.name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}
