//! L4 services: what cannot be balanced is said, with what to write in its place.

use crate::given::{Given, given};
use config::Kind;

const REST: &str = "listeners: [{ address: 0.0.0.0:8080 }]\nroutes: [{ path: /, upstream: app }]\n\
                    upstreams: { app: { endpoints: [127.0.0.1:9001] } }\n";

fn with(lines: &str) -> Given {
    given(&format!("{lines}\n{REST}"))
}

fn with_service(settings: &str) -> Given {
    with(&format!(
        "kernel: {{ interfaces: [eth0] }}\nservices: {{ dns: {{ {settings} }} }}"
    ))
}

#[test]
fn addresses_of_services_have_a_port_and_a_protocol() {
    for (address, words) in [
        ("192.0.2.1:53", "add the protocol"),
        ("192.0.2.1:53/sctp", "`tcp` or `udp`"),
        ("192.0.2.1:0/udp", "the port"),
        ("0.0.0.0:53/udp", "the one address"),
    ] {
        let text = format!("address: «'{address}', endpoints: ['10.0.0.1:53']");
        with_service(&text).finds(Kind::BadValue).remedy(words);
    }
    with_service("address: «'dns:53/udp', endpoints: ['10.0.0.1:53']").finds(Kind::BadValue);
    with_service("address: '[2001:db8::1]:53/udp', endpoints: ['[2001:db8::2]:53']").is_good();
}

#[test]
fn modes_say_what_they_need() {
    let service = |rest: &str| with_service(&format!("address: '192.0.2.1:53/udp', {rest}"));
    service("endpoints: «[]").finds(Kind::Conflict);
    service("endpoints: ['10.0.0.1:53', «'10.0.0.1:53']")
        .finds(Kind::Conflict)
        .remedy("weight");
    service("endpoints: [«'[2001:db8::2]:53']")
        .finds(Kind::Conflict)
        .remedy("ipip");
    service("mode: «ipip, endpoints: ['10.0.0.1:53']")
        .finds(Kind::Conflict)
        .remedy("source: 10.0.0.1");
    service("mode: ipip, source: 10.0.0.9, endpoints: ['10.0.0.1:53']").is_good();
    service("mode: ipip, source: «'2001:db8::9', endpoints: ['10.0.0.1:53']").finds(Kind::Conflict);
    service("mode: l2_dsr, endpoints: [«'10.0.0.1:54']")
        .finds(Kind::Conflict)
        .remedy("mode: nat");
    service("mode: l2_dsr, source: «10.0.0.9, endpoints: ['10.0.0.1:53']")
        .finds(Kind::Conflict)
        .remedy("remove `source`");
    service("mode: nat, source: 10.0.0.9, endpoints: ['10.0.0.1:54']").is_good();
}

#[test]
fn two_services_do_not_share_an_address() {
    let two = |second: &str| {
        with(&format!(
            "kernel: {{ interfaces: [eth0] }}\nservices:\n  a: {{ address: '192.0.2.1:53/udp', endpoints: ['10.0.0.1:53'] }}\n  \
             b: {{ address: {second}, endpoints: ['10.0.0.1:53'] }}"
        ))
    };
    two("«'192.0.2.1:53/udp'")
        .finds(Kind::Conflict)
        .says("line");
    two("'192.0.2.1:53/tcp'").is_good();
    two("'192.0.2.1:54/udp'").is_good();
}

#[test]
fn only_nat_goes_without_the_gate() {
    let one = |mode: &str| {
        with(&format!(
            "services: {{ «dns: {{ address: '192.0.2.1:53/udp', {mode} endpoints: ['10.0.0.1:53'] }} }}"
        ))
    };
    one("").is_good();
    for mode in ["mode: l2_dsr,", "mode: ipip, source: 10.0.0.9,"] {
        one(mode)
            .finds(Kind::Conflict)
            .says("XDP gate")
            .remedy("kernel");
    }
}
