//! `utf8toUnicode`, and the UTF-8 reader that `@validateUtf8Encoding` shares.

use std::io::Write;

/// Why bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Utf8Error {
    /// A byte that cannot begin a character, a missing or a wrong continuation byte.
    Malformed,
    /// More bytes than the character needs.
    Overlong,
    /// A surrogate or a number above U+10FFFF.
    Range,
}

/// Reads one character at the start of `input`: its number and how many bytes it takes.
pub(crate) fn decode(input: &[u8]) -> Result<(u32, usize), Utf8Error> {
    let first = *input.first().ok_or(Utf8Error::Malformed)?;
    let (length, bits, least) = match first {
        0x00..=0x7F => return Ok((u32::from(first), 1)),
        0xC0..=0xDF => (2, first & 0x1F, 0x80),
        0xE0..=0xEF => (3, first & 0x0F, 0x800),
        0xF0..=0xF4 => (4, first & 0x07, 0x1_0000),
        _ => return Err(Utf8Error::Malformed),
    };
    let mut number = u32::from(bits);
    for at in 1..length {
        match input.get(at) {
            Some(&byte) if byte & 0xC0 == 0x80 => number = number << 6 | u32::from(byte & 0x3F),
            _ => return Err(Utf8Error::Malformed),
        }
    }
    if number < least {
        Err(Utf8Error::Overlong)
    } else if (0xD800..=0xDFFF).contains(&number) || number > 0x10_FFFF {
        Err(Utf8Error::Range)
    } else {
        Ok((number, length))
    }
}

/// Characters beyond ASCII become `%uHHHH`, so that `urlDecodeUni` can map them. What is not UTF-8 comes out as in ModSecurity, on
/// which rules count: an overlong character (a `/` as `C0 AF`) and a surrogate become what a careless reader takes them for, with
/// their first byte behind; a first byte without those that belong to it goes, as does NUL; other bytes stay.
pub(super) fn utf8_to_unicode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&first) = input.get(at) {
        let (length, bits, least) = match first {
            0xC0..=0xDF => (2, first & 0x1F, 0x80),
            0xE0..=0xEF => (3, first & 0x0F, 0x800),
            0xF0..=0xF7 => (4, first & 0x07, 0x1_0000),
            _ => {
                if first != 0 {
                    out.push(first);
                }
                at += 1;
                continue;
            }
        };
        let rest = input.get(at + 1..at + length).unwrap_or_default();
        if rest.is_empty() || rest.iter().any(|byte| byte & 0xC0 != 0x80) {
            at += 1;
            continue;
        }
        let number = rest.iter().fold(u32::from(bits), |number, byte| {
            number << 6 | u32::from(byte & 0x3F)
        });
        // Writing to a Vec cannot fail.
        let _ = write!(out, "%u{number:04x}");
        if number < least || (0xD800..=0xDFFF).contains(&number) {
            out.push(first);
        }
        at += length;
    }
}

/// Whether `input` is UTF-8 (what `@validateUtf8Encoding` asks).
pub(crate) fn is_utf8(input: &[u8]) -> bool {
    let mut rest = input;
    while let Ok((_, length)) = decode(rest) {
        rest = &rest[length..];
    }
    rest.is_empty()
}
