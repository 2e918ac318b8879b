//! The bounds of a message. Each names what happens when it is reached.

/// The most fields that a head may have, whatever [`HeadLimits::header_count`] says: the table of the parser stands
/// on the stack.
pub const HEADER_COUNT_MAX: usize = 256;

/// The longest method in bytes; a longer one is no method that anybody registered → 501.
pub const METHOD_BYTES_MAX: usize = 32;

/// The most bytes that the Connection fields of a head may have together. Every field is looked up in them before it
/// is sent on; a longer list is there to make that slow. Beyond: 431 for a request, 502 for a response.
pub const CONNECTION_BYTES_MAX: usize = 512;

/// Bounds of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the start line, all fields and the empty line. Beyond: 431 for a request, 502 for a response.
    pub head_bytes: usize,
    /// Number of fields, at most [`HEADER_COUNT_MAX`]. Beyond: 431 for a request, 502 for a response.
    pub header_count: usize,
    /// Bytes of the request target. Beyond: 414.
    pub uri_bytes: usize,
    /// Empty lines that are skipped before a request line (RFC 9112, 2.2: some clients send one after a body).
    /// One more is refused with 400. None are skipped before a status line.
    pub leading_empty_lines: usize,
    /// What becomes of a request with Content-Length beside `Transfer-Encoding: chunked`. A response with both is refused.
    pub length_beside_coding: LengthBesideCoding,
}

/// What becomes of a request with both Content-Length and `Transfer-Encoding: chunked`, which readers on the way may have
/// understood in two ways (RFC 9112, 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LengthBesideCoding {
    /// It is refused with 400.
    #[default]
    Refuse,
    /// The body is read as chunked, Content-Length is removed before anybody sees it, and the connection ends with the
    /// answer: what RFC 9112, 6.3 asks of those who do not refuse.
    Drop,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            header_count: 100,
            uri_bytes: 8 * 1024,
            leading_empty_lines: 2,
            length_beside_coding: LengthBesideCoding::Refuse,
        }
    }
}

/// Bounds of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes of content, without chunk framing. A declared length beyond it fails at once, a chunked body with the
    /// size of the chunk that would pass it: 413 for a request, 502 for a response.
    pub body_bytes: u64,
    /// Bytes of one chunk's extensions, which are checked and ignored. Beyond: the body is malformed.
    pub chunk_extension_bytes: usize,
    /// Bytes of the trailer section. Beyond: the body is malformed.
    pub trailer_bytes: usize,
    /// Number of trailer fields, at most [`HEADER_COUNT_MAX`]. Beyond: the body is malformed.
    pub trailer_count: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            body_bytes: u64::MAX,
            chunk_extension_bytes: 1024,
            trailer_bytes: 4 * 1024,
            trailer_count: 32,
        }
    }
}
