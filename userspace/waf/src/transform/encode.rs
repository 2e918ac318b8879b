//! Base64, hexadecimal, digests, parity, `length`.

use std::io::Write;

use md5::Md5;
use sha1::{Digest, Sha1};

use crate::bytes::{hex_pair, hex_value};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Decodes up to the first byte that is not of the alphabet.
pub(super) fn base64_decode(input: &[u8], out: &mut Vec<u8>) {
    decode_sextets(input.iter().map_while(|&byte| base64_value(byte)), out);
}

/// Decodes what is of the alphabet and passes over the rest.
pub(super) fn base64_decode_ext(input: &[u8], out: &mut Vec<u8>) {
    decode_sextets(input.iter().filter_map(|&byte| base64_value(byte)), out);
}

fn decode_sextets(sextets: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut bits = 0u16;
    let mut count = 0;
    for sextet in sextets {
        bits = bits << 6 | u16::from(sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [_, byte] = (bits >> count).to_be_bytes();
            out.push(byte);
            bits &= (1 << count) - 1;
        }
    }
}

pub(super) fn base64_encode(input: &[u8], out: &mut Vec<u8>) {
    for chunk in input.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let sextet = (group >> (18 - 6 * position)) & 0x3F;
            out.push(if position <= chunk.len() {
                BASE64[sextet as usize]
            } else {
                b'='
            });
        }
    }
}

pub(super) fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

pub(super) fn hex_encode(input: &[u8], out: &mut Vec<u8>) {
    input.iter().for_each(|&byte| push_hex(byte, out));
}

/// Pairs of digits; a digit left over is dropped, and a byte that is no digit counts as 0, as it would in no sane input.
pub(super) fn hex_decode(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.chunks_exact(2).map(|pair| {
        let digit = |at: usize| hex_value(pair[at]).unwrap_or(0);
        digit(0) << 4 | digit(1)
    }));
}

/// `0x4142` becomes `AB` wherever it stands.
pub(super) fn sql_hex_decode(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at] == b'0'
            && matches!(input.get(at + 1), Some(b'x' | b'X'))
            && hex_pair(input, at + 2).is_some()
        {
            at += 2;
            while let Some(byte) = hex_pair(input, at) {
                out.push(byte);
                at += 2;
            }
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

pub(super) fn length(input: &[u8], out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{}", input.len());
}

pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(Md5::digest(input).as_slice());
}

pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(Sha1::digest(input).as_slice());
}

/// The eighth bit is set so that the number of ones is even.
pub(super) fn parity_even_7bit(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().map(|byte| {
        if byte.count_ones() % 2 == 1 {
            byte | 0x80
        } else {
            byte & 0x7F
        }
    }));
}

/// The eighth bit is set so that the number of ones is odd.
pub(super) fn parity_odd_7bit(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().map(|byte| {
        if byte.count_ones() % 2 == 1 {
            byte & 0x7F
        } else {
            byte | 0x80
        }
    }));
}
