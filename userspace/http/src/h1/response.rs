//! Response heads.

use super::framing::{Claims, check_lookalike};
use super::scan::{Extent, Scan, is_strict};
use super::{Fault, Framing, HEADER_COUNT_MAX, HeadError, HeadLimits, Parse, Side, diagnose};
use crate::field::{Field, Fields, Known};
use crate::method::{Method, Version};
use crate::span::Span;
use std::mem::MaybeUninit;

/// A response head: spans into the buffer that was parsed, and what follows from them. Made once and filled anew for
/// each response.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    scan: Scan,
    version: Version,
    status: u16,
    reason: Span,
    fields: Vec<Field>,
    claims: Claims,
    framing: Framing,
}

impl ResponseHead {
    /// An empty head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, a half-read head included. Needed only where a head is given up before it was complete.
    pub fn clear(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        *self = Self {
            fields,
            ..Self::default()
        };
        self.fields.clear();
    }

    /// The head with the buffer it was parsed from: the same bytes at the same place as given to [`parse`].
    #[must_use]
    pub const fn view<'a>(&'a self, buf: &'a [u8]) -> ResponseView<'a> {
        ResponseView { head: self, buf }
    }

    /// The status, 100 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether another response to the same request follows (1xx). 101 is the endpoint changing the protocol, which
    /// it must not do unasked.
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// How the end of the body is found, the method of the request taken into account.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// What Content-Length says, also where no body follows (HEAD, 304).
    #[must_use]
    pub const fn declared_length(&self) -> Option<u64> {
        self.claims.length
    }

    /// Whether the endpoint will take another request on this connection once the body has been read.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.claims.keeps_alive(self.version)
            && !matches!(self.framing, Framing::UntilClose)
            && !self.has_forbidden_framing()
    }

    /// A 1xx or 204 that announces a body nevertheless (RFC 9110, 8.6; RFC 9112, 6.1). It has none, but the endpoint
    /// may think otherwise: its connection is not used again.
    const fn has_forbidden_framing(&self) -> bool {
        let length = matches!(self.claims.length, Some(1..));
        (self.status < 200 || self.status == 204) && (length || self.claims.chunked)
    }

    /// Whether Connection names fields of this head, which are then not sent on.
    pub(crate) const fn connection_names_fields(&self) -> bool {
        self.claims.connection_named
    }
}

/// A response head together with its bytes. Small and `Copy`.
#[derive(Clone, Copy, Debug)]
pub struct ResponseView<'a> {
    head: &'a ResponseHead,
    buf: &'a [u8],
}

impl<'a> ResponseView<'a> {
    /// The head itself, with the decisions.
    #[must_use]
    pub const fn head(self) -> &'a ResponseHead {
        self.head
    }

    /// The reason phrase, as sent; often empty.
    #[must_use]
    pub fn reason_phrase(self) -> &'a [u8] {
        self.head.reason.slice(self.buf)
    }

    /// All fields.
    #[must_use]
    pub fn fields(self) -> Fields<'a> {
        Fields {
            fields: &self.head.fields,
            bytes: self.buf,
        }
    }

    /// The value of the first field with this id.
    #[must_use]
    pub fn header(self, known: Known) -> Option<&'a [u8]> {
        self.fields().get(known)
    }
}

/// Reads a response head from the start of `buf`. `request_method` is the method of the request that it answers: a
/// response to HEAD has no body whatever it says.
///
/// While the head is incomplete, call again with the same bytes and more behind them, and with the same `head`. After
/// `Complete` or an error the next call begins a new head, so an interim response is followed by another call.
///
/// # Errors
/// Whatever RFC 9112 forbids, whatever could be read in two ways, and heads beyond `limits`. The connection to the
/// endpoint has to be closed.
pub fn parse(
    buf: &[u8],
    limits: &HeadLimits,
    request_method: Method,
    head: &mut ResponseHead,
) -> Result<Parse, HeadError> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADER_COUNT_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    if head.scan.is_fresh() && buf.first() == Some(&b'H') {
        // Nearly every head arrives whole and flawless. Anything else is looked at line by line below.
        let status = config.parse_response_with_uninit_headers(&mut parsed, buf, &mut slots);
        if let Ok(httparse::Status::Complete(end)) = status
            && is_strict(buf, end, parsed.headers, limits)
        {
            head.clear();
            return finish(buf, Extent { start: 0, end }, &parsed, request_method, head);
        }
    }
    let limits = HeadLimits {
        leading_empty_lines: 0,
        ..*limits
    };
    let extent = match head.scan.advance(Side::Response, buf, &limits) {
        Ok(Some(extent)) => extent,
        Ok(None) => return Ok(Parse::Partial),
        Err(error) => {
            head.clear();
            return Err(error);
        }
    };
    head.clear();
    let bytes = buf.get(extent.start..extent.end).unwrap_or_default();
    let mut slots = [const { MaybeUninit::uninit() }; HEADER_COUNT_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut slots) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {
            finish(buf, extent, &parsed, request_method, head)
        }
        _ => Err(diagnose::response(buf, extent)),
    }
}

/// Reads what httparse has cut, into a cleared head.
fn finish(
    buf: &[u8],
    extent: Extent,
    parsed: &httparse::Response<'_, '_>,
    request_method: Method,
    head: &mut ResponseHead,
) -> Result<Parse, HeadError> {
    match read(buf, extent, parsed, request_method, head) {
        Ok(()) => Ok(Parse::Complete {
            consumed: extent.end,
        }),
        Err(error) => {
            head.clear();
            Err(error)
        }
    }
}

fn read(
    buf: &[u8],
    extent: Extent,
    parsed: &httparse::Response<'_, '_>,
    request_method: Method,
    head: &mut ResponseHead,
) -> Result<(), HeadError> {
    let fail = |fault, offset| HeadError {
        side: Side::Response,
        fault,
        offset,
        found: None,
    };
    head.version = if parsed.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    head.status = parsed.code.unwrap_or_default();
    head.reason = Span::of(buf, parsed.reason.unwrap_or_default().as_bytes());
    if head.status < 100 {
        return Err(fail(Fault::Status, extent.start + "HTTP/1.1 ".len()));
    }
    for header in parsed.headers.iter() {
        let name = Span::of(buf, header.name.as_bytes());
        let value = Span::of(buf, header.value);
        let known = Known::of(header.name.as_bytes());
        match known {
            None => check_lookalike(header.name.as_bytes())
                .map_err(|fault| fail(fault, name.start()))?,
            Some(Known::Expect | Known::Te) => {} // They mean nothing in a response.
            Some(known) => head
                .claims
                .note(known, header.value)
                .map_err(|fault| fail(fault, value.start()))?,
        }
        head.fields.push(Field { name, value, known });
    }
    if head.claims.chunked && head.version == Version::Http10 {
        return Err(fail(Fault::CodingInHttp10, extent.start));
    }
    head.framing = decide_framing(head, request_method);
    Ok(())
}

/// The length of a response (RFC 9112, 6.3), once its fields are known to be unambiguous.
const fn decide_framing(head: &ResponseHead, request_method: Method) -> Framing {
    if matches!(request_method, Method::Head) || matches!(head.status, 100..200 | 204 | 304) {
        return Framing::None;
    }
    match head.claims {
        Claims { chunked: true, .. } => Framing::Chunked,
        Claims {
            length: Some(length),
            ..
        } => Framing::Length(length),
        _ => Framing::UntilClose,
    }
}
