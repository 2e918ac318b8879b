//! White space: `removeWhitespace`, `compressWhitespace`, `trim*`, and `cmdLine`, which is about little else.

use crate::bytes::is_space;

/// The no-break space of Latin-1, which ModSecurity counts as white space when it removes or compresses.
pub(super) const NBSP: u8 = 0xA0;

pub(super) fn remove_whitespace(input: &[u8], out: &mut Vec<u8>) {
    out.extend(
        input
            .iter()
            .filter(|&&byte| !is_space(byte) && byte != NBSP),
    );
}

pub(super) fn compress_whitespace(input: &[u8], out: &mut Vec<u8>) {
    let mut in_space = false;
    for &byte in input {
        let space = is_space(byte) || byte == NBSP;
        if !space {
            out.push(byte);
        } else if !in_space {
            out.push(b' ');
        }
        in_space = space;
    }
}

pub(super) fn trim_left(input: &[u8]) -> &[u8] {
    let start = input
        .iter()
        .position(|&byte| !is_space(byte))
        .unwrap_or(input.len());
    &input[start..]
}

pub(super) fn trim_right(input: &[u8]) -> &[u8] {
    let end = input
        .iter()
        .rposition(|&byte| !is_space(byte))
        .map_or(0, |last| last + 1);
    &input[..end]
}

/// What a command shell ignores goes: quotes, backslash, caret; commas, semicolons and white space become one space, none before `/`
/// and `(`; letters become lower case.
pub(super) fn cmd_line(input: &[u8], out: &mut Vec<u8>) {
    let mut in_space = false;
    for &byte in input {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !in_space {
                    out.push(b' ');
                    in_space = true;
                }
            }
            _ => {
                if in_space && matches!(byte, b'/' | b'(') {
                    out.pop();
                }
                in_space = false;
                out.push(byte.to_ascii_lowercase());
            }
        }
    }
}
