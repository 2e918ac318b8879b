//! From a configuration to a process that serves, and to its end.

use super::{Current, StartOptions, State, Supervisor, report};
use crate::access_log;
use crate::admin::{self, Admin};
use crate::ban_lists;
use crate::build::{self, Memory};
use crate::error::StartError;
use crate::floods;
use crate::handover::{Handed, Predecessor, service_sockets};
use crate::kernel_path::KernelPath;
use crate::keys::KeyFetcher;
use crate::listening::{bind_new, start_workers};
use crate::lookup::Lookups;
use crate::probes::Probes;
use crate::service;
use crate::splicing;
use crate::steering::Steer;
use crate::upgrades::Upgrades;
use crate::watch::{self, FileTime};
use arc_swap::ArcSwap;
use config::{Config, Loaded, Workers};
use prometheus::Registry;
use proxy::{Leave, Metrics, Offences, Shared, Sockets};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Threads of the control plane. It waits far more than it works.
const CONTROL_THREADS: usize = 2;

/// Runs the process until it has drained. With a predecessor it takes that one's place as soon as it is able to serve.
///
/// # Errors
/// What kept it from starting. Once it serves, it ends without an error.
pub fn run(options: &StartOptions, predecessor: Option<&Predecessor>) -> Result<(), StartError> {
    // Before there is a second thread: what begins from here on has few capabilities.
    if let Err(error) = kernel::privilege::shed() {
        tracing::warn!(%error, "capabilities stay in effect");
    }
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
    let mut handed = match predecessor {
        Some(predecessor) => predecessor.handed()?,
        None => service_sockets()?,
    };
    // First of all: whoever has the socket is the one instance of this configuration. Sockets of listeners can be
    // shared, so a second instance would take connections away from the first.
    let bound = runtime
        .block_on(admin::bind(
            &options.config,
            &loaded.config.admin,
            &mut handed,
        ))
        .map_err(StartError::Admin)?;
    let duplicates = bound.duplicates().map_err(StartError::Runtime)?;
    let has_admin_socket = bound.is_adopted();
    // Until it has let go, the running process answers.
    let (admin, waiting) = match predecessor {
        None => (Some(bound.serve()), None),
        Some(_) => (None, Some(bound)),
    };
    let supervisor = Supervisor::prepare(options, loaded, read_at, &mut handed)?;
    supervisor.keep_admin(Some(duplicates));
    supervisor.follow_auto_ban();
    let pins = handed.pins();
    handed.close_rest();
    if let Some(predecessor) = predecessor {
        predecessor.wait_for_go(has_admin_socket, &supervisor.shared)?;
    }
    supervisor.begin(pins)?;
    if let Some(predecessor) = predecessor {
        predecessor.take_over()?;
    }
    supervisor.kernel.take_charge();
    supervisor.steering.follow(&supervisor.sockets);
    if let Some(admin) = admin.or_else(|| waiting.map(admin::Bound::serve)) {
        runtime.block_on(supervise(&supervisor, admin));
    }
    Ok(())
}

/// Serves the admin API, watches files and signals, and returns when the workers have drained.
async fn supervise(supervisor: &Arc<Supervisor>, mut admin: Admin<Supervisor>) {
    admin.speak_for(Arc::clone(supervisor));
    let watcher = tokio::spawn(watch::files(Arc::clone(supervisor)));
    let signals = tokio::spawn(watch::signals(Arc::clone(supervisor)));
    let sweeper = tokio::spawn(watch::bans(Arc::clone(supervisor)));
    let gate = tokio::spawn(floods::watch(Arc::clone(supervisor)));
    let balancer = tokio::spawn(watch::services(Arc::clone(supervisor)));
    supervisor
        .state
        .store(State::Serving as u8, Ordering::Release);
    tracing::info!(
        generation = supervisor.number(),
        workers = supervisor.worker_count,
        io = supervisor.io_name,
        kernel = supervisor.kernel_path(),
        steering = supervisor.steering(),
        splice = supervisor.splice(),
        "serving"
    );
    service::ready();
    supervisor.drain.notified().await;
    watcher.abort();
    signals.abort();
    sweeper.abort();
    gate.abort();
    balancer.abort();
    let patience = supervisor.lock().loaded.config.timeouts.drain;
    let ending = Arc::clone(supervisor);
    let finish = |leave| tokio::task::spawn_blocking(move || ending.finish(patience, leave));
    let finished = if let Some(successor) = supervisor.successor.get() {
        tracing::info!(successor = successor.pid, "handed over, draining");
        if successor.has_admin_socket {
            admin.leave_socket();
        }
        admin.stop_accepting();
        supervisor.admin_has_stopped.notify_one();
        let finished = finish(Leave::WithNextAnswer);
        // Whoever asked for the upgrade waits for the answer.
        admin.close().await;
        finished.await
    } else {
        tracing::info!("draining");
        service::stopping();
        // The admin API answers while connections end: whoever watches the drain wants to see it.
        let finished = finish(Leave::AtOnce).await;
        admin.close().await;
        finished
    };
    if let Err(error) = finished {
        tracing::error!(%error, "the drain did not come to its end");
    }
}

fn worker_count(options: &StartOptions, workers: Workers) -> usize {
    options.workers.unwrap_or_else(|| match workers {
        Workers::Auto => net::cores().map_or(1, |cores| cores.len().max(1)),
        Workers::Count(count) => usize::from(count),
    })
}

impl Supervisor {
    /// Does everything that may take long or fail, short of the kernel path. No connection is taken yet.
    fn prepare(
        options: &StartOptions,
        loaded: Loaded,
        read_at: FileTime,
        handed: &mut Handed,
    ) -> Result<Arc<Self>, StartError> {
        let config = &loaded.config;
        let worker_count = worker_count(options, config.workers);
        let lookups = Lookups::default();
        let memory = Memory::for_workers(worker_count)
            .binding_each(lookups.open(config))
            .without_gate(no_gate(config, handed));
        let mut built = build::build(&loaded, &memory, false).map_err(StartError::Config)?;
        report(&loaded.report(std::mem::take(&mut built.warnings)));
        built.install_keys();
        let sockets = Arc::new(Sockets::new(worker_count));
        let bound = bind_new(&loaded, &built, &sockets, &[], handed).map_err(StartError::Config)?;
        lookups
            .stage(config, &sockets, built.memory().datagrams())
            .map_err(StartError::Kernel)?;
        let access_log = access_log::open(&loaded, None).map_err(StartError::Config)?;
        let kernel = KernelPath::new(
            config.kernel.as_ref(),
            ban_lists::folder(&config.cache, &options.config),
        );
        let (steering, loads) = Steer::open(config.steering, worker_count);
        let (splicing, splice) = splicing::open(config, worker_count);
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).map_err(StartError::Metrics)?;
        let shared = Arc::new(Shared {
            generation: ArcSwap::new(Arc::clone(&built.generation)),
            offences: Offences::new(&metrics, kernel.bans().clone()),
            metrics,
            bans: kernel.bans().clone(),
            loads,
            splicing,
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
            options: options.clone(),
            shared,
            sockets,
            registry,
            kernel,
            steering,
            lookups,
            splice,
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
            admin_sockets: Mutex::default(),
            successor: OnceLock::new(),
            admin_has_stopped: Notify::new(),
        }))
    }

    /// Takes over the kernel path, then connections.
    fn begin(&self, pins: Option<(PathBuf, File)>) -> Result<(), StartError> {
        let kernel = self.lock().loaded.config.kernel.clone();
        self.kernel
            .attach(kernel.as_ref(), pins)
            .map_err(StartError::Kernel)?;
        let (services, expected) = {
            let memory = &self.lock().memory;
            (memory.services().to_vec(), memory.no_gate().is_none())
        };
        if !services.is_empty() && expected != self.kernel.missing().is_none() {
            // The proxy has to balance what the gate was to, or the other way round.
            self.reload_now().map_err(StartError::Config)?;
        } else {
            self.kernel
                .balance(kernel.as_ref(), &services)
                .map_err(StartError::Kernel)?;
        }
        self.lookups.commit();
        self.recall_bans();
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *workers {
            Some(workers) => workers.serve(self.number()).map_err(StartError::Workers),
            None => Ok(()),
        }
    }
}

/// Why no gate is expected to balance services, before it was tried: without one they need sockets, which a process that
/// had none hands over.
fn no_gate(config: &Config, handed: &Handed) -> Option<String> {
    if config.kernel.is_none() {
        return Some("`kernel` is not configured".to_owned());
    }
    let mut addresses = config.services.iter().map(|entry| &entry.value.address);
    addresses
        .any(|address| handed.has_listener(address.value.socket))
        .then(|| "the process before had none".to_owned())
}
