//! Who takes part. Each has one worker on one core, one plain and one TLS listener on loopback, keep-alive on both
//! sides without a limit on requests, no log, and adds what bascule adds to a request: who the client is, how it came,
//! and an id.

mod bascule;
mod envoy;
mod haproxy;
mod nginx;

use super::case::Case;
use super::options::Options;
use super::place::{Place, pinned};
use crate::failure::Outcome;
use crate::service::{Service, free_address};
use crate::undo::Undo;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Connections to the backend that a contestant may keep; more than there are clients.
const POOL: usize = 256;

/// A contestant that runs.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) version: String,
    listens: Listens,
    service: Service,
}

/// Where a contestant listens.
#[derive(Clone, Copy)]
struct Listens {
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Listens {
    fn choose() -> Outcome<Self> {
        Ok(Self {
            plain: free_address()?,
            tls: free_address()?,
        })
    }
}

/// How a contestant is started.
struct Recipe {
    name: &'static str,
    version: String,
    listens: Listens,
    command: Command,
}

impl Contestant {
    pub(super) fn pid(&self) -> u32 {
        self.service.pid
    }

    pub(super) fn url(&self, case: Case) -> String {
        let (scheme, address) = if case.tls {
            ("https", self.listens.tls)
        } else {
            ("http", self.listens.plain)
        };
        format!("{scheme}://{address}{}", case.path())
    }
}

/// Starts all that were asked for and are installed.
pub(super) fn start(options: &Options, place: &Place, undo: &mut Undo) -> Outcome<Vec<Contestant>> {
    let mut contestants = Vec::new();
    for (name, recipe) in recipes(options) {
        let Some(Recipe {
            name,
            version,
            listens,
            mut command,
        }) = recipe(place, name)?
        else {
            println!("{name} is not installed and takes no part");
            continue;
        };
        let log = place.folder.join(format!("{name}.log"));
        let mut service = Service::start(name, &mut command, &log, undo)?;
        service.wait_for(listens.plain)?;
        service.wait_for(listens.tls)?;
        println!("{name:<18} {version}");
        contestants.push(Contestant {
            name,
            version,
            listens,
            service,
        });
    }
    Ok(contestants)
}

type MakeRecipe = fn(&Place, &'static str) -> Outcome<Option<Recipe>>;

fn recipes(options: &Options) -> impl Iterator<Item = (&'static str, MakeRecipe)> {
    let all: [(&'static str, MakeRecipe); 6] = [
        ("nginx", nginx::recipe),
        ("haproxy", haproxy::recipe),
        ("envoy", envoy::recipe),
        ("bascule-uring", bascule::recipe),
        ("bascule-epoll", bascule::recipe),
        ("bascule-uring-waf", bascule::recipe),
    ];
    all.into_iter()
        .filter(|(name, _)| options.wants(name) && (options.waf || !name.ends_with("-waf")))
}

/// A program on the contestants' core.
fn on_its_core(place: &Place, program: &Path) -> Command {
    pinned(place.cores.contestant, program)
}
