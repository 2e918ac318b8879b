//! What the admin API sees of the process that it belongs to.

use super::api::{PolicyStatus, ProcessState, SelfTestStatus, UpgradeRequest, Upgraded};
use crate::ban_lists::BanLists;
use crate::floods::GateFigures;
use crate::handover::UpgradeError;
use crate::supervisor::{Reloaded, State, Supervisor};
use config::Diagnostics;
use kernel::{Bans, CounterSample, Load};
use prometheus::Registry;
use proxy::{Generation, Offences};
use std::path::PathBuf;
use std::sync::Arc;

/// The process behind the API: a [`Supervisor`], or a pretended one in tests.
pub(crate) trait Instance: Send + Sync + 'static {
    /// How far it is.
    fn state(&self) -> ProcessState;
    /// Whether every worker runs.
    fn workers_alive(&self) -> bool;
    /// How many workers there are.
    fn workers(&self) -> usize;
    /// The I/O driver.
    fn io_name(&self) -> &'static str;
    /// The kernel path, and why.
    fn kernel_path(&self) -> String;
    /// How connections find their worker.
    fn steering(&self) -> String;
    /// How bytes move that are not HTTP.
    fn splice(&self) -> String;
    /// What each worker has to do.
    fn loads(&self) -> Vec<Load>;
    /// The configuration file.
    fn config_path(&self) -> PathBuf;
    /// What the workers serve.
    fn generation(&self) -> Arc<Generation>;
    /// The WAF policies.
    fn policies(&self) -> Vec<PolicyStatus>;
    /// The metric families that are counted as things happen.
    fn registry(&self) -> &Registry;
    /// The list of bans.
    fn bans(&self) -> &Bans;
    /// Where bans come from that lists make.
    fn ban_lists(&self) -> &BanLists;
    /// What clients did, and bans of clients that proxies name.
    fn offences(&self) -> &Offences;
    /// The counters of the XDP gate; empty without it, or where they cannot be read.
    fn packets(&self) -> Vec<CounterSample>;
    /// What the gate tells of itself beside its counters; none without one.
    fn gate_figures(&self) -> Option<GateFigures>;
    /// Samples of what the gate dropped; none without one.
    fn samples(&self) -> Option<kernel::Samples>;
    /// The L4 services, and whether the gate balances each.
    fn services(&self) -> Vec<(kernel::ServiceStatus, bool)>;
    /// What rules keep beyond a transaction, by policy.
    fn collections(&self) -> Vec<(String, waf::CollectionStats)>;
    /// Audit records that were lost, by log.
    fn audit_records_dropped(&self) -> Vec<(String, u64)>;
    /// Access lines that were lost.
    fn access_lines_dropped(&self) -> u64;
    /// Puts the configuration in force again.
    fn reload(self: Arc<Self>) -> impl Future<Output = Result<Reloaded, Diagnostics>> + Send;
    /// Lets another process take this one's place.
    fn upgrade(
        self: Arc<Self>,
        request: UpgradeRequest,
    ) -> impl Future<Output = Result<Upgraded, UpgradeError>> + Send;
    /// Opens the log files again.
    fn reopen_logs(&self);
    /// Begins to drain.
    fn drain(&self);
}

impl Instance for Supervisor {
    fn state(&self) -> ProcessState {
        match Self::state(self) {
            State::Starting => ProcessState::Starting,
            State::Serving => ProcessState::Serving,
            State::Draining => ProcessState::Draining,
        }
    }

    fn workers_alive(&self) -> bool {
        Self::workers_alive(self)
    }

    fn workers(&self) -> usize {
        Self::workers(self)
    }

    fn io_name(&self) -> &'static str {
        Self::io_name(self)
    }

    fn kernel_path(&self) -> String {
        Self::kernel_path(self)
    }

    fn steering(&self) -> String {
        Self::steering(self)
    }

    fn splice(&self) -> String {
        Self::splice(self)
    }

    fn loads(&self) -> Vec<Load> {
        let loads = &self.shared().loads;
        (0..Self::workers(self))
            .map(|worker| loads.of(worker).published())
            .collect()
    }

    fn config_path(&self) -> PathBuf {
        Self::config_path(self).to_owned()
    }

    fn generation(&self) -> Arc<Generation> {
        self.shared().generation.load_full()
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        let status = |policy: crate::build::PolicyReport| PolicyStatus {
            complete: policy.is_complete(),
            coverage: policy
                .coverage
                .categories
                .iter()
                .map(|(name, category)| (name.clone(), category.by_level.to_vec()))
                .collect(),
            self_test: policy.self_test().map(|outcome| SelfTestStatus {
                attacks: outcome.attacks,
                recognised: outcome.recognised,
                blocked: outcome.blocked,
                missed: outcome.missed.iter().map(|&name| name.to_owned()).collect(),
            }),
            name: policy.name,
            rules: policy.rules,
            detection_rules: policy.detection_rules,
        };
        Self::policies(self).into_iter().map(status).collect()
    }

    fn registry(&self) -> &Registry {
        Self::registry(self)
    }

    fn bans(&self) -> &Bans {
        Self::bans(self)
    }

    fn ban_lists(&self) -> &BanLists {
        Self::ban_lists(self)
    }

    fn offences(&self) -> &Offences {
        &self.shared().offences
    }

    fn gate_figures(&self) -> Option<GateFigures> {
        Self::gate_figures(self)
    }

    fn samples(&self) -> Option<kernel::Samples> {
        Self::samples(self)
    }

    fn packets(&self) -> Vec<CounterSample> {
        let read = self.counters().map(|counters| counters.read());
        match read {
            None => Vec::new(),
            Some(Ok(samples)) => samples,
            Some(Err(error)) => {
                tracing::warn!(%error, "packet counters are left out");
                Vec::new()
            }
        }
    }

    fn services(&self) -> Vec<(kernel::ServiceStatus, bool)> {
        Self::services(self)
    }

    fn collections(&self) -> Vec<(String, waf::CollectionStats)> {
        Self::collections(self)
    }

    fn audit_records_dropped(&self) -> Vec<(String, u64)> {
        Self::audit_records_dropped(self)
    }

    fn access_lines_dropped(&self) -> u64 {
        let target = self.shared().access_log.load();
        target.as_ref().map_or(0, |target| target.sink.dropped())
    }

    async fn reload(self: Arc<Self>) -> Result<Reloaded, Diagnostics> {
        Self::reload(&self).await
    }

    async fn upgrade(self: Arc<Self>, request: UpgradeRequest) -> Result<Upgraded, UpgradeError> {
        Self::upgrade(&self, request).await
    }

    fn reopen_logs(&self) {
        Self::reopen_logs(self);
    }

    fn drain(&self) {
        Self::drain(self);
    }
}
