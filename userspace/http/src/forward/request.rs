//! The request head that an endpoint gets.

use super::edit::{Edit, put_edits};
use super::{is_named_by_connection, put_field, put_framing, put_number};
use crate::chars::REQUEST_ID;
use crate::field::{Header, Known};
use crate::forwarded::{put_address, put_element};
use crate::h1::Framing;
use crate::h1::is_forwarding_name;
use crate::h1::request::RequestView;
use crate::method::Scheme;
use crate::normalise::host::Authority;
use std::net::IpAddr;

/// The longest request id that is taken over from a trusted proxy, in bytes; a longer one is replaced.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// What the writer of a request head has to know beside the head itself.
#[derive(Clone, Copy, Debug)]
pub struct ForwardContext<'a> {
    /// The path to ask the endpoint for: the normal form, or what a rewrite made of it.
    pub path: &'a [u8],
    /// The query to ask for, without `?`: usually the client's own.
    pub query: Option<&'a [u8]>,
    /// What goes into Host: the client's (`view.host()`) or the upstream's.
    pub host: &'a [u8],
    /// How we send the body.
    pub framing: Framing,
    /// Whether we want to use the connection again.
    pub keep_alive: bool,
    /// The address at the other end of the client's connection.
    pub peer: IpAddr,
    /// Whether that is a proxy whose word on earlier hops counts. If not, all it says about them is dropped.
    pub peer_is_trusted: bool,
    /// How the client's connection came in.
    pub scheme: Scheme,
    /// The id of the request, unless a trusted proxy gave it one.
    pub request_id: &'a [u8],
    /// Our name in Via.
    pub pseudonym: &'a str,
    /// Changes asked for, in order.
    pub edits: &'a [Edit<'a>],
}

/// Writes the head of a request to an endpoint, in origin form and HTTP/1.1.
///
/// Hop-by-hop fields and those that Connection names are left out; so is Expect, which is answered here. Fields that
/// speak of earlier hops (X-Forwarded-*, Forwarded, X-Real-IP, X-Request-Id) are kept from a trusted peer only, and
/// ours are appended. Via is always kept: it is what a loop is found by. Framing and Connection are ours.
pub fn request_head(out: &mut Vec<u8>, view: RequestView<'_>, context: &ForwardContext<'_>) {
    out.extend_from_slice(view.method_bytes());
    out.push(b' ');
    out.extend_from_slice(context.path);
    if let Some(query) = context.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    put_field(out, b"Host", context.host);
    let fields = view.fields();
    let hops_left = view.hops_left();
    let connection_names = view.head().connection_names_fields();
    for field in fields.iter() {
        if !passes(&field, context)
            || (connection_names && is_named_by_connection(fields, field.name))
        {
            continue;
        }
        match hops_left {
            Some(hops) if field.known == Some(Known::MaxForwards) => {
                out.extend_from_slice(b"Max-Forwards: ");
                put_number(out, hops.saturating_sub(1));
                out.extend_from_slice(b"\r\n");
            }
            _ => put_field(out, field.name, field.value),
        }
    }
    put_hops(out, view, context);
    put_edits(out, context.edits);
    put_framing(out, context.framing);
    match (context.keep_alive, view.head().takes_trailers()) {
        (true, false) => {}
        (true, true) => out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n"),
        (false, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (false, true) => out.extend_from_slice(b"TE: trailers\r\nConnection: close, TE\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a client's field goes on.
fn passes(field: &Header<'_>, context: &ForwardContext<'_>) -> bool {
    let by_kind = match field.known {
        Some(Known::Trailer) => context.framing == Framing::Chunked,
        Some(Known::Host | Known::Expect | Known::Proxy) => false,
        Some(
            Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::Forwarded
            | Known::XRequestId,
        ) => false, // Written anew from what they say, if it counts.
        Some(Known::XForwardedPort | Known::XRealIp) => context.peer_is_trusted,
        Some(known) => !known.is_hop_by_hop(),
        None => passes_unknown(field.name, context),
    };
    by_kind && !context.edits.iter().any(|edit| edit.removes(field.name))
}

/// Names without an id: other X-Forwarded-* need trust; with underscores they are only a disguise.
fn passes_unknown(name: &[u8], context: &ForwardContext<'_>) -> bool {
    if name.contains(&b'_') {
        let disguised = matches!(
            Known::of_lookalike(name),
            Some(
                Known::Host
                    | Known::Expect
                    | Known::Proxy
                    | Known::Forwarded
                    | Known::Via
                    | Known::XRealIp
                    | Known::XRequestId
            )
        );
        let hop_by_hop = Known::of_lookalike(name).is_some_and(Known::is_hop_by_hop);
        return !(disguised || hop_by_hop || is_forwarding_name(name));
    }
    context.peer_is_trusted || !is_forwarding_name(name)
}

/// Writes what we know of the hops up to us.
fn put_hops(out: &mut Vec<u8>, view: RequestView<'_>, context: &ForwardContext<'_>) {
    let trusted = |known| view.fields().all(known).filter(|_| context.peer_is_trusted);
    let is_ours = |name: &str| {
        !context
            .edits
            .iter()
            .any(|edit| edit.removes(name.as_bytes()))
    };
    let host = view.host();
    if is_ours("X-Forwarded-For") {
        out.extend_from_slice(b"X-Forwarded-For: ");
        put_list(out, trusted(Known::XForwardedFor));
        put_address(out, context.peer);
        out.extend_from_slice(b"\r\n");
    }
    if is_ours("X-Forwarded-Proto") {
        let proto = trusted(Known::XForwardedProto).next().and_then(Scheme::of);
        let proto = proto.unwrap_or(context.scheme);
        put_field(out, b"X-Forwarded-Proto", proto.name().as_bytes());
    }
    if is_ours("X-Forwarded-Host") {
        let theirs = trusted(Known::XForwardedHost).next();
        let theirs = theirs.filter(|host| Authority::parse(host).is_ok());
        let host = theirs.unwrap_or(host);
        if !host.is_empty() {
            put_field(out, b"X-Forwarded-Host", host);
        }
    }
    if is_ours("Forwarded") {
        out.extend_from_slice(b"Forwarded: ");
        put_list(out, trusted(Known::Forwarded));
        put_element(out, context.peer, host, context.scheme);
        out.extend_from_slice(b"\r\n");
    }
    if is_ours("Via") {
        out.extend_from_slice(b"Via: ");
        out.extend_from_slice(view.head().version().number().as_bytes());
        out.push(b' ');
        out.extend_from_slice(context.pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if is_ours("X-Request-Id") {
        let id = trusted_request_id(view, context.peer_is_trusted);
        put_field(out, b"X-Request-Id", id.unwrap_or(context.request_id));
    }
}

/// The request id that a trusted proxy gave, if it is fit to be kept: for the log and the trace as well.
#[must_use]
pub fn trusted_request_id(view: RequestView<'_>, peer_is_trusted: bool) -> Option<&[u8]> {
    view.header(Known::XRequestId)
        .filter(|id| peer_is_trusted && id.len() <= REQUEST_ID_BYTES_MAX && REQUEST_ID.covers(id))
}

/// Writes the elements of earlier hops, each with a comma behind it.
fn put_list<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = &'a [u8]>) {
    for value in values.filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}
