//! The next process takes the place of this one.

use super::{State, Supervisor};
use crate::admin::{AdminSockets, UpgradeRequest, Upgraded};
use crate::handover::UpgradeError;
use crate::handover::successor::{Estate, Prepared, Successor};
use crate::service;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long the next process may take to prepare itself, where nobody says: rules may have to be compiled.
const PATIENCE: Duration = Duration::from_secs(120);

impl Supervisor {
    /// Starts the next process and leaves the service to it once it serves; then this one drains. Nothing changes where it
    /// does not come so far.
    ///
    /// # Errors
    /// Why this process goes on.
    pub async fn upgrade(
        self: &Arc<Self>,
        request: UpgradeRequest,
    ) -> Result<Upgraded, UpgradeError> {
        let _no_reload = self.reloading.lock().await;
        let supervisor = Arc::clone(self);
        let outcome = blocking(move || supervisor.start_successor(&request)).await;
        let (successor, prepared) = outcome.inspect_err(|error| {
            tracing::error!(%error, "upgrade refused");
        })?;
        self.hand_over(&prepared).await;
        blocking(move || successor.let_go()).await;
        Ok(Upgraded {
            pid: prepared.pid,
            version: prepared.version,
            previous_pid: std::process::id(),
            drain_seconds: self.lock().loaded.config.timeouts.drain.as_secs(),
        })
    }

    /// Comes back when the next process takes connections.
    fn start_successor(
        &self,
        request: &UpgradeRequest,
    ) -> Result<(Successor, Prepared), UpgradeError> {
        let state = self.state();
        if state != State::Serving {
            let state = match state {
                State::Starting => "starting",
                _ => "draining",
            };
            return Err(UpgradeError::NotServing { state });
        }
        let io = |doing| move |error| UpgradeError::Io { doing, error };
        let program = match &request.program {
            Some(program) => program.clone(),
            None => this_program().map_err(io("finding this program"))?,
        };
        let patience = request
            .timeout_seconds
            .map_or(PATIENCE, Duration::from_secs);
        let estate = self.estate().map_err(io("duplicating the sockets"))?;
        tracing::info!(program = %program.display(), "the next process is started");
        let mut successor = Successor::start(&program, &self.arguments(), patience)?;
        let prepared = successor.prepare(&estate, || self.state() == State::Serving)?;
        self.kernel.leave_services();
        if let Err(error) = successor.go(&self.shared) {
            // It must not touch the kernel path any more when we take it back.
            drop(successor);
            let kernel = self.lock().loaded.config.kernel.clone();
            self.kernel.retake(kernel.as_ref());
            return Err(error);
        }
        Ok((successor, prepared))
    }

    /// From here on there is no way back.
    async fn hand_over(&self, prepared: &Prepared) {
        self.kernel.leave();
        self.steering.release();
        self.lookups.release();
        self.keep_admin(None);
        service::main_process(prepared.pid);
        // The state first: whoever is woken looks at it.
        self.state.store(State::Draining as u8, Ordering::Release);
        let _ = self.successor.set(prepared.clone());
        self.drain.notify_one();
        self.admin_has_stopped.notified().await;
    }

    /// Keeps what the next process will get of the admin API.
    pub(super) fn keep_admin(&self, sockets: Option<AdminSockets>) {
        *self
            .admin_sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = sockets;
    }

    fn estate(&self) -> io::Result<Estate> {
        let admin = self
            .admin_sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(AdminSockets::try_clone)
            .transpose()?;
        Ok(Estate {
            listeners: self.sockets.duplicates()?,
            admin,
            pins: self.kernel.pins()?,
        })
    }

    /// What this process was started with.
    fn arguments(&self) -> Vec<String> {
        let options = &self.options;
        let mut arguments = vec![
            "run".to_owned(),
            "--config".to_owned(),
            options.config.to_string_lossy().into_owned(),
        ];
        if let Some(io) = options.io {
            arguments.extend(["--io".to_owned(), io.name().to_owned()]);
        }
        if let Some(workers) = options.workers {
            arguments.extend(["--workers".to_owned(), workers.to_string()]);
        }
        arguments
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Where this program is, or what has been put in its place.
fn this_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // The kernel says so of a file that was replaced (proc(5)).
    let replaced = path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"));
    Ok(replaced.map_or_else(|| path.clone(), |path| Path::new(path).to_owned()))
}
