//! Prefixes and ranges of ports that listeners serve without a socket for each: sk_lookup, where this host admits it.

use config::{Config, Listener, Protocol};
use kernel::{Lookup, LookupRule, Transport};
use proxy::Sockets;
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::IpNet;

/// The sockets of listeners for datagrams, by address.
pub(crate) type DatagramSockets = HashMap<SocketAddr, Arc<[UdpSocket]>>;

/// The program, where a listener needs it.
#[derive(Default)]
pub(crate) struct Lookups {
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
enum Outcome {
    /// No listener has `addresses`.
    #[default]
    Unused,
    Serves(Box<Lookup>),
    /// Addresses are bound one by one, for this reason.
    BindsEach(String),
}

impl Lookups {
    /// Loads the program where a listener needs it and there is none yet. Gives the reason where that cannot be: addresses are to
    /// be bound one by one then.
    pub(crate) fn open(&self, config: &Config) -> Option<String> {
        let mut outcome = self.lock();
        let needed = config
            .listeners
            .iter()
            .any(|listener| !listener.addresses.is_empty());
        if needed && !matches!(*outcome, Outcome::Serves(_)) {
            *outcome = match Lookup::load() {
                Ok(lookup) => Outcome::Serves(Box::new(lookup)),
                Err(error) => Outcome::BindsEach(error.to_string()),
            };
        }
        match &*outcome {
            Outcome::BindsEach(reason) if needed => Some(reason.clone()),
            _ => None,
        }
    }

    /// Prepares what a configuration says, with the sockets of its listeners: everything that can fail.
    pub(crate) fn stage(
        &self,
        config: &Config,
        sockets: &Sockets,
        datagrams: &DatagramSockets,
    ) -> Result<(), String> {
        let Outcome::Serves(lookup) = &mut *self.lock() else {
            return Ok(());
        };
        let duplicates = sockets
            .duplicates()
            .map_err(|error| format!("the sockets of listeners cannot be duplicated: {error}"))?;
        let mut listeners = Vec::new();
        let mut rules = Vec::new();
        let wanted = config.listeners.iter().filter(|l| !l.addresses.is_empty());
        for listener in wanted {
            let (transport, bound) = (transport(listener), listener.address.value);
            let socket = match transport {
                Transport::Tcp => {
                    let found = duplicates.iter().find(|(address, _)| *address == bound);
                    found
                        .and_then(|(_, sockets)| sockets.first())
                        .map(AsFd::as_fd)
                }
                Transport::Udp => {
                    let found = datagrams.get(&bound);
                    found.and_then(|sockets| sockets.first()).map(AsFd::as_fd)
                }
            };
            let Some(socket) = socket else {
                return Err(format!("the listener {} has no socket", listener.label()));
            };
            rules.extend(listener.addresses.iter().map(|set| LookupRule {
                transport,
                net: set.net,
                ports: set.ports(bound),
                listener: Some(listeners.len()),
            }));
            listeners.push(((transport, bound), socket));
        }
        rules.extend(left_out(config, &rules));
        lookup
            .stage(&rules, &listeners)
            .map_err(|error| error.to_string())
    }

    /// Puts it in force.
    pub(crate) fn commit(&self) {
        if let Outcome::Serves(lookup) = &mut *self.lock()
            && let Err(error) = lookup.commit()
        {
            tracing::error!(%error, "the prefixes of listeners are the old ones");
        }
    }

    /// Forgets it.
    pub(crate) fn unstage(&self) {
        if let Outcome::Serves(lookup) = &mut *self.lock() {
            lookup.unstage();
        }
    }

    /// Leaves everything to the next process.
    pub(crate) fn release(&self) {
        *self.lock() = Outcome::Unused;
    }

    /// In one line, for people; none where no listener needs it.
    pub(crate) fn describe(&self) -> Option<String> {
        match &*self.lock() {
            Outcome::Unused => None,
            Outcome::Serves(lookup) => Some(match lookup.prefixes() {
                1 => "sk_lookup, 1 prefix".to_owned(),
                count => format!("sk_lookup, {count} prefixes"),
            }),
            Outcome::BindsEach(reason) => Some(format!("bound one by one: {reason}")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The very addresses that something of ours is bound to, as far as a prefix has them: they come first.
fn left_out(config: &Config, rules: &[LookupRule]) -> Vec<LookupRule> {
    let listeners = config
        .listeners
        .iter()
        .map(|listener| (transport(listener), listener.address.value));
    let admin = config.admin.address.iter();
    listeners
        .chain(admin.map(|address| (Transport::Tcp, address.value)))
        .filter(|(transport, bound)| {
            let around =
                |rule: &LookupRule| rule.transport == *transport && rule.net.contains(&bound.ip());
            !bound.ip().is_unspecified() && bound.port() != 0 && rules.iter().any(around)
        })
        .map(|(transport, bound)| LookupRule {
            transport,
            net: IpNet::from(bound.ip()),
            ports: bound.port()..=bound.port(),
            listener: None,
        })
        .collect()
}

fn transport(listener: &Listener) -> Transport {
    match listener.protocol {
        Protocol::Udp => Transport::Udp,
        _ => Transport::Tcp,
    }
}
