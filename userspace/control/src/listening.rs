//! What is opened before a generation takes effect and outlives it: the sockets of listeners, the workers on them.

use crate::build::Built;
use crate::error::StartError;
use crate::handover::Handed;
use config::{Config, Diagnostic, Diagnostics, Io, Kind, Loaded, Span};
use kernel::privilege;
use net::Driver;
use proxy::{Shared, Sockets};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Binds the listeners that are not bound yet, or takes over what was handed to this process. When one cannot be, none of the new ones is left bound.
pub(crate) fn bind_new(
    loaded: &Loaded,
    built: &Built,
    sockets: &Sockets,
    old: &[SocketAddr],
    handed: &mut Handed,
) -> Result<Vec<SocketAddr>, Diagnostics> {
    let mut bound = Vec::new();
    for plan in built
        .generation
        .listeners
        .iter()
        .filter(|plan| !old.contains(&plan.address))
    {
        if let Some(given) = handed.listener(plan.address) {
            sockets.adopt(plan, given);
        } else if let Err(error) = privilege::with(|| sockets.bind(plan)) {
            bound.iter().for_each(|address| sockets.forget(*address));
            let span = place(&loaded.config, plan.address).unwrap_or_default();
            let found = format!("`{}` cannot be listened on: {error}", plan.address);
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => "end the program that has it, or choose another port",
                io::ErrorKind::AddrNotAvailable => {
                    "`ip -brief address` shows this host's addresses"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need CAP_NET_BIND_SERVICE or root"
                }
                _ => "",
            };
            let diagnostic = Diagnostic::error(Kind::BadValue, span, found).remedy(remedy);
            return Err(loaded.report(vec![diagnostic]));
        }
        bound.push(plan.address);
    }
    Ok(bound)
}

/// Where an address that is bound stands in the configuration.
fn place(config: &Config, bound: SocketAddr) -> Option<Span> {
    config.listeners.iter().find_map(|listener| {
        let own = &listener.address;
        if own.value == bound {
            return Some(own.span);
        }
        let set = listener.addresses.iter().find(|set| {
            set.single() == Some(bound.ip()) && set.ports(own.value).contains(&bound.port())
        });
        set.map(|set| set.span)
    })
}

/// Starts the workers on the driver that was asked for, or on the best one that this host admits.
pub(crate) fn start_workers(
    io: Io,
    shared: &Arc<Shared>,
    sockets: &Arc<Sockets>,
    count: usize,
) -> Result<(proxy::Workers, &'static str), StartError> {
    let use_uring = match (io, net::Uring::probe()) {
        (Io::Epoll, _) => false,
        (Io::Auto | Io::Uring, Ok(())) => true,
        (Io::Uring, Err(error)) => return Err(StartError::Uring(error)),
        (Io::Auto, Err(error)) => {
            tracing::info!(%error, "io_uring is not available, epoll serves");
            false
        }
    };
    // Of the keeper's capabilities, workers take with them what they can need, and have none in effect.
    let started = privilege::with(|| {
        if use_uring {
            proxy::Workers::start::<net::Uring>(shared, sockets, count)
        } else {
            proxy::Workers::start::<net::Epoll>(shared, sockets, count)
        }
    });
    let name = if use_uring {
        net::Uring::NAME
    } else {
        net::Epoll::NAME
    };
    Ok((started.map_err(StartError::Workers)?, name))
}
