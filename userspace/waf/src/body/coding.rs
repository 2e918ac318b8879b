//! Content codings of request bodies: taken off before rules look, and no further than what rules look at.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Codings that one body may have on top of each other.
const CODINGS_LIMIT: usize = 2;

/// Bytes that come of a body whatever its own size; beyond them [`RATIO_LIMIT`] holds.
const UNSUSPICIOUS_BYTES: usize = 1 << 20;

/// How many times as long as it was sent a body may become. What people write hardly passes 20, a bomb reaches 1000.
const RATIO_LIMIT: usize = 200;

/// Bytes that are decoded at a time.
const STEP_BYTES: usize = 16 << 10;

/// Why a body cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// Another coding than gzip and deflate, or too many of them.
    #[error("its content coding is not known here; gzip and deflate are")]
    Unknown,
    /// It is not what its coding says.
    #[error("it is not what its content coding says")]
    Damaged,
    /// It becomes far longer than it is.
    #[error("it would become more than {RATIO_LIMIT} times as long as it is")]
    Bomb,
}

impl CodingError {
    /// A short name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "coding_unknown",
            Self::Damaged => "coding_damaged",
            Self::Bomb => "coding_bomb",
        }
    }
}

/// Takes the codings of a `Content-Encoding` off. `out` gets at most `limit` bytes, and what could be read before an error.
pub(crate) fn decode(
    codings: &[u8],
    body: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodingError> {
    let codings = codings
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let mut current: Option<Vec<u8>> = None;
    // They were put on in the order in which they stand.
    for (count, coding) in codings.rev().enumerate() {
        if count >= CODINGS_LIMIT {
            return Err(CodingError::Unknown);
        }
        let input = current.as_deref().unwrap_or(body);
        let mut next = Vec::new();
        let outcome = take_off(coding, input, body.len(), limit, &mut next);
        current = Some(next);
        if outcome.is_err() {
            out.extend(current.unwrap_or_default());
            return outcome;
        }
    }
    match current {
        Some(decoded) => out.extend(decoded),
        None => out.extend_from_slice(body.get(..limit).unwrap_or(body)),
    }
    Ok(())
}

fn take_off(
    coding: &[u8],
    input: &[u8],
    sent_bytes: usize,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodingError> {
    let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
    if is(b"gzip") || is(b"x-gzip") {
        read(MultiGzDecoder::new(input), sent_bytes, limit, out)
    } else if is(b"deflate") && is_zlib(input) {
        read(ZlibDecoder::new(input), sent_bytes, limit, out)
    } else if is(b"deflate") {
        // What some clients mean by deflate.
        read(DeflateDecoder::new(input), sent_bytes, limit, out)
    } else {
        Err(CodingError::Unknown)
    }
}

/// Whether a stream begins like zlib (RFC 1950, 2.2).
fn is_zlib(input: &[u8]) -> bool {
    match input {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => true,
    }
}

fn read(
    mut decoder: impl Read,
    sent_bytes: usize,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodingError> {
    let mut piece = [0; STEP_BYTES];
    while out.len() < limit {
        let room = piece.len().min(limit - out.len());
        let read = decoder
            .read(piece.get_mut(..room).unwrap_or_default())
            .map_err(|_| CodingError::Damaged)?;
        if read == 0 {
            return Ok(());
        }
        out.extend_from_slice(piece.get(..read).unwrap_or_default());
        if out.len() > UNSUSPICIOUS_BYTES && out.len() / RATIO_LIMIT > sent_bytes {
            return Err(CodingError::Bomb);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(codings: &str, body: &[u8]) -> Result<String, CodingError> {
        let mut out = Vec::new();
        decode(codings.as_bytes(), body, 64 << 20, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn codings_are_taken_off() {
        let text = "union select";
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(text.as_bytes()).unwrap();
        assert_eq!(decoded("gzip", &gzip(text.as_bytes())).as_deref(), Ok(text));
        assert_eq!(
            decoded("X-GZIP , identity", &gzip(text.as_bytes())).as_deref(),
            Ok(text)
        );
        assert_eq!(
            decoded("deflate", &zlib.finish().unwrap()).as_deref(),
            Ok(text)
        );
        assert_eq!(
            decoded("deflate", &raw.finish().unwrap()).as_deref(),
            Ok(text)
        );
        assert_eq!(
            decoded("gzip, gzip", &gzip(&gzip(text.as_bytes()))).as_deref(),
            Ok(text)
        );
        assert_eq!(decoded("identity", text.as_bytes()).as_deref(), Ok(text));
        // Several members are one body.
        let two = [gzip(b"union "), gzip(b"select")].concat();
        assert_eq!(decoded("gzip", &two).as_deref(), Ok(text));
    }

    #[test]
    fn what_cannot_be_looked_into_says_why() {
        assert_eq!(decoded("br", b"x"), Err(CodingError::Unknown));
        assert_eq!(decoded("gzip, br", b"x"), Err(CodingError::Unknown));
        assert_eq!(
            decoded("gzip,gzip,gzip", &gzip(&gzip(&gzip(b"x")))),
            Err(CodingError::Unknown)
        );
        assert_eq!(decoded("gzip", b"plain"), Err(CodingError::Damaged));
        let whole = gzip(b"union select");
        assert_eq!(
            decoded("gzip", &whole[..whole.len() - 4]),
            Err(CodingError::Damaged)
        );
        let mut out = Vec::new();
        let half = gzip(&b"union select ".repeat(10_000));
        assert_eq!(
            decode(b"gzip", &half[..half.len() / 2], 1 << 20, &mut out),
            Err(CodingError::Damaged)
        );
        assert!(
            out.starts_with(b"union select"),
            "what could be read is there"
        );
    }

    #[test]
    fn a_bomb_is_defused_early() {
        let bomb = gzip(&vec![0; 32 << 20]);
        assert_eq!(decoded("gzip", &bomb), Err(CodingError::Bomb));
        let twice = gzip(&bomb);
        let mut out = Vec::new();
        assert_eq!(
            decode(b"gzip, gzip", &twice, usize::MAX, &mut out),
            Err(CodingError::Bomb)
        );
        assert!(out.len() < 2 << 20, "{}", out.len());
        let mut out = Vec::new();
        assert_eq!(decode(b"gzip", &bomb, 1000, &mut out), Ok(()));
        assert_eq!(out.len(), 1000, "no more than rules look at");
    }
}
