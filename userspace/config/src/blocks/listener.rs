//! Where clients connect.

use crate::block::{block, words};
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{AddressSet, InputFile, Name};
use std::net::SocketAddr;
use types::IpNet;

use super::{LimitOverrides, ListenerTimeouts, Protocol, ProxyProtocol, SniRoute};

block! {
    /// An address that clients connect to.
    #[check(super::layer4::check)]
    #[label(label)]
    pub struct Listener {
        /// Its name in logs and metrics. Left out: its address.
        name: Option<Spanned<Name>> = None;
        /// The IP address and port to listen on: `0.0.0.0:443`, `[::]:443`.
        address: Spanned<SocketAddr>;
        /// What else it serves, without a socket for each: addresses and prefixes of the same IP version, with a port or a range of
        /// ports (without: the port of `address`). `203.0.113.0/24:80-90`, `[2001:db8::/32]:443`. A reload changes them live. They come
        /// before every socket that another program has there, an `address` of a listener before them, and the longest
        /// prefix before a shorter one. A prefix has to belong to this host: `ip route add local PREFIX dev lo`. Where the kernel
        /// does not help (sk_lookup), single addresses are bound one by one, and prefixes are an error.
        addresses: Vec<Spanned<AddressSet>> = Vec::new();
        /// What is spoken on it: `http` goes to the routes, everything else to an upstream as it comes.
        protocol: Protocol = Protocol::Http;
        /// Where connections and datagrams go that are not HTTP. With `sni`: where those go that no entry of it fits; left out,
        /// they are closed.
        upstream: Option<Spanned<Name>> = None;
        /// Upstreams by the name that TLS clients ask for (SNI): the most specific one that fits.
        sni: Vec<SniRoute> = Vec::new();
        /// Headers of the PROXY protocol from proxies in front, version 1 or 2. Left out: none is read.
        proxy_protocol: Option<ProxyProtocol> = None;
        /// Times of this listener, where it does not speak HTTP, in the place of the global ones.
        timeouts: ListenerTimeouts = ListenerTimeouts::default();
        /// TLS; left out: none is ended here.
        tls: Option<Tls> = None;
        /// Limits of this listener, in the place of the global ones.
        limits: LimitOverrides = LimitOverrides::default();
        /// Proxies in front of us. From these sources alone, X-Forwarded-For and Forwarded are believed; from everybody
        /// else they are removed.
        trusted_proxies: Vec<IpNet> = Vec::new();
        /// Sources that may connect. Left out: all.
        allow: Vec<IpNet> = Vec::new();
        /// Sources that may not connect, even where `allow` has them.
        deny: Vec<IpNet> = Vec::new();
        /// What happens to a request with Content-Length beside `Transfer-Encoding: chunked`.
        length_beside_coding: LengthBesideCoding = LengthBesideCoding::Refuse;
        /// How many connections may wait in the kernel to be accepted; it caps this at `net.core.somaxconn`.
        backlog: u32 = 4096, within 1..=65_535;
    }
}

fn label(listener: &Listener) -> Option<String> {
    Some(match &listener.name {
        Some(name) => name.to_string(),
        None => listener.address.to_string(),
    })
}

impl Listener {
    /// Its name, or its address where it has none.
    #[must_use]
    pub fn label(&self) -> String {
        label(self).unwrap_or_default()
    }
}

words! {
    /// What happens to a request with both Content-Length and `Transfer-Encoding: chunked`.
    pub enum LengthBesideCoding {
        /// It is refused with 400: two readers on its way may find its end in different places.
        Refuse = "refuse",
        /// It is read as chunked, its Content-Length is removed before anybody sees it, and the connection ends with the
        /// answer (RFC 9112, 6.3). For clients that cannot do better.
        Drop = "drop",
    }
}

words! {
    /// A named set of TLS versions, cipher suites and key exchanges.
    pub enum TlsPolicy {
        /// TLS 1.3 alone.
        Modern = "modern",
        /// TLS 1.2 and 1.3, with forward secrecy and authenticated encryption alone.
        Intermediate = "intermediate",
    }
}

words! {
    /// A version of TLS.
    pub enum TlsVersion {
        /// TLS 1.2 (RFC 5246).
        Tls12 = "1.2",
        /// TLS 1.3 (RFC 8446).
        Tls13 = "1.3",
    }
}

block! {
    /// TLS towards clients.
    #[check(check_tls)]
    pub struct Tls {
        /// The certificates. By SNI the most specific name that fits is taken, without a match the first certificate.
        certificates: Vec<Certificate>;
        /// The set of versions and cipher suites.
        policy: TlsPolicy = TlsPolicy::Intermediate;
        /// The lowest version, in quotes: "1.2" or "1.3". Left out: what the policy has. It can only raise it.
        min_version: Option<TlsVersion> = None;
        /// Session tickets, so that clients resume without a full handshake. Their keys stay in memory and rotate.
        tickets: bool = true;
    }
}

impl Tls {
    /// The lowest version, from the policy and `min_version`.
    #[must_use]
    pub fn lowest_version(&self) -> TlsVersion {
        match (self.policy, self.min_version) {
            (TlsPolicy::Modern, _) | (_, Some(TlsVersion::Tls13)) => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        }
    }
}

block! {
    /// A certificate with its key, both in PEM.
    pub struct Certificate {
        /// The chain: the certificate of the server first, then the intermediate ones.
        cert: InputFile;
        /// The private key that belongs to it: ECDSA, RSA or Ed25519, not encrypted.
        key: InputFile;
    }
}

fn check_tls(tls: &Tls, node: &Node, reader: &mut Reader<'_>) {
    if tls.certificates.is_empty() {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                node.span_of("certificates"),
                "TLS without a certificate",
            )
            .expected("at least one `{ cert: ..., key: ... }`")
            .remedy("add a certificate, or remove `tls` to serve plain HTTP"),
        );
    }
    if tls.policy == TlsPolicy::Modern && tls.min_version == Some(TlsVersion::Tls12) {
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of("min_version"),
                "the policy `modern` has TLS 1.3 alone",
            )
            .remedy("remove `min_version`, or use the policy `intermediate`"),
        );
    }
}
