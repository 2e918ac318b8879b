//! What the data path knows of listeners that do not speak HTTP, and of the PROXY protocol on both sides.

use crate::generation::{Access, contains};
use kernel::Relay;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use types::IpNet;

/// What becomes of the connections of a listener.
#[derive(Clone)]
pub enum Service {
    /// HTTP: requests go to the routes.
    Http,
    /// Bytes: a connection goes to an endpoint as it comes.
    Layer4(Layer4Plan),
}

/// How connections go on that are not HTTP.
#[derive(Clone)]
pub struct Layer4Plan {
    /// Whether TLS goes on as it is, routed by the name in its ClientHello.
    pub passthrough: bool,
    /// Upstreams by the name that a TLS client asks for.
    pub names: Names,
    /// Where a connection goes that no name leads anywhere; `None` closes it.
    pub upstream: Option<usize>,
    /// How long nothing may move in either direction.
    pub idle: Duration,
    /// How long a connection may last at all.
    pub lifetime: Option<Duration>,
}

impl Layer4Plan {
    /// The upstream of a connection, by the name that its client asks for in TLS.
    #[must_use]
    pub fn upstream_of(&self, name: Option<&str>) -> Option<usize> {
        name.and_then(|name| self.names.find(name))
            .or(self.upstream)
    }
}

/// How bytes move where both sides have them as they are on the wire. The rest is copied.
#[derive(Default)]
pub struct Splicing {
    /// Through pipes of the kernel (splice(2)).
    pub pipes: bool,
    /// By BPF programs (sockmap), one for each worker; where there is none, the others hold.
    relays: Mutex<Vec<Relay>>,
}

impl Splicing {
    /// Workers take their programs from these.
    #[must_use]
    pub fn new(pipes: bool, relays: Vec<Relay>) -> Self {
        Self {
            pipes,
            relays: Mutex::new(relays),
        }
    }

    /// The program of one worker, for good.
    pub(crate) fn take_relay(&self) -> Option<Relay> {
        self.relays
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }
}

/// A listener for datagrams.
#[derive(Clone)]
pub struct DatagramPlan {
    /// The name in logs and metrics.
    pub name: Arc<str>,
    /// The address and port that it is bound to.
    pub address: SocketAddr,
    /// One socket a worker, kept over reloads.
    pub sockets: Arc<[UdpSocket]>,
    /// Index into [`crate::Generation::upstreams`].
    pub upstream: usize,
    /// Who may send.
    pub access: Access,
    /// Sessions of one worker. Datagrams of one more client are dropped and counted as `session_limit`.
    pub sessions: usize,
    /// How long a session lasts without a datagram.
    pub idle: Duration,
    /// How long a session may last at all.
    pub lifetime: Option<Duration>,
}

/// Upstreams by name: the exact name first, then the longest `*.` that fits.
#[derive(Clone, Debug, Default)]
pub struct Names {
    exact: HashMap<String, usize>,
    /// Without `*.`.
    below: HashMap<String, usize>,
}

impl Names {
    /// Adds a name, or `*.` and a name for all below it. `false` where it is there already.
    #[must_use]
    pub fn add(&mut self, pattern: &str, upstream: usize) -> bool {
        let pattern = pattern.to_ascii_lowercase();
        let before = match pattern.strip_prefix("*.") {
            Some(parent) => self.below.insert(parent.to_owned(), upstream),
            None => self.exact.insert(pattern, upstream),
        };
        before.is_none()
    }

    /// The upstream of a name in lower case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        if let Some(found) = self.exact.get(name) {
            return Some(*found);
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(found) = self.below.get(parent) {
                return Some(*found);
            }
            rest = parent;
        }
        None
    }
}

/// Whose headers of the PROXY protocol are read.
#[derive(Clone, Debug)]
pub struct HeaderSenders {
    /// Whether every connection has to begin with one.
    pub required: bool,
    /// The proxies that are believed.
    pub from: Vec<IpNet>,
}

impl HeaderSenders {
    /// Whether a peer may send a header.
    pub(crate) fn include(&self, peer: IpAddr) -> bool {
        contains(&self.from, peer)
    }
}

/// The header of the PROXY protocol that an endpoint gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announce {
    /// A line of text.
    V1,
    /// Binary, with what else is to be told.
    V2(Tell),
}

/// What a header of version 2 tells beside the addresses, where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for one kind of TLV"
)]
pub struct Tell {
    /// The name that the client asked for in TLS.
    pub authority: bool,
    /// The protocol that was agreed on in TLS.
    pub alpn: bool,
    /// Whether the client speaks TLS.
    pub ssl: bool,
    /// The connection's id.
    pub unique_id: bool,
    /// A checksum.
    pub checksum: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_name_is_found() {
        let mut names = Names::default();
        for (at, pattern) in ["a.example.com", "*.example.com", "*.b.example.com"]
            .iter()
            .enumerate()
        {
            assert!(names.add(pattern, at));
        }
        assert!(!names.add("A.example.com", 9), "named twice");
        for (name, expected) in [
            ("a.example.com", Some(9)),
            ("x.example.com", Some(1)),
            ("x.y.example.com", Some(1)),
            ("x.b.example.com", Some(2)),
            ("b.example.com", Some(1)),
            ("example.com", None),
            ("com", None),
        ] {
            assert_eq!(names.find(name), expected, "{name}");
        }
    }
}
