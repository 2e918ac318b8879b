//! Heads that go on to the next hop (RFC 9110, 7.6).

mod edit;
mod request;
mod response;

pub use edit::Edit;
pub use request::{ForwardContext, REQUEST_ID_BYTES_MAX, request_head, trusted_request_id};
pub use response::{ResponseContext, response_framing, response_head};

use crate::chars::tokens;
use crate::field::{Fields, Known};
use crate::h1::Framing;

/// Whether a Connection field names this one, which then belongs to one connection only (RFC 9110, 7.6.1).
fn is_named_by_connection(fields: Fields<'_>, name: &[u8]) -> bool {
    fields
        .all(Known::Connection)
        .any(|value| tokens(value).any(|option| option.eq_ignore_ascii_case(name)))
}

fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The field that tells the next hop where the body ends.
fn put_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            put_number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}
