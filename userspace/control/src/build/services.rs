//! L4 services: what the gate balances, and the probes of its endpoints.

use super::upstreams::{health_check, probe_kind};
use super::{ProbePlan, Site};
use balance::{Affinity, Algorithm, EndpointSpec, Upstream, UpstreamSpec};
use config::{Entry, Service, ServiceAffinity, ServiceMode, ServiceProtocol};
use kernel::{EndpointState, Forwarding, Protocol, ServiceEndpoint, ServiceSpec, Services};
use std::sync::Arc;
use std::time::Instant;

/// A service, and what probes say of its endpoints.
#[derive(Clone)]
pub(crate) struct ServicePlan {
    spec: ServiceSpec,
    /// The same endpoints in the same order.
    health: Arc<Upstream>,
    is_probed: bool,
}

impl ServicePlan {
    /// The service as it is to be now: endpoints that fail their probes are down.
    pub(crate) fn now(&self) -> ServiceSpec {
        let mut spec = self.spec.clone();
        for (one, probed) in spec.endpoints.iter_mut().zip(self.health.endpoints()) {
            if !probed.is_healthy() {
                one.state = EndpointState::Down;
            }
        }
        spec
    }

    /// Takes over which endpoints are down from what is in the kernel: the process that put it there has probed them. The
    /// first probe of this one decides anew.
    pub(crate) fn adopt(&self, services: &Services) {
        let down = services.down(&self.spec);
        let endpoints = self.health.endpoints().iter();
        for endpoint in endpoints.filter(|one| self.is_probed && down.contains(&one.address())) {
            endpoint.set_healthy(false);
        }
    }
}

/// The services of the configuration; they are handed on in the memory.
pub(super) fn build(site: &mut Site<'_>) -> Vec<ProbePlan> {
    let config = site.config;
    let mut probes = Vec::new();
    for entry in &config.services {
        let spec = spec(entry);
        let health = entry.value.health.as_ref();
        let name = format!("services.{}", entry.name.value);
        let upstream = UpstreamSpec {
            name: name.clone(),
            algorithm: Algorithm::RoundRobin,
            endpoints: spec
                .endpoints
                .iter()
                .map(|endpoint| EndpointSpec {
                    address: endpoint.address,
                    weight: endpoint.weight,
                })
                .collect(),
            health: health.map(health_check),
            passive: None,
            transport: 0,
        };
        let mut upstream = match Upstream::new(upstream, Instant::now()) {
            Ok(upstream) => upstream,
            Err(error) => {
                site.error(entry.name.span, error.to_string(), "");
                continue;
            }
        };
        if let Some(before) = site.before.upstreams.get(&name) {
            upstream.inherit(before);
        }
        let upstream = Arc::new(upstream);
        probes.extend(health.map(|health| ProbePlan {
            upstream: Arc::clone(&upstream),
            check: health_check(health),
            kind: probe_kind(health),
            tls: Vec::new(),
            header: None,
        }));
        let is_probed = health.is_some();
        let health = Arc::clone(&upstream);
        site.after.upstreams.insert(name, upstream);
        site.after.services.push(ServicePlan {
            spec,
            health,
            is_probed,
        });
    }
    probes
}

fn spec(entry: &Entry<Service>) -> ServiceSpec {
    let service = &entry.value;
    let address = service.address.value;
    let source = service.source.as_ref().map(|source| source.value);
    ServiceSpec {
        name: entry.name.to_string(),
        address: address.socket,
        protocol: match address.protocol {
            ServiceProtocol::Tcp => Protocol::Tcp,
            ServiceProtocol::Udp => Protocol::Udp,
        },
        forwarding: match service.mode {
            ServiceMode::Nat => Forwarding::Nat,
            ServiceMode::L2Dsr => Forwarding::L2Dsr,
            ServiceMode::Ipip => Forwarding::Tunnel,
        },
        affinity: match service.affinity {
            ServiceAffinity::Flow => Affinity::Flow,
            ServiceAffinity::Source => Affinity::Source,
        },
        idle: service.idle,
        endpoints: service
            .endpoints
            .iter()
            .map(|endpoint| ServiceEndpoint {
                address: endpoint.address.value,
                weight: u32::from(endpoint.weight),
                source,
                state: EndpointState::Up,
            })
            .collect(),
    }
}
