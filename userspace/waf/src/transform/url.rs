//! `urlDecode`, `urlDecodeUni`, `urlEncode`.

use super::UnicodeMap;
use super::map::lookalike;
use crate::bytes::{hex_pair, hex_value};

/// `%HH` and `+`; a `%` that is not followed by two digits stays.
pub(crate) fn url_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        match (byte, hex_pair(input, at + 1)) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// As [`url_decode`], and `%uHHHH` as the byte that `map` has for it (without a map, as the ASCII that it looks like), else as its low
/// byte, where the full-width forms U+FF01..U+FF5E become ASCII.
pub(super) fn url_decode_uni(input: &[u8], map: Option<&UnicodeMap>, out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        at += match byte {
            b'%' if matches!(input.get(at + 1), Some(b'u' | b'U')) => {
                match mapped_escape(input, at + 2, map) {
                    Some(decoded) => {
                        out.push(decoded);
                        6
                    }
                    None => {
                        out.extend_from_slice(&input[at..at + 2]);
                        2
                    }
                }
            }
            b'%' => match hex_pair(input, at + 1) {
                Some(decoded) => {
                    out.push(decoded);
                    3
                }
                None => {
                    out.push(b'%');
                    1
                }
            },
            b'+' => {
                out.push(b' ');
                1
            }
            _ => {
                out.push(byte);
                1
            }
        };
    }
}

/// The byte that four hexadecimal digits at `at` stand for in a map, else without one.
fn mapped_escape(input: &[u8], at: usize, map: Option<&UnicodeMap>) -> Option<u8> {
    let high = hex_pair(input, at)?;
    let low = hex_pair(input, at + 2)?;
    let character = u16::from_be_bytes([high, low]);
    let mapped = map.map_or_else(|| lookalike(character), |map| map.find(character));
    Some(mapped.unwrap_or_else(|| full_width(high, low)))
}

/// The byte that four hexadecimal digits at `at` stand for: the low one, or ASCII for a full-width form.
pub(super) fn unicode_escape(input: &[u8], at: usize) -> Option<u8> {
    let high = hex_pair(input, at)?;
    let low = hex_pair(input, at + 2)?;
    Some(full_width(high, low))
}

/// U+FF01..U+FF5E are ASCII in full width.
pub(super) const fn full_width(high: u8, low: u8) -> u8 {
    if high == 0xFF && low > 0x00 && low < 0x5F {
        low + 0x20
    } else {
        low
    }
}

pub(super) fn url_encode(input: &[u8], out: &mut Vec<u8>) {
    for &byte in input {
        match byte {
            b' ' => out.push(b'+'),
            b'*' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => {
                out.push(b'%');
                super::encode::push_hex(byte, out);
            }
        }
    }
}

/// Whether `input` holds a `%` that is not followed by two hexadecimal digits (what `@validateUrlEncoding` looks for).
pub(crate) fn has_bad_escape(input: &[u8]) -> bool {
    let digit = |at: usize| input.get(at).copied().and_then(hex_value).is_some();
    memchr::memchr_iter(b'%', input).any(|at| !(digit(at + 1) && digit(at + 2)))
}
