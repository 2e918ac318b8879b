//! Listeners: limits, timeouts, certificates.

use super::{Site, addresses};
use config::{AcceptProxy, InputFile, Limits, Listener, Protocol, Tls, TlsVersion};
use http::h1::{HeadLimits, LengthBesideCoding};
use proxy::{
    Access, AdmissionLimits, DatagramPlan, FrontLimits, FrontTimeouts, HeaderSenders, Layer4Plan,
    ListenerPlan, Names, Service,
};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use tls::{Certificate, Policy, ServerSide, ServerSpec, Tickets};
use types::Secret;

pub(super) fn build(site: &mut Site<'_>) -> Vec<Arc<ListenerPlan>> {
    let config = site.config;
    config
        .listeners
        .iter()
        .filter(|listener| listener.protocol != Protocol::Udp)
        .filter_map(|listener| plans(site, listener))
        .flatten()
        .collect()
}

/// One plan for each address that the listener is bound to: they are the same in everything else.
fn plans(site: &mut Site<'_>, listener: &Listener) -> Option<Vec<Arc<ListenerPlan>>> {
    let bound = addresses::bound(site, listener)?;
    let plan = plan(site, listener)?;
    let at = |address| {
        Arc::new(ListenerPlan {
            address,
            ..plan.clone()
        })
    };
    Some(bound.into_iter().map(at).collect())
}

/// Listeners for datagrams. Their sockets are bound here: they are few, and kept over reloads with the rest of the memory.
pub(super) fn datagrams(site: &mut Site<'_>) -> Vec<DatagramPlan> {
    let config = site.config;
    config
        .listeners
        .iter()
        .filter(|listener| listener.protocol == Protocol::Udp)
        .filter_map(|listener| datagram_plans(site, listener))
        .flatten()
        .collect()
}

fn datagram_plans(site: &mut Site<'_>, listener: &Listener) -> Option<Vec<DatagramPlan>> {
    let config = site.config;
    let name = listener.upstream.as_ref()?;
    let upstream = config.upstreams.index(name.as_str())?;
    let bound = addresses::bound(site, listener)?;
    let at = |address: SocketAddr| {
        Some(DatagramPlan {
            name: listener.label().into(),
            address,
            sockets: datagram_sockets(site, listener, address)?,
            upstream,
            access: Access {
                allow: listener.allow.clone(),
                deny: listener.deny.clone(),
            },
            sessions: config.limits.with(&listener.limits).udp_sessions as usize,
            idle: listener.timeouts.idle.unwrap_or(config.timeouts.udp_idle),
            lifetime: listener.timeouts.lifetime,
        })
    };
    bound.into_iter().map(at).collect()
}

/// One socket a worker. A mere check binds none.
pub(super) fn datagram_sockets(
    site: &mut Site<'_>,
    listener: &Listener,
    address: SocketAddr,
) -> Option<Arc<[UdpSocket]>> {
    let sockets = match site.before.datagrams.get(&address) {
        Some(sockets) => Arc::clone(sockets),
        None if site.dry => Arc::default(),
        None => {
            let opened = (0..site.before.workers)
                .map(|_| kernel::privilege::with(|| net::open_datagrams(address)))
                .collect::<io::Result<Vec<_>>>();
            match opened {
                Ok(sockets) => sockets.into(),
                Err(error) => {
                    let found = format!("`{address}` (UDP) cannot be listened on: {error}");
                    let remedy = "end the program that has it, or choose another port";
                    site.error(listener.address.span, found, remedy);
                    return None;
                }
            }
        }
    };
    site.after.datagrams.insert(address, Arc::clone(&sockets));
    Some(sockets)
}

pub(super) fn plan(site: &mut Site<'_>, listener: &Listener) -> Option<ListenerPlan> {
    let address = listener.address.value;
    let limits = site.config.limits.with(&listener.limits);
    let admission = site
        .before
        .admissions
        .get(&address)
        .cloned()
        .unwrap_or_default();
    site.after
        .admissions
        .insert(address, Arc::clone(&admission));
    let tls = match &listener.tls {
        Some(tls) => Some(server_side(site, listener, tls)?),
        None => None,
    };
    let service = service(site, listener)?;
    Some(ListenerPlan {
        name: listener.label().into(),
        address,
        service,
        headers: listener.proxy_protocol.as_ref().map(|block| HeaderSenders {
            required: block.accept == AcceptProxy::Required,
            from: block.from.clone(),
        }),
        backlog: i32::try_from(listener.backlog).unwrap_or(i32::MAX),
        tls,
        admission_limits: AdmissionLimits {
            connections: limits.connections as usize,
            connections_per_client: limits.connections_per_client,
        },
        admission,
        access: Access {
            allow: listener.allow.clone(),
            deny: listener.deny.clone(),
        },
        trusted_proxies: listener.trusted_proxies.clone(),
        limits: front_limits(&limits, listener.length_beside_coding),
        timeouts: front_timeouts(site),
    })
}

/// What becomes of the connections of a listener.
fn service(site: &mut Site<'_>, listener: &Listener) -> Option<Service> {
    let config = site.config;
    if listener.protocol == Protocol::Http {
        return Some(Service::Http);
    }
    let mut names = Names::default();
    for route in &listener.sni {
        // An unknown name is an error of the configuration already.
        let upstream = config.upstreams.index(route.upstream.as_str())?;
        for host in &route.host.0 {
            if !names.add(&host.value.to_string(), upstream) {
                let found = format!("`{}` stands in `sni` twice", host.value);
                site.error(host.span, found, "remove one");
                return None;
            }
        }
    }
    let upstream = match &listener.upstream {
        Some(name) => Some(config.upstreams.index(name.as_str())?),
        None => None,
    };
    Some(Service::Layer4(Layer4Plan {
        passthrough: listener.protocol == Protocol::TlsPassthrough,
        names,
        upstream,
        idle: listener.timeouts.idle.unwrap_or(config.timeouts.tcp_idle),
        lifetime: listener.timeouts.lifetime,
    }))
}

fn front_limits(limits: &Limits, both: config::LengthBesideCoding) -> FrontLimits {
    FrontLimits {
        head: HeadLimits {
            head_bytes: limits.header_bytes.bytes(),
            header_count: usize::from(limits.header_count),
            uri_bytes: limits.uri_bytes.bytes(),
            length_beside_coding: match both {
                config::LengthBesideCoding::Refuse => LengthBesideCoding::Refuse,
                config::LengthBesideCoding::Drop => LengthBesideCoding::Drop,
            },
            ..HeadLimits::default()
        },
        requests_per_connection: u64::from(limits.requests_per_connection),
        pipelined_requests: u32::from(limits.pipelined_requests),
    }
}

fn front_timeouts(site: &Site<'_>) -> FrontTimeouts {
    let timeouts = &site.config.timeouts;
    FrontTimeouts {
        header: timeouts.header,
        body: timeouts.body_idle,
        body_rate: timeouts.body_min_rate.bytes_per_second,
        idle: timeouts.idle,
        send: timeouts.send,
    }
}

fn server_side(site: &mut Site<'_>, listener: &Listener, tls: &Tls) -> Option<ServerSide> {
    let certificates = tls
        .certificates
        .iter()
        .map(|pair| certificate(site, &pair.cert, &pair.key))
        .collect::<Option<Vec<_>>>()?;
    let policy = match tls.lowest_version() {
        TlsVersion::Tls12 => Policy::Intermediate,
        TlsVersion::Tls13 => Policy::Modern,
    };
    let tickets = if tls.tickets {
        Some(tickets(site)?)
    } else {
        None
    };
    match ServerSide::new(&ServerSpec {
        certificates,
        policy,
        tickets,
        protocols: match listener.protocol {
            Protocol::Http => vec![b"http/1.1".to_vec()],
            // Whoever is behind us speaks what it speaks.
            _ => Vec::new(),
        },
    }) {
        Ok(side) => Some(side),
        Err(error) => {
            site.error(listener.address.span, error.to_string(), "");
            None
        }
    }
}

/// One set of ticket keys for all listeners and generations, so that clients resume across a reload.
fn tickets(site: &mut Site<'_>) -> Option<Tickets> {
    let kept = site
        .after
        .tickets
        .clone()
        .or_else(|| site.before.tickets.clone());
    let tickets = match kept.map_or_else(Tickets::new, Ok) {
        Ok(tickets) => tickets,
        Err(error) => {
            site.error(
                config::Span::default(),
                format!("no ticket keys: {error}"),
                "",
            );
            return None;
        }
    };
    site.after.tickets = Some(tickets.clone());
    Some(tickets)
}

fn certificate(site: &mut Site<'_>, chain: &InputFile, key: &InputFile) -> Option<Certificate> {
    let (pem, secret) = (
        site.read(&chain.path, chain.span),
        site.read(&key.path, key.span),
    );
    match Certificate::from_pem(&pem?, &Secret::new(secret?)) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            let found = format!(
                "`{}` with `{}`: {error}",
                chain.path.display(),
                key.path.display()
            );
            site.file_error(chain.span, found, "");
            None
        }
    }
}
