//! Why a head is refused.

use std::fmt;
use types::Reason;

/// Which head it was: the answer to a fault depends on who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client's request.
    Request,
    /// The endpoint's response.
    Response,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident => $reason:ident, $text:literal;)*) => {
        /// What is wrong with a head.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $variant,)* }

        impl Fault {
            const fn text(self) -> &'static str {
                match self { $(Fault::$variant => $text,)* }
            }

            const fn request_reason(self) -> Reason {
                match self { $(Fault::$variant => Reason::$reason,)* }
            }
        }
    };
}

faults! {
    /// A carriage return that no line feed follows.
    BareCr => MalformedRequest, "a CR without LF; lines end in CRLF (RFC 9112, 2.2)";
    /// A line feed that no carriage return precedes.
    BareLf => MalformedRequest, "a LF without CR; lines end in CRLF (RFC 9112, 2.2)";
    /// A line that begins with white space.
    FoldedLine => MalformedRequest, "a line that begins with white space; folding is obsolete (RFC 9112, 5.2)";
    /// More empty lines before the start line than allowed.
    EmptyLines => MalformedRequest, "too many empty lines before the start line (RFC 9112, 2.2)";
    /// The line is not `method SP target SP version`.
    RequestLine => MalformedRequest, "a request line that is not `method target version` with single spaces (RFC 9112, 3)";
    /// A line that ends behind the target: a request of HTTP/0.9.
    NoVersion => MalformedRequest, "a request line without a version, as HTTP/0.9 had it (RFC 9112, 3)";
    /// A byte in the method that no token has.
    MethodByte => MalformedRequest, "a byte that no method has (RFC 9110, 5.6.2)";
    /// The method is longer than any that is registered.
    MethodTooLong => MethodUnsupported, "a method longer than any that is registered";
    /// CONNECT: we are a gateway, not a tunnel.
    Connect => MethodUnsupported, "CONNECT, which is not offered here (RFC 9110, 9.3.6)";
    /// A byte in the target that no URI has.
    TargetByte => MalformedRequest, "a byte in the target that no URI has; escape it as %XX (RFC 3986, 2)";
    /// A fragment in the target.
    Fragment => MalformedRequest, "a fragment in the target; clients keep it to themselves (RFC 9112, 3.2)";
    /// Neither `/path`, nor `http://host/path`, nor `*`.
    TargetForm => MalformedRequest, "a target that is neither /path nor http://host/path nor * (RFC 9112, 3.2)";
    /// CONNECT with a target that is not `host:port`.
    TunnelTarget => MalformedRequest, "a CONNECT whose target is not host:port (RFC 9110, 9.3.6)";
    /// `*` with another method than OPTIONS.
    Asterisk => MalformedRequest, "the target * with another method than OPTIONS (RFC 9112, 3.2.4)";
    /// `user@host` in the target.
    UserInfo => MalformedRequest, "user information in the target (RFC 9110, 4.2.4)";
    /// The target is longer than the limit.
    UriTooLong => UriTooLong, "a target longer than the limit";
    /// No `HTTP/d.d`.
    VersionSyntax => MalformedRequest, "a version that is not HTTP/1.0 or HTTP/1.1 (RFC 9112, 2.3)";
    /// A version of HTTP that we do not speak on this connection.
    Version => VersionUnsupported, "a version of HTTP that is not spoken on this connection (RFC 9110, 15.6.6)";
    /// The line is not `version SP status SP reason`.
    StatusLine => MalformedRequest, "a status line that is not `HTTP/1.1 200 reason` (RFC 9112, 4)";
    /// A status outside 100 to 999.
    Status => MalformedRequest, "a status that is not 100 to 999 (RFC 9110, 15)";
    /// White space between a field's name and its colon.
    SpaceBeforeColon => MalformedRequest, "white space before the colon of a field (RFC 9112, 5.1)";
    /// A field without a name.
    EmptyName => MalformedRequest, "a field without a name (RFC 9112, 5)";
    /// A byte in a field's name that no token has.
    NameByte => MalformedRequest, "a byte that no field name has (RFC 9110, 5.1)";
    /// A line without a colon.
    NoColon => MalformedRequest, "a field without a colon (RFC 9112, 5)";
    /// A control byte in a field's value.
    ValueByte => MalformedRequest, "a control byte in a field value (RFC 9110, 5.5)";
    /// The head is larger than the limit.
    HeadTooLarge => HeadTooLarge, "a head larger than the limit";
    /// There are more fields than the limit.
    TooManyFields => HeadTooLarge, "more fields than the limit";
    /// No Host in a request of HTTP/1.1.
    HostMissing => BadHost, "no Host, which HTTP/1.1 requires (RFC 9112, 3.2)";
    /// Several Host fields.
    HostRepeated => BadHost, "a second Host (RFC 9112, 3.2)";
    /// A Host that is no `host[:port]`.
    HostSyntax => BadHost, "a host that is not a name, an IPv4 or an [IPv6] address with an optional port (RFC 9112, 3.2)";
    /// A Host that is not the one in the target.
    HostMismatch => BadHost, "a Host that differs from the host in the target (RFC 9112, 3.2.2)";
    /// Several Content-Length fields.
    LengthRepeated => AmbiguousFraming, "a second Content-Length (RFC 9112, 6.3)";
    /// A Content-Length that is not digits alone.
    LengthSyntax => AmbiguousFraming, "a Content-Length that is not one decimal number (RFC 9110, 8.6)";
    /// A Content-Length beyond 2^64 - 1.
    LengthOverflow => AmbiguousFraming, "a Content-Length beyond what can be counted (RFC 9110, 8.6)";
    /// Content-Length and Transfer-Encoding in one head.
    LengthAndCoding => AmbiguousFraming, "Content-Length beside Transfer-Encoding (RFC 9112, 6.1)";
    /// Several Transfer-Encoding fields.
    CodingRepeated => AmbiguousFraming, "a second Transfer-Encoding (RFC 9112, 6.1)";
    /// A Transfer-Encoding that is not `chunked` and no list of codings either.
    CodingSyntax => AmbiguousFraming, "a Transfer-Encoding that is not exactly `chunked` (RFC 9112, 6.1)";
    /// A Transfer-Encoding that lists codings which we do not know.
    Coding => CodingUnsupported, "a transfer coding other than `chunked` (RFC 9112, 6.1)";
    /// Transfer-Encoding in HTTP/1.0.
    CodingInHttp10 => AmbiguousFraming, "Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1)";
    /// `Content_Length` or `Transfer_Encoding`, which CGI-like endpoints read with dashes.
    FramingLookalike => AmbiguousFraming, "a name that some endpoints read as Content-Length or Transfer-Encoding";
    /// Connection is no list of tokens.
    ConnectionSyntax => MalformedRequest, "a Connection that is not a list of tokens (RFC 9110, 7.6.1)";
    /// The Connection fields are longer than the limit.
    ConnectionTooLong => HeadTooLarge, "Connection fields longer than the limit";
    /// Expect is not `100-continue`.
    Expectation => ExpectationFailed, "an expectation other than 100-continue (RFC 9110, 10.1.1)";
}

/// A head that is refused: what was found and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeadError {
    /// Whose head it was.
    pub side: Side,
    /// What is wrong.
    pub fault: Fault,
    /// Offset into the buffer given to `parse`, as near as it can be told.
    pub offset: usize,
    /// The byte at that offset, where the fault is one byte.
    pub found: Option<u8>,
}

impl HeadError {
    /// Whether who sent it reads a head before the body of an answer. A client of HTTP/0.9 takes everything for the body
    /// (RFC 1945, 6).
    #[must_use]
    pub const fn takes_head(&self) -> bool {
        !matches!(self.fault, Fault::NoVersion)
    }

    /// The cause under which the connection's end is logged, counted and answered.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match (self.side, self.fault) {
            (Side::Request, fault) => fault.request_reason(),
            (
                Side::Response,
                Fault::HeadTooLarge | Fault::TooManyFields | Fault::ConnectionTooLong,
            ) => Reason::UpstreamHeadTooLarge,
            (Side::Response, _) => Reason::UpstreamMalformed,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Request => "request",
            Side::Response => "response",
        };
        write!(
            f,
            "{side} head: {}, at byte {}",
            self.fault.text(),
            self.offset
        )?;
        match self.found {
            Some(byte) if byte.is_ascii_graphic() => write!(f, " (found `{}`)", char::from(byte)),
            Some(byte) => write!(f, " (found 0x{byte:02x})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for HeadError {}
