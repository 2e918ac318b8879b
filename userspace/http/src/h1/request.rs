//! Request heads.

use super::framing::{Claims, check_lookalike};
use super::scan::{Extent, Scan, is_strict};
use super::{
    Fault, Framing, HEADER_COUNT_MAX, HeadError, HeadLimits, METHOD_BYTES_MAX, Parse, Side, Target,
    TargetForm, diagnose,
};
use crate::chars::{TOKEN, decimal};
use crate::field::{Field, Fields, Known};
use crate::method::{Method, Scheme, Version};
use crate::normalise::host::Authority;
use crate::span::Span;
use std::mem::MaybeUninit;

/// A request head: spans into the buffer that was parsed, and what follows from them. Made once for a connection and
/// filled anew for each request.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    scan: Scan,
    method: Method,
    method_span: Span,
    target: Target,
    version: Version,
    fields: Vec<Field>,
    host: Span,
    claims: Claims,
}

impl RequestHead {
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
    pub const fn view<'a>(&'a self, buf: &'a [u8]) -> RequestView<'a> {
        RequestView { head: self, buf }
    }

    /// The method; [`Method::Other`] has its bytes in [`RequestView::method_bytes`].
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The target's parts.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// How the end of the body is found. Never [`Framing::UntilClose`].
    #[must_use]
    pub const fn framing(&self) -> Framing {
        match self.claims {
            Claims { chunked: true, .. } => Framing::Chunked,
            Claims {
                length: Some(length),
                ..
            } => Framing::Length(length),
            _ => Framing::None,
        }
    }

    /// Whether the client will send another request on this connection (RFC 9112, 9.3).
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.claims.keeps_alive(self.version)
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1). HTTP/1.0 cannot ask.
    #[must_use]
    pub const fn expects_continue(&self) -> bool {
        self.claims.expect_continue && matches!(self.version, Version::Http11)
    }

    /// Whether the client asks to go on in another protocol (RFC 9110, 7.8). It may be ignored.
    #[must_use]
    pub const fn wants_upgrade(&self) -> bool {
        self.claims.upgrade
            && self.claims.connection_upgrade
            && matches!(self.version, Version::Http11)
    }

    /// Whether the client says that it reads trailers (`TE: trailers`, RFC 9110, 10.1.4).
    #[must_use]
    pub const fn takes_trailers(&self) -> bool {
        self.claims.te_trailers
    }

    /// Whether Connection names fields of this head, which are then not sent on.
    pub(crate) const fn connection_names_fields(&self) -> bool {
        self.claims.connection_named
    }
}

/// A request head together with its bytes. Small and `Copy`.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    head: &'a RequestHead,
    buf: &'a [u8],
}

impl<'a> RequestView<'a> {
    /// The head itself, with the decisions.
    #[must_use]
    pub const fn head(self) -> &'a RequestHead {
        self.head
    }

    /// The method's bytes, as sent.
    #[must_use]
    pub fn method_bytes(self) -> &'a [u8] {
        self.head.method_span.slice(self.buf)
    }

    /// The target as sent, of whatever form.
    #[must_use]
    pub fn target_bytes(self) -> &'a [u8] {
        self.head.target.whole.slice(self.buf)
    }

    /// The path as sent: not decoded, `/` where an absolute target has none, `*` for the asterisk form.
    #[must_use]
    pub fn path(self) -> &'a [u8] {
        match self.head.target.path.slice(self.buf) {
            _ if self.head.target.form == TargetForm::Asterisk => b"*",
            b"" => b"/",
            path => path,
        }
    }

    /// The query as sent, without `?`; `None` where the target has no `?`.
    #[must_use]
    pub fn query(self) -> Option<&'a [u8]> {
        Some(self.head.target.query?.slice(self.buf))
    }

    /// Host and port that the request is for, as sent and checked: from the target in absolute form, otherwise from
    /// Host. Empty only for HTTP/1.0 without Host.
    #[must_use]
    pub fn host(self) -> &'a [u8] {
        self.head.host.slice(self.buf)
    }

    /// How many more hops a TRACE or OPTIONS request may take (RFC 9110, 7.6.2). At `Some(0)` it must not be sent on
    /// but answered here. `None`: no limit, or another method.
    #[must_use]
    pub fn hops_left(self) -> Option<u64> {
        match self.head.method {
            Method::Trace | Method::Options => decimal(self.header(Known::MaxForwards)?).ok(),
            _ => None,
        }
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

/// Reads a request head from the start of `buf`.
///
/// While the head is incomplete, call again with the same bytes and more behind them, and with the same `head`.
/// Bytes behind the head are left alone. After `Complete` or an error the next call begins a new head.
///
/// # Errors
/// Whatever RFC 9112 forbids, whatever could be read in two ways, and heads beyond `limits`. The connection has to be
/// closed after the answer: nobody knows where the next request would begin.
pub fn parse(buf: &[u8], limits: &HeadLimits, head: &mut RequestHead) -> Result<Parse, HeadError> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADER_COUNT_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    if head.scan.is_fresh() && buf.first().is_some_and(|&byte| TOKEN.has(byte)) {
        // Nearly every head arrives whole and flawless. Anything else is looked at line by line below.
        let status = parsed.parse_with_uninit_headers(buf, &mut slots);
        if let Ok(httparse::Status::Complete(end)) = status
            && is_strict(buf, end, parsed.headers, limits)
            && is_within(&parsed, limits)
        {
            head.clear();
            return finish(buf, Extent { start: 0, end }, &parsed, limits, head);
        }
    }
    let extent = match head.scan.advance(Side::Request, buf, limits) {
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
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut slots) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {
            finish(buf, extent, &parsed, limits, head)
        }
        _ => Err(diagnose::request(buf, extent)),
    }
}

fn is_within(parsed: &httparse::Request<'_, '_>, limits: &HeadLimits) -> bool {
    parsed.method.is_some_and(|it| it.len() <= METHOD_BYTES_MAX)
        && parsed.path.is_some_and(|it| it.len() <= limits.uri_bytes)
}

/// Reads what httparse has cut, into a cleared head.
fn finish(
    buf: &[u8],
    extent: Extent,
    parsed: &httparse::Request<'_, '_>,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<Parse, HeadError> {
    let result = read_line(buf, parsed, limits, head)
        .and_then(|()| read_fields(buf, extent, parsed.headers, head));
    match result {
        Ok(()) => Ok(Parse::Complete {
            consumed: extent.end,
        }),
        Err(error) => {
            head.clear();
            Err(error)
        }
    }
}

const fn fail(fault: Fault, offset: usize) -> HeadError {
    HeadError {
        side: Side::Request,
        fault,
        offset,
        found: None,
    }
}

fn read_line(
    buf: &[u8],
    parsed: &httparse::Request<'_, '_>,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<(), HeadError> {
    let method = parsed.method.unwrap_or_default().as_bytes();
    let path = parsed.path.unwrap_or_default().as_bytes();
    head.method = Method::of(method);
    head.method_span = Span::of(buf, method);
    head.claims.length_beside_coding = limits.length_beside_coding;
    head.version = if parsed.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    let target = Span::of(buf, path);
    if method.len() > METHOD_BYTES_MAX {
        return Err(fail(Fault::MethodTooLong, head.method_span.start()));
    }
    if path.len() > limits.uri_bytes {
        return Err(fail(Fault::UriTooLong, target.start()));
    }
    head.target = Target::parse(head.method, path, target.start()).map_err(|(fault, at)| {
        let offset = target.start() + at;
        HeadError {
            found: buf.get(offset).copied(),
            ..fail(fault, offset)
        }
    })?;
    Ok(())
}

fn read_fields(
    buf: &[u8],
    extent: Extent,
    headers: &[httparse::Header<'_>],
    head: &mut RequestHead,
) -> Result<(), HeadError> {
    let mut host = None;
    for header in headers {
        let name = Span::of(buf, header.name.as_bytes());
        let value = Span::of(buf, header.value);
        let known = Known::of(header.name.as_bytes());
        match known {
            None => check_lookalike(header.name.as_bytes())
                .map_err(|fault| fail(fault, name.start()))?,
            Some(Known::Host) if host.is_some() => {
                return Err(fail(Fault::HostRepeated, name.start()));
            }
            Some(Known::Host) => host = Some(value),
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
    if head.claims.drop_length() {
        head.fields
            .retain(|field| field.known != Some(Known::ContentLength));
    }
    head.host = decide_host(buf, extent, head, host)?;
    Ok(())
}

/// Which host the request is for (RFC 9112, 3.2 and 3.3).
fn decide_host(
    buf: &[u8],
    extent: Extent,
    head: &RequestHead,
    field: Option<Span>,
) -> Result<Span, HeadError> {
    let check = |span: Span| {
        Authority::parse(span.slice(buf)).map_err(|error| {
            let offset = span.start() + error.offset();
            HeadError {
                found: buf.get(offset).copied(),
                ..fail(Fault::HostSyntax, offset)
            }
        })
    };
    let field = match field {
        Some(span) => Some((span, check(span)?)),
        None if head.version == Version::Http11 => {
            return Err(fail(Fault::HostMissing, extent.start));
        }
        None => None,
    };
    if head.target.form != TargetForm::Absolute {
        return Ok(field.map_or_else(Span::default, |(span, _)| span));
    }
    let span = head.target.authority;
    let authority = check(span)?;
    let scheme = head.target.scheme.unwrap_or(Scheme::Http);
    match field {
        Some((at, host)) if !host.is_same(&authority, scheme) => {
            Err(fail(Fault::HostMismatch, at.start()))
        }
        _ => Ok(span),
    }
}
