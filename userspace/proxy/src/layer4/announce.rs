//! The header of the PROXY protocol that an endpoint gets.

use super::plan::{Announce, Tell};
use net::{Buffer, Chunk};
use preamble::proxy::{Addresses, Origin, Outgoing, Ssl, Tlv, kind, write_v1, write_v2};
use std::net::SocketAddr;

/// What there is to tell an endpoint of a client's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) client: SocketAddr,
    /// What the client connected to.
    pub(crate) destination: SocketAddr,
    /// The version of TLS that the client speaks with us; empty without.
    pub(crate) tls: &'a str,
    pub(crate) sni: &'a str,
    pub(crate) alpn: &'a [u8],
    pub(crate) id: &'a [u8],
    /// Whether datagrams follow.
    pub(crate) datagram: bool,
}

impl Announce {
    /// The header of version 1 for a connection of our own: a probe.
    #[must_use]
    pub fn own_v1() -> Vec<u8> {
        let mut out = Vec::new();
        write_v1(&mut out, None);
        out
    }

    /// The same of version 2: `LOCAL`.
    #[must_use]
    pub fn own_v2() -> Vec<u8> {
        let mut out = Vec::new();
        let header = Outgoing {
            origin: Origin::Local,
            datagram: false,
            tlvs: &[],
            checksum: false,
        };
        write_v2(&mut out, &header);
        out
    }

    /// The header.
    pub(crate) fn header(&self, about: &About<'_>) -> Chunk {
        let mut buffer = Buffer::default();
        let addresses = Addresses {
            source: about.client,
            destination: about.destination,
        };
        match self {
            Self::V1 => write_v1(buffer.as_mut_vec(), Some(addresses)),
            Self::V2(tell) => tell.write(buffer.as_mut_vec(), addresses, about),
        }
        buffer.freeze()
    }
}

impl Tell {
    fn write(self, out: &mut Vec<u8>, addresses: Addresses, about: &About<'_>) {
        let ssl = Ssl {
            tls: true,
            certificate: false,
            verified: false,
            version: Some(about.tls),
            common_name: None,
        };
        let ssl = ssl.value();
        let known: [(bool, u8, &[u8]); 4] = [
            (self.alpn, kind::ALPN, about.alpn),
            (self.authority, kind::AUTHORITY, about.sni.as_bytes()),
            (self.unique_id, kind::UNIQUE_ID, about.id),
            (self.ssl && !about.tls.is_empty(), kind::SSL, &ssl),
        ];
        let tlvs: Vec<Tlv<'_>> = known
            .iter()
            .filter(|(wanted, _, value)| *wanted && !value.is_empty())
            .map(|&(_, kind, value)| Tlv { kind, value })
            .collect();
        let header = Outgoing {
            origin: Origin::Client(addresses),
            datagram: about.datagram,
            tlvs: &tlvs,
            checksum: self.checksum,
        };
        write_v2(out, &header);
    }
}
