//! Addresses: where we listen, where endpoints are, which sources are meant.

use super::text::is_host;
use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use serde_json::{Value as Json, json};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use types::IpNet;

impl Setting for SocketAddr {
    fn expects() -> String {
        "an IP address and a port, such as `0.0.0.0:8080` or `[::]:8080`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            text.parse().map_err(|_| {
                let port = text
                    .rsplit(':')
                    .next()
                    .filter(|port| port.parse::<u16>().is_ok());
                let remedy = match (text.parse::<IpAddr>(), port) {
                    (Ok(IpAddr::V4(_)), _) => format!("add the port: `{text}:8080`"),
                    (Ok(IpAddr::V6(_)), _) => {
                        format!("put the address in brackets and add the port: `[{text}]:8080`")
                    }
                    (_, Some(port)) if text.len() <= port.len() + 2 => {
                        format!(
                            "write `0.0.0.0:{port}` for every IPv4 address, `[::]:{port}` for IPv6"
                        )
                    }
                    (_, Some(port)) => {
                        format!("use the IP address of the host: `127.0.0.1:{port}`")
                    }
                    _ => String::new(),
                };
                Bad::new(
                    format!("`{}` is not an address to listen on", shortened(text)),
                    remedy,
                )
            })
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}

impl Setting for IpNet {
    fn expects() -> String {
        "an address or a prefix, such as `10.0.0.0/8`, `192.0.2.1` or `2001:db8::/32`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            if let Ok(address) = text.parse::<IpAddr>() {
                return Ok(Self::from(address));
            }
            match text.parse::<Self>() {
                Ok(net) if net.trunc() == net => Ok(net),
                Ok(net) => Err(Bad::new(
                    format!("`{text}` has bits set behind its length"),
                    format!(
                        "write `{}` for the prefix, or `{}` for the one address",
                        net.trunc(),
                        net.addr()
                    ),
                )),
                Err(_) => Err(Bad::new(
                    format!("`{}` is not a prefix", shortened(text)),
                    "",
                )),
            }
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}

/// The address of an endpoint: host and port. A name is resolved when a generation is built; every address that it
/// has becomes an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointAddress {
    /// The host.
    pub host: EndpointHost,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// The host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointHost {
    /// An address.
    Ip(IpAddr),
    /// A name in lower case.
    Name(String),
}

impl EndpointAddress {
    /// The address, where it does not have to be resolved.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        match self.host {
            EndpointHost::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            EndpointHost::Name(_) => None,
        }
    }

    fn parse(text: &str) -> Result<Self, Bad> {
        let bad = |remedy: String| {
            Err(Bad::new(
                format!("`{}` is not an endpoint", shortened(text)),
                remedy,
            ))
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            if address.port() == 0 {
                return bad("write the port that the endpoint listens on".to_owned());
            }
            return Ok(Self {
                host: EndpointHost::Ip(address.ip()),
                port: address.port(),
            });
        }
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.trim_end_matches('/');
            return bad(format!(
                "write host and port alone: `{}`; TLS is set by `tls`",
                shortened(host)
            ));
        }
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => return bad(format!("add the port: `{ip}:8080`")),
            Ok(IpAddr::V6(ip)) => {
                return bad(format!(
                    "put the address in brackets and add the port: `[{ip}]:8080`"
                ));
            }
            Err(_) => {}
        }
        match text.rsplit_once(':') {
            Some((host, port)) if is_host(host) && !looks_like_address(host) => {
                match port.parse::<u16>() {
                    Ok(port) if port > 0 => Ok(Self {
                        host: EndpointHost::Name(host.to_ascii_lowercase()),
                        port,
                    }),
                    _ => bad("the port is a number from 1 to 65535".to_owned()),
                }
            }
            None if is_host(text) => bad(format!("add the port: `{text}:8080`")),
            _ => bad(String::new()),
        }
    }
}

/// Digits and dots only: an IPv4 address with a mistake in it, not a name.
fn looks_like_address(host: &str) -> bool {
    host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            EndpointHost::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            EndpointHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Setting for EndpointAddress {
    fn expects() -> String {
        "the host and port of an endpoint, such as `10.0.0.11:8080` or `app.internal:8080`"
            .to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, Self::parse)
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^([A-Za-z0-9_.-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}
