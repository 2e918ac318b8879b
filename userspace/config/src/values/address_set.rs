//! What a listener serves beyond the address that it is bound to: prefixes with ports.

use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use serde_json::{Value as Json, json};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use types::IpNet;

/// An address or a prefix, with a port or a range of ports: `203.0.113.0/24:80-90`, `[2001:db8::/32]:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressSet {
    /// The prefix; of one address all bits.
    pub net: IpNet,
    /// The ports; none: the port of the listener's address.
    pub ports: Option<RangeInclusive<u16>>,
}

impl AddressSet {
    /// The ports, of a listener that is bound to this address.
    #[must_use]
    pub fn ports(&self, bound: SocketAddr) -> RangeInclusive<u16> {
        self.ports
            .clone()
            .unwrap_or_else(|| bound.port()..=bound.port())
    }

    /// The one address that it is; none where it is a prefix.
    #[must_use]
    pub fn single(&self) -> Option<IpAddr> {
        (self.net.prefix_len() == self.net.max_prefix_len()).then(|| self.net.addr())
    }

    fn parse(text: &str) -> Result<Self, Bad> {
        let bad = |remedy: String| {
            let found = format!("`{}` is not a set of addresses and ports", shortened(text));
            Err(Bad::new(found, remedy))
        };
        let (net, ports) = match text.strip_prefix('[') {
            // Both `[2001:db8::/32]:443` and `[2001:db8::]/32:443`.
            Some(rest) => match rest.split_once(']') {
                Some((inner, rest)) => {
                    let (length, ports) = match rest.split_once(':') {
                        Some((length, ports)) => (length, Some(ports)),
                        None => (rest, None),
                    };
                    (format!("{inner}{length}"), ports)
                }
                None => return bad("close the bracket: `[2001:db8::/32]:443`".to_owned()),
            },
            None if text.matches(':').count() > 1 => {
                return bad(format!("put the prefix in brackets: `[{text}]`"));
            }
            None => match text.split_once(':') {
                Some((net, ports)) => (net.to_owned(), Some(ports)),
                None => (text.to_owned(), None),
            },
        };
        let parsed = match net.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => net.parse::<IpNet>(),
        };
        let net = match parsed {
            Ok(net) if net.trunc() == net => net,
            Ok(net) => {
                return bad(format!(
                    "it has bits set behind its length: write `{}` for the prefix, or `{}` for the one address",
                    net.trunc(),
                    net.addr()
                ));
            }
            Err(_) => return bad(String::new()),
        };
        let ports = match ports {
            None => None,
            Some(ports) => match read_ports(ports) {
                Some(ports) => Some(ports),
                None => {
                    return bad(
                        "write a port or a range of ports from 1 to 65535: `443`, `80-90`"
                            .to_owned(),
                    );
                }
            },
        };
        Ok(Self { net, ports })
    }
}

fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(from) || !digits(to) {
        return None;
    }
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from > 0 && from <= to).then_some(from..=to)
}

impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_single = self.single().is_some();
        match (&self.net, is_single) {
            (IpNet::V4(net), true) => net.addr().fmt(f)?,
            (IpNet::V4(net), false) => net.fmt(f)?,
            (IpNet::V6(net), true) => write!(f, "[{}]", net.addr())?,
            (IpNet::V6(net), false) => write!(f, "[{net}]")?,
        }
        match &self.ports {
            None => Ok(()),
            Some(ports) if ports.start() == ports.end() => write!(f, ":{}", ports.start()),
            Some(ports) => write!(f, ":{}-{}", ports.start(), ports.end()),
        }
    }
}

impl Setting for AddressSet {
    fn expects() -> String {
        "an address or a prefix, with a port or a range of ports, such as `203.0.113.0/24:443`, `192.0.2.7:80-90` or \
         `[2001:db8::/32]:443`"
            .to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, Self::parse)
    }

    fn schema(_: &mut Book) -> Json {
        json!({
            "type": "string",
            "pattern": "^([0-9.]+(/[0-9]{1,2})?|\\[[0-9A-Fa-f:.]+(/[0-9]{1,3})?\\](/[0-9]{1,3})?)(:[0-9]{1,5}(-[0-9]{1,5})?)?$"
        })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prefixes_and_ports_of_both_versions() {
        for (text, shown) in [
            ("203.0.113.0/24:80-90", "203.0.113.0/24:80-90"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7:443", "203.0.113.7:443"),
            ("203.0.113.7/32:443-443", "203.0.113.7:443"),
            ("0.0.0.0/0:1-65535", "0.0.0.0/0:1-65535"),
            ("[2001:db8::/32]:443", "[2001:db8::/32]:443"),
            ("[2001:db8::]/32:443", "[2001:db8::/32]:443"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[::]/0:53", "[::/0]:53"),
        ] {
            let set = AddressSet::parse(text);
            assert_eq!(
                set.map(|set| set.to_string()).ok().as_deref(),
                Some(shown),
                "{text}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for text in [
            "",
            ":443",
            "203.0.113.0/24:0",
            "203.0.113.0/24:90-80",
            "203.0.113.0/24:80-",
            "203.0.113.0/24:+80",
            "203.0.113.0/24:65536",
            "203.0.113.0/24:80:90",
            "203.0.113.7/24:80",
            "203.0.113.0/33:80",
            "2001:db8::/32",
            "[2001:db8::/32:443",
            "[203.0.113.0/24]x:80",
            "example.com:80",
        ] {
            assert!(AddressSet::parse(text).is_err(), "{text}");
        }
    }
}
