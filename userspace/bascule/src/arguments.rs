//! What can be typed.

pub(crate) mod rules;

use crate::duration;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration that is used where none is named.
const DEFAULT_CONFIG: &str = "/etc/bascule/bascule.yaml";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed; the message says why
  2  wrong usage
  3  the configuration is invalid, or the rules are
  4  no bascule is running where it was looked for
  5  verdicts change (bascule replay)";

const SMALLEST: &str = "\
The smallest configuration that is of use:

  listeners: [{ address: 0.0.0.0:8080 }]
  routes:    [{ path: /, upstream: app }]
  upstreams: { app: { endpoints: [127.0.0.1:9001, 127.0.0.1:9002] } }

Exit codes: 0 valid, 3 invalid; warnings do not count.";

/// Load balancer, web application firewall and API gate for Linux hosts.
#[derive(Debug, Parser)]
#[command(name = "bascule", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM, then finish what is under way and end.
    ///
    /// SIGHUP puts the configuration in force again and opens log files again, SIGUSR1 opens log files again. A changed
    /// file is noticed by itself.
    #[command(
        after_help = "Environment:\n  BASCULE_LOG  what is logged, in the place of `log.level`: `debug`, `info,proxy=debug`"
    )]
    Run(Run),
    /// Check a configuration and everything that it names, and say what this host makes of it.
    #[command(after_help = SMALLEST)]
    Check(ConfigFile),
    /// Put the configuration in force again: as a whole, or not at all.
    Reload(Place),
    /// Show what the running instance does: endpoints, bans, the kernel path.
    Status(Place),
    /// Replace the running process by this program, without a lost connection.
    ///
    /// The new process reads the configuration, takes over the listening sockets, the admin socket, the bans and the XDP gate,
    /// and serves; then the old one takes no new connections, finishes what is under way and ends. Where the new one does not
    /// get so far, the old one goes on as if nothing had happened, and the reason is told.
    Upgrade(Upgrade),
    /// Take no new connections, finish what is under way, end.
    Drain(Drain),
    /// Ban addresses and prefixes, on the running instance.
    #[command(subcommand)]
    Ban(Ban),
    /// Make, list and revoke API keys. Works on the file; a running instance takes the change over by itself.
    #[command(subcommand)]
    Key(Key),
    /// Check, test, explain and measure rules. Works on files, without a running instance.
    #[command(subcommand)]
    Rules(rules::Rules),
    Replay(rules::Replay),
    /// Install the OWASP Core Rule Set.
    #[command(subcommand)]
    Crs(rules::Crs),
    /// On an endpoint: take packets out of the tunnels of a balancer, until SIGTERM.
    ///
    /// For services with `mode: ipip`. The kernel needs no tunnel device for it; the endpoint has the service's address itself, on
    /// `lo`, and answers clients directly. Needs root, or CAP_BPF and CAP_NET_ADMIN.
    Unwrap(Unwrap),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print the version.
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long, short, env = "BASCULE_CONFIG", default_value = DEFAULT_CONFIG)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// How workers do I/O, in the place of the configuration's `io`.
    #[arg(long)]
    pub(crate) io: Option<Io>,
    /// How many workers there are, in the place of the configuration's `workers`.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(config::MAX_WORKERS)))]
    pub(crate) workers: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Io {
    /// io_uring where the kernel admits it, else epoll.
    Auto,
    /// io_uring, or do not start.
    Uring,
    /// epoll.
    Epoll,
}

/// Where the running instance is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The admin socket of the running instance. Left out: the one that its configuration has.
    #[arg(long, env = "BASCULE_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The program that takes over. Left out: the one that this command is.
    #[arg(long)]
    pub(crate) program: Option<PathBuf>,
    /// How long it may take until it is able to serve: 90s, 5m. It may have rules to compile.
    #[arg(long, value_parser = duration::parse, default_value = "2m")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Unwrap {
    /// The interfaces that packets of tunnels come in by.
    #[arg(required = true)]
    pub(crate) interfaces: Vec<String>,
    /// Where tunnels begin: the `source` of the services. Packets in tunnels from elsewhere are left alone.
    #[arg(long, required = true, value_name = "ADDRESS")]
    pub(crate) from: Vec<IpAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// Wait until it has ended.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ban {
    /// Ban an address or a prefix; one that is banned already gets the new time and reason.
    Add {
        /// 203.0.113.7, 203.0.113.0/24, 2001:db8::/32
        target: String,
        /// How long: 90s, 10m, 1h, 7d. Left out: without end.
        #[arg(long, value_parser = duration::parse)]
        ttl: Option<Duration>,
        /// Why, for lists and logs; 36 bytes are kept.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Lift a ban, and forget what it followed from.
    #[command(visible_alias = "remove")]
    Del {
        /// The address or prefix as it was banned.
        target: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show every ban in force.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Show which bans concern an address: why, since when, how long, and how many packets they dropped; and its score.
    Show {
        /// 203.0.113.7, 2001:db8::7
        address: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show who has the highest scores from what they did (`auto_ban`), and what that was.
    Scores {
        /// How many are shown.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        #[command(flatten)]
        place: Place,
    },
    /// Put a list of bans in force under a name, in the place of what was loaded under it before. It stays over restarts.
    Load {
        /// The list: an address or a prefix on each line, `#` begins the reason. `-` reads standard input.
        file: PathBuf,
        /// The name of the list. Left out: `stdin`, or the file's name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a list of bans that was loaded.
    Unload {
        /// Its name, as `bascule ban lists` shows it.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show the ban lists: files, URLs and those that were loaded, how old they are and what is wrong with them.
    Lists {
        #[command(flatten)]
        place: Place,
    },
    /// Lift every ban, without asking. Bans from lists stay.
    Flush {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key and print it. It is shown this once: the store keeps its hash alone.
    Create {
        #[command(flatten)]
        store: Store,
        /// Who will hold it.
        #[arg(long)]
        consumer: String,
        /// A name for the key. Left out: one is made up.
        #[arg(long)]
        id: Option<String>,
        /// What it may be used for; can be given several times.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// How long it is good: 30d. Left out: for ever.
        #[arg(long, value_parser = duration::parse)]
        ttl: Option<Duration>,
        /// What the keys of a new store begin with, so that people and secret scanners recognise them; `bsc` where it is
        /// left out.
        #[arg(long)]
        prefix: Option<String>,
    },
    /// Show the keys of a store: never the keys themselves.
    List {
        #[command(flatten)]
        store: Store,
    },
    /// Revoke a key for ever.
    Revoke {
        #[command(flatten)]
        store: Store,
        /// The name of the key, as `bascule key list` shows it.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Store {
    /// The file, as `store` names it in the configuration.
    #[arg(long)]
    pub(crate) store: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_has_the_smallest_configuration_that_ships() {
        let shipped = include_str!("../../config/examples/smallest.yaml");
        for line in shipped.lines() {
            assert!(SMALLEST.contains(line), "{line}");
        }
    }
}
