//! How long a message is, decided once from its head (RFC 9112, 6).

use super::{CONNECTION_BYTES_MAX, Fault, LengthBesideCoding};
use crate::chars::{TOKEN, decimal, tokens, trim};
use crate::field::Known;
use crate::method::Version;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// Content-Length: this many bytes, which may be 0.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// Everything until the connection is closed. Responses only.
    UntilClose,
}

/// What the framing and connection fields of a head say, gathered field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) connection_upgrade: bool,
    pub(super) connection_named: bool,
    pub(super) connection_bytes: usize,
    pub(super) upgrade: bool,
    pub(super) expect_continue: bool,
    pub(super) te_trailers: bool,
    pub(super) length_beside_coding: LengthBesideCoding,
}

impl Claims {
    /// Settles what a head with both a length and a coding says. Whether there was one: its length is then to be forgotten.
    pub(super) fn drop_length(&mut self) -> bool {
        let both = self.chunked && self.length.take().is_some();
        self.close |= both;
        both
    }

    const fn refuses_both(&self) -> bool {
        matches!(self.length_beside_coding, LengthBesideCoding::Refuse)
    }

    /// Takes one field into account.
    pub(super) fn note(&mut self, known: Known, value: &[u8]) -> Result<(), Fault> {
        match known {
            Known::ContentLength => self.note_length(value),
            Known::TransferEncoding => self.note_coding(value),
            Known::Connection => self.note_connection(value),
            Known::Upgrade => {
                self.upgrade = true;
                Ok(())
            }
            Known::Te => {
                self.te_trailers |= tokens(value).any(|t| t.eq_ignore_ascii_case(b"trailers"));
                Ok(())
            }
            Known::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expect_continue = true;
                Ok(())
            }
            Known::Expect => Err(Fault::Expectation),
            _ => Ok(()),
        }
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let length = decimal(value).map_err(|too_large| {
            if too_large {
                Fault::LengthOverflow
            } else {
                Fault::LengthSyntax
            }
        })?;
        if self.length.replace(length).is_some() {
            return Err(Fault::LengthRepeated);
        }
        if self.chunked && self.refuses_both() {
            return Err(Fault::LengthAndCoding);
        }
        Ok(())
    }

    fn note_coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.chunked {
            return Err(Fault::CodingRepeated);
        }
        if self.length.is_some() && self.refuses_both() {
            return Err(Fault::LengthAndCoding);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(unknown_coding(value));
        }
        self.chunked = true;
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.connection_bytes += value.len();
        if self.connection_bytes > CONNECTION_BYTES_MAX {
            return Err(Fault::ConnectionTooLong);
        }
        for option in tokens(value) {
            if !TOKEN.covers(option) {
                return Err(Fault::ConnectionSyntax);
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.connection_upgrade = true;
            } else {
                self.connection_named = true;
            }
        }
        Ok(())
    }

    /// Whether the connection may carry another message (RFC 9112, 9.3).
    pub(super) const fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// `gzip, chunked` is a message that we could understand but do not (501); `chunked, chunked`, `"chunked"` or
/// `xchunked\x0b` is an attempt at being read in two ways (400).
fn unknown_coding(value: &[u8]) -> Fault {
    let mut codings = value.split(|&byte| byte == b',').map(trim);
    let last = codings.next_back().unwrap_or_default();
    let honest = TOKEN.covers(last)
        && codings.all(|coding| TOKEN.covers(coding) && !coding.eq_ignore_ascii_case(b"chunked"));
    if honest {
        Fault::Coding
    } else {
        Fault::CodingSyntax
    }
}

/// Refuses names that an endpoint may read as a framing field of its own.
pub(super) fn check_lookalike(name: &[u8]) -> Result<(), Fault> {
    if !name.contains(&b'_') {
        return Ok(());
    }
    match Known::of_lookalike(name) {
        Some(Known::ContentLength | Known::TransferEncoding) => Err(Fault::FramingLookalike),
        _ => Ok(()),
    }
}
