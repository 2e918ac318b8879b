//! Answers of our own.

use crate::method::Version;
use std::io::Write;
use types::Reason;

/// Tells a client that waits with `Expect: 100-continue` to send its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The media type of [`problem`] (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An answer that does not come from an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// The version of the client's request; 1.1 where it could not be read.
    pub client_version: Version,
    /// Whether the connection is used again. Never after a request whose end is not known.
    pub keep_alive: bool,
    /// The request was HEAD: the head alone is written.
    pub head_only: bool,
    /// The time now, as [`crate::date::format`] writes it.
    pub date: &'a [u8],
    /// The media type of the body; `None` without a body.
    pub content_type: Option<&'a str>,
    /// More fields: Allow, WWW-Authenticate, Retry-After. One with a control byte in it is left out.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub body: &'a [u8],
}

/// Writes an answer, head and body.
pub fn write(out: &mut Vec<u8>, answer: &Answer<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(answer.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(phrase(answer.status).as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(answer.date);
    out.extend_from_slice(b"\r\n");
    let has_body = !matches!(answer.status, 100..200 | 204 | 304);
    if let Some(content_type) = answer.content_type.filter(|_| has_body) {
        put(out, "Content-Type", content_type.as_bytes());
    }
    for (name, value) in answer.headers {
        put(out, name, value);
    }
    if has_body {
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(itoa::Buffer::new().format(answer.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    put_connection(out, answer.keep_alive, answer.client_version);
    out.extend_from_slice(b"\r\n");
    if has_body && !answer.head_only {
        out.extend_from_slice(answer.body);
    }
}

fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let edit = crate::forward::Edit::Add { name, value };
    if edit.is_valid() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Says what becomes of the connection, where the version's default does not say it (RFC 9112, 9.3).
pub(crate) fn put_connection(out: &mut Vec<u8>, keep_alive: bool, client_version: Version) {
    match (keep_alive, client_version) {
        (true, Version::Http11) => {}
        (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
    }
}

/// What a client is told when its request is not served.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// The status of the answer.
    pub status: u16,
    /// The cause, under the name that our log and metrics have for it.
    pub reason: Reason,
    /// What the client can act on; empty where there is nothing that it should know.
    pub detail: &'a str,
    /// The id under which the request is logged; empty if it has none.
    pub request_id: &'a str,
}

/// Appends the body for a problem, as JSON (RFC 9457). Without `type`, which then is `about:blank`: the title is that
/// of the status.
pub fn problem(out: &mut Vec<u8>, problem: &Problem<'_>) {
    out.extend_from_slice(b"{\"title\":");
    put_json(out, phrase(problem.status));
    out.extend_from_slice(b",\"status\":");
    out.extend_from_slice(itoa::Buffer::new().format(problem.status).as_bytes());
    out.extend_from_slice(b",\"reason\":");
    put_json(out, problem.reason.name());
    for (name, text) in [
        ("detail", problem.detail),
        ("request_id", problem.request_id),
    ] {
        if !text.is_empty() {
            out.extend_from_slice(b",");
            put_json(out, name);
            out.extend_from_slice(b":");
            put_json(out, text);
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a JSON string with its quotes.
fn put_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => {
                // Writing to a Vec cannot fail.
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// The reason phrase of a status (RFC 9110, 15); empty for one that is not registered.
#[must_use]
pub const fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}
