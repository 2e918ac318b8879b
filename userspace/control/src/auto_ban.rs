//! Bans that follow from scores: what the configuration says of them, and who is never hit.

use crate::supervisor::Supervisor;
use config::{Config, ForwardedAnswer};
use penalty::{Cause, Guard, Policy, Remembered};
use std::net::IpAddr;
use std::time::Duration;
use types::IpNet;

impl Supervisor {
    /// Keeps scores as the configuration in force says.
    pub(crate) fn follow_auto_ban(&self) {
        let wanted = self.with_config(|config| of(config, &self.endpoints()));
        if let Err(error) = self.shared().offences.follow(wanted) {
            tracing::error!(%error, "there is no thread that keeps scores, nobody is banned by them");
        }
    }

    /// Looks again at who is never banned: addresses of this host come and go.
    pub(crate) fn renew_guard(&self) {
        if let Some(guard) = self.with_config(|config| guard(config, &self.endpoints())) {
            self.shared().offences.set_guard(guard);
        }
    }

    /// Counts the bans that an earlier process made, so that the next ones are longer.
    pub(crate) fn recall_bans(&self) {
        let bans = self.bans().added_bans();
        let made = bans.iter().filter(|ban| ban.by_score);
        let told: Vec<Remembered> = made
            .map(|ban| Remembered {
                target: ban.target,
                score: 0.0,
                bans: u16::from(ban.repetition),
                banned_for: ban.remaining.unwrap_or(Duration::MAX),
            })
            .collect();
        self.shared().offences.recall(&told);
    }

    /// The addresses of all endpoints.
    fn endpoints(&self) -> Vec<IpAddr> {
        let generation = self.shared().generation.load();
        let upstreams = generation.upstreams.iter();
        let endpoints = upstreams.flat_map(|upstream| &upstream.endpoints);
        endpoints.map(|endpoint| endpoint.address.ip()).collect()
    }
}

/// How scores are kept; none where the configuration does not ask for them.
fn of(config: &Config, endpoints: &[IpAddr]) -> Option<proxy::AutoBan> {
    let block = config.auto_ban.as_ref()?;
    Some(proxy::AutoBan {
        policy: policy(block),
        guard: guard(config, endpoints)?,
        close_forwarded: block.forwarded == ForwardedAnswer::Close,
    })
}

fn policy(block: &config::AutoBan) -> Policy {
    let weights = &block.weights;
    let weight = |cause: Cause| match cause {
        Cause::Waf => weights.waf,
        Cause::Auth => weights.auth,
        Cause::AuthMissing => weights.auth_missing,
        Cause::AuthForbidden => weights.auth_forbidden,
        Cause::Limit => weights.limit,
        Cause::Malformed => weights.malformed,
        Cause::Slow => weights.slow,
        Cause::Tls => weights.tls,
        Cause::ProxyHeader => weights.proxy_header,
    };
    let mut by_cause = [0; Cause::COUNT];
    for (place, cause) in by_cause.iter_mut().zip(Cause::ALL) {
        *place = weight(*cause);
    }
    let unless_zero = |threshold: u32| (threshold != 0).then_some(threshold);
    Policy {
        weights: by_cause,
        half_life: block.half_life,
        threshold: block.threshold,
        threshold_v4_prefix: unless_zero(block.threshold_24),
        threshold_v6_prefix: unless_zero(block.threshold_64),
        ttl: block.ttl,
        escalation_percent: u32::from(block.escalation) * 100,
        max_ttl: block.max_ttl,
        remember: block.remember,
        max_per_minute: block.max_per_minute,
        dry_run: block.dry_run,
        clients: block.clients as usize,
    }
}

/// Who is never banned by score. Addresses of this host come and go, so this is asked anew now and then.
fn guard(config: &Config, endpoints: &[IpAddr]) -> Option<Guard> {
    let block = config.auto_ban.as_ref()?;
    let mut guard = Guard::default();
    let mut add = |nets: &[IpNet], why| {
        // Everybody is not a guard: where all may be proxies, nobody would ever be banned.
        let some = nets.iter().filter(|net| net.prefix_len() > 0);
        some.for_each(|net| guard.add(*net, why));
    };
    add(&block.allow, "auto_ban.allow");
    if let Some(kernel) = &config.kernel {
        add(&kernel.allow, "kernel.allow");
    }
    for listener in &config.listeners {
        add(&listener.trusted_proxies, "trusted_proxies");
        if let Some(headers) = &listener.proxy_protocol {
            add(&headers.from, "proxy_protocol.from");
        }
    }
    for service in &config.services {
        let endpoints = service.value.endpoints.iter();
        let nets = endpoints.map(|endpoint| endpoint.address.value.ip().into());
        add(&nets.collect::<Vec<_>>(), "endpoint");
    }
    let endpoints: Vec<IpNet> = endpoints.iter().copied().map(IpNet::from).collect();
    if block.guard_own_addresses {
        add(&endpoints, "endpoint");
        match kernel::own_addresses() {
            Ok(own) => {
                let own: Vec<IpNet> = own.into_iter().map(IpNet::from).collect();
                add(&own, "address of this host");
            }
            Err(error) => tracing::warn!(%error, "the addresses of this host cannot be told"),
        }
        // All of it is this host, whatever of it an interface has.
        let loopback = IpNet::new([127, 0, 0, 0].into(), 8).ok();
        add(loopback.as_slice(), "address of this host");
    } else {
        // On one host the endpoints are its own addresses.
        let others: Vec<IpNet> = endpoints
            .into_iter()
            .filter(|net| !net.addr().is_loopback())
            .collect();
        add(&others, "endpoint");
    }
    Some(guard)
}
