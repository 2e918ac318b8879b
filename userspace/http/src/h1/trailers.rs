//! Trailer fields (RFC 9110, 6.5; RFC 9112, 7.1.2).

use super::body::BodyFault;
use super::{BodyLimits, HEADER_COUNT_MAX, diagnose};
use crate::chars::trim;
use crate::field::{Field, Fields, Header, Known};
use crate::span::Span;

/// The trailer section of a chunked body, copied: it is small and may arrive in pieces.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Where the current line begins.
    line: usize,
}

impl Trailers {
    /// All fields as they came. They may lie: see [`forwardable`](Self::forwardable).
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            fields: &self.fields,
            bytes: &self.bytes,
        }
    }

    /// The fields that may be sent on: none that frames, routes, authenticates, or changes how the message is
    /// read (RFC 9110, 6.5.1), under its own name or one that looks like it with underscores.
    pub fn forwardable(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields().iter().filter(|field| {
            let known = field.known.or_else(|| Known::of_lookalike(field.name));
            !known.is_some_and(is_forbidden) && !is_forwarding_name(field.name)
        })
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.line = 0;
    }

    /// Takes in bytes up to the end of the section. Says how many and whether the end was among them.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        limits: &BodyLimits,
    ) -> Result<(usize, bool), BodyFault> {
        let mut consumed = 0;
        while let Some(rest) = input.get(consumed..).filter(|rest| !rest.is_empty()) {
            let newline = memchr::memchr(b'\n', rest);
            let part = rest
                .get(..newline.map_or(rest.len(), |at| at + 1))
                .unwrap_or_default();
            if self.bytes.len() + part.len() > limits.trailer_bytes.saturating_add(2) {
                return Err(BodyFault::TrailersTooLarge);
            }
            self.bytes.extend_from_slice(part);
            consumed += part.len();
            if newline.is_some() && self.end_line(limits)? {
                return Ok((consumed, true));
            }
        }
        Ok((consumed, false))
    }

    /// Reads the line that has just become complete. Says whether it was the empty one at the end.
    fn end_line(&mut self, limits: &BodyLimits) -> Result<bool, BodyFault> {
        let base = self.line;
        let line = self.bytes.get(base..).unwrap_or_default();
        let text = line.strip_suffix(b"\r\n").ok_or(BodyFault::Trailer)?;
        if text.is_empty() {
            return Ok(true);
        }
        if self.fields.len() >= limits.trailer_count.min(HEADER_COUNT_MAX) {
            return Err(BodyFault::TrailersTooLarge);
        }
        if diagnose::field_line(text).is_some() {
            return Err(BodyFault::Trailer);
        }
        let colon = memchr::memchr(b':', text).ok_or(BodyFault::Trailer)?;
        let (name, rest) = text.split_at(colon);
        let value = trim(rest.get(1..).unwrap_or_default());
        self.fields.push(Field {
            name: Span::new(base, base + colon),
            value: Span::of(&self.bytes, value),
            known: Known::of(name),
        });
        self.line = self.bytes.len();
        Ok(false)
    }
}

/// Fields that mean something only in front of the content.
const fn is_forbidden(known: Known) -> bool {
    known.is_hop_by_hop()
        || matches!(
            known,
            // Routing and who the client is.
            Known::Host
                | Known::Via
                | Known::Forwarded
                | Known::XForwardedFor
                | Known::XForwardedProto
                | Known::XForwardedHost
                | Known::XForwardedPort
                | Known::XRealIp
                | Known::XRequestId
                | Known::Proxy
                // Credentials and state.
                | Known::Authorization
                | Known::WwwAuthenticate
                | Known::Cookie
                | Known::SetCookie
                // What to do with the request.
                | Known::Expect
                | Known::MaxForwards
                | Known::Range
                | Known::IfMatch
                | Known::IfNoneMatch
                | Known::IfModifiedSince
                | Known::IfUnmodifiedSince
                | Known::IfRange
                | Known::CacheControl
                | Known::Pragma
                // How to read the content and the response.
                | Known::ContentType
                | Known::ContentEncoding
                | Known::ContentRange
                | Known::Age
                | Known::Date
                | Known::Expires
                | Known::Location
                | Known::RetryAfter
                | Known::Vary
                | Known::Warning
        )
}

/// `X-Forwarded-Anything`, also with underscores.
pub(crate) fn is_forwarding_name(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    name.len() >= PREFIX.len()
        && name.iter().zip(PREFIX).all(|(&byte, &wanted)| {
            byte.to_ascii_lowercase() == wanted || (byte == b'_' && wanted == b'-')
        })
}
