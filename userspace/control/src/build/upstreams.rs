//! Upstreams: endpoints by address, algorithms, probes, TLS.

use super::Site;
use balance::maglev;
use balance::{
    Algorithm, EndpointSpec, HealthCheck, Passive, PoolLimits, RetryPolicy, UpstreamSpec,
};
use config::{
    Balance, BalanceAlgorithm, EndpointHost, Entry, HashKey, Health, ProxyTlv, ProxyVersion,
    SendProxy, SourceAddress, Upstream, UpstreamTls,
};
use http::h1::HeadLimits;
use proxy::{Announce, EndpointPlan, HashBy, Tell, UpstreamPlan};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;
use tls::{ClientSide, ClientSpec, Trust};

/// Slots of a hash table for each endpoint, so that shares are even within a percent.
const HASH_SLOTS: usize = 100;

/// Fields that an endpoint's answer may have.
const ANSWER_FIELDS: usize = 200;

/// How an endpoint is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A connection is enough.
    Tcp,
    /// A GET has to be answered.
    Http {
        /// The path and query.
        path: String,
        /// The Host; the endpoint's address where there is none.
        host: Option<String>,
        /// The statuses that count as success; empty for 200 to 399.
        expect: Vec<u16>,
    },
}

/// The probes of an upstream.
pub struct ProbePlan {
    /// Whose endpoints are probed.
    pub upstream: Arc<balance::Upstream>,
    /// When, and what follows.
    pub check: HealthCheck,
    /// How.
    pub kind: ProbeKind,
    /// TLS to each endpoint, in the upstream's order.
    pub tls: Vec<Option<ClientSide>>,
    /// What a connection begins with: the header of the PROXY protocol for one of our own.
    pub header: Option<Vec<u8>>,
}

pub(super) fn build(site: &mut Site<'_>) -> (Vec<UpstreamPlan>, Vec<ProbePlan>) {
    let config = site.config;
    let mut plans = Vec::new();
    let mut probes = Vec::new();
    for entry in &config.upstreams {
        if let Some((plan, probe)) = plan(site, entry) {
            plans.push(plan);
            probes.extend(probe);
        }
    }
    (plans, probes)
}

/// An endpoint with the name that its certificate has to have.
struct Resolved {
    spec: EndpointSpec,
    name: String,
}

fn plan(site: &mut Site<'_>, entry: &Entry<Upstream>) -> Option<(UpstreamPlan, Option<ProbePlan>)> {
    let upstream = &entry.value;
    let resolved = resolve(site, upstream)?;
    let (tls, transport) = transport(site, upstream, &resolved)?;
    let check = upstream.health.as_ref().map(health_check);
    let spec = UpstreamSpec {
        name: entry.name.to_string(),
        algorithm: algorithm(&upstream.balance, resolved.len()),
        endpoints: resolved.iter().map(|endpoint| endpoint.spec).collect(),
        health: check,
        passive: upstream.ejection.as_ref().map(|ejection| Passive {
            consecutive_failures: ejection.consecutive_failures,
            ejection: ejection.time,
            max_ejection: ejection.max_time,
            max_ejected_percent: ejection.max_percent.rounded_up(),
            count_all_5xx: false,
        }),
        transport,
    };
    let mut balancer = match balance::Upstream::new(spec, Instant::now()) {
        Ok(balancer) => balancer,
        Err(error) => {
            site.error(entry.name.span, error.to_string(), "");
            return None;
        }
    };
    let name = entry.name.as_str();
    if let Some(before) = site.before.upstreams.get(name) {
        balancer.inherit(before);
    }
    let balancer = Arc::new(balancer);
    site.after
        .upstreams
        .insert(name.to_owned(), Arc::clone(&balancer));
    let probe = check
        .zip(upstream.health.as_ref())
        .map(|(check, health)| ProbePlan {
            upstream: Arc::clone(&balancer),
            check,
            kind: probe_kind(health),
            tls: tls.clone(),
            header: upstream.proxy_protocol.as_ref().map(own_header),
        });
    let endpoints = resolved
        .iter()
        .zip(tls)
        .map(|(endpoint, tls)| EndpointPlan {
            address: endpoint.spec.address,
            tls,
        })
        .collect();
    let pool = &upstream.pool;
    let plan = UpstreamPlan {
        name: name.into(),
        balancer,
        endpoints,
        answer_head: HeadLimits {
            head_bytes: site.config.limits.response_header_bytes.bytes(),
            header_count: ANSWER_FIELDS,
            ..HeadLimits::default()
        },
        hash_by: hash_by(&upstream.balance),
        connect_timeout: site.config.timeouts.connect,
        pool: PoolLimits {
            idle: pool.idle_per_endpoint as usize,
            idle_timeout: pool.idle_timeout,
            max_age: None,
            connections: pool.max_connections_per_endpoint,
        },
        retry: RetryPolicy {
            retries: upstream.retries.attempts,
            budget_percent: upstream.retries.budget.rounded_up(),
            ..RetryPolicy::default()
        },
        announce: upstream.proxy_protocol.as_ref().map(announce),
        keeps_source: keeps_source(site, entry)?,
    };
    Some((plan, probe))
}

/// The header of the PROXY protocol that endpoints get.
fn announce(send: &SendProxy) -> Announce {
    let tells = |tlv| send.tlvs.contains(&tlv);
    match send.version {
        ProxyVersion::V1 => Announce::V1,
        ProxyVersion::V2 => Announce::V2(Tell {
            authority: tells(ProxyTlv::Authority),
            alpn: tells(ProxyTlv::Alpn),
            ssl: tells(ProxyTlv::Ssl),
            unique_id: tells(ProxyTlv::UniqueId),
            checksum: tells(ProxyTlv::Crc32c),
        }),
    }
}

/// The header of a connection that is nobody's but ours.
fn own_header(send: &SendProxy) -> Vec<u8> {
    match send.version {
        ProxyVersion::V1 => Announce::own_v1(),
        ProxyVersion::V2 => Announce::own_v2(),
    }
}

/// Whether connections come from the client's address, which this host may refuse us.
fn keeps_source(site: &mut Site<'_>, entry: &Entry<Upstream>) -> Option<bool> {
    if entry.value.source_address == SourceAddress::Own {
        return Some(false);
    }
    if let Err(error) = kernel::privilege::with(net::may_keep_source) {
        let found = format!(
            "`{}` is to see the address of clients (`source_address: client`), but this process may not use it: {error}",
            entry.name.value
        );
        let remedy = "give it CAP_NET_ADMIN or CAP_NET_RAW (`setcap cap_net_admin+ep`, or AmbientCapabilities= of its service), or remove `source_address`";
        site.error(entry.name.span, found, remedy);
        return None;
    }
    Some(true)
}

/// Each address of a name becomes an endpoint.
fn resolve(site: &mut Site<'_>, upstream: &Upstream) -> Option<Vec<Resolved>> {
    let mut resolved: Vec<Resolved> = Vec::new();
    let mut complete = true;
    for endpoint in &upstream.endpoints {
        let weight = u32::from(endpoint.weight);
        let (name, found) = match &endpoint.address.host {
            EndpointHost::Ip(ip) => (
                ip.to_string(),
                Ok(vec![SocketAddr::new(*ip, endpoint.address.port)]),
            ),
            EndpointHost::Name(name) => {
                let found = (name.as_str(), endpoint.address.port).to_socket_addrs();
                (name.clone(), found.map(Iterator::collect))
            }
        };
        match found {
            Ok(addresses) => {
                for address in addresses {
                    if !resolved.iter().any(|known| known.spec.address == address) {
                        let spec = EndpointSpec { address, weight };
                        resolved.push(Resolved {
                            spec,
                            name: name.clone(),
                        });
                    }
                }
            }
            Err(error) => {
                complete = false;
                let found = format!("`{name}` cannot be resolved: {error}");
                site.error(
                    endpoint.address.span,
                    found,
                    "check the name, or write the address",
                );
            }
        }
    }
    complete.then_some(resolved)
}

/// TLS to each endpoint, and a digest of what decides how connections are made.
fn transport(
    site: &mut Site<'_>,
    upstream: &Upstream,
    endpoints: &[Resolved],
) -> Option<(Vec<Option<ClientSide>>, u64)> {
    let Some(tls) = &upstream.tls else {
        return Some((endpoints.iter().map(|_| None).collect(), 0));
    };
    let mut digest = DefaultHasher::new();
    let trust = trust(site, tls, &mut digest)?;
    let mut sides = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let name = tls
            .server_name
            .as_ref()
            .map_or(&endpoint.name, |name| &name.value);
        name.hash(&mut digest);
        let spec = ClientSpec {
            trust: trust.clone(),
            server_name: name.clone(),
        };
        match ClientSide::new(&spec) {
            Ok(side) => sides.push(Some(side)),
            Err(error) => {
                let span = tls.ca.as_ref().map(|ca| ca.span);
                site.error(span.unwrap_or_default(), error.to_string(), "");
                return None;
            }
        }
    }
    // 0 is plain TCP.
    Some((sides, digest.finish() | 1))
}

fn trust(site: &mut Site<'_>, tls: &UpstreamTls, digest: &mut DefaultHasher) -> Option<Trust> {
    if tls.insecure_skip_verify {
        return Some(Trust::Anybody);
    }
    let Some(ca) = &tls.ca else {
        return system_roots(site);
    };
    let pem = site.read(&ca.path, ca.span)?;
    pem.hash(digest);
    match tls::parse_roots(&pem) {
        Ok(roots) => Some(Trust::Roots(roots)),
        Err(error) => {
            site.file_error(ca.span, format!("`{}`: {error}", ca.path.display()), "");
            None
        }
    }
}

fn system_roots(site: &mut Site<'_>) -> Option<Trust> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let found = "the system has no certificate authorities";
        let remedy = "install them (Debian: ca-certificates), or set `ca`";
        site.error(config::Span::default(), found, remedy);
        return None;
    }
    Some(Trust::Roots(found.certs))
}

fn algorithm(balance: &Balance, endpoints: usize) -> Algorithm {
    match balance {
        Balance::Simple(BalanceAlgorithm::RoundRobin) => Algorithm::RoundRobin,
        Balance::Simple(BalanceAlgorithm::LeastRequests) => Algorithm::LeastRequests,
        Balance::Simple(BalanceAlgorithm::Ewma) => Algorithm::Ewma {
            decay: Algorithm::DEFAULT_DECAY,
        },
        Balance::Hash(_) => {
            let wanted = endpoints.saturating_mul(HASH_SLOTS);
            let fits = maglev::SIZES
                .into_iter()
                .find(|size| *size as usize >= wanted);
            Algorithm::Hash {
                table_size: fits.unwrap_or(maglev::DEFAULT_SIZE),
            }
        }
    }
}

fn hash_by(balance: &Balance) -> Option<HashBy> {
    match balance {
        Balance::Simple(_) => None,
        Balance::Hash(HashKey::Source(_)) => Some(HashBy::Source),
        Balance::Hash(HashKey::Header(name)) => Some(HashBy::Header(name.to_string())),
        Balance::Hash(HashKey::Cookie(name)) => Some(HashBy::Cookie(name.to_string())),
    }
}

pub(super) fn health_check(health: &Health) -> HealthCheck {
    HealthCheck {
        interval: health.interval,
        timeout: health.timeout,
        jitter_percent: health.jitter.rounded_up(),
        healthy: u32::from(health.healthy),
        unhealthy: u32::from(health.unhealthy),
        ..HealthCheck::default()
    }
}

pub(super) fn probe_kind(health: &Health) -> ProbeKind {
    match &health.http {
        None => ProbeKind::Tcp,
        Some(path) => ProbeKind::Http {
            path: path.value.clone(),
            host: health.host.as_ref().map(|host| host.value.clone()),
            expect: health.expect.iter().map(|status| status.value).collect(),
        },
    }
}
