//! The address of an L4 service: address, port and protocol.

use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use serde_json::{Value as Json, json};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The protocol of an L4 service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A virtual address with port and protocol: `192.0.2.1:53/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAddress {
    /// Address and port.
    pub socket: SocketAddr,
    /// The protocol.
    pub protocol: ServiceProtocol,
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            ServiceProtocol::Tcp => "tcp",
            ServiceProtocol::Udp => "udp",
        };
        write!(f, "{}/{protocol}", self.socket)
    }
}

impl Setting for ServiceAddress {
    fn expects() -> String {
        "an IP address, a port and a protocol, such as `192.0.2.1:53/udp` or `[2001:db8::1]:443/tcp`"
            .to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            let bad = |remedy: String| {
                let found = format!("`{}` is not the address of a service", shortened(text));
                Err(Bad::new(found, remedy))
            };
            let Some((address, protocol)) = text.rsplit_once('/') else {
                return bad(format!(
                    "add the protocol: `{}/tcp` or `/udp`",
                    shortened(text)
                ));
            };
            let protocol = match protocol {
                "tcp" => ServiceProtocol::Tcp,
                "udp" => ServiceProtocol::Udp,
                _ => return bad("the protocol is `tcp` or `udp`".to_owned()),
            };
            match address.parse::<SocketAddr>() {
                Ok(socket) if socket.port() == 0 || socket.ip().is_unspecified() => {
                    bad("write the one address and the port that clients use".to_owned())
                }
                Ok(socket) => Ok(Self { socket, protocol }),
                Err(_) => bad(String::new()),
            }
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}/(tcp|udp)$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}

impl Setting for IpAddr {
    fn expects() -> String {
        "an IP address, such as `10.0.0.1` or `2001:db8::1`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            text.parse()
                .map_err(|_| Bad::new(format!("`{}` is not an IP address", shortened(text)), ""))
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f:.]+$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}
