//! L4 services: what the gate balances, and the probes of its endpoints.

use super::upstreams::{health_check, probe_kind};
use super::{ProbePlan, Site};
use balance::{Affinity, Algorithm, EndpointSpec, Upstream, UpstreamSpec};
use config::{Entry, Service, ServiceAffinity, ServiceMode, ServiceProtocol};
use kernel::{
    EndpointState, Forwarding, Protocol, ServiceEndpoint, ServiceEndpointStatus, ServiceError,
    ServiceSpec, ServiceStatus, Services,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A service, and what probes say of its endpoints.
#[derive(Clone)]
pub(crate) struct ServicePlan {
    spec: ServiceSpec,
    /// The same endpoints in the same order.
    health: Arc<Upstream>,
    is_probed: bool,
    /// The proxy balances it, the gate does not.
    is_in_user_space: bool,
    /// The endpoints that the proxy chooses among at the moment, with their states.
    chosen: Arc<Mutex<Vec<ServiceEndpoint>>>,
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

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn affinity(&self) -> Affinity {
        self.spec.affinity
    }

    pub(crate) fn balancer(&self) -> &Arc<Upstream> {
        &self.health
    }

    pub(crate) fn is_in_user_space(&self) -> bool {
        self.is_in_user_space
    }

    /// Has the proxy choose as the gate would now.
    pub(super) fn balance_in_user_space(&self) -> Result<(), ServiceError> {
        let now = self.now();
        self.health.set_slots(now.slots()?.into());
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = now.endpoints;
        Ok(())
    }

    /// The same, where probes have found something else since.
    pub(crate) fn follow_in_user_space(&self) -> Result<(), ServiceError> {
        let is_same = {
            let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
            *chosen == self.now().endpoints
        };
        if is_same {
            return Ok(());
        }
        self.balance_in_user_space()
    }

    /// What the proxy did of it.
    pub(crate) fn status(&self) -> ServiceStatus {
        let now = self.now();
        let counted = self.health.snapshots(Instant::now());
        let endpoints = now
            .endpoints
            .iter()
            .zip(counted)
            .map(|(one, counted)| ServiceEndpointStatus::of_connections(one, counted.requests));
        ServiceStatus {
            endpoints: endpoints.collect(),
            name: now.name.clone(),
            address: now.address,
            protocol: now.protocol,
            forwarding: now.forwarding,
        }
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
        let name = super::user_space::label(entry.name.as_str());
        let upstream = UpstreamSpec {
            name: name.clone(),
            // Its table is that of the gate, which is put in its place.
            algorithm: Algorithm::Hash {
                table_size: kernel::SERVICE_SLOTS,
            },
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
        let is_in_user_space = match user_space(site, entry) {
            Ok(is_in_user_space) => is_in_user_space,
            Err(why) => {
                let mode = entry.value.mode.name();
                let found = format!("`mode: {mode}` needs the XDP gate: {why}");
                site.error(
                    entry.name.span,
                    found,
                    "use `mode: nat`, which the proxy does without the gate",
                );
                continue;
            }
        };
        let health = Arc::clone(&upstream);
        site.after.upstreams.insert(name, upstream);
        site.after.services.push(ServicePlan {
            spec,
            health,
            is_probed,
            is_in_user_space,
            chosen: Arc::default(),
        });
    }
    probes
}

/// Whether the proxy balances a service; why the gate, which it needs, does not.
fn user_space(site: &Site<'_>, entry: &Entry<Service>) -> Result<bool, String> {
    let address = entry.value.address.value.socket;
    let why = if address.ip().is_loopback() {
        Some(format!("packets to {} come by no interface", address.ip()))
    } else {
        site.before.no_gate.clone()
    };
    match why {
        Some(why) if entry.value.mode != ServiceMode::Nat => Err(why),
        why => Ok(why.is_some()),
    }
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
