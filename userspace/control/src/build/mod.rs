//! From a configuration to a generation that can serve: files are read, names resolved, rules compiled, tables built.
//! All of it happens off to the side; nothing is changed before everything has succeeded.

mod addresses;
mod audit;
mod auth;
mod file;
mod listeners;
mod routes;
mod rule_sets;
mod services;
mod upstreams;
mod user_space;
pub(crate) mod waf;

pub(crate) use rule_sets::SharedRules;
pub(crate) use services::ServicePlan;
pub use upstreams::{ProbeKind, ProbePlan};

use crate::audit_sinks::AuditPlace;
use crate::lookup::DatagramSockets;
use crate::self_test::SelfTest;
use ::auth::{KeyFile, KeySetHandle, KeyStoreHandle};
use ::rules::Coverage;
use balance::Upstream;
use config::{Config, Diagnostic, Diagnostics, Kind, Loaded, Span, WafMode};
use proxy::{Admission, Generation, LineWriter, LiveRules};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tls::Tickets;

/// A key set that is fetched by URL.
#[derive(Clone)]
pub struct KeySource {
    /// Where fetched keys are put.
    pub keys: Arc<KeySetHandle>,
    /// Where they come from.
    pub url: String,
}

/// What one WAF policy amounts to.
#[derive(Clone)]
pub struct PolicyReport {
    /// The policy's name.
    pub name: String,
    /// Rules in it.
    pub rules: usize,
    /// Of these, rules that detect something.
    pub detection_rules: usize,
    /// These by what they look for, and from which paranoia level on.
    pub coverage: Coverage,
    live: Arc<LiveRules>,
    blocks: bool,
    self_test: Arc<OnceLock<SelfTest>>,
}

impl PolicyReport {
    fn new(name: &str, live: &Arc<LiveRules>, mode: WafMode) -> Self {
        let rules = live.load();
        let stats = rules.stats();
        Self {
            name: name.to_owned(),
            rules: stats.rules,
            detection_rules: stats.detection_rules,
            coverage: Coverage::of(&rules),
            live: Arc::clone(live),
            blocks: mode == WafMode::Block,
            self_test: Arc::default(),
        }
    }

    /// What became of the attacks that the policy was tried with; `None` until it was.
    #[must_use]
    pub fn self_test(&self) -> Option<&SelfTest> {
        self.self_test.get()
    }

    /// Tries the policy, if it was not tried yet: what is of concern, and what to do.
    pub(crate) fn try_out(&self) -> Option<(String, &'static str)> {
        if self.self_test.get().is_some() {
            return None;
        }
        let outcome = self
            .self_test
            .get_or_init(|| SelfTest::of(&self.live.load()));
        outcome.concern(&self.name, self.blocks)
    }

    /// Whether everything is compiled that makes the rules fast; until then they serve on a slower path, with the same verdicts.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.live.load().lacks_databases()
    }
}

/// A generation and what belongs to it outside the data path.
pub(crate) struct Built {
    /// What the workers serve.
    pub generation: Arc<Generation>,
    /// Endpoints to probe.
    pub probes: Vec<ProbePlan>,
    /// Keys to fetch.
    pub keys: Vec<KeySource>,
    /// The WAF policies.
    pub policies: Vec<PolicyReport>,
    /// Files that the generation was made of: when one of them changes, it is time for another.
    pub files: BTreeSet<PathBuf>,
    /// What looks like a mistake.
    pub warnings: Vec<Diagnostic>,
    key_files: Vec<(Arc<KeyStoreHandle>, KeyFile)>,
    memory: Memory,
}

/// What one generation hands on to the next.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    number: u64,
    tickets: Option<Tickets>,
    /// How many workers there are: what is opened for each of them.
    workers: usize,
    /// Why `addresses` of listeners are bound one by one; none where sk_lookup finds their sockets.
    bind_each: Option<String>,
    /// Why services are balanced in user space; none where the gate does it.
    no_gate: Option<String>,
    admissions: HashMap<SocketAddr, Arc<Admission>>,
    /// Sockets for datagrams, one a worker.
    datagrams: DatagramSockets,
    upstreams: HashMap<String, Arc<Upstream>>,
    services: Vec<ServicePlan>,
    key_sets: HashMap<String, Arc<KeySetHandle>>,
    key_stores: HashMap<(String, PathBuf), Arc<KeyStoreHandle>>,
    /// By what they were made of.
    rules: HashMap<u64, Arc<SharedRules>>,
    /// What rules keep beyond a transaction, by policy: it outlives changes of the rules.
    collections: HashMap<String, Arc<::waf::Collections>>,
    audit_logs: HashMap<AuditPlace, Arc<LineWriter>>,
}

impl Memory {
    /// Of nothing, for so many workers.
    pub(crate) fn for_workers(workers: usize) -> Self {
        Self {
            workers,
            ..Self::default()
        }
    }

    /// The L4 services, in the order of the configuration.
    pub(crate) fn services(&self) -> &[ServicePlan] {
        &self.services
    }

    /// The same, on a host without sk_lookup where there is a reason.
    pub(crate) fn binding_each(self, reason: Option<String>) -> Self {
        Self {
            bind_each: reason,
            ..self
        }
    }

    /// The same, on a host without the XDP gate where there is a reason: the proxy balances services.
    pub(crate) fn without_gate(self, reason: Option<String>) -> Self {
        Self {
            no_gate: reason,
            ..self
        }
    }

    /// Why services are balanced in user space, where they are.
    pub(crate) fn no_gate(&self) -> Option<&str> {
        self.no_gate.as_deref()
    }

    /// The sockets of listeners for datagrams.
    pub(crate) fn datagrams(&self) -> &DatagramSockets {
        &self.datagrams
    }

    /// What is held of what rules keep beyond a transaction, by policy.
    pub(crate) fn collections(&self) -> Vec<(String, ::waf::CollectionStats)> {
        let mut stats: Vec<_> = self
            .collections
            .iter()
            .map(|(policy, collections)| (policy.clone(), collections.stats()))
            .collect();
        stats.sort_by(|left, right| left.0.cmp(&right.0));
        stats
    }

    /// The audit logs that are open, to be opened again after a rotation.
    pub(crate) fn audit_logs(&self) -> impl Iterator<Item = &LineWriter> {
        self.audit_logs.values().map(Arc::as_ref)
    }
}

impl Built {
    /// Lets the keys that were read count. Handles outlive generations, so this waits until the generation is sure.
    pub(crate) fn install_keys(&mut self) {
        for (store, file) in self.key_files.drain(..) {
            store.install(&file);
        }
    }

    /// The rule sets of its policies.
    pub(crate) fn rule_sets(&self) -> impl Iterator<Item = Arc<SharedRules>> {
        self.memory.rules.values().map(Arc::clone)
    }

    /// What the next generation is built with.
    #[must_use]
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// What is being built, and what was found wrong on the way.
struct Site<'c> {
    config: &'c Config,
    /// The file of the configuration.
    path: &'c Path,
    before: &'c Memory,
    after: Memory,
    files: BTreeSet<PathBuf>,
    findings: Vec<Diagnostic>,
    key_files: Vec<(Arc<KeyStoreHandle>, KeyFile)>,
    /// Whether logs are opened: a mere check leaves no files behind.
    dry: bool,
}

impl Site<'_> {
    fn error(&mut self, span: Span, found: impl Into<String>, remedy: impl Into<String>) {
        self.findings
            .push(Diagnostic::error(Kind::BadValue, span, found).remedy(remedy));
    }

    fn file_error(&mut self, span: Span, found: impl Into<String>, remedy: impl Into<String>) {
        self.findings
            .push(Diagnostic::error(Kind::File, span, found).remedy(remedy));
    }

    fn warning(&mut self, span: Span, found: impl Into<String>, remedy: impl Into<String>) {
        self.findings
            .push(Diagnostic::warning(Kind::File, span, found).remedy(remedy));
    }
}

/// Builds a generation. `before` is what the last one handed on; the first one gets a default.
///
/// Blocks: it reads files, resolves names and compiles rules. With `dry`, nothing is opened for writing.
///
/// # Errors
/// Everything that is wrong, each with its place in the configuration.
pub(crate) fn build(loaded: &Loaded, before: &Memory, dry: bool) -> Result<Built, Diagnostics> {
    let mut site = Site {
        config: &loaded.config,
        path: Path::new(loaded.source.name()),
        before,
        after: Memory {
            number: before.number + 1,
            workers: before.workers,
            bind_each: before.bind_each.clone(),
            no_gate: before.no_gate.clone(),
            ..Memory::default()
        },
        files: BTreeSet::new(),
        findings: Vec::new(),
        key_files: Vec::new(),
        dry,
    };
    let mut listeners = listeners::build(&mut site);
    let mut datagrams = listeners::datagrams(&mut site);
    let (mut upstreams, mut probes) = upstreams::build(&mut site);
    probes.extend(services::build(&mut site));
    let parts = user_space::build(&mut site, upstreams.len());
    listeners.extend(parts.listeners);
    datagrams.extend(parts.datagrams);
    upstreams.extend(parts.upstreams);
    let (policies, reports) = waf::build(&mut site);
    let (methods, keys) = auth::build(&mut site);
    let routes = routes::build(&mut site, &policies, &methods);
    let has_errors = site
        .findings
        .iter()
        .any(|finding| finding.severity == config::Severity::Error);
    match (routes, has_errors) {
        (Some((table, routes)), false) => Ok(Built {
            generation: Arc::new(Generation {
                number: site.after.number,
                listeners,
                datagrams,
                table,
                routes,
                upstreams,
            }),
            probes,
            keys,
            policies: reports,
            files: site.files,
            warnings: site.findings,
            key_files: site.key_files,
            memory: site.after,
        }),
        _ => Err(loaded.report(site.findings)),
    }
}
