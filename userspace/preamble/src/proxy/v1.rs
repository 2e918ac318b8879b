//! Version 1: a line of text.

use super::{Addresses, Header, Origin, ProxyError, Reading, Tlvs};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a header begins with.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, CR LF included.
pub const MAX_BYTES: usize = 107;

pub(super) fn read(bytes: &[u8]) -> Result<Reading<'static>, ProxyError> {
    let window = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return match window.len() < MAX_BYTES {
            true => Ok(Reading::Partial),
            false => Err(ProxyError::LineTooLong),
        };
    };
    match window.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if window.len() < MAX_BYTES => return Ok(Reading::Partial),
        [b'\r'] => return Err(ProxyError::LineTooLong),
        _ => return Err(ProxyError::LineEnd),
    }
    let line = window.get(SIGNATURE.len()..end).unwrap_or_default();
    let header = Header {
        version: 1,
        origin: origin(line)?,
        tlvs: Tlvs::default(),
    };
    Ok(Reading::Header(header, end + 2))
}

/// What stands between `PROXY ` and CR LF.
fn origin(line: &[u8]) -> Result<Origin, ProxyError> {
    let mut words = line.split(|byte| *byte == b' ');
    let parse: fn(&str) -> Option<IpAddr> = match words.next() {
        // Whatever follows is to be ignored.
        Some(b"UNKNOWN") => return Ok(Origin::Unknown),
        Some(b"TCP4") => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some(b"TCP6") => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(ProxyError::Protocol),
    };
    let words: Vec<&[u8]> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(ProxyError::Words);
    };
    let address = |word: &[u8]| {
        std::str::from_utf8(word)
            .ok()
            .and_then(parse)
            .ok_or(ProxyError::Address)
    };
    Ok(Origin::Client(Addresses {
        source: SocketAddr::new(address(source)?, port(source_port)?),
        destination: SocketAddr::new(address(destination)?, port(destination_port)?),
    }))
}

/// A port in its only form: digits, no sign, no leading zero.
fn port(word: &[u8]) -> Result<u16, ProxyError> {
    let is_canonical = match word {
        [] => false,
        [b'0'] => true,
        [first, ..] => *first != b'0' && word.iter().all(u8::is_ascii_digit),
    };
    let text = std::str::from_utf8(word).ok().filter(|_| is_canonical);
    text.and_then(|text| text.parse().ok())
        .ok_or(ProxyError::Port)
}

/// Appends a header. Without addresses it is `UNKNOWN`.
pub fn write(out: &mut Vec<u8>, addresses: Option<Addresses>) {
    let Some(addresses) = addresses.map(Addresses::in_one_family) else {
        out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        return;
    };
    let Addresses {
        source,
        destination,
    } = addresses;
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    // Writing to memory does not fail.
    let _ = write!(
        out,
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    );
}
