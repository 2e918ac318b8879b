//! Another generation takes the place of the one in force.

use super::{Reloaded, Supervisor, report};
use crate::access_log::{self, AccessLog};
use crate::build::{self, Built, Memory};
use crate::handover::Handed;
use crate::listening::bind_new;
use crate::service;
use crate::watch::FileTime;
use config::{Config, Diagnostic, Diagnostics, Kind, Loaded};
use std::sync::{Arc, PoisonError};

impl Supervisor {
    /// Reads the configuration again and puts it in force as a whole, or not at all.
    ///
    /// # Errors
    /// Everything that is wrong with it; what was in force still is.
    pub async fn reload(self: &Arc<Self>) -> Result<Reloaded, Diagnostics> {
        let _one_at_a_time = self.reloading.lock().await;
        let supervisor = Arc::clone(self);
        service::reloading();
        let outcome = tokio::task::spawn_blocking(move || supervisor.reload_now()).await;
        service::ready();
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

    pub(super) fn reload_now(&self) -> Result<Reloaded, Diagnostics> {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = FileTime::now();
        let loaded = Config::load(&self.options.config)?;
        let bind_each = self.lookups.open(&loaded.config);
        let memory = self.lock().memory.clone();
        let memory = memory
            .binding_each(bind_each)
            .without_gate(self.kernel.missing());
        let mut built = build::build(&loaded, &memory, false)?;
        let old = self.lock().bound.clone();
        let mut bound = bind_new(&loaded, &built, &self.sockets, &old, &mut Handed::default())?;
        let prepared = self
            .stage_lookups(&loaded, &built)
            .and_then(|()| self.open_rest(&loaded, built.memory()));
        let access_log = match prepared {
            Ok(access_log) => access_log,
            Err(diagnostics) => {
                self.lookups.unstage();
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
        // Before the sockets go that nobody is to find any more.
        self.lookups.commit();
        self.sockets.keep(&bound);
        if let Some(workers) = &*self.workers.lock().unwrap_or_else(PoisonError::into_inner) {
            workers.reloaded(number);
        }
        self.steering.follow(&self.sockets);
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
        drop(current);
        self.follow_auto_ban();
        Ok(Reloaded {
            number,
            changes,
            warnings,
        })
    }

    fn stage_lookups(&self, loaded: &Loaded, built: &Built) -> Result<(), Diagnostics> {
        self.lookups
            .stage(&loaded.config, &self.sockets, built.memory().datagrams())
            .map_err(|error| {
                let mut listeners = loaded.config.listeners.iter();
                let set = listeners.find_map(|listener| listener.addresses.first());
                let span = set.map(|set| set.span).unwrap_or_default();
                loaded.report(vec![Diagnostic::error(Kind::BadValue, span, error)])
            })
    }

    /// The parts of a reload that reach outside the generation and can fail. `Some` where the access log is another one
    /// than before.
    #[allow(
        clippy::type_complexity,
        reason = "an access log that changes may change to none"
    )]
    fn open_rest(
        &self,
        loaded: &Loaded,
        memory: &Memory,
    ) -> Result<Option<Option<AccessLog>>, Diagnostics> {
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
            .and_then(|()| {
                let kernel = loaded.config.kernel.as_ref();
                self.kernel.balance(kernel, memory.services())
            })
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
}

/// What a reload found suspicious, and what it cannot change.
fn warnings(loaded: &Loaded, built: &mut Built, old: &Config) -> Vec<Diagnostic> {
    let mut warnings = std::mem::take(&mut built.warnings);
    let (old, new) = (old.json(), loaded.config.json());
    for key in [
        "workers",
        "io",
        "steering",
        "splice",
        "admin",
        "log.level",
        "log.format",
    ] {
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
