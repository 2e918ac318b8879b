//! The file as a whole.

use crate::block::block;
use crate::blocks::{
    Admin, AuthMethod, AutoBan, Cache, Io, Kernel, Limits, Listener, Log, Route, Service, Splice,
    Steering, Timeouts, Upstream, WafPolicy, Workers,
};
use crate::check;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind, Span};
use crate::document::{self, MAX_BYTES};
use crate::environment::{Env, Host, Pretend};
use crate::reader::{Reader, hide_line, hide_secrets};
use crate::setting::Setting;
use crate::source::Source;
use crate::values::Named;
use std::path::{Path, PathBuf};

block! {
    /// The configuration of bascule: one YAML file. What is left out is off, or has a default that is safe.
    #[check(check::whole)]
    pub struct Config {
        /// How many workers serve traffic: `auto` for one a core, or a number.
        workers: Workers = Workers::Auto;
        /// How workers do I/O.
        io: Io = Io::Auto;
        /// Which worker gets a new connection.
        steering: Steering = Steering::Auto;
        /// How bytes move that are not HTTP.
        splice: Splice = Splice::Auto;
        /// The admin API.
        admin: Admin = Admin::default();
        /// The folder where compiled rule sets are kept, so that the next start has them at once; `off`: nowhere. It and what is in
        /// it must belong to the user that runs bascule, and to nobody else. Left out: `/var/cache/bascule` for root,
        /// `bascule.cache` in the folder of this file for others.
        cache: Cache = Cache::Usual;
        /// The XDP gate. Left out: not used.
        kernel: Option<Kernel> = None;
        /// L4 services by name: balanced in the kernel, past listeners and routes.
        services: Named<Service> = Named::default();
        /// Bans that follow from what clients do. Left out: none do.
        auto_ban: Option<AutoBan> = None;
        /// Where clients connect, at least one.
        listeners: Vec<Listener>;
        /// What a client may send and hold.
        limits: Limits = Limits::default();
        /// How long each step may take.
        timeouts: Timeouts = Timeouts::default();
        /// WAF policies by name.
        waf: Named<WafPolicy> = Named::default();
        /// Ways to prove who a caller is, by name.
        auth: Named<AuthMethod> = Named::default();
        /// Which requests go where: at least one, where a listener speaks HTTP.
        routes: Vec<Route> = Vec::new();
        /// Groups of endpoints by name.
        upstreams: Named<Upstream>;
        /// What is logged, and where to.
        log: Log = Log::default();
    }
}

/// A configuration that can be used, with what it takes to report more about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What looks like a mistake or a risk.
    pub warnings: Diagnostics,
    /// The file that it was read from.
    pub source: Source,
}

impl Loaded {
    /// Findings of a later stage (rules that do not compile, routes that conflict), shown like our own.
    #[must_use]
    pub fn report(&self, findings: Vec<Diagnostic>) -> Diagnostics {
        Diagnostics::new(self.source.clone(), findings)
    }
}

impl Config {
    /// Reads the configuration from a file of this host.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
        let name = path.to_string_lossy();
        let unreadable = |found: String, remedy: &str| {
            let diagnostic =
                Diagnostic::error(Kind::Unreadable, Span::default(), found).remedy(remedy);
            Diagnostics::new(Source::new(&name, "", Vec::new()), vec![diagnostic])
        };
        let bytes = Host.read(path, MAX_BYTES as u64 + 1).map_err(|error| {
            let found = format!(
                "the configuration cannot be read: {}",
                crate::values::reason(&error)
            );
            unreadable(found, "check the path and who may read it")
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let lines = error
                .as_bytes()
                .iter()
                .take(good)
                .filter(|b| **b == b'\n')
                .count();
            unreadable(
                format!("line {} is not UTF-8", lines + 1),
                "save the file as UTF-8",
            )
        })?;
        Self::parse(&name, &text, &Host)
    }

    /// Reads the configuration from a text. `name` is the path of the file: it stands in the diagnostics, and relative
    /// paths are relative to its folder.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(name: &str, text: &str, env: &dyn Env) -> Result<Loaded, Diagnostics> {
        let folder = Path::new(name)
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        let mut reader = Reader::new(env, folder);
        let config = read(text, &mut reader);
        let (source, findings) = reader.finish(name, text);
        match config {
            Some(config) if !findings.has_errors() => Ok(Loaded {
                config,
                warnings: findings,
                source,
            }),
            _ => Err(findings),
        }
    }

    /// A name for each route, in their order: its own, or one made of methods, host and path; where two would be the
    /// same, a number follows.
    #[must_use]
    pub fn route_names(&self) -> Vec<String> {
        crate::diff::unique(self.routes.iter().map(Route::label))
    }

    /// The configuration as JSON, with all defaults filled in and secrets as references.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        Setting::json(self)
    }
}

fn read(text: &str, reader: &mut Reader<'_>) -> Option<Config> {
    if text.len() > MAX_BYTES {
        let found = format!("the file has {} bytes", text.len());
        let remedy = "put long lists (bans, rules) into files of their own";
        reader.report(
            Diagnostic::error(Kind::Unreadable, Span::default(), found)
                .expected(format!("at most {MAX_BYTES} bytes"))
                .remedy(remedy),
        );
        return None;
    }
    match document::parse(text, &mut reader.diagnostics) {
        Ok(Some(root)) if !root.is_nothing() => {
            hide_secrets(&root, false, &mut reader.masked);
            check::names(&root, reader);
            Config::read(&root, reader)
        }
        Ok(_) => {
            reader.report(
                Diagnostic::error(Kind::MissingKey, Span::default(), "the file is empty")
                    .expected("at least `listeners`, `routes` and `upstreams`")
                    .remedy("begin with the example that `bascule check --help` shows"),
            );
            None
        }
        Err(diagnostic) => {
            hide_line(text, diagnostic.span.line, &mut reader.masked);
            reader.report(diagnostic);
            None
        }
    }
}

/// Reads any text in a world where every file and variable is there: the target of the fuzzer.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_str(text: &str) -> Result<Loaded, Diagnostics> {
    Config::parse("bascule.yaml", text, &Pretend)
}

/// Where the admin socket is, if the file does not say: `/run/bascule/admin.sock` for root, `bascule.sock` next to the
/// configuration for others.
#[must_use]
pub fn default_admin_socket(config: &Path, root: bool) -> PathBuf {
    if root {
        return PathBuf::from("/run/bascule/admin.sock");
    }
    config
        .parent()
        .unwrap_or(Path::new(""))
        .join("bascule.sock")
}
