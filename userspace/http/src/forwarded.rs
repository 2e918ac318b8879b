//! Who the client is behind trusted proxies: X-Forwarded-For and Forwarded (RFC 7239).

use crate::chars::{TOKEN, trim};
use crate::field::{Fields, Known};
use crate::method::Scheme;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most hops that are followed back. Beyond, the last trusted one counts as the client: a longer chain is no
/// deployment but an attempt to make us work.
pub const HOPS_MAX: usize = 32;

/// Which field the trusted proxies maintain. Only one counts: a proxy that writes one of them passes the other on as
/// the client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HopSource {
    /// X-Forwarded-For
    #[default]
    XForwardedFor,
    /// Forwarded
    Forwarded,
}

/// The address of the client: the right-most hop that is not a trusted proxy.
///
/// `peer` is the other end of the connection. Where a hop cannot be read (`unknown`, a pseudonym, garbage) the one
/// that reported it is the answer: nothing left of it can be believed.
#[must_use]
pub fn client_address(
    fields: Fields<'_>,
    source: HopSource,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut current = peer.to_canonical();
    if !is_trusted(current) {
        return current;
    }
    let known = match source {
        HopSource::XForwardedFor => Known::XForwardedFor,
        HopSource::Forwarded => Known::Forwarded,
    };
    let hops = fields.all(known).rev().flat_map(elements_from_right);
    for hop in hops.take(HOPS_MAX) {
        let address = match source {
            HopSource::XForwardedFor => node_address(hop),
            HopSource::Forwarded => forwarded_for(hop),
        };
        let Some(address) = address else {
            return current;
        };
        current = address;
        if !is_trusted(current) {
            return current;
        }
    }
    current
}

/// The elements of a list from the right, trimmed, empty ones left out. Commas in quotes do not count, and quotes are
/// paired from the right as well: what a client wrote on the left cannot swallow what a trusted proxy appended.
fn elements_from_right(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.rsplit(move |&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    })
    .map(trim)
    .filter(|element| !element.is_empty())
}

/// The address in the `for` parameter of a Forwarded element (RFC 7239, 4).
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut quoted = false;
    let mut parameters = element.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == b';' && !quoted
    });
    let mut found = parameters.by_ref().filter_map(|parameter| {
        let (name, value) = parameter.split_at_checked("for=".len())?;
        trim(name).eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let value = found.next()?;
    if found.next().is_some() {
        return None;
    }
    match value {
        [b'"', inner @ .., b'"'] => node_address(inner),
        plain => node_address(plain),
    }
}

/// An address with an optional port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn node_address(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
    };
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| bracketed().map(IpAddr::V6))
        .map(|address| address.to_canonical())
}

/// Writes an address as X-Forwarded-For has it.
pub(crate) fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => put_v4(out, address),
        IpAddr::V6(address) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// By hand, because every request has one or two of them.
fn put_v4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let mut text = [0; "255.255.255.255.".len()];
    let mut end = 0;
    for octet in address.octets() {
        for (divisor, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                text[end] = b'0' + octet / divisor % 10;
                end += 1;
            }
        }
        text[end] = b'.';
        end += 1;
    }
    out.extend_from_slice(&text[..end - 1]);
}

/// Writes one element of Forwarded: `for=192.0.2.1;host=example.com;proto=https`. An IPv6 address and a host with a
/// port have to be quoted (RFC 7239, 6).
pub(crate) fn put_element(out: &mut Vec<u8>, peer: IpAddr, host: &[u8], scheme: Scheme) {
    out.extend_from_slice(b"for=");
    if peer.to_canonical().is_ipv6() {
        out.extend_from_slice(b"\"[");
        put_address(out, peer);
        out.extend_from_slice(b"]\"");
    } else {
        put_address(out, peer);
    }
    if !host.is_empty() {
        let quote: &[u8] = if TOKEN.covers(host) { b"" } else { b"\"" };
        out.extend_from_slice(b";host=");
        out.extend_from_slice(quote);
        out.extend_from_slice(host); // A checked host has neither quotes nor backslashes.
        out.extend_from_slice(quote);
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(scheme.name().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_written_without_leading_zeros() {
        for octet in 0..=255 {
            let address = Ipv4Addr::new(octet, 255 - octet, 0, octet / 2);
            let mut out = Vec::new();
            put_v4(&mut out, address);
            assert_eq!(out, address.to_string().as_bytes());
        }
    }
}
