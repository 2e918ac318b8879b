//! Bans that follow from what clients do.

use crate::block::{optional_block, words};
use crate::diagnostic::{Diagnostic, Kind};
use crate::document::Node;
use crate::reader::Reader;
use std::time::Duration;
use types::IpNet;

words! {
    /// What a request is answered with whose client is banned, but not the proxy that brought it.
    pub enum ForwardedAnswer {
        /// 403; the proxy's connection goes on.
        Forbidden = "forbidden",
        /// Nothing: the proxy's connection is closed.
        Close = "close",
    }
}

optional_block! {
    /// Bans that follow from what clients do. Each offence adds its weight to the score of the client's address and of the /24
    /// or /64 around it; scores halve with time. At the threshold the client is banned: in the XDP gate where there is one, else
    /// at accept, and its open connections are closed. A client that a trusted proxy names is banned in the proxy alone, so that
    /// packets of the proxy go on. Clients of UDP are never scored: anybody can send in their name.
    #[check(check)]
    pub struct AutoBan {
        /// Bans are decided, logged and counted, but not carried out. To begin with.
        dry_run: bool = false;
        /// What each offence adds to the score.
        weights: OffenceWeights = OffenceWeights::default();
        /// The time in which a score halves.
        half_life: Duration = Duration::from_secs(300), within Duration::from_secs(1)..=Duration::from_secs(86_400);
        /// The score of an address at which it is banned.
        threshold: u32 = 100, within 1..=1_000_000;
        /// The score of an IPv4 /24 at which it is banned as a whole; 0: never.
        threshold_24: u32 = 500, within 0..=1_000_000;
        /// The score of an IPv6 /64 at which it is banned as a whole; 0: never. One client has all of it.
        threshold_64: u32 = 200, within 0..=1_000_000;
        /// How long the first ban of an address or prefix lasts.
        ttl: Duration = Duration::from_secs(600), within Duration::from_secs(1)..=Duration::from_secs(2_592_000);
        /// How many times as long as the one before each further ban lasts; 1: as long.
        escalation: u16 = 4, within 1..=100;
        /// How long a ban lasts at most.
        max_ttl: Duration = Duration::from_secs(86_400), within Duration::from_secs(1)..=Duration::from_secs(31_536_000);
        /// How long after the end of its last ban the bans of an address or prefix are forgotten, so that the next one is the
        /// first again.
        remember: Duration = Duration::from_secs(86_400), within Duration::from_secs(0)..=Duration::from_secs(31_536_000);
        /// Most bans in any 60 seconds. Further ones are counted and logged, but not made: many at once are a sign of a mistake,
        /// such as a WAF rule that blocks everybody.
        max_per_minute: u32 = 60, within 1..=100_000;
        /// Addresses and prefixes that are never banned by score. Always among them: `kernel.allow`, `trusted_proxies` and
        /// `proxy_protocol.from` of the listeners, and the addresses of endpoints.
        allow: Vec<IpNet> = Vec::new();
        /// The addresses of this host, loopback among them, are not banned either. Turn it off to try bans on one host.
        guard_own_addresses: bool = true;
        /// What a request is answered with whose client is banned, but not the proxy that brought it.
        forwarded: ForwardedAnswer = ForwardedAnswer::Forbidden;
        /// Most addresses that have a score, and most prefixes. One more takes the place of one with a low score. Each takes about
        /// 350 bytes.
        clients: u32 = 65_536, within 64..=4_194_304;
    }
}

optional_block! {
    /// What each offence adds to the score of its client; 0: nothing.
    pub struct OffenceWeights {
        /// A WAF rule blocked the request or its answer. Matches of a policy with `mode: detect` add nothing.
        waf: u32 = 30, within 0..=1_000_000;
        /// A credential that is malformed, unknown, expired or forged.
        auth: u32 = 10, within 0..=1_000_000;
        /// No credential where one is needed. Many clients ask so first, to be told what they need.
        auth_missing: u32 = 1, within 0..=1_000_000;
        /// A good credential for something that it does not allow.
        auth_forbidden: u32 = 2, within 0..=1_000_000;
        /// More than `limits` allow: connections of one client, length of head, target or body.
        limit: u32 = 5, within 0..=1_000_000;
        /// A request that is no HTTP, or that can be read in two ways.
        malformed: u32 = 10, within 0..=1_000_000;
        /// A head, a body or a handshake that does not arrive in time; an answer that is not read.
        slow: u32 = 10, within 0..=1_000_000;
        /// A TLS handshake that fails by what the client says. One that it gives up, or ends because it does not trust the
        /// certificate, adds nothing.
        tls: u32 = 5, within 0..=1_000_000;
        /// A PROXY protocol header that is malformed or missing, or comes from somebody who may not send one.
        proxy_header: u32 = 20, within 0..=1_000_000;
    }
}

fn check(block: &AutoBan, node: &Node, reader: &mut Reader<'_>) {
    if block.max_ttl < block.ttl {
        let key = match node.get("max_ttl") {
            Some(_) => "max_ttl",
            None => "ttl",
        };
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of(key),
                "`max_ttl` is shorter than `ttl`",
            )
            .expected("`max_ttl` is the longest ban, `ttl` the first")
            .remedy("raise `max_ttl` or lower `ttl`"),
        );
    }
    for (key, threshold) in [
        ("threshold_24", block.threshold_24),
        ("threshold_64", block.threshold_64),
    ] {
        if threshold != 0 && threshold < block.threshold {
            let place = match node.get(key) {
                Some(_) => key,
                None => "threshold",
            };
            reader.report(
                Diagnostic::error(
                    Kind::Conflict,
                    node.span_of(place),
                    format!("`{key}` is lower than `threshold`"),
                )
                .expected("a prefix has the scores of all its addresses together: one client alone would ban all of them")
                .remedy(format!("raise `{key}` to {} or more, or write `{key}: 0` to ban no prefixes", block.threshold)),
            );
        }
    }
    if block.weights == WEIGHTLESS {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                node.span_of("weights"),
                "no offence weighs anything",
            )
            .expected("a weight above 0, else nobody is ever banned")
            .remedy("give one a weight, or remove the block `auto_ban`"),
        );
    }
}

const WEIGHTLESS: OffenceWeights = OffenceWeights {
    waf: 0,
    auth: 0,
    auth_missing: 0,
    auth_forbidden: 0,
    limit: 0,
    malformed: 0,
    slow: 0,
    tls: 0,
    proxy_header: 0,
};
