//! L4 services: connections and datagrams that are balanced in the kernel.

use super::Health;
use crate::block::{block, words};
use crate::diagnostic::{Diagnostic, Kind, Span, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::ServiceAddress;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

words! {
    /// How packets reach the endpoints of a service.
    pub enum ServiceMode {
        /// Addresses and ports are rewritten, of the answers as well. Without `source` the endpoint sees the client's address,
        /// and its answers must take their way over this host.
        Nat = "nat",
        /// Packets stay as they are and go to the endpoint's MAC address. The endpoint is in the same network, has the
        /// service's address itself, and answers the client directly. There is no fallback to user space.
        L2Dsr = "l2_dsr",
        /// Packets travel inside an IP packet (IPIP, IP6IP6 or one in the other). The endpoint takes them out, has the
        /// service's address itself, and answers the client directly. There is no fallback to user space.
        Ipip = "ipip",
    }
}

words! {
    /// What goes to one endpoint together.
    pub enum ServiceAffinity {
        /// Each connection for itself.
        Flow = "flow",
        /// All connections of a client's address.
        Source = "source",
    }
}

block! {
    /// An L4 service, balanced by the XDP gate of the block `kernel`; it needs a kernel that forwards packets
    /// (`sysctl net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`). Where there is no gate, and for loopback addresses, the
    /// proxy takes the connections of `nat` and gives them to the same endpoints, which see an address of this host then.
    #[check(check)]
    pub struct Service {
        /// Where clients send to: address, port and protocol, such as `192.0.2.1:53/udp`.
        address: Spanned<ServiceAddress>;
        /// How packets reach the endpoints.
        mode: ServiceMode = ServiceMode::Nat;
        /// An address of this host: with `nat` it stands in the client's place, so that answers come back whatever the
        /// endpoint's routes are; with `ipip`, which needs it, the tunnel begins there.
        source: Option<Spanned<IpAddr>> = None;
        /// What goes to one endpoint together.
        affinity: ServiceAffinity = ServiceAffinity::Flow;
        /// A connection or a UDP client without packets for so long is forgotten; its next packet is balanced anew.
        idle: Duration = Duration::from_secs(300), within Duration::from_secs(1)..=Duration::from_secs(86_400);
        /// The endpoints: `address:port`, or a block with a weight.
        endpoints: Vec<ServiceEndpoint>;
        /// Active probes. An endpoint that fails them gets nothing, and its connections move. Left out: none.
        health: Option<Health> = None;
    }
}

block! {
    /// An endpoint of an L4 service. Its address alone is short for the block.
    #[short(address)]
    #[label(label)]
    pub struct ServiceEndpoint {
        /// IP address and port.
        address: Spanned<SocketAddr>;
        /// Its share of the new connections, compared with the weights of the others; 0: it keeps those that it has.
        weight: u16 = 1, within 0..=1000;
    }
}

/// Most endpoints of a service.
const MAX_SERVICE_ENDPOINTS: usize = 1024;

fn label(endpoint: &ServiceEndpoint) -> Option<String> {
    Some(endpoint.address.to_string())
}

fn check(service: &Service, node: &Node, reader: &mut Reader<'_>) {
    let mut wrong = |span: Span, found: String, remedy: &str| {
        reader.report(Diagnostic::error(Kind::Conflict, span, found).remedy(remedy));
    };
    if service.endpoints.is_empty() || service.endpoints.len() > MAX_SERVICE_ENDPOINTS {
        wrong(
            node.span_of("endpoints"),
            format!("{} endpoints", service.endpoints.len()),
            "write 1 to 1024 endpoints, such as `[10.0.0.11:53]`",
        );
    }
    if service.mode == ServiceMode::Ipip && service.source.is_none() {
        wrong(
            node.span_of("mode"),
            "`ipip` without `source`".to_owned(),
            "add the address of this host where tunnels begin: `source: 10.0.0.1`",
        );
    }
    if let (ServiceMode::L2Dsr, Some(source)) = (service.mode, &service.source) {
        wrong(
            source.span,
            "`l2_dsr` leaves the addresses of packets as they are".to_owned(),
            "remove `source`",
        );
    }
    let vip = service.address.socket;
    for (index, endpoint) in service.endpoints.iter().enumerate() {
        let span = endpoint.address.span;
        let address = endpoint.address.value;
        if service.endpoints[..index]
            .iter()
            .any(|other| other.address.value == address)
        {
            wrong(
                span,
                format!("`{address}` is named twice"),
                "remove one; for a larger share raise its `weight`",
            );
        }
        if service.mode != ServiceMode::Nat && address.port() != vip.port() {
            wrong(
                span,
                format!("another port than {}, the service's", vip.port()),
                "packets reach the endpoint unchanged: write the service's port, or use `mode: nat`",
            );
        }
        if service.mode == ServiceMode::Nat && address.is_ipv4() != vip.is_ipv4() {
            wrong(
                span,
                "another IP version than the service's".to_owned(),
                "use an endpoint of the same version, or `mode: ipip`",
            );
        }
        if let Some(source) = service
            .source
            .as_ref()
            .filter(|source| source.is_ipv4() != address.is_ipv4())
        {
            wrong(
                source.span,
                format!("another IP version than that of the endpoint `{address}`"),
                "write an address of the endpoints' version",
            );
        }
    }
}
