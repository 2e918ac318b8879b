//! Who takes part. Each has one worker on one core, one plain and one TLS listener on loopback, keep-alive on both
//! sides without a limit on requests, no log, and adds what bascule adds to a request: who the client is, how it came,
//! and an id.

mod bascule;
mod envoy;
mod haproxy;
mod nginx;

use super::case::Case;
use super::options::{Options, Waf};
use super::place::{Place, pinned};
use crate::failure::Outcome;
use crate::service::{Service, free_address};
use crate::undo::Undo;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Connections to the backend that a contestant may keep; more than there are clients.
const POOL: usize = 256;
/// How long the rules of a WAF may take until they are compiled in full. Seconds on a machine that does nothing else.
const COMPILING: Duration = Duration::from_secs(300);

/// A contestant that runs.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) rules: Rules,
    listens: Listens,
    service: Service,
}

/// What a contestant inspects requests with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    None,
    /// The rules that ship with bascule.
    Shipped,
    /// The OWASP Core Rule Set.
    Crs,
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
    version: String,
    listens: Listens,
    command: Command,
    /// Whether it works as fast as it will, once it serves.
    is_ready: fn(&Place, &str) -> bool,
}

impl Contestant {
    /// The name of the same program without a WAF; none for one that has no WAF itself.
    pub(super) fn without_waf(&self) -> Option<&'static str> {
        let (name, _) = self.name.rsplit_once('-')?;
        (self.rules != Rules::None).then_some(name)
    }

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
    for (name, rules, recipe) in entrants(options) {
        let Some(recipe) = recipe(place, name, rules)? else {
            println!("{name} is not installed and takes no part");
            continue;
        };
        let Recipe {
            version,
            listens,
            mut command,
            is_ready,
        } = recipe;
        let log = place.folder.join(format!("{name}.log"));
        let mut service = Service::start(name, &mut command, &log, undo)?;
        service.wait_for(listens.plain)?;
        service.wait_for(listens.tls)?;
        service.wait_at_most(COMPILING, || is_ready(place, name))?;
        println!("{name:<18} {version}");
        contestants.push(Contestant {
            name,
            version,
            rules,
            listens,
            service,
        });
    }
    Ok(contestants)
}

type MakeRecipe = fn(&Place, &'static str, Rules) -> Outcome<Option<Recipe>>;
type Entrant = (&'static str, Rules, MakeRecipe);

fn entrants(options: &Options) -> impl Iterator<Item = Entrant> {
    let all: [Entrant; 8] = [
        ("nginx", Rules::None, nginx::recipe),
        ("nginx-crs", Rules::Crs, nginx::recipe),
        ("haproxy", Rules::None, haproxy::recipe),
        ("envoy", Rules::None, envoy::recipe),
        ("bascule-uring", Rules::None, bascule::recipe),
        ("bascule-epoll", Rules::None, bascule::recipe),
        ("bascule-uring-waf", Rules::Shipped, bascule::recipe),
        ("bascule-uring-crs", Rules::Crs, bascule::recipe),
    ];
    all.into_iter().filter(|(name, rules, _)| {
        let takes_part = match rules {
            Rules::None => true,
            Rules::Shipped => options.waf == Waf::Shipped,
            Rules::Crs => options.waf == Waf::Crs,
        };
        takes_part && options.wants(name)
    })
}

/// A program on the contestants' core.
fn on_its_core(place: &Place, program: &Path) -> Command {
    pinned(place.cores.contestant, program)
}
