//! Listeners that do not speak HTTP: bytes and datagrams, routes by the name in TLS, the PROXY protocol.

use crate::block::{block, optional_block, words};
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{HostPattern, Name, OneOrMore};
use std::time::Duration;
use types::IpNet;

use super::{LengthBesideCoding, Listener};

words! {
    /// What is spoken on a listener.
    pub enum Protocol {
        /// HTTP, over TLS where `tls` is set. Requests go to `routes`.
        Http = "http",
        /// Any protocol over TCP; with `tls`, TLS is ended here. Connections go to `upstream`.
        Tcp = "tcp",
        /// TLS that is not ended here: connections go to an upstream by the name in the ClientHello (`sni`), as they are.
        TlsPassthrough = "tls_passthrough",
        /// Datagrams. Those of one client address and port are a session and go to the same endpoint of `upstream`.
        Udp = "udp",
    }
}

block! {
    /// Where connections go whose client asks for a name in TLS.
    pub struct SniRoute {
        /// The name, or a list: `db.example.com`, or `*.example.com` for every name below it.
        host: OneOrMore<Spanned<HostPattern>>;
        /// The upstream that gets them.
        upstream: Spanned<Name>;
    }
}

words! {
    /// Whether connections begin with a header of the PROXY protocol.
    pub enum AcceptProxy {
        /// Every connection does. One without, or from a source that is not in `from`, is closed.
        Required = "required",
        /// Those from the sources in `from` may, those from others do not. The client has to send first, header or not.
        Optional = "optional",
    }
}

block! {
    /// Headers of the PROXY protocol, by which proxies in front tell whose connection they bring. The client's address is taken
    /// from it: for lists, limits, bans, logs, forwarding headers and balancing.
    #[check(check_proxy_protocol)]
    pub struct ProxyProtocol {
        /// Whether connections have to begin with one.
        accept: AcceptProxy;
        /// The proxies that are believed: addresses or prefixes.
        from: Vec<IpNet>;
    }
}

fn check_proxy_protocol(block: &ProxyProtocol, node: &Node, reader: &mut Reader<'_>) {
    if block.from.is_empty() {
        reader.report(
            Diagnostic::error(Kind::BadValue, node.span_of("from"), "no proxy is named")
                .expected("the sources whose headers are believed, such as `[10.0.0.0/8]`")
                .remedy("name them, or remove `proxy_protocol`"),
        );
    }
    if block.from.iter().any(|net| net.prefix_len() == 0) {
        reader.report(
            Diagnostic::warning(
                Kind::Risky,
                node.span_of("from"),
                "everybody may say that they are any address",
            )
            .remedy("name the proxies alone"),
        );
    }
}

optional_block! {
    /// The times of one listener that does not speak HTTP.
    pub struct ListenerTimeouts {
        /// How long nothing may move in either direction, in the place of `tcp_idle` and `udp_idle`. Over: closed.
        idle: Option<Duration> = None, within Duration::from_millis(100)..=Duration::from_secs(604_800);
        /// How long a connection or session may last at all. Over: closed. Left out: as long as it likes.
        lifetime: Option<Duration> = None, within Duration::from_millis(100)..=Duration::from_secs(31_536_000);
    }
}

/// Checks that the keys of a listener fit its protocol.
pub(super) fn check(listener: &Listener, node: &Node, reader: &mut Reader<'_>) {
    let mut report = |key: &str, found: String, remedy: &str| {
        let at = node.get(key).map_or(node.span, |value| value.span);
        reader.report(Diagnostic::error(Kind::Conflict, at, found).remedy(remedy));
    };
    let protocol = listener.protocol;
    let (misplaced, remedy): (&[&str], &str) = match protocol {
        Protocol::Http => (
            &["upstream", "sni", "timeouts"],
            "say it in `routes` and in the global `timeouts`, or set `protocol: tcp`",
        ),
        Protocol::Tcp => (
            &["trusted_proxies", "length_beside_coding"],
            "remove it; `proxy_protocol` tells clients behind proxies",
        ),
        Protocol::TlsPassthrough => (
            &["trusted_proxies", "length_beside_coding", "tls"],
            "remove it, or end TLS here: `protocol: tcp` with `tls`",
        ),
        Protocol::Udp => (
            &[
                "trusted_proxies",
                "length_beside_coding",
                "tls",
                "sni",
                "proxy_protocol",
            ],
            "remove it",
        ),
    };
    for key in misplaced.iter().filter(|key| says(listener, key)) {
        let found = format!("`{key}` means nothing with `protocol: {}`", protocol.name());
        report(key, found, remedy);
    }
    if protocol == Protocol::Tcp && !listener.sni.is_empty() && listener.tls.is_none() {
        report(
            "sni",
            "without TLS there is no name to go by".to_owned(),
            "set `protocol: tls_passthrough`, or add `tls`",
        );
    }
    if protocol != Protocol::Http && listener.upstream.is_none() && listener.sni.is_empty() {
        report(
            "protocol",
            format!("`protocol: {}` leads nowhere", protocol.name()),
            "add `upstream: NAME`",
        );
    }
}

/// Whether a key of a listener is set to anything but its default.
fn says(listener: &Listener, key: &str) -> bool {
    match key {
        "upstream" => listener.upstream.is_some(),
        "sni" => !listener.sni.is_empty(),
        "timeouts" => listener.timeouts != ListenerTimeouts::default(),
        "trusted_proxies" => !listener.trusted_proxies.is_empty(),
        "length_beside_coding" => listener.length_beside_coding != LengthBesideCoding::Refuse,
        "tls" => listener.tls.is_some(),
        _ => listener.proxy_protocol.is_some(),
    }
}
