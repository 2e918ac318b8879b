//! Services that no gate balances: the proxy takes their connections and datagrams, and gives them to the endpoints that
//! the gate would.

use super::services::ServicePlan;
use super::{Site, listeners};
use balance::{PoolLimits, RetryPolicy};
use config::{
    Entry, LimitOverrides, Listener, ListenerTimeouts, Protocol, Service, ServiceProtocol,
};
use http::h1::HeadLimits;
use proxy::{
    Access, DatagramPlan, EndpointPlan, HashBy, Layer4Plan, ListenerPlan, Names, UpstreamPlan,
};
use std::sync::Arc;

/// Further parts of a generation.
pub(super) struct Parts {
    pub(super) listeners: Vec<Arc<ListenerPlan>>,
    pub(super) datagrams: Vec<DatagramPlan>,
    pub(super) upstreams: Vec<UpstreamPlan>,
}

/// Those of the services that are balanced in user space. `upstreams` is how many there are before them.
pub(super) fn build(site: &mut Site<'_>, upstreams: usize) -> Parts {
    let config = site.config;
    let mut parts = Parts {
        listeners: Vec::new(),
        datagrams: Vec::new(),
        upstreams: Vec::new(),
    };
    for entry in &config.services {
        let plans = site.after.services.iter();
        let plan = plans
            .filter(|plan| plan.is_in_user_space())
            .find(|plan| plan.name() == entry.name.as_str());
        let Some(plan) = plan.cloned() else {
            continue;
        };
        if let Err(error) = plan.balance_in_user_space() {
            site.error(entry.name.span, error.to_string(), "");
            continue;
        }
        let index = upstreams + parts.upstreams.len();
        if listen(site, entry, index, &mut parts).is_some() {
            parts.upstreams.push(upstream(site, &plan));
        }
    }
    parts
}

/// The socket of a service, as that of a listener with this address.
fn listen(
    site: &mut Site<'_>,
    entry: &Entry<Service>,
    upstream: usize,
    parts: &mut Parts,
) -> Option<()> {
    let config = site.config;
    let service = &entry.value;
    let listener = listener(service);
    let name = label(entry.name.as_str());
    match service.address.value.protocol {
        ServiceProtocol::Tcp => {
            let plan = listeners::plan(site, &listener)?;
            parts.listeners.push(Arc::new(ListenerPlan {
                name: name.into(),
                service: proxy::Service::Layer4(Layer4Plan {
                    passthrough: false,
                    names: Names::default(),
                    upstream: Some(upstream),
                    idle: service.idle,
                    lifetime: None,
                }),
                ..plan
            }));
        }
        ServiceProtocol::Udp => {
            let address = service.address.value.socket;
            parts.datagrams.push(DatagramPlan {
                name: name.into(),
                address,
                sockets: listeners::datagram_sockets(site, &listener, address)?,
                upstream,
                access: Access::default(),
                sessions: config.limits.udp_sessions as usize,
                idle: service.idle,
                lifetime: None,
            });
        }
    }
    Some(())
}

/// The name of a service among listeners and upstreams.
pub(super) fn label(service: &str) -> String {
    format!("services.{service}")
}

fn upstream(site: &Site<'_>, plan: &ServicePlan) -> UpstreamPlan {
    let balancer = Arc::clone(plan.balancer());
    let endpoints = balancer.endpoints().iter().map(|endpoint| EndpointPlan {
        address: endpoint.address(),
        tls: None,
    });
    UpstreamPlan {
        name: balancer.name().into(),
        endpoints: endpoints.collect(),
        answer_head: HeadLimits::default(),
        hash_by: Some(HashBy::Client(plan.affinity())),
        connect_timeout: site.config.timeouts.connect,
        pool: PoolLimits::default(),
        // A connection that fails is the client's to repeat, as behind the gate.
        retry: RetryPolicy {
            retries: 0,
            ..RetryPolicy::default()
        },
        announce: None,
        keeps_source: false,
        balancer,
    }
}

fn listener(service: &Service) -> Listener {
    let address = &service.address;
    Listener {
        name: None,
        address: config::Spanned {
            value: address.value.socket,
            span: address.span,
        },
        addresses: Vec::new(),
        protocol: match address.value.protocol {
            ServiceProtocol::Tcp => Protocol::Tcp,
            ServiceProtocol::Udp => Protocol::Udp,
        },
        upstream: None,
        sni: Vec::new(),
        proxy_protocol: None,
        timeouts: ListenerTimeouts::default(),
        tls: None,
        limits: LimitOverrides::default(),
        trusted_proxies: Vec::new(),
        allow: Vec::new(),
        deny: Vec::new(),
        length_beside_coding: config::LengthBesideCoding::Refuse,
        backlog: 4096,
    }
}
