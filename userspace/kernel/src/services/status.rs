//! What services got.

use super::{EndpointState, Forwarding, Protocol, ServiceEndpoint, ServiceSpec};
use abi::service::EndpointCounter;
use std::net::SocketAddr;

/// A service with its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// The virtual address.
    pub address: SocketAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// How packets reach endpoints.
    pub forwarding: Forwarding,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<ServiceEndpointStatus>,
}

/// An endpoint with its counters, which start when it first stands in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEndpointStatus {
    /// Where it is.
    pub address: SocketAddr,
    /// Its share.
    pub weight: u32,
    /// Whether it takes flows.
    pub state: EndpointState,
    /// Packets to it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets from it to clients; none with direct server return, where they do not come through here.
    pub reply_packets: u64,
    /// Their bytes.
    pub reply_bytes: u64,
    /// Flows that were given to it: connections of TCP, addresses and ports of UDP clients.
    pub flows: u64,
    /// Of these, flows that another endpoint had before, which is gone or down.
    pub moved: u64,
}

impl ServiceStatus {
    pub(super) fn new(spec: &ServiceSpec, endpoints: Vec<ServiceEndpointStatus>) -> Self {
        Self {
            name: spec.name.clone(),
            address: spec.address,
            protocol: spec.protocol,
            forwarding: spec.forwarding,
            endpoints,
        }
    }
}

impl ServiceEndpointStatus {
    /// Of an endpoint whose connections are counted, and not its packets: user space balances.
    #[must_use]
    pub fn of_connections(endpoint: &ServiceEndpoint, connections: u64) -> Self {
        let counter = EndpointCounter {
            flows: connections,
            ..EndpointCounter::default()
        };
        Self::new(endpoint, &counter)
    }

    pub(super) fn new(endpoint: &ServiceEndpoint, counter: &EndpointCounter) -> Self {
        Self {
            address: endpoint.address,
            weight: endpoint.weight,
            state: endpoint.state,
            packets: counter.packets,
            bytes: counter.bytes,
            reply_packets: counter.reply_packets,
            reply_bytes: counter.reply_bytes,
            flows: counter.flows,
            moved: counter.moved,
        }
    }
}
