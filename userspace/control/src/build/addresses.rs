//! What a listener serves beside the address that it is bound to: found by sk_lookup, or bound one by one where that is not to
//! be had.

use super::Site;
use config::{AddressSet, Diagnostic, Kind, Listener, Spanned};
use std::net::{IpAddr, SocketAddr};
use types::IpNet;

/// Addresses that a listener is bound to one by one, each with a socket a worker. More are an error of the configuration.
const BOUND_MAX: usize = 256;

/// The addresses that a listener has sockets for: its own first.
pub(super) fn bound(site: &mut Site<'_>, listener: &Listener) -> Option<Vec<SocketAddr>> {
    let mut bound = vec![listener.address.value];
    warn_of_routes(site, listener);
    let Some(reason) = site.before.bind_each.clone() else {
        return Some(bound);
    };
    for set in &listener.addresses {
        let Some(address) = set.single() else {
            let found = format!(
                "`{}` cannot be served without sk_lookup: {reason}",
                set.value
            );
            let remedy = "mend that, or write single addresses, which are bound one by one";
            site.error(set.span, found, remedy);
            return None;
        };
        for port in set.ports(listener.address.value) {
            let address = SocketAddr::new(address, port);
            if bound.contains(&address) {
                continue;
            }
            if bound.len() > BOUND_MAX {
                let found = format!(
                    "more than {BOUND_MAX} addresses and ports to bind one by one, since there is no sk_lookup: {reason}"
                );
                site.error(set.span, found, "mend that, or write fewer");
                return None;
            }
            bound.push(address);
        }
    }
    Some(bound)
}

/// Packets for a prefix reach no listener where the host does not take it for its own.
fn warn_of_routes(site: &mut Site<'_>, listener: &Listener) {
    for set in &listener.addresses {
        if let Some(address) = foreign(set) {
            let dev = if set.single().is_some() {
                "address"
            } else {
                "prefix"
            };
            let found = format!(
                "packets for {address} are not for this host, so `{}` gets none of them",
                set.value
            );
            let family = if address.is_ipv6() { "-6 " } else { "" };
            let remedy = format!(
                "make the {dev} local: `ip {family}route add local {} dev lo`",
                set.net
            );
            site.findings
                .push(Diagnostic::warning(Kind::Risky, set.span, found).remedy(remedy));
        }
    }
}

/// An address of a set that is not of this host; the first and the last one are looked at. Nobody has all addresses, so a
/// prefix of no length is not looked at.
fn foreign(set: &Spanned<AddressSet>) -> Option<IpAddr> {
    if set.net.prefix_len() == 0 {
        return None;
    }
    let last = match set.net {
        IpNet::V4(net) => IpAddr::V4(net.broadcast()),
        IpNet::V6(net) => IpAddr::V6(net.broadcast()),
    };
    [set.net.network(), last]
        .into_iter()
        .find(|address| matches!(kernel::is_local(*address), Ok(false)))
}
