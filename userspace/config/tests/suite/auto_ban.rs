//! Bans by score: what contradicts itself is said, with what to write in its place.

use crate::given::{Given, given};
use config::Kind;

const REST: &str = "listeners: [{ address: 0.0.0.0:8080 }]\nroutes: [{ path: /, upstream: app }]\n\
                    upstreams: { app: { endpoints: [127.0.0.1:9001] } }\n";

fn with(settings: &str) -> Given {
    given(&format!("auto_ban: {{ {settings} }}\n{REST}"))
}

#[test]
fn what_is_left_out_has_a_default() {
    with("").is_good();
    with("dry_run: true").is_good();
    with("weights: { waf: 0, auth: 3 }").is_good();
}

#[test]
fn times_do_not_contradict_each_other() {
    with("ttl: 1h, max_ttl: «10m")
        .finds(Kind::Conflict)
        .remedy("raise `max_ttl`");
    with("ttl: «2d").finds(Kind::Conflict).remedy("lower `ttl`");
    with("ttl: 1h, max_ttl: 1h").is_good();
}

#[test]
fn a_prefix_is_not_banned_for_one_client() {
    with("threshold_24: «50")
        .finds(Kind::Conflict)
        .remedy("raise `threshold_24` to 100");
    with("threshold: «300")
        .finds(Kind::Conflict)
        .remedy("threshold_64: 0");
    with("threshold_24: 0, threshold_64: 0, threshold: 300").is_good();
}

#[test]
fn somebody_can_be_banned() {
    let zero = "waf: 0, auth: 0, auth_missing: 0, auth_forbidden: 0, limit: 0, malformed: 0, slow: 0, tls: 0, proxy_header: 0";
    with(&format!("weights: «{{ {zero} }}"))
        .finds(Kind::BadValue)
        .remedy("give one a weight");
    with("escalation: «0").finds(Kind::OutOfRange);
    with("max_per_minute: «0").finds(Kind::OutOfRange);
    with("forwarded: «drop").finds(Kind::BadValue);
    with("allow: [«10.0.0]").finds(Kind::BadValue);
}
