//! `htmlEntityDecode`.

use crate::bytes::hex_value;

/// The named entities that ModSecurity knows; compared without case.
const NAMED: [(&[u8], u8); 5] = [
    (b"quot", b'"'),
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"nbsp", 0xA0),
];

/// `&#xHH;`, `&#DD;` and the entities quot, amp, lt, gt, nbsp; the semicolon may be missing. A number becomes its low byte.
pub(super) fn html_entity_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        if byte == b'&'
            && let Some((decoded, length)) = entity(&input[at + 1..])
        {
            out.push(decoded);
            at += 1 + length;
            if input.get(at) == Some(&b';') {
                at += 1;
            }
            continue;
        }
        out.push(byte);
        at += 1;
    }
}

/// The entity at the start of `text` (which follows the `&`), and its length without the semicolon.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'#', b'x' | b'X', digits @ ..] => {
            number(digits, 16).map(|(byte, length)| (byte, 2 + length))
        }
        [b'#', digits @ ..] => number(digits, 10).map(|(byte, length)| (byte, 1 + length)),
        _ => {
            let length = text
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            let name = &text[..length];
            NAMED
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|&(_, byte)| (byte, length))
        }
    }
}

/// A number in `base`, its low byte as C's `(char)strtol` gives it: a number that does not fit saturates, so its low byte is FF.
fn number(digits: &[u8], base: i64) -> Option<(u8, usize)> {
    let value = |digit: u8| {
        hex_value(digit)
            .map(i64::from)
            .filter(|&value| value < base)
    };
    let length = digits
        .iter()
        .take_while(|&&digit| value(digit).is_some())
        .count();
    if length == 0 {
        return None;
    }
    let number = digits[..length]
        .iter()
        .filter_map(|&digit| value(digit))
        .fold(0i64, |number, value| {
            number
                .checked_mul(base)
                .and_then(|number| number.checked_add(value))
                .unwrap_or(i64::MAX)
        });
    Some((number.to_be_bytes()[7], length))
}
