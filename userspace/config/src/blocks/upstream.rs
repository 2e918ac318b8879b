//! Groups of endpoints, how requests are shared among them, and how we know that they live.

use crate::block::{block, one_of, optional_block, words};
use crate::diagnostic::{Diagnostic, Kind, Span, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{EndpointAddress, HeaderName, InputFile, Percent};
use std::time::Duration;

block! {
    /// A group of endpoints that serve the same. Routes refer to it by its name.
    #[check(check)]
    pub struct Upstream {
        /// The endpoints: `host:port`, or a block with a weight. A host name is resolved when the configuration is
        /// loaded; each of its addresses becomes an endpoint.
        endpoints: Vec<Endpoint>;
        /// How requests are shared among the endpoints.
        balance: Balance = Balance::Simple(BalanceAlgorithm::RoundRobin);
        /// Active probes. Left out: none, every endpoint counts as healthy until it is ejected.
        health: Option<Health> = None;
        /// Endpoints that fail requests are left out for a while. Left out: never.
        ejection: Option<Ejection> = None;
        /// TLS to the endpoints. Left out: none.
        tls: Option<UpstreamTls> = None;
        /// A header of the PROXY protocol at the beginning of each connection, which tells the endpoint whose it is: `v1`, `v2`,
        /// or a block. A connection carries one client's requests then and is not kept. Left out: none.
        proxy_protocol: Option<SendProxy> = None;
        /// The address that endpoints see connections come from.
        source_address: SourceAddress = SourceAddress::Own;
        /// Another try on another endpoint.
        retries: Retries = Retries::default();
        /// Connections that are kept for the next request.
        pool: Pool = Pool::default();
    }
}

/// Most endpoints of an upstream.
pub const MAX_ENDPOINTS: usize = 4096;

fn check(upstream: &Upstream, node: &Node, reader: &mut Reader<'_>) {
    if upstream.endpoints.is_empty() {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                node.span_of("endpoints"),
                "no endpoint is named",
            )
            .expected("at least one, such as `[10.0.0.11:8080]`")
            .remedy("add one, or remove the upstream"),
        );
    }
    if upstream.endpoints.len() > MAX_ENDPOINTS {
        let found = format!("{} endpoints", upstream.endpoints.len());
        reader.report(
            Diagnostic::error(Kind::OutOfRange, node.span_of("endpoints"), found)
                .expected(format!("at most {MAX_ENDPOINTS}")),
        );
    }
    for (index, endpoint) in upstream.endpoints.iter().enumerate() {
        let same = |other: &&Endpoint| other.address.value == endpoint.address.value;
        if let Some(first) = upstream.endpoints.iter().take(index).find(same) {
            let found = format!(
                "`{}` stands in line {} already",
                endpoint.address.value, first.address.span.line
            );
            reader.within(format_args!("endpoints[{index}]"), |reader| {
                reader.report(
                    Diagnostic::error(Kind::Conflict, endpoint.address.span, found)
                        .remedy("remove one; for a larger share raise its `weight`"),
                );
            });
        }
    }
}

block! {
    /// An endpoint. Its address alone is short for the block.
    #[short(address)]
    #[label(label)]
    pub struct Endpoint {
        /// Host and port.
        address: Spanned<EndpointAddress>;
        /// Its share of the requests, compared with the weights of the others.
        weight: u16 = 1, within 1..=1000;
    }
}

fn label(endpoint: &Endpoint) -> Option<String> {
    Some(endpoint.address.to_string())
}

words! {
    /// A version of the PROXY protocol.
    pub enum ProxyVersion {
        /// A line of text: addresses and ports.
        V1 = "v1",
        /// Binary, and more than addresses.
        V2 = "v2",
    }
}

words! {
    /// What a header of version 2 tells beside the addresses, where it is known.
    pub enum ProxyTlv {
        /// The name that the client asked for in TLS.
        Authority = "authority",
        /// The protocol that was agreed on in TLS.
        Alpn = "alpn",
        /// Whether the client speaks TLS, and which version.
        Ssl = "ssl",
        /// An id of the connection: the one in the access log.
        UniqueId = "unique_id",
        /// A checksum over the header.
        Crc32c = "crc32c",
    }
}

block! {
    /// A header of the PROXY protocol towards endpoints. The version alone is short for the block.
    #[short(version)]
    #[check(check_send_proxy)]
    pub struct SendProxy {
        /// The version.
        version: ProxyVersion;
        /// What version 2 tells beside the addresses.
        tlvs: Vec<ProxyTlv> = vec![ProxyTlv::Authority, ProxyTlv::Alpn, ProxyTlv::Ssl];
    }
}

fn check_send_proxy(send: &SendProxy, node: &Node, reader: &mut Reader<'_>) {
    if send.version == ProxyVersion::V1 && node.get("tlvs").is_some() {
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of("tlvs"),
                "version 1 tells addresses alone",
            )
            .remedy("remove `tlvs`, or set `version: v2`"),
        );
    }
}

words! {
    /// The address that endpoints see connections come from.
    pub enum SourceAddress {
        /// One of this host.
        Own = "own",
        /// The client's. The way back from the endpoints has to lead through this host, which delivers what comes back to us
        /// (a policy route to a local table). Needs CAP_NET_ADMIN or CAP_NET_RAW.
        Client = "client",
    }
}

words! {
    /// How requests are shared among endpoints.
    pub enum BalanceAlgorithm {
        /// One after the other, by weight.
        RoundRobin = "round_robin",
        /// To the one with the fewest requests under way, by weight.
        LeastRequests = "least_requests",
        /// Of two taken at random, to the one with the lower moving average of latency and load.
        Ewma = "ewma",
    }
}

one_of! {
    /// How requests are shared among endpoints.
    pub enum Balance {
        scalar {
            /// An algorithm that needs nothing else.
            Simple(BalanceAlgorithm)
        }
        /// The same key goes to the same endpoint as long as it is healthy; when an endpoint comes or goes, only its share
        /// moves.
        "hash": Hash(HashKey),
    }
}

one_of! {
    /// What the hash is made of.
    pub enum HashKey {
        scalar {
            /// The client's address.
            Source(HashSource)
        }
        /// A header field. Requests without it are spread at random.
        "header": Header(HeaderName),
        /// A cookie. Requests without it are spread at random.
        "cookie": Cookie(HeaderName),
    }
}

words! {
    /// A part of every request.
    pub enum HashSource {
        /// The client's address.
        Source = "source",
    }
}

block! {
    /// Active probes of each endpoint. Where the first one fails, the endpoint gets no requests.
    #[check(check_health)]
    pub struct Health {
        /// Probe by a GET of this path. Excludes `tcp`.
        http: Option<Spanned<String>> = None;
        /// Probe by a TCP connection. Excludes `http`.
        tcp: Option<Spanned<bool>> = None;
        /// The statuses that count as success. Left out: 200 to 399.
        expect: Vec<Spanned<u16>> = Vec::new();
        /// The Host of HTTP probes. Left out: the address of the endpoint.
        host: Option<Spanned<String>> = None;
        /// Time from one probe to the next.
        interval: Duration = Duration::from_secs(5), within Duration::from_millis(100)..=Duration::from_secs(3600);
        /// Time that one probe may take.
        timeout: Duration = Duration::from_secs(2), within Duration::from_millis(10)..=Duration::from_secs(300);
        /// How much the interval varies by chance, so that probes do not come in waves.
        jitter: Percent = Percent::new(10), within Percent::new(0)..=Percent::new(50);
        /// Successes in a row until an endpoint gets requests again.
        healthy: u16 = 1, within 1..=100;
        /// Failures in a row until an endpoint gets no more requests.
        unhealthy: u16 = 3, within 1..=100;
    }
}

fn check_health(health: &Health, node: &Node, reader: &mut Reader<'_>) {
    reader.exactly_one(node, &["http", "tcp"]);
    let mut wrong = |span: Span, found: &str, remedy: &str| {
        reader.report(Diagnostic::error(Kind::BadValue, span, found).remedy(remedy));
    };
    if let Some(tcp) = health.tcp.filter(|tcp| !tcp.value) {
        wrong(
            tcp.span,
            "`tcp: false` says nothing",
            "write `tcp: true`, or remove `health` for no probes",
        );
    }
    if let Some(path) = &health.http {
        if !path.starts_with('/')
            || path.bytes().any(|b| !b.is_ascii_graphic())
            || path.contains('#')
        {
            wrong(
                path.span,
                "this is not the path of a probe",
                "begin with a slash; percent-encode what is not ASCII",
            );
        }
    } else if let Some(status) = health.expect.first() {
        wrong(
            status.span,
            "`expect` needs an HTTP probe",
            "remove it, or probe with `http`",
        );
    }
    for status in health
        .expect
        .iter()
        .filter(|status| !(100..=599).contains(&status.value))
    {
        wrong(
            status.span,
            "this is not a status",
            "write a number from 100 to 599",
        );
    }
    if let Some(host) = health
        .host
        .as_ref()
        .filter(|host| host.bytes().any(|b| !b.is_ascii_graphic()))
    {
        wrong(
            host.span,
            "this is not a host",
            "write a name such as `app.example.com`",
        );
    }
    if health.timeout > health.interval {
        let key = if node.get("timeout").is_some() {
            "timeout"
        } else {
            "interval"
        };
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of(key),
                "a probe may take longer than the interval",
            )
            .remedy("raise `interval` or lower `timeout`"),
        );
    }
}

optional_block! {
    /// Passive ejection: an endpoint that fails requests of clients gets none for a while. Failures are refused and broken
    /// connections, timeouts, and answers with 502, 503 or 504.
    #[check(check_ejection)]
    pub struct Ejection {
        /// Failures in a row until it is ejected.
        consecutive_failures: u32 = 5, within 1..=10_000;
        /// How long it is ejected the first time; the second time in a row twice as long, then three times.
        time: Duration = Duration::from_secs(30), within Duration::from_millis(100)..=Duration::from_secs(3600);
        /// The longest ejection.
        max_time: Duration = Duration::from_secs(300), within Duration::from_millis(100)..=Duration::from_secs(86_400);
        /// Largest share of the endpoints that may be out of service, for any reason, after an ejection; what would go
        /// beyond stays in use. At 100% the last one can be ejected too.
        max_percent: Percent = Percent::new(50), within Percent::new(1)..=Percent::new(100);
    }
}

fn check_ejection(ejection: &Ejection, node: &Node, reader: &mut Reader<'_>) {
    if ejection.max_time < ejection.time {
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of("time"),
                "the first ejection is longer than the longest",
            )
            .remedy("raise `max_time` or lower `time`"),
        );
    }
}

optional_block! {
    /// TLS to endpoints. Certificates are always verified, unless `insecure_skip_verify` says otherwise.
    #[check(check_tls)]
    pub struct UpstreamTls {
        /// The certificate authorities that are trusted, in PEM. Left out: those of the system.
        ca: Option<InputFile> = None;
        /// The name that is sent as SNI and that the certificate must have. Left out: the host of the endpoint.
        server_name: Option<Spanned<String>> = None;
        /// Accept every certificate. Whoever sits between us and the endpoint can then read and change everything.
        insecure_skip_verify: bool = false;
    }
}

fn check_tls(tls: &UpstreamTls, node: &Node, reader: &mut Reader<'_>) {
    if let Some(name) = tls
        .server_name
        .as_ref()
        .filter(|name| !crate::values::is_host(name))
    {
        reader.report(
            Diagnostic::error(Kind::BadValue, name.span, "this is not a host name")
                .expected("a name such as `app.internal`, without a port"),
        );
    }
    let span = node.span_of("insecure_skip_verify");
    if tls.insecure_skip_verify && tls.ca.is_some() {
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                span,
                "`ca` is set, and verification is switched off",
            )
            .remedy("remove `insecure_skip_verify`"),
        );
    } else if tls.insecure_skip_verify {
        reader.report(
            Diagnostic::warning(
                Kind::Risky,
                span,
                "certificates of endpoints are not verified",
            )
            .expected("`ca` with the authority that signed them")
            .remedy("set `ca` and remove `insecure_skip_verify`"),
        );
    }
}

optional_block! {
    /// Another try on another endpoint: only where nothing was sent yet, or the method is idempotent (RFC 9110, 9.2.2) and no
    /// part of the answer has reached the client.
    pub struct Retries {
        /// How many more tries a request gets; 0 for none.
        attempts: u8 = 1, within 0..=5;
        /// Largest share of the requests that may be second tries, so that retries cannot multiply an outage. A request of
        /// which the first endpoint got nothing does not count: trying again costs no endpoint anything.
        budget: Percent = Percent::new(20), within Percent::new(0)..=Percent::new(100);
    }
}

optional_block! {
    /// Connections that are kept for the next request, for each worker.
    pub struct Pool {
        /// Most idle connections that a worker keeps for one endpoint; 0 closes each after its request.
        idle_per_endpoint: u32 = 256, within 0..=65_535;
        /// How long an idle connection is kept. Set it below the endpoint's own time, so that we close first.
        idle_timeout: Duration = Duration::from_secs(30), within Duration::from_millis(100)..=Duration::from_secs(3600);
        /// Most connections of a worker to one endpoint, idle ones included; beyond it a request goes to another endpoint,
        /// or gets 503. Left out: no such limit.
        max_connections_per_endpoint: Option<u32> = None, within 1..=1_000_000;
    }
}
