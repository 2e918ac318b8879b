//! Hosts: `name`, `192.0.2.1` or `[2001:db8::1]`, with an optional port (RFC 9110, 7.2; RFC 3986, 3.2.2).

use super::Normal;
use crate::chars::{REG_NAME, decimal};
use crate::method::Scheme;
use std::fmt;
use std::io::Write;
use std::net::Ipv6Addr;

/// The longest host name in bytes (RFC 1035, 2.3.4); a longer one is refused.
pub const HOST_BYTES_MAX: usize = 255;

/// Why a host is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// There is none.
    Empty,
    /// Longer than [`HOST_BYTES_MAX`].
    TooLong,
    /// A byte that no host has, at this offset.
    Byte(usize),
    /// What stands in brackets is not an IPv6 address.
    Ipv6,
    /// The port, at this offset, is not a number up to 65535.
    Port(usize),
}

impl HostError {
    /// Where in the text.
    #[must_use]
    pub const fn offset(self) -> usize {
        match self {
            Self::Empty | Self::TooLong | Self::Ipv6 => 0,
            Self::Byte(at) | Self::Port(at) => at,
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the host is empty"),
            Self::TooLong => write!(f, "the host is longer than {HOST_BYTES_MAX} bytes"),
            Self::Byte(at) => write!(f, "byte {at} of the host belongs into no host name"),
            Self::Ipv6 => f.write_str("what stands in brackets is not an IPv6 address"),
            Self::Port(at) => write!(f, "the port at byte {at} is not a number up to 65535"),
        }
    }
}

impl std::error::Error for HostError {}

/// A host and a port, cut and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host as sent, without the port and without the dot at the end; an IPv6 address has its brackets.
    pub host: &'a [u8],
    /// The address where it is an IPv6 address in brackets. Names and IPv4 addresses have one way to be written, but for
    /// case, and are compared as they are.
    pub ipv6: Option<Ipv6Addr>,
    /// The port; `None` if there is none, or an empty one.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host[:port]`.
    ///
    /// # Errors
    /// Anything that RFC 3986 does not call a host, and of what it does: percent escapes, the comma, empty labels and
    /// IPvFuture, which two readers may take differently.
    pub fn parse(text: &'a [u8]) -> Result<Self, HostError> {
        let (host, ipv6, rest) = if text.starts_with(b"[") {
            let close = memchr::memchr(b']', text).ok_or(HostError::Ipv6)?;
            let inner = text.get(1..close).unwrap_or_default();
            let address = std::str::from_utf8(inner)
                .ok()
                .and_then(|inner| inner.parse().ok())
                .ok_or(HostError::Ipv6)?;
            let (host, rest) = text.split_at(close + 1);
            (host, Some(address), rest)
        } else {
            let (name, rest) = text.split_at(end_of_name(text)?);
            (name.strip_suffix(b".").unwrap_or(name), None, rest)
        };
        if host.is_empty() {
            return Err(HostError::Empty);
        }
        if host.len() > HOST_BYTES_MAX {
            return Err(HostError::TooLong);
        }
        let at = text.len() - rest.len();
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => {
                let port = decimal(digits)
                    .ok()
                    .and_then(|port| u16::try_from(port).ok());
                Some(port.ok_or(HostError::Port(at + 1))?)
            }
            _ => return Err(HostError::Byte(at)),
        };
        Ok(Self { host, ipv6, port })
    }

    /// Whether both name the same host and port, where `scheme` tells the port that may be left out.
    #[must_use]
    pub fn is_same(&self, other: &Authority<'_>, scheme: Scheme) -> bool {
        let hosts = match (self.ipv6, other.ipv6) {
            (Some(a), Some(b)) => a == b,
            _ => self.host.eq_ignore_ascii_case(other.host),
        };
        let default = scheme.default_port();
        hosts && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }

    /// The normal form of the host: lower case, no port, no dot at the end, IPv6 in brackets and in its shortest
    /// form (RFC 5952). `out` is written only if the input is not normal.
    pub fn normal(&self, out: &mut Vec<u8>) -> Normal<'a> {
        if let Some(address) = self.ipv6 {
            out.clear();
            // Writing to a Vec cannot fail.
            let _ = write!(out, "[{address}]");
            return if out == self.host {
                Normal::Same(self.host)
            } else {
                Normal::Rewritten
            };
        }
        if !self.host.iter().any(u8::is_ascii_uppercase) {
            return Normal::Same(self.host);
        }
        out.clear();
        out.extend_from_slice(self.host);
        out.make_ascii_lowercase();
        Normal::Rewritten
    }
}

/// Where a name ends: at a colon or with the text. No other byte may stand in it that no host name has, nor a dot that
/// ends no label: `.a`, `a..b`.
fn end_of_name(text: &[u8]) -> Result<usize, HostError> {
    let mut before = b'.';
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b':' => return Ok(at),
            _ if !REG_NAME.has(byte) || (byte == b'.' && before == b'.') => {
                return Err(HostError::Byte(at));
            }
            _ => before = byte,
        }
    }
    Ok(text.len())
}

/// The normal form of `host[:port]`, as the router compares it; see [`Authority::normal`].
///
/// # Errors
/// As [`Authority::parse`].
pub fn host<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Result<Normal<'a>, HostError> {
    Ok(Authority::parse(text)?.normal(out))
}
