//! The backslash escapes: `jsDecode`, `cssDecode`, `escapeSeqDecode`.

use super::url::{full_width, unicode_escape};
use crate::bytes::{hex_pair, hex_value, is_space};

/// `\uHHHH` (as one byte), `\xHH`, octal, and C's letter escapes; of any other the backslash goes.
pub(super) fn js_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        let (b'\\', Some(&next)) = (byte, input.get(at + 1)) else {
            out.push(byte);
            at += 1;
            continue;
        };
        let (decoded, length) = match next {
            b'u' => unicode_escape(input, at + 2).map_or((next, 2), |decoded| (decoded, 6)),
            b'x' => hex_pair(input, at + 2).map_or((next, 2), |decoded| (decoded, 4)),
            b'0'..=b'7' => {
                let (decoded, digits) = octal(input, at + 1);
                (decoded, 1 + digits)
            }
            _ => (letter_escape(next).unwrap_or(next), 2),
        };
        out.push(decoded);
        at += length;
    }
}

/// ANSI C escapes. One that is none loses its backslash, but a bad `\x` keeps its letter as well.
pub(super) fn escape_seq_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        let (b'\\', Some(&next)) = (byte, input.get(at + 1)) else {
            out.push(byte);
            at += 1;
            continue;
        };
        let (decoded, length) = match next {
            b'x' | b'X' => hex_pair(input, at + 2).map_or((next, 2), |decoded| (decoded, 4)),
            b'0'..=b'7' => {
                let (decoded, digits) = octal(input, at + 1);
                (decoded, 1 + digits)
            }
            _ => (letter_escape(next).unwrap_or(next), 2),
        };
        out.push(decoded);
        at += length;
    }
}

/// CSS 2 escapes: up to six hexadecimal digits and one white space after them; a backslash before a line feed joins lines; before any
/// other byte it goes. Of a long escape the low byte counts (Coraza writes UTF-8 there; ModSecurity's answer is chosen).
pub(super) fn css_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let digits = input
            .iter()
            .skip(at)
            .take(6)
            .take_while(|digit| digit.is_ascii_hexdigit())
            .count();
        if digits > 0 {
            out.push(css_escape(&input[at..at + digits]));
            at += digits;
            if input.get(at).copied().is_some_and(is_space) {
                at += 1;
            }
            continue;
        }
        match input.get(at) {
            Some(b'\n') | None => {}
            Some(&escaped) => out.push(escaped),
        }
        at += 1;
    }
}

/// The byte of one to six hexadecimal digits. Leading zeros of the five- and six-digit forms may hide a full-width form.
fn css_escape(digits: &[u8]) -> u8 {
    let number = digits.iter().fold(0u32, |number, &digit| {
        number << 4 | u32::from(hex_value(digit).unwrap_or(0))
    });
    let [_, beyond, high, low] = number.to_be_bytes();
    if beyond == 0 {
        full_width(high, low)
    } else {
        low
    }
}

fn letter_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        _ => return None,
    })
}

/// Up to three octal digits at `at`, of which the third counts only while the value fits a byte.
fn octal(input: &[u8], at: usize) -> (u8, usize) {
    let available = input
        .iter()
        .skip(at)
        .take(3)
        .take_while(|digit| matches!(digit, b'0'..=b'7'))
        .count();
    let taken = if available == 3 && input[at] > b'3' {
        2
    } else {
        available
    };
    let value = input
        .iter()
        .skip(at)
        .take(taken)
        .fold(0u8, |value, digit| value << 3 | (digit - b'0'));
    (value, taken)
}
