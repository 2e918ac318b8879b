//! Paths (RFC 3986, 6.2.2).

use super::Normal;
use crate::chars::{SEGMENT, UNRESERVED, hex};
use std::fmt;

/// What becomes of `\` and `%5C`, which some endpoints take for `/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backslash {
    /// The path is refused.
    #[default]
    Refuse,
    /// It is a byte like others, written `%5C`.
    Keep,
    /// It is a `/`.
    Slash,
}

/// What becomes of `%2F`, which some endpoints take for `/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlash {
    /// It stays `%2F`, part of its segment.
    #[default]
    Keep,
    /// The path is refused.
    Refuse,
}

/// The choices that an operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    /// What becomes of `\` and `%5C`.
    pub backslash: Backslash,
    /// What becomes of `%2F`.
    pub encoded_slash: EncodedSlash,
    /// Whether `//` becomes `/`. Most endpoints merge them, and then a rule for `/admin` has to match `//admin`.
    pub merge_slashes: bool,
}

impl Default for PathPolicy {
    fn default() -> Self {
        Self {
            backslash: Backslash::default(),
            encoded_slash: EncodedSlash::default(),
            merge_slashes: true,
        }
    }
}

/// Why a path is refused, with the offset into the path as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// A `%` without two hexadecimal digits.
    Escape(usize),
    /// `%00`.
    Nul(usize),
    /// A control byte, a space or a byte above 0x7e that is not escaped.
    Byte(usize),
    /// A backslash, raw or escaped, and the policy refuses it.
    Backslash(usize),
    /// `%2F`, and the policy refuses it.
    EncodedSlash(usize),
    /// `..` at the root.
    AboveRoot(usize),
    /// A segment such as `..;x` or `..%2F`, which is `..` to some endpoints and a name to others.
    DotSegment(usize),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbsolute => f.write_str("the path does not begin with `/`"),
            Self::Escape(at) => write!(
                f,
                "`%` at byte {at} of the path is not followed by two hexadecimal digits"
            ),
            Self::Nul(at) => write!(f, "`%00` at byte {at} of the path"),
            Self::Byte(at) => write!(f, "byte {at} of the path has to be escaped as %XX"),
            Self::Backslash(at) => write!(
                f,
                "a backslash at byte {at} of the path, which is refused here"
            ),
            Self::EncodedSlash(at) => {
                write!(f, "`%2F` at byte {at} of the path, which is refused here")
            }
            Self::AboveRoot(at) => {
                write!(f, "`..` before byte {at} of the path leads above the root")
            }
            Self::DotSegment(at) => write!(
                f,
                "the segment before byte {at} of the path can be read as `..`"
            ),
        }
    }
}

impl std::error::Error for PathError {}

/// The normal form of a path as sent (without the query): escapes of unreserved bytes decoded, all others in upper
/// case, bytes that need an escape escaped, dot segments removed, slashes merged if the policy says so.
///
/// Normalising the result again changes nothing. `out` is written only if the path is not normal. `*`, the target of
/// `OPTIONS *`, is its own normal form.
///
/// # Errors
/// Whatever two readers could take for different paths: see [`PathError`].
pub fn path<'a>(
    raw: &'a [u8],
    policy: &PathPolicy,
    out: &mut Vec<u8>,
) -> Result<Normal<'a>, PathError> {
    if raw == b"*" {
        return Ok(Normal::Same(raw));
    }
    if !raw.starts_with(b"/") {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(raw) {
        return Ok(Normal::Same(raw));
    }
    out.clear();
    out.push(b'/');
    let mut writer = Writer {
        out,
        segment: 1,
        merge: policy.merge_slashes,
    };
    let mut at = 1;
    while let Some(&byte) = raw.get(at) {
        let escape = if byte == b'%' {
            Some(read_escape(raw, at)?)
        } else {
            None
        };
        match (escape, byte) {
            (Some(0), _) => return Err(PathError::Nul(at)),
            (None, b'/') => writer.end_segment(at)?,
            (Some(b'/'), _) => match policy.encoded_slash {
                EncodedSlash::Keep => writer.push_escaped(b'/'),
                EncodedSlash::Refuse => return Err(PathError::EncodedSlash(at)),
            },
            (Some(b'\\'), _) | (None, b'\\') => match policy.backslash {
                Backslash::Refuse => return Err(PathError::Backslash(at)),
                Backslash::Keep => writer.push_escaped(b'\\'),
                Backslash::Slash => writer.end_segment(at)?,
            },
            (Some(decoded), _) if UNRESERVED.has(decoded) => writer.out.push(decoded),
            (Some(decoded), _) => writer.push_escaped(decoded),
            (None, 0..=0x20 | 0x7f..) => return Err(PathError::Byte(at)),
            (None, byte) if SEGMENT.has(byte) => writer.out.push(byte),
            (None, byte) => writer.push_escaped(byte),
        }
        at += if escape.is_some() { 3 } else { 1 };
    }
    writer.finish(at)?;
    Ok(if out == raw {
        Normal::Same(raw)
    } else {
        Normal::Rewritten
    })
}

/// Whether nothing in the path can call for a change: the one scan that most requests get.
fn is_plain(raw: &[u8]) -> bool {
    let mut before = 0;
    raw.iter().all(|&byte| {
        let plain = match byte {
            b'/' | b'.' => before != b'/',
            _ => SEGMENT.has(byte),
        };
        before = byte;
        plain
    })
}

fn read_escape(raw: &[u8], at: usize) -> Result<u8, PathError> {
    match raw.get(at + 1..at + 3) {
        Some(&[high, low]) => hex(high)
            .zip(hex(low))
            .map(|(high, low)| high << 4 | low)
            .ok_or(PathError::Escape(at)),
        _ => Err(PathError::Escape(at)),
    }
}

/// Writes segments and takes them back where `..` follows.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Where the current segment begins, behind its slash.
    segment: usize,
    merge: bool,
}

impl Writer<'_> {
    fn push_escaped(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
        self.out
            .extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
    }

    /// A slash in the input, at `at`.
    fn end_segment(&mut self, at: usize) -> Result<(), PathError> {
        let was_dots = self.resolve_dots(at)?;
        let is_empty = self.out.len() == self.segment;
        if !(was_dots || is_empty && self.merge) {
            self.out.push(b'/');
            self.segment = self.out.len();
        }
        Ok(())
    }

    fn finish(&mut self, at: usize) -> Result<(), PathError> {
        self.resolve_dots(at).map(|_| ())
    }

    /// Removes a dot segment (RFC 3986, 5.2.4); the output then ends with the slash before it. Says whether it was one.
    fn resolve_dots(&mut self, at: usize) -> Result<bool, PathError> {
        let segment = self.out.get(self.segment..).unwrap_or_default();
        match segment {
            b"." => self.out.truncate(self.segment),
            b".." => {
                let parent = self
                    .out
                    .get(..self.segment.saturating_sub(1))
                    .unwrap_or_default();
                let slash = memchr::memrchr(b'/', parent).ok_or(PathError::AboveRoot(at))?;
                self.segment = slash + 1;
                self.out.truncate(self.segment);
            }
            _ if is_disguised(segment) => return Err(PathError::DotSegment(at)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Whether a segment is `.` or `..` to an endpoint that cuts path parameters (`..;x`) or decodes `%2F` and `%5C`.
fn is_disguised(segment: &[u8]) -> bool {
    if !segment.contains(&b'.') {
        return false;
    }
    let mut rest = segment;
    loop {
        let cut = (0..rest.len()).find(|&at| separator_len(rest, at).is_some());
        let (piece, after) = rest.split_at(cut.unwrap_or(rest.len()));
        if matches!(piece, b"." | b"..") {
            return true;
        }
        match cut.and_then(|at| separator_len(rest, at)) {
            Some(len) => rest = after.get(len..).unwrap_or_default(),
            None => return false,
        }
    }
}

/// The length of the separator at `at`: `;`, `%3B`, `%2F` or `%5C`.
fn separator_len(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at..)? {
        [b';', ..] => Some(1),
        [b'%', b'3', b'B', ..] | [b'%', b'2', b'F', ..] | [b'%', b'5', b'C', ..] => Some(3),
        _ => None,
    }
}
