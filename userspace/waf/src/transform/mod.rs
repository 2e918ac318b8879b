//! Transformations: what `t:` names, as pure functions from bytes to bytes.
//!
//! Every function appends its result to `out`. Bytes, not characters; NUL is data. Where engines differ the answer is ModSecurity
//! 2's, which passes the CRS suite without an exception.

mod comment;
mod encode;
mod escape;
mod html;
mod map;
mod path;
mod space;
mod unicode;
mod url;

#[cfg(test)]
mod tests;

use seclang::ast::Transformation as T;

pub(crate) use map::UnicodeMap;
pub(crate) use unicode::is_utf8;
pub(crate) use url::{has_bad_escape, url_decode};

use crate::bytes::{ByteSet, SPACES};

/// Appends the transformed `input` to `out`, where rules have the map of `SecUnicodeMapFile`.
pub(crate) fn apply_with(
    map: Option<&UnicodeMap>,
    transformation: T,
    input: &[u8],
    out: &mut Vec<u8>,
) {
    match (transformation, map) {
        (T::UrlDecodeUni, Some(map)) => url::url_decode_uni(input, Some(map), out),
        _ => apply(transformation, input, out),
    }
}

/// Appends the transformed `input` to `out`, without a map of Unicode. `t:none`, a word that is resolved when rules are compiled, changes nothing.
pub fn apply(transformation: T, input: &[u8], out: &mut Vec<u8>) {
    match transformation {
        T::None => out.extend_from_slice(input),
        T::Base64Decode => encode::base64_decode(input, out),
        T::Base64DecodeExt => encode::base64_decode_ext(input, out),
        T::Base64Encode => encode::base64_encode(input, out),
        T::CmdLine => space::cmd_line(input, out),
        T::CompressWhitespace => space::compress_whitespace(input, out),
        T::CssDecode => escape::css_decode(input, out),
        T::EscapeSeqDecode => escape::escape_seq_decode(input, out),
        T::HexDecode => encode::hex_decode(input, out),
        T::HexEncode => encode::hex_encode(input, out),
        T::HtmlEntityDecode => html::html_entity_decode(input, out),
        T::JsDecode => escape::js_decode(input, out),
        T::Length => encode::length(input, out),
        T::Lowercase => out.extend(input.iter().map(u8::to_ascii_lowercase)),
        T::Md5 => encode::md5(input, out),
        T::NormalizePath => path::normalize_path(input, false, out),
        T::NormalizePathWin => path::normalize_path(input, true, out),
        T::ParityEven7bit => encode::parity_even_7bit(input, out),
        T::ParityOdd7bit => encode::parity_odd_7bit(input, out),
        T::ParityZero7bit => out.extend(input.iter().map(|byte| byte & 0x7F)),
        T::RemoveComments => comment::remove_comments(input, out),
        T::RemoveCommentsChar => comment::remove_comments_char(input, out),
        T::RemoveNulls => out.extend(input.iter().filter(|&&byte| byte != 0)),
        T::RemoveWhitespace => space::remove_whitespace(input, out),
        T::ReplaceComments => comment::replace_comments(input, out),
        T::ReplaceNulls => out.extend(
            input
                .iter()
                .map(|&byte| if byte == 0 { b' ' } else { byte }),
        ),
        T::Sha1 => encode::sha1(input, out),
        T::SqlHexDecode => encode::sql_hex_decode(input, out),
        T::Trim => out.extend_from_slice(space::trim_left(space::trim_right(input))),
        T::TrimLeft => out.extend_from_slice(space::trim_left(input)),
        T::TrimRight => out.extend_from_slice(space::trim_right(input)),
        T::Uppercase => out.extend(input.iter().map(u8::to_ascii_uppercase)),
        T::UrlDecode => url_decode(input, out),
        T::UrlDecodeUni => url::url_decode_uni(input, None, out),
        T::UrlEncode => url::url_encode(input, out),
        T::Utf8toUnicode => unicode::utf8_to_unicode(input, out),
    }
}

/// The bytes without which the transformation gives back its input unchanged: the second gate passes over the
/// transformation when a value holds none of them. [`ByteSet::ALL`] where any value may change.
///
/// The empty value is special: see [`changes_empty`].
#[must_use]
pub const fn triggers(transformation: T) -> ByteSet {
    const UPPER: ByteSet = ByteSet::range(b'A', b'Z');
    const HIGH: ByteSet = ByteSet::range(0x80, 0xFF);
    match transformation {
        T::None => ByteSet::EMPTY,
        // `/` and `(` count behind white space alone.
        T::CmdLine => UPPER.union(ByteSet::of(b"\\\"'^,; \t\r\n")),
        T::CompressWhitespace | T::RemoveWhitespace => SPACES.with(space::NBSP),
        T::CssDecode | T::EscapeSeqDecode | T::JsDecode => ByteSet::of(b"\\"),
        T::HtmlEntityDecode => ByteSet::of(b"&"),
        T::Lowercase => UPPER,
        T::NormalizePath => ByteSet::of(b"/."),
        T::NormalizePathWin => ByteSet::of(b"/.\\"),
        T::ParityZero7bit => HIGH,
        T::RemoveComments | T::RemoveCommentsChar => ByteSet::of(b"*-#"),
        T::RemoveNulls | T::ReplaceNulls => ByteSet::of(b"\0"),
        T::ReplaceComments => ByteSet::of(b"*"),
        T::SqlHexDecode => ByteSet::of(b"0"),
        T::Trim | T::TrimLeft | T::TrimRight => SPACES,
        T::Uppercase => ByteSet::range(b'a', b'z'),
        T::UrlDecode | T::UrlDecodeUni => ByteSet::of(b"%+"),
        T::Utf8toUnicode => HIGH.with(0),
        T::Base64Decode
        | T::Base64DecodeExt
        | T::Base64Encode
        | T::HexDecode
        | T::HexEncode
        | T::Length
        | T::Md5
        | T::ParityEven7bit
        | T::ParityOdd7bit
        | T::Sha1
        | T::UrlEncode => ByteSet::ALL,
    }
}

/// Whether the empty value becomes something else (a digest, a length).
#[must_use]
pub const fn changes_empty(transformation: T) -> bool {
    matches!(transformation, T::Length | T::Md5 | T::Sha1)
}

/// Whether the transformation gives back any value with these bytes as it came.
#[must_use]
pub fn is_idle(transformation: T, presence: &ByteSet) -> bool {
    if presence.is_empty() {
        !changes_empty(transformation)
    } else {
        !presence.intersects(&triggers(transformation))
    }
}
