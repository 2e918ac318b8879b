//! The process as a whole: start, reload, upgrade, drain.

mod reload;
mod start;
mod upgrade;

pub use start::run;

use crate::access_log::AccessLog;
use crate::admin::AdminSockets;
use crate::ban_lists::BanLists;
use crate::build::{Memory, PolicyReport};
use crate::floods::GateFigures;
use crate::handover::successor::Prepared;
use crate::kernel_path::KernelPath;
use crate::keys::KeyFetcher;
use crate::lookup::Lookups;
use crate::probes::Probes;
use crate::steering::Steer;
use crate::upgrades::Upgrades;
use crate::watch::FileTime;
use config::{Change, Diagnostics, Io, Loaded};
use kernel::Bans;
use prometheus::Registry;
use proxy::{Leave, Shared, Sockets};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

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
    options: StartOptions,
    shared: Arc<Shared>,
    sockets: Arc<Sockets>,
    registry: Registry,
    kernel: KernelPath,
    steering: Steer,
    lookups: Lookups,
    splice: String,
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
    /// What the next process gets of the admin API; none once it has it.
    admin_sockets: Mutex<Option<AdminSockets>>,
    /// The process that has taken our place.
    successor: OnceLock<Prepared>,
    /// The admin API takes no more connections.
    admin_has_stopped: Notify,
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

impl Supervisor {
    /// Ends the workers; a second call finds none.
    fn finish(&self, patience: Duration, leave: Leave) {
        self.state.store(State::Draining as u8, Ordering::Release);
        let workers = self
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Workers close theirs as the drain begins.
        self.sockets.keep(&[]);
        if let Some(workers) = workers {
            workers.drain(patience, leave);
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

    /// What the gate tells of itself beside its counters; none without one.
    pub(crate) fn gate_figures(&self) -> Option<GateFigures> {
        self.kernel.gate_figures()
    }

    /// Samples of what the gate dropped; none without one.
    pub(crate) fn samples(&self) -> Option<kernel::Samples> {
        self.kernel.samples()
    }

    /// What the configuration calls a flood.
    pub(crate) fn flood_settings(&self) -> Option<config::Flood> {
        let current = self.lock();
        let kernel = current.loaded.config.kernel.as_ref();
        kernel.map(|kernel| kernel.flood.clone())
    }

    /// There is a flood, for the gate.
    pub(crate) fn declare_flood(&self) {
        self.kernel.declare_flood();
    }

    /// Where bans come from that lists make.
    pub(crate) fn ban_lists(&self) -> &BanLists {
        self.kernel.lists()
    }

    /// The counters of the XDP gate, where it is attached.
    #[must_use]
    pub fn counters(&self) -> Option<kernel::Counters> {
        self.kernel.counters()
    }

    /// Has the kernel's services follow the health of their endpoints.
    pub(crate) fn follow_health(&self, remind: bool) -> Result<(), String> {
        self.kernel.follow_health(remind)
    }

    /// The L4 services with their counters, and whether the gate balances them. Those that it should tell of and cannot are left
    /// out.
    pub(crate) fn services(&self) -> Vec<(kernel::ServiceStatus, bool)> {
        self.kernel.service_status()
    }

    /// Attaches the gate to interfaces that have come back.
    pub(crate) fn heal_kernel_path(&self, refused: &mut String) {
        // A reload, and an upgrade even more, has the gate to itself.
        let Ok(_no_reload) = self.reloading.try_lock() else {
            return;
        };
        let kernel = self.lock().loaded.config.kernel.clone();
        if let Some(kernel) = kernel.filter(|_| self.state() == State::Serving) {
            self.kernel.heal(&kernel, refused);
        }
    }

    /// Which kernel path this process has, and why, in one line.
    #[must_use]
    pub fn kernel_path(&self) -> String {
        self.kernel.describe()
    }

    /// How connections find their worker, and why, in one line.
    #[must_use]
    pub fn steering(&self) -> String {
        let steering = self.steering.describe();
        match self.lookups.describe() {
            Some(addresses) => format!("{steering}; addresses: {addresses}"),
            None => steering,
        }
    }

    /// How bytes move that are not HTTP, and why not otherwise.
    #[must_use]
    pub fn splice(&self) -> String {
        self.splice.clone()
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
        &self.options.config
    }

    /// The files that the generation in force was made of, the configuration among them.
    #[must_use]
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = self.lock().files.clone();
        files.insert(self.options.config.clone());
        files
    }

    /// When reading them began the last time, whether they were put in force or not.
    pub(crate) fn read_at(&self) -> FileTime {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the configuration in force.
    pub(crate) fn with_config<T>(&self, ask: impl FnOnce(&config::Config) -> T) -> T {
        ask(&self.lock().loaded.config)
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
