//! What the operator says about services.

use super::ServiceError;
use abi::service::{Address, Affinity, Endpoint, MAGLEV_SLOTS, Service, ServiceKey, v4};
pub use abi::service::{EndpointState, Forwarding};
use balance::maglev::{self, Backend};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
}

impl Protocol {
    /// The word for it in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A service: packets to its address go to one of its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// The name in logs and metrics.
    pub name: String,
    /// The virtual address and the port.
    pub address: SocketAddr,
    /// The protocol.
    pub protocol: Protocol,
    /// How packets reach endpoints.
    pub forwarding: Forwarding,
    /// What a client is spread by.
    pub affinity: balance::Affinity,
    /// A flow without packets for so long is forgotten; in whole seconds, at least one.
    pub idle: Duration,
    /// The endpoints, each address once.
    pub endpoints: Vec<ServiceEndpoint>,
}

/// An endpoint of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEndpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// Its share of the new flows relative to the others; with 0 it drains.
    pub weight: u32,
    /// The address that packets to it come from: in the client's place with [`Forwarding::Nat`], where none keeps the
    /// client's; of the tunnel with [`Forwarding::Tunnel`], where there has to be one.
    pub source: Option<IpAddr>,
    /// Whether it takes flows.
    pub state: EndpointState,
}

impl ServiceSpec {
    pub(super) fn key(&self) -> ServiceKey {
        ServiceKey {
            address: address(self.address.ip()),
            port: self.address.port().to_be_bytes(),
            protocol: self.protocol as u8,
            reserved: 0,
        }
    }

    pub(super) fn service(&self, index: u32, serial: u32) -> Service {
        Service {
            index,
            serial,
            idle_s: u32::try_from(self.idle.as_secs())
                .unwrap_or(u32::MAX)
                .max(1),
            forwarding: self.forwarding as u8,
            affinity: match self.affinity {
                balance::Affinity::Flow => Affinity::Flow as u8,
                balance::Affinity::Source => Affinity::Source as u8,
            },
            reserved: [0; 2],
        }
    }
}

impl ServiceSpec {
    /// The slots of the table that the kernel gets, for who balances the same service in user space: each is the index of
    /// one of its endpoints, `u16::MAX` where none takes flows.
    ///
    /// # Errors
    /// Where no such table can be made.
    pub fn slots(&self) -> Result<Vec<u16>, ServiceError> {
        let backends: Vec<(u16, Backend)> = (0..)
            .zip(&self.endpoints)
            .filter_map(|(index, one)| Some((index, one.backend()?)))
            .collect();
        let table: Vec<Backend> = backends.iter().map(|(_, backend)| *backend).collect();
        let slots = maglev::table(MAGLEV_SLOTS, &table).map_err(ServiceError::Table)?;
        let endpoint = |slot: u16| {
            let backend = backends.get(usize::from(slot));
            backend.map_or(u16::MAX, |(index, _)| *index)
        };
        Ok(slots.into_iter().map(endpoint).collect())
    }
}

impl ServiceEndpoint {
    /// An endpoint that takes its share and sees the client's address.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            weight: 1,
            source: None,
            state: EndpointState::Up,
        }
    }

    /// It as the program sees it, without a serial.
    pub(super) fn endpoint(&self, service: u32) -> Endpoint {
        let state = match self.state {
            EndpointState::Up if self.weight == 0 => EndpointState::Draining,
            state => state,
        };
        Endpoint {
            address: address(self.address.ip()),
            source: self.source.map_or([0; 4], address),
            port: self.address.port().to_be_bytes(),
            state: state as u8,
            reserved: 0,
            serial: 0,
            service,
            padding: 0,
        }
    }

    /// Its share of the table; none where it takes no new flows.
    pub(super) fn backend(&self) -> Option<Backend> {
        let takes = self.state == EndpointState::Up && self.weight > 0;
        takes.then(|| Backend {
            key: balance::hash_address(self.address),
            weight: self.weight,
        })
    }
}

/// The keys of the services, if all of them can be.
pub(super) fn check(specs: &[ServiceSpec]) -> Result<Vec<ServiceKey>, ServiceError> {
    let mut names: HashMap<ServiceKey, &str> = HashMap::new();
    let mut keys = Vec::with_capacity(specs.len());
    for spec in specs {
        let key = spec.key();
        if let Some(first) = names.insert(key, &spec.name) {
            return Err(ServiceError::SameAddress {
                first: first.to_owned(),
                second: spec.name.clone(),
                address: spec.address,
            });
        }
        for endpoint in &spec.endpoints {
            if let Some(reason) = obstacle(spec, endpoint) {
                return Err(ServiceError::Endpoint {
                    service: spec.name.clone(),
                    endpoint: endpoint.address,
                    reason,
                });
            }
        }
        keys.push(key);
    }
    Ok(keys)
}

fn obstacle(spec: &ServiceSpec, endpoint: &ServiceEndpoint) -> Option<&'static str> {
    let family = |ip: IpAddr| ip.to_canonical().is_ipv4();
    let same_family = family(spec.address.ip()) == family(endpoint.address.ip());
    let source = endpoint.source.map(family);
    let other_source = source.is_some_and(|source| source != family(endpoint.address.ip()));
    match spec.forwarding {
        Forwarding::Nat if !same_family => Some("has another IP version than the service"),
        Forwarding::Nat | Forwarding::Tunnel if other_source => {
            Some("has another IP version than the source address")
        }
        Forwarding::Tunnel if source.is_none() => Some("needs a source address for the tunnel"),
        Forwarding::L2Dsr | Forwarding::Tunnel
            if endpoint.address.port() != spec.address.port() =>
        {
            Some("has another port than the service, and packets are not changed on the way to it")
        }
        _ => None,
    }
}

/// An address as the maps have it.
pub(crate) fn address(ip: IpAddr) -> Address {
    match ip.to_canonical() {
        IpAddr::V4(ip) => v4(u32::from_ne_bytes(ip.octets())),
        IpAddr::V6(ip) => {
            let mut words = [0; 4];
            for (word, chunk) in words.iter_mut().zip(ip.octets().chunks_exact(4)) {
                *word = u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
            }
            words
        }
    }
}
