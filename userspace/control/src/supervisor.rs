//! The process as a whole: start, reload, drain.

use crate::access_log::{self, AccessLog};
use crate::admin::{self, Admin};
use crate::build::{self, Built, Memory, PolicyReport};
use crate::error::StartError;
use crate::kernel_path::KernelPath;
use crate::keys::KeyFetcher;
use crate::listening::{bind_new, start_workers};
use crate::probes::Probes;
use crate::upgrades::Upgrades;
use crate::watch::{self, FileTime};
use arc_swap::ArcSwap;
use config::{Change, Config, Diagnostic, Diagnostics, Io, Kind, Loaded, Workers};
use kernel::Bans;
use prometheus::Registry;
use proxy::{Metrics, Shared, Sockets};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Threads of the control plane. It waits far more than it works.
const CONTROL_THREADS: usize = 2;

/// What `bascule run` was told.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// The I/O driver, in the place of the configuration's.
    pub io: Option<Io>,
    /// The number of workers, in the place of the configuration's.
    pub workers: Option<usize>,
}

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The workers do not serve yet.
    Starting = 0,
    /// Everything runs.
    Serving = 1,
    /// No new connections; what is under way is finished.
    Draining = 2,
}

/// What a reload did.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The generation that is in force now.
    pub number: u64,
    /// What changed in the configuration.
    pub changes: Vec<Change>,
    /// What looks like a mistake in it.
    pub warnings: Diagnostics,
}

/// The running process, as the admin API and the background tasks see it.
pub struct Supervisor {
    config_path: PathBuf,
    shared: Arc<Shared>,
    sockets: Arc<Sockets>,
    registry: Registry,
    kernel: KernelPath,
    probes: Probes,
    fetcher: KeyFetcher,
    upgrades: Upgrades,
    io_name: &'static str,
    worker_count: usize,
    workers: Mutex<Option<proxy::Workers>>,
    current: Mutex<Current>,
    /// When reading the configuration began the last time.
    read_at: Mutex<FileTime>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    state: AtomicU8,
    drain: Notify,
}

/// What is in force beside the generation itself.
struct Current {
    loaded: Loaded,
    memory: Memory,
    policies: Vec<PolicyReport>,
    files: BTreeSet<PathBuf>,
    access_log: Option<AccessLog>,
    bound: Vec<SocketAddr>,
}

/// Runs the process until it has drained.
///
/// # Errors
/// What kept it from starting. Once it serves, it ends without an error.
pub fn run(options: &StartOptions) -> Result<(), StartError> {
    let read_at = FileTime::now();
    let loaded = Config::load(&options.config).map_err(StartError::Config)?;
    report(&loaded.warnings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let _inside = runtime.enter();
    // First of all: whoever has the socket is the one instance of this configuration. Sockets of listeners can be
    // shared, so a second instance would take connections away from the first.
    let admin = runtime
        .block_on(admin::bind(&options.config, &loaded.config.admin))
        .map_err(StartError::Admin)?;
    let admin = admin.serve();
    let supervisor = Supervisor::start(options, loaded, read_at)?;
    runtime.block_on(supervise(&supervisor, admin));
    Ok(())
}

/// Serves the admin API, watches files and signals, and returns when the workers have drained.
async fn supervise(supervisor: &Arc<Supervisor>, admin: Admin<Supervisor>) {
    admin.speak_for(Arc::clone(supervisor));
    let watcher = tokio::spawn(watch::files(Arc::clone(supervisor)));
    let signals = tokio::spawn(watch::signals(Arc::clone(supervisor)));
    let sweeper = tokio::spawn(watch::bans(Arc::clone(supervisor)));
    supervisor
        .state
        .store(State::Serving as u8, Ordering::Release);
    tracing::info!(
        generation = supervisor.number(),
        workers = supervisor.worker_count,
        io = supervisor.io_name,
        kernel = supervisor.kernel_path(),
        "serving"
    );
    supervisor.drain.notified().await;
    tracing::info!("draining");
    watcher.abort();
    signals.abort();
    sweeper.abort();
    let patience = supervisor.lock().loaded.config.timeouts.drain;
    // The admin API answers while connections end: whoever watches the drain wants to see it.
    let ending = Arc::clone(supervisor);
    if let Err(error) = tokio::task::spawn_blocking(move || ending.finish(patience)).await {
        tracing::error!(%error, "the drain did not come to its end");
    }
    drop(admin);
}

impl Supervisor {
    fn start(
        options: &StartOptions,
        loaded: Loaded,
        read_at: FileTime,
    ) -> Result<Arc<Self>, StartError> {
        let config = &loaded.config;
        let worker_count = options.workers.unwrap_or(match config.workers {
            Workers::Auto => net::cores().map_or(1, |cores| cores.len().max(1)),
            Workers::Count(count) => usize::from(count),
        });
        let mut built =
            build::build(&loaded, &Memory::default(), false).map_err(StartError::Config)?;
        report(&loaded.report(std::mem::take(&mut built.warnings)));
        built.install_keys();
        let sockets = Arc::new(Sockets::new(worker_count));
        let bound = bind_new(&loaded, &built, &sockets, &[]).map_err(StartError::Config)?;
        let access_log = access_log::open(&loaded, None).map_err(StartError::Config)?;
        let kernel = KernelPath::open(config.kernel.as_ref()).map_err(StartError::Bans)?;
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).map_err(StartError::Metrics)?;
        let shared = Arc::new(Shared {
            generation: ArcSwap::new(Arc::clone(&built.generation)),
            metrics,
            bans: kernel.bans().clone(),
            access_log: access_log::target(&loaded, access_log.as_ref())
                .map(Arc::new)
                .into(),
        });
        let io = options.io.unwrap_or(config.io);
        let (workers, io_name) = start_workers(io, &shared, &sockets, worker_count)?;
        let probes = Probes::new(Handle::current(), &registry).map_err(StartError::Metrics)?;
        let fetcher = KeyFetcher::new(Handle::current(), &registry).map_err(StartError::Metrics)?;
        probes.follow(std::mem::take(&mut built.probes));
        fetcher.follow(std::mem::take(&mut built.keys));
        let upgrades = Upgrades::new();
        upgrades.follow(built.rule_sets(), built.policies.clone());
        Ok(Arc::new(Self {
            config_path: options.config.clone(),
            shared,
            sockets,
            registry,
            kernel,
            probes,
            fetcher,
            upgrades,
            io_name,
            worker_count,
            workers: Mutex::new(Some(workers)),
            current: Mutex::new(Current {
                memory: built.memory().clone(),
                policies: built.policies,
                files: built.files,
                access_log,
                bound,
                loaded,
            }),
            read_at: Mutex::new(read_at),
            reloading: tokio::sync::Mutex::default(),
            state: AtomicU8::new(State::Starting as u8),
            drain: Notify::new(),
        }))
    }

    /// Reads the configuration again and puts it in force as a whole, or not at all.
    ///
    /// # Errors
    /// Everything that is wrong with it; what was in force still is.
    pub async fn reload(self: &Arc<Self>) -> Result<Reloaded, Diagnostics> {
        let _one_at_a_time = self.reloading.lock().await;
        let supervisor = Arc::clone(self);
        let outcome = tokio::task::spawn_blocking(move || supervisor.reload_now()).await;
        match outcome {
            Ok(Ok(reloaded)) => {
                report(&reloaded.warnings);
                let changes = reloaded.changes.len();
                tracing::info!(generation = reloaded.number, changes, "reloaded");
                Ok(reloaded)
            }
            Ok(Err(diagnostics)) => {
                tracing::error!("reload refused, the earlier generation stays\n{diagnostics}");
                Err(diagnostics)
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn reload_now(&self) -> Result<Reloaded, Diagnostics> {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = FileTime::now();
        let loaded = Config::load(&self.config_path)?;
        let memory = self.lock().memory.clone();
        let mut built = build::build(&loaded, &memory, false)?;
        let old = self.lock().bound.clone();
        let mut bound = bind_new(&loaded, &built, &self.sockets, &old)?;
        let prepared = self.prepare(&loaded);
        let access_log = match prepared {
            Ok(access_log) => access_log,
            Err(diagnostics) => {
                bound
                    .iter()
                    .for_each(|address| self.sockets.forget(*address));
                return Err(diagnostics);
            }
        };
        // From here on nothing can fail.
        built.install_keys();
        let generation = Arc::clone(&built.generation);
        let number = generation.number;
        bound.extend(
            old.into_iter()
                .filter(|a| generation.listeners.iter().any(|l| l.address == *a)),
        );
        let mut current = self.lock();
        let changes = config::diff(&current.loaded.config, &loaded.config);
        if let Some(opened) = access_log {
            access_log::retire(std::mem::replace(&mut current.access_log, opened));
        }
        let target = access_log::target(&loaded, current.access_log.as_ref());
        self.shared.access_log.store(target.map(Arc::new));
        self.shared.generation.store(generation);
        if let Some(workers) = &*self.workers.lock().unwrap_or_else(PoisonError::into_inner) {
            workers.reloaded(number);
        }
        self.probes.follow(std::mem::take(&mut built.probes));
        self.fetcher.follow(std::mem::take(&mut built.keys));
        self.upgrades
            .follow(built.rule_sets(), built.policies.clone());
        let warnings = loaded.report(warnings(&loaded, &mut built, &current.loaded.config));
        current.memory = built.memory().clone();
        current.policies = built.policies;
        current.files = built.files;
        current.bound = bound;
        current.loaded = loaded;
        Ok(Reloaded {
            number,
            changes,
            warnings,
        })
    }

    /// The parts of a reload that reach outside the generation and can fail. `Some` where the access log is another one
    /// than before.
    #[allow(
        clippy::type_complexity,
        reason = "an access log that changes may change to none"
    )]
    fn prepare(&self, loaded: &Loaded) -> Result<Option<Option<AccessLog>>, Diagnostics> {
        let open = self
            .lock()
            .access_log
            .as_ref()
            .map(|(path, _)| path.clone());
        let access_log = if access_log::path(loaded) == open {
            None
        } else {
            Some(access_log::open(loaded, open.as_deref())?)
        };
        self.kernel
            .follow(loaded.config.kernel.as_ref())
            .map_err(|error| {
                let span = loaded
                    .config
                    .kernel
                    .as_ref()
                    .and_then(|kernel| kernel.interfaces.first());
                let span = span.map(|interface| interface.span).unwrap_or_default();
                loaded.report(vec![Diagnostic::error(Kind::BadValue, span, error)])
            })?;
        Ok(access_log)
    }

    /// Ends the workers; a second call finds none.
    fn finish(&self, patience: Duration) {
        self.state.store(State::Draining as u8, Ordering::Release);
        let workers = self
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(workers) = workers {
            workers.drain(patience);
        }
    }

    /// Begins a graceful drain, as SIGTERM does.
    pub fn drain(&self) {
        self.state.store(State::Draining as u8, Ordering::Release);
        self.drain.notify_one();
    }

    /// Closes the log files and opens their paths again, as log rotation wants it.
    pub fn reopen_logs(&self) {
        let current = self.lock();
        if let Some((_, writer)) = &current.access_log {
            writer.sink().reopen();
        }
        current
            .memory
            .audit_logs()
            .for_each(|writer| writer.sink().reopen());
    }

    /// The audit logs that are open, by name, and the records that each of them lost.
    pub(crate) fn audit_records_dropped(&self) -> Vec<(String, u64)> {
        let current = self.lock();
        let logs = current.memory.audit_logs().map(|writer| {
            let sink = writer.sink();
            (sink.name().to_owned(), sink.dropped())
        });
        logs.collect()
    }

    /// What the workers share with us.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The metric families of the process.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The list of bans.
    #[must_use]
    pub fn bans(&self) -> &Bans {
        &self.shared.bans
    }

    /// The counters of the XDP gate, where it is attached.
    #[must_use]
    pub fn counters(&self) -> Option<kernel::Counters> {
        self.kernel.counters()
    }

    /// Which kernel path this process has, and why, in one line.
    #[must_use]
    pub fn kernel_path(&self) -> String {
        self.kernel.describe()
    }

    /// The I/O driver.
    #[must_use]
    pub fn io_name(&self) -> &'static str {
        self.io_name
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.worker_count
    }

    /// How far the process is.
    #[must_use]
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Serving,
            _ => State::Draining,
        }
    }

    /// Whether every worker runs.
    #[must_use]
    pub fn workers_alive(&self) -> bool {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.as_ref().is_some_and(proxy::Workers::all_alive)
    }

    /// The generation in force.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.shared.generation.load().number
    }

    /// The upstreams of the generation in force.
    #[must_use]
    pub fn upstreams(&self) -> Vec<Arc<balance::Upstream>> {
        let generation = self.shared.generation.load();
        generation
            .upstreams
            .iter()
            .map(|plan| Arc::clone(&plan.balancer))
            .collect()
    }

    /// The WAF policies of the generation in force.
    #[must_use]
    pub fn policies(&self) -> Vec<PolicyReport> {
        self.lock().policies.clone()
    }

    /// What rules keep beyond a transaction, by policy.
    pub(crate) fn collections(&self) -> Vec<(String, waf::CollectionStats)> {
        self.lock().memory.collections()
    }

    /// The configuration file.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// The files that the generation in force was made of, the configuration among them.
    #[must_use]
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = self.lock().files.clone();
        files.insert(self.config_path.clone());
        files
    }

    /// When reading them began the last time, whether they were put in force or not.
    pub(crate) fn read_at(&self) -> FileTime {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs warnings, each with its place.
fn report(warnings: &Diagnostics) {
    if !warnings.is_empty() {
        tracing::warn!("configuration\n{warnings}");
    }
}

/// What a reload found suspicious, and what it cannot change.
fn warnings(loaded: &Loaded, built: &mut Built, old: &Config) -> Vec<Diagnostic> {
    let mut warnings = std::mem::take(&mut built.warnings);
    let (old, new) = (old.json(), loaded.config.json());
    for key in ["workers", "io", "admin", "log.level", "log.format"] {
        let place = format!("/{}", key.replace('.', "/"));
        if old.pointer(&place) != new.pointer(&place) {
            let found = format!("`{key}` changed, which takes effect at the next start");
            warnings
                .push(Diagnostic::warning(Kind::Unused, config::Span::default(), found).at(key));
        }
    }
    warnings.extend(loaded.warnings.iter().cloned());
    warnings
}
