//! The response head that a client gets from an endpoint.

use super::edit::{Edit, put_edits};
use super::{is_named_by_connection, put_field, put_framing, put_number};
use crate::field::Known;
use crate::h1::Framing;
use crate::h1::response::{ResponseHead, ResponseView};
use crate::method::Version;
use crate::respond::{phrase, put_connection};

/// What the writer of a response head has to know beside the head itself.
#[derive(Clone, Copy, Debug)]
pub struct ResponseContext<'a> {
    /// How we send the body: see [`response_framing`].
    pub framing: Framing,
    /// Whether the client's connection is used again. Without effect where the body ends with the connection.
    pub keep_alive: bool,
    /// The version of the client's request.
    pub client_version: Version,
    /// The time now, for a response without Date (RFC 9110, 6.6.1).
    pub date: &'a [u8],
    /// Our name in Via; `None` leaves it out, which RFC 9110, 7.6.3 leaves open to a gateway.
    pub pseudonym: Option<&'a str>,
    /// Changes asked for, in order.
    pub edits: &'a [Edit<'a>],
}

/// How to send the client a body that the endpoint frames as `head` says.
#[must_use]
pub const fn response_framing(head: &ResponseHead, client_version: Version) -> Framing {
    match (head.framing(), client_version) {
        (Framing::Chunked | Framing::UntilClose, Version::Http11) => Framing::Chunked,
        (Framing::Chunked | Framing::UntilClose, Version::Http10) => Framing::UntilClose,
        (framing, _) => framing,
    }
}

/// Writes the head of an endpoint's response to the client. Framing and Connection are ours; an interim response
/// (1xx) gets neither.
pub fn response_head(out: &mut Vec<u8>, view: ResponseView<'_>, context: &ResponseContext<'_>) {
    let head = view.head();
    out.extend_from_slice(b"HTTP/1.1 ");
    put_number(out, u64::from(head.status()));
    out.push(b' ');
    match view.reason_phrase() {
        b"" => out.extend_from_slice(phrase(head.status()).as_bytes()),
        text => out.extend_from_slice(text),
    }
    out.extend_from_slice(b"\r\n");
    let fields = view.fields();
    for field in fields.iter() {
        let passes = match field.known {
            Some(Known::Trailer) => context.framing == Framing::Chunked,
            Some(known) => !known.is_hop_by_hop(),
            None => true,
        };
        let named = head.connection_names_fields() && is_named_by_connection(fields, field.name);
        if passes && !named && !context.edits.iter().any(|edit| edit.removes(field.name)) {
            put_field(out, field.name, field.value);
        }
    }
    if let Some(pseudonym) = context.pseudonym {
        out.extend_from_slice(b"Via: ");
        out.extend_from_slice(head.version().number().as_bytes());
        out.push(b' ');
        out.extend_from_slice(pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !head.is_interim() {
        if fields.get(Known::Date).is_none() {
            put_field(out, b"Date", context.date);
        }
        put_edits(out, context.edits);
        match (context.framing, head.declared_length()) {
            // A response to HEAD, or a 304, tells the length of what it does not carry.
            (Framing::None, Some(length)) if head.status() != 204 => {
                put_framing(out, Framing::Length(length));
            }
            (framing, _) => put_framing(out, framing),
        }
        let keep_alive = context.keep_alive && context.framing != Framing::UntilClose;
        put_connection(out, keep_alive, context.client_version);
    }
    out.extend_from_slice(b"\r\n");
}
