//! Keeps the kernel knowing the MAC addresses of endpoints.
//!
//! Packets of NAT that keep the client's address can take the way through the stack, which asks for a MAC address that
//! it does not know. All others cannot: the stack takes no packet from outside that comes from an address of ours, or
//! that is for one. So an empty datagram goes out now and then, to the port that discards; what answers it matters not.

use super::{Forwarding, ServiceEndpoint, ServiceSpec};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The port of RFC 863.
const DISCARD: u16 = 9;

/// The endpoints' addresses that nothing else would ask for.
pub(super) fn wanted(specs: &[ServiceSpec]) -> BTreeSet<IpAddr> {
    let asks = |spec: &ServiceSpec, endpoint: &ServiceEndpoint| {
        spec.forwarding != Forwarding::Nat || endpoint.source.is_some()
    };
    specs
        .iter()
        .flat_map(|spec| {
            let endpoints = spec.endpoints.iter();
            endpoints.filter(|endpoint| asks(spec, endpoint))
        })
        .map(|endpoint| endpoint.address.ip())
        .collect()
}

/// Sends to each of them. What cannot be sent has no way there, which the services count with the next packet.
pub(super) fn remind(addresses: &BTreeSet<IpAddr>) {
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    for any in any {
        let of_family = || addresses.iter().filter(|ip| ip.is_ipv4() == any.is_ipv4());
        if of_family().next().is_none() {
            continue;
        }
        let Ok(socket) = UdpSocket::bind(SocketAddr::new(any, 0)) else {
            continue;
        };
        for address in of_family() {
            let _ = socket.send_to(&[], SocketAddr::new(*address, DISCARD));
        }
    }
}
