//! Sets of addresses that listeners serve beside the one that they are bound to: families, overlaps.

use crate::blocks::{Listener, Protocol};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::reader::Reader;
use crate::values::AddressSet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use types::IpNet;

/// The ports that listeners have in a prefix, of UDP or not, and the lines where they say so.
type Seen = HashMap<(bool, IpNet), Vec<(RangeInclusive<u16>, u32)>>;

/// Checks the `addresses` of all listeners. A prefix may lie within another one: the longer counts. What two have in the same
/// prefix, or one has with the very address of another listener, is for nobody to decide.
pub(super) fn check(config: &Config, reader: &mut Reader<'_>) {
    let mut seen = Seen::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        for (nth, set) in listener.addresses.iter().enumerate() {
            let at = format!("listeners[{index}].addresses[{nth}]");
            let finding = family(listener, set)
                .or_else(|| port(listener, set))
                .or_else(|| taken(config, listener, set))
                .or_else(|| overlap(listener, set, &mut seen));
            if let Some(finding) = finding {
                reader.report(finding.at(at));
            }
        }
    }
}

fn family(listener: &Listener, set: &Spanned<AddressSet>) -> Option<Diagnostic> {
    let bound = listener.address.value;
    let name = |is_v4: bool| if is_v4 { "IPv4" } else { "IPv6" };
    let is_v4 = matches!(set.net, IpNet::V4(_));
    (is_v4 != bound.is_ipv4()).then(|| {
        let found = format!(
            "`{}` is {}, and `address` is {}",
            set.value,
            name(is_v4),
            name(!is_v4)
        );
        let other = if is_v4 { "127.0.0.1" } else { "[::1]" };
        Diagnostic::error(Kind::Conflict, set.span, found).remedy(format!(
            "move it to a listener with an {} address, such as `{other}:{}`",
            name(is_v4),
            bound.port()
        ))
    })
}

fn port(listener: &Listener, set: &Spanned<AddressSet>) -> Option<Diagnostic> {
    (set.ports.is_none() && listener.address.port() == 0).then(|| {
        let found = format!("`{}` has no port, and `address` has port 0", set.value);
        Diagnostic::error(Kind::BadValue, set.span, found)
            .remedy(format!("write the port: `{}:443`", set.value))
    })
}

/// A single address that another listener is bound to.
fn taken(config: &Config, listener: &Listener, set: &Spanned<AddressSet>) -> Option<Diagnostic> {
    let single = set.single()?;
    let ports = set.ports(listener.address.value);
    let other = config.listeners.iter().find(|other| {
        let bound: SocketAddr = other.address.value;
        is_udp(other) == is_udp(listener)
            && bound != listener.address.value
            && bound.ip() == single
            && ports.contains(&bound.port())
    })?;
    let found = format!(
        "`{}` has `{}`, which the listener in line {} is bound to",
        set.value, other.address.value, other.address.span.line
    );
    Some(
        Diagnostic::error(Kind::Conflict, set.span, found)
            .remedy("leave that port out of the one or the other"),
    )
}

fn overlap(listener: &Listener, set: &Spanned<AddressSet>, seen: &mut Seen) -> Option<Diagnostic> {
    let ports = set.ports(listener.address.value);
    let earlier = seen.entry((is_udp(listener), set.net)).or_default();
    let both = earlier
        .iter()
        .find(|(other, _)| other.start() <= ports.end() && ports.start() <= other.end());
    let finding = both.map(|(other, line)| {
        let (from, to) = (
            ports.start().max(other.start()),
            ports.end().min(other.end()),
        );
        let common = if from == to {
            format!("port {from}")
        } else {
            format!("ports {from} to {to}")
        };
        let found = format!("`{}` has {common} in common with line {line}", set.value);
        Diagnostic::error(Kind::Conflict, set.span, found).remedy(
            "let the one or the other have them; a longer prefix may lie within a shorter one",
        )
    });
    earlier.push((ports, set.span.line));
    finding
}

/// UDP has ports of its own.
fn is_udp(listener: &Listener) -> bool {
    listener.protocol == Protocol::Udp
}
