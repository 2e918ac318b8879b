//! Everything that the data path knows about its configuration: one immutable value, replaced as a whole.
//!
//! The control plane builds a generation off to the side; a worker reads the current one through an atomic pointer once
//! a request. What must outlive a generation (connection counts, endpoint health, ticket keys) is shared into it.
use crate::admission::{Admission, AdmissionLimits};
use crate::layer4::{Announce, DatagramPlan, HeaderSenders, Service};
use arc_swap::ArcSwap;
use balance::Upstream;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use types::IpNet;

/// One configuration, ready to serve.
pub struct Generation {
    /// Counts up with every configuration that took effect; 1 is the first one of a process.
    pub number: u64,
    /// Where clients connect.
    pub listeners: Vec<Arc<ListenerPlan>>,
    /// Where datagrams come in.
    pub datagrams: Vec<DatagramPlan>,
    /// Finds the route of a request; its results index `routes`.
    pub table: route::Table,
    /// What happens on each route.
    pub routes: Vec<RoutePlan>,
    /// Where requests go; routes index this.
    pub upstreams: Vec<UpstreamPlan>,
}

/// A listener: an address and what is true for every connection to it.
#[derive(Clone)]
pub struct ListenerPlan {
    /// The name in logs and metrics.
    pub name: Arc<str>,
    /// The address and port that it is bound to.
    pub address: SocketAddr,
    /// Connections that the kernel may queue for a worker before it accepts them.
    pub backlog: i32,
    /// What becomes of its connections.
    pub service: Service,
    /// Who may begin a connection with a header of the PROXY protocol; `None`: nobody.
    pub headers: Option<HeaderSenders>,
    /// TLS, or plain text where there is none.
    pub tls: Option<tls::ServerSide>,
    /// The limits on connections.
    pub admission_limits: AdmissionLimits,
    /// The count of connections, shared with earlier generations of the same listener.
    pub admission: Arc<Admission>,
    /// Who may connect.
    pub access: Access,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits on what a client may send.
    pub limits: FrontLimits,
    /// How long a client may take.
    pub timeouts: FrontTimeouts,
}

/// Limits on what a client may send. Each one is answered with its own reason.
#[derive(Clone, Debug)]
pub struct FrontLimits {
    /// Limits on the head of a request.
    pub head: http::h1::HeadLimits,
    /// Requests that one connection may carry; the last one is answered with `Connection: close`.
    pub requests_per_connection: u64,
    /// Requests that may wait behind the one being served; when more have arrived, the connection ends after the
    /// answer to the current one.
    pub pipelined_requests: u32,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct FrontTimeouts {
    /// From the first byte of a request to the end of its head, and for the TLS handshake.
    pub header: Duration,
    /// Between two pieces of a request body.
    pub body: Duration,
    /// The slowest a body may arrive on average, in bytes a second, once `body` has passed since its start.
    pub body_rate: u64,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// For the client to take a piece of the answer.
    pub send: Duration,
}

/// What happens to the requests of a route.
pub struct RoutePlan {
    /// The name in logs and metrics.
    pub name: Arc<str>,
    /// Index into [`Generation::upstreams`].
    pub upstream: usize,
    /// Who may use it.
    pub access: Access,
    /// The inspection, where the WAF is on.
    pub waf: Option<WafPlan>,
    /// Who must be proved to be whom.
    pub auth: Option<Arc<auth::Policy>>,
    /// The largest request body in bytes.
    pub body_limit: u64,
    /// How long the endpoint may stay silent before and within its answer.
    pub response_timeout: Duration,
    /// How long the request may take as a whole, the body of the answer included.
    pub total_timeout: Duration,
    /// Headers that are set or removed on the way to the endpoint.
    pub request_headers: HeaderEdits,
}

impl RoutePlan {
    /// Whether a field does not go on to the endpoint: the operator removes it, or it carries a credential that stays
    /// here.
    pub(crate) fn removes(&self, name: &[u8], value: &[u8]) -> bool {
        let Ok(name) = std::str::from_utf8(name) else {
            return true;
        };
        let headers = &self.request_headers;
        let set = headers.set.iter().map(|(set, _)| set);
        set.chain(&headers.remove)
            .any(|other| other.eq_ignore_ascii_case(name))
            || self
                .auth
                .as_ref()
                .is_some_and(|policy| policy.strips_header(name, value))
    }
}

/// Changes to the header of a request.
#[derive(Clone, Debug, Default)]
pub struct HeaderEdits {
    /// Set to this value, whatever the client sent.
    pub set: Vec<(String, Vec<u8>)>,
    /// Taken away.
    pub remove: Vec<String>,
}

/// How the WAF looks at a route's requests.
#[derive(Clone)]
pub struct WafPlan {
    /// The name of the policy.
    pub policy: Arc<str>,
    /// The compiled rules, shared by all routes of the policy.
    pub rules: Arc<LiveRules>,
    /// Whether a verdict is carried out or only logged.
    pub mode: waf::Mode,
    /// What happens to a request body in a content coding.
    pub compressed: Compressed,
    /// Where the audit records go.
    pub audit: Option<crate::AuditTarget>,
    /// Rules that look on.
    pub shadow: Option<ShadowPlan>,
}

/// What happens to a request body in a content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressed {
    /// Rules see it without its codings; what cannot be looked into is refused.
    Inspect,
    /// It is refused.
    Refuse,
    /// Rules see it as it was sent.
    Pass,
}

/// Rules that look at a share of the requests and change nothing.
#[derive(Clone)]
pub struct ShadowPlan {
    /// The compiled rules.
    pub rules: Arc<LiveRules>,
    /// How many of 10,000 requests they look at.
    pub share: u16,
}

/// Compiled rules that can give way to others with the same verdicts: what is missing of a plan is compiled while it serves.
///
/// Not a way to change a policy: another configuration is another generation. A request ends on the plan that it began with.
pub struct LiveRules(ArcSwap<waf::RuleSet>);

impl LiveRules {
    /// Rules as they are now.
    #[must_use]
    pub fn new(rules: waf::RuleSet) -> Self {
        Self(ArcSwap::from_pointee(rules))
    }

    /// The rules for the next request.
    #[must_use]
    pub fn load(&self) -> Arc<waf::RuleSet> {
        self.0.load_full()
    }

    /// Puts the same rules with a faster plan in their place.
    pub fn switch(&self, rules: waf::RuleSet) {
        self.0.store(Arc::new(rules));
    }
}

/// A group of endpoints and how to reach them.
pub struct UpstreamPlan {
    /// The name in logs and metrics.
    pub name: Arc<str>,
    /// The endpoints' shared state and the algorithm.
    pub balancer: Arc<Upstream>,
    /// How each endpoint is reached, in the balancer's order.
    pub endpoints: Vec<EndpointPlan>,
    /// Limits on the head of an answer.
    pub answer_head: http::h1::HeadLimits,
    /// What a request is hashed by, where the algorithm hashes.
    pub hash_by: Option<HashBy>,
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// Limits of the pool of idle connections, for each worker.
    pub pool: balance::PoolLimits,
    /// When a request is sent again.
    pub retry: balance::RetryPolicy,
    /// The header of the PROXY protocol that each connection begins with.
    pub announce: Option<Announce>,
    /// Whether connections come from the client's address instead of ours.
    pub keeps_source: bool,
}

/// How an endpoint is reached.
pub struct EndpointPlan {
    /// Its address.
    pub address: SocketAddr,
    /// TLS to it, or plain TCP where there is none.
    pub tls: Option<tls::ClientSide>,
}

impl UpstreamPlan {
    /// Whether a connection belongs to one client, so that it carries no other's requests.
    pub(crate) fn is_personal(&self) -> bool {
        self.announce.is_some() || self.keeps_source
    }

    /// The id of an endpoint, which stays over reloads.
    pub(crate) fn endpoint(&self, index: usize) -> balance::EndpointId {
        self.balancer.endpoints()[index].id()
    }
}

/// What a request is hashed by.
#[derive(Clone, Debug)]
pub enum HashBy {
    /// The value of a header field.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The client's address.
    Source,
    /// A client as L4 services in the kernel hash it.
    Client(balance::Affinity),
}

/// Addresses that are let in. Both lists empty: everybody.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// When not empty, only these.
    pub allow: Vec<IpNet>,
    /// Never these, whatever `allow` says.
    pub deny: Vec<IpNet>,
}

impl Access {
    /// Whether an address is let in.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        !contains(&self.deny, client) && (self.allow.is_empty() || contains(&self.allow, client))
    }
}

/// Whether an address is in one of the prefixes.
pub(crate) fn contains(prefixes: &[IpNet], address: IpAddr) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(allow: &[&str], deny: &[&str]) -> Access {
        let nets = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect();
        Access {
            allow: nets(allow),
            deny: nets(deny),
        }
    }

    #[test]
    fn deny_wins_over_allow() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(access(&[], &[]).admits(ip("192.0.2.1")));
        let some = access(&["192.0.2.0/24"], &["192.0.2.128/25"]);
        assert!(some.admits(ip("192.0.2.1")));
        assert!(
            some.admits(ip("::ffff:192.0.2.1")),
            "a mapped address is the address"
        );
        assert!(!some.admits(ip("192.0.2.200")));
        assert!(!some.admits(ip("198.51.100.1")));
        assert!(!some.admits(ip("2001:db8::1")));
    }
}
