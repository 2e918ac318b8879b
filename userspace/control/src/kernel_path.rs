//! The kernel side of bans: the gate where it can be attached, the list alone where it cannot.

use crate::ban_lists::BanLists;
use crate::build::ServicePlan;
use crate::floods::GateFigures;
use config::{FloodAction, ForeignProgram, GateVerdict, Kernel, KernelMode};
use kernel::{
    AttachError, BanLimits, Bans, Counters, FloodPolicy, Gate, GatePolicy, GateSpec, Mode,
    RateLimit, Samples, ServiceSpec, ServiceStatus, Services, SourceLimits, UsedMode,
};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bans and, where this host allows it, the XDP gate that carries them out.
pub(crate) struct KernelPath {
    bans: Bans,
    lists: BanLists,
    gate: Mutex<Outcome>,
    services: Mutex<Balanced>,
}

/// The L4 services in force.
#[derive(Default)]
struct Balanced {
    plans: Vec<ServicePlan>,
    /// Another process is about to write to the kernel's tables, or does: this one keeps away from them.
    is_left: bool,
}

/// What became of the gate.
enum Outcome {
    Attached(Box<Gate>),
    /// Bans refuse connections at accept, for this reason.
    UserSpace(String),
}

impl KernelPath {
    /// The list of bans alone; [`KernelPath::attach`] does the rest.
    /// Ban lists are kept in a folder for the next start.
    pub(crate) fn new(kernel: Option<&Kernel>, folder: Option<PathBuf>) -> Self {
        let bans = Bans::new(kernel.map(limits).unwrap_or_default());
        Self {
            lists: BanLists::new(bans.clone(), folder),
            bans,
            gate: Mutex::new(Outcome::UserSpace("not attached yet".to_owned())),
            services: Mutex::default(),
        }
    }

    /// Attaches the gate where the configuration asks for it, and reads the ban files. A host that does not let us serves
    /// all the same, with bans in user space; the log and the status say why.
    ///
    /// In an upgrade `shared` is the pin folder of the running process with its lock. Then whatever fails is an error: who
    /// had the kernel path before must not lose it.
    pub(crate) fn attach(
        &self,
        kernel: Option<&Kernel>,
        shared: Option<(PathBuf, File)>,
    ) -> Result<(), String> {
        let outcome = match kernel {
            None => Outcome::UserSpace("`kernel` is not configured".to_owned()),
            Some(kernel) => self.attach_to(&spec(kernel), kernel.foreign, shared)?,
        };
        *self.lock() = outcome;
        self.bans
            .set_allowed(kernel.map_or(&[], |kernel| &kernel.allow));
        self.load_lists(kernel)
    }

    fn attach_to(
        &self,
        spec: &GateSpec,
        foreign: ForeignProgram,
        shared: Option<(PathBuf, File)>,
    ) -> Result<Outcome, String> {
        let is_upgrade = shared.is_some();
        let attached = match shared {
            Some((path, lock)) if path == spec.pin_dir => {
                Gate::attach_beside(spec, &self.bans, lock)
            }
            _ => displacing(foreign, &spec.interfaces, || Gate::attach(spec, &self.bans)),
        };
        match attached {
            Ok(gate) => Ok(Outcome::Attached(Box::new(gate))),
            Err(error) if is_upgrade => Err(format!("the XDP gate cannot be taken over: {error}")),
            Err(error) => {
                tracing::warn!(%error, "the XDP gate is not attached, bans work in user space");
                Ok(Outcome::UserSpace(error.to_string()))
            }
        }
    }

    /// The pin folder and its lock, for the process that will take our place; none without a gate.
    pub(crate) fn pins(&self) -> io::Result<Option<(PathBuf, File)>> {
        match &*self.lock() {
            Outcome::Attached(gate) => {
                let lock = gate.lock_file()?;
                Ok(Some((gate.pin_dir().to_owned(), lock)))
            }
            Outcome::UserSpace(_) => Ok(None),
        }
    }

    /// The pin folder is this process's alone.
    pub(crate) fn take_charge(&self) {
        if let Outcome::Attached(gate) = &mut *self.lock() {
            gate.take_charge();
        }
    }

    /// Another process has taken our place.
    pub(crate) fn leave(&self) {
        if let Outcome::Attached(gate) = &mut *self.lock() {
            gate.leave();
        }
    }

    /// Another process has failed to take our place: program, interfaces and policy are ours again.
    pub(crate) fn retake(&self, kernel: Option<&Kernel>) {
        self.lists.resume(kernel);
        let mut balanced = self.balanced();
        balanced.is_left = false;
        let (Outcome::Attached(gate), Some(kernel)) = (&mut *self.lock(), kernel) else {
            return;
        };
        let specs = in_kernel(&balanced.plans);
        let services = gate.services();
        if let Err(error) = services.read_again().and_then(|()| services.apply(&specs)) {
            tracing::error!(%error, "the L4 services are not all as they were");
        }
        let spec = spec(kernel);
        let retaken = gate
            .retake()
            .and_then(|()| gate.set_interfaces(&spec.interfaces, spec.mode))
            .and_then(|()| gate.set_policy(&spec.policy));
        if let Err(error) = retaken {
            tracing::error!(%error, "the XDP gate cannot be taken back; drops go on by the program of the new process");
        }
    }

    pub(crate) fn bans(&self) -> &Bans {
        &self.bans
    }

    pub(crate) fn counters(&self) -> Option<Counters> {
        match &*self.lock() {
            Outcome::Attached(gate) => Some(gate.counters()),
            Outcome::UserSpace(_) => None,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match &*self.lock() {
            Outcome::UserSpace(reason) => format!("user space: {reason}"),
            Outcome::Attached(gate) => {
                let places: Vec<String> = gate
                    .attachments()
                    .iter()
                    .map(|place| {
                        let mode = match place.mode {
                            UsedMode::Driver => "driver",
                            UsedMode::Generic => "generic",
                        };
                        format!("{} ({mode})", place.interface)
                    })
                    .collect();
                format!("xdp on {}", places.join(", "))
            }
        }
    }

    /// Attaches to interfaces that have come back. `refused` is what was said of the last try, so that it is said once.
    pub(crate) fn heal(&self, kernel: &Kernel, refused: &mut String) {
        let Outcome::Attached(gate) = &mut *self.lock() else {
            return;
        };
        let spec = spec(kernel);
        let healed = displacing(kernel.foreign, &spec.interfaces, || {
            gate.heal(&spec.interfaces, spec.mode)
        });
        match healed {
            Ok(false) => {}
            Ok(true) => {
                refused.clear();
                tracing::info!("an interface has come back, the XDP gate is attached to it");
            }
            Err(error) => {
                let words = error.to_string();
                if words != *refused {
                    tracing::warn!(
                        error = words,
                        "an interface has come, and the XDP gate is not attached to it"
                    );
                }
                *refused = words;
            }
        }
    }

    /// Takes over interfaces and ban files of a new configuration.
    pub(crate) fn follow(&self, kernel: Option<&Kernel>) -> Result<(), String> {
        // Files first: they are what is most likely to be wrong, and nothing has changed then.
        self.load_lists(kernel)?;
        self.bans
            .set_allowed(kernel.map_or(&[], |kernel| &kernel.allow));
        if let (Outcome::Attached(gate), Some(kernel)) = (&mut *self.lock(), kernel) {
            let spec = spec(kernel);
            displacing(kernel.foreign, &spec.interfaces, || {
                gate.set_interfaces(&spec.interfaces, spec.mode)
            })
            .and_then(|()| gate.set_policy(&spec.policy))
            .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Balances these services, and no others. What their endpoints were found to be by an earlier process holds until
    /// this one has probed them.
    pub(crate) fn balance(
        &self,
        kernel: Option<&Kernel>,
        plans: &[ServicePlan],
    ) -> Result<(), String> {
        let mut balanced = self.balanced();
        if let Outcome::Attached(gate) = &*self.lock() {
            let services = gate.services();
            if let Some(kernel) = kernel {
                services.set_flows(kernel.flows);
            }
            for plan in plans.iter().filter(|_| balanced.plans.is_empty()) {
                plan.adopt(&services);
            }
            services
                .apply(&in_kernel(plans))
                .map_err(|error| error.to_string())?;
            services.keep_neighbours();
        }
        balanced.plans = plans.to_vec();
        Ok(())
    }

    /// Has the services in the kernel follow what probes say; now and then the kernel is reminded of their endpoints.
    pub(crate) fn follow_health(&self, remind: bool) -> Result<(), String> {
        let balanced = self.balanced();
        if balanced.plans.is_empty() || balanced.is_left {
            return Ok(());
        }
        let in_user_space = balanced.plans.iter().filter(|plan| plan.is_in_user_space());
        for plan in in_user_space {
            plan.follow_in_user_space()
                .map_err(|error| error.to_string())?;
        }
        let Some(services) = self.services() else {
            return Ok(());
        };
        let applied = services
            .apply(&in_kernel(&balanced.plans))
            .map_err(|error| error.to_string());
        if remind {
            services.keep_neighbours();
        }
        applied
    }

    /// Keeps away from the tables of the services and of lists: another process is about to take them over.
    pub(crate) fn leave_services(&self) {
        self.lists.pause();
        self.balanced().is_left = true;
    }

    /// The services in the kernel; none without a gate.
    pub(crate) fn services(&self) -> Option<Services> {
        match &*self.lock() {
            Outcome::Attached(gate) => Some(gate.services()),
            Outcome::UserSpace(_) => None,
        }
    }

    /// Why there is no gate; none where there is one.
    pub(crate) fn missing(&self) -> Option<String> {
        match &*self.lock() {
            Outcome::Attached(_) => None,
            Outcome::UserSpace(reason) => Some(reason.clone()),
        }
    }

    /// Every service with what was counted of it.
    pub(crate) fn service_status(&self) -> Vec<(ServiceStatus, bool)> {
        let status = self.services().map(|services| services.status());
        let mut all: Vec<_> = status
            .and_then(Result::ok)
            .unwrap_or_default()
            .into_iter()
            .map(|status| (status, true))
            .collect();
        let balanced = self.balanced();
        let plans = balanced.plans.iter().filter(|plan| plan.is_in_user_space());
        all.extend(plans.map(|plan| (plan.status(), false)));
        all
    }

    fn balanced(&self) -> MutexGuard<'_, Balanced> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_lists(&self, kernel: Option<&Kernel>) -> Result<(), String> {
        let change = self
            .lists
            .follow(kernel)
            .map_err(|error| error.to_string())?;
        if change.added + change.removed > 0 {
            tracing::info!(
                added = change.added,
                removed = change.removed,
                "ban lists loaded"
            );
        }
        Ok(())
    }

    /// What is dropped and whether there is a flood; none without a gate, or where that cannot be read.
    pub(crate) fn gate_figures(&self) -> Option<GateFigures> {
        match &*self.lock() {
            Outcome::Attached(gate) => Some(GateFigures {
                flood: gate.flood().ok()?,
                samples: gate.samples().counts(),
            }),
            Outcome::UserSpace(_) => None,
        }
    }

    /// Samples of what the gate dropped; none without one.
    pub(crate) fn samples(&self) -> Option<Samples> {
        match &*self.lock() {
            Outcome::Attached(gate) => Some(gate.samples()),
            Outcome::UserSpace(_) => None,
        }
    }

    /// Says to the gate that there is a flood.
    pub(crate) fn declare_flood(&self) {
        if let Outcome::Attached(gate) = &mut *self.lock()
            && let Err(error) = gate.declare_flood()
        {
            tracing::warn!(%error, "the gate does not learn that the CPUs are too busy");
        }
    }

    /// Where bans come from that lists make.
    pub(crate) fn lists(&self) -> &BanLists {
        &self.lists
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of the services the gate balances.
fn in_kernel(plans: &[ServicePlan]) -> Vec<ServiceSpec> {
    let plans = plans.iter().filter(|plan| !plan.is_in_user_space());
    plans.map(ServicePlan::now).collect()
}

fn limits(kernel: &Kernel) -> BanLimits {
    BanLimits {
        addresses: kernel.bans.limit_addresses,
        prefixes: kernel.bans.limit_prefixes,
    }
}

/// Attaches; where the operator says so, in the place of others' programs.
fn displacing<T>(
    foreign: ForeignProgram,
    interfaces: &[String],
    mut attach: impl FnMut() -> Result<T, AttachError>,
) -> Result<T, AttachError> {
    let mut displaced = 0;
    loop {
        match attach() {
            Err(AttachError::Occupied { interface })
                if foreign == ForeignProgram::Replace && displaced < interfaces.len() =>
            {
                kernel::take_off(&interface)?;
                tracing::warn!(interface, "the XDP program of another was taken off");
                displaced += 1;
            }
            outcome => return outcome,
        }
    }
}

fn spec(kernel: &Kernel) -> GateSpec {
    GateSpec {
        interfaces: kernel
            .interfaces
            .iter()
            .map(|interface| interface.value.clone())
            .collect(),
        mode: match kernel.mode {
            KernelMode::Auto => Mode::Auto,
            KernelMode::Driver => Mode::Driver,
            KernelMode::Generic => Mode::Generic,
        },
        pin_dir: kernel.pin.0.clone(),
        policy: policy(kernel),
    }
}

/// What the gate does beyond bans, as the configuration says it.
fn policy(kernel: &Kernel) -> GatePolicy {
    GatePolicy {
        pass_malformed: kernel.malformed == GateVerdict::Pass,
        drop_fragments: kernel.fragments == GateVerdict::Drop,
        allow: kernel.allow.clone(),
        address: source_limits(&kernel.limits.address),
        prefix: source_limits(&kernel.limits.prefix),
        sources: kernel.limits.sources,
        flood: flood(&kernel.flood),
        sample_every: kernel.samples.every,
    }
}

/// None where nothing is called a flood.
fn flood(flood: &config::Flood) -> Option<FloodPolicy> {
    let is_asked_for = flood.new_connections.is_some() || flood.cpu.is_some();
    is_asked_for.then_some(FloodPolicy {
        new_connections: flood.new_connections,
        syn_cookies: flood.syn_cookies,
        limit: flood.otherwise == FloodAction::Limit,
    })
}

fn source_limits(limits: &config::SourceLimits) -> SourceLimits {
    let rate = |per_second: Option<u64>, least: u64| {
        per_second.map(|per_second| RateLimit {
            per_second,
            // What comes in one second may come at once.
            burst: per_second.max(least),
        })
    };
    SourceLimits {
        packets: rate(limits.packets.map(u64::from), 1),
        syns: rate(limits.syns.map(u64::from), 1),
        bytes: rate(
            limits.bytes.map(|rate| rate.bytes_per_second),
            FRAME_MAX_BYTES,
        ),
    }
}

/// The largest frame that the kernel hands over in one, segments that it joined included.
const FRAME_MAX_BYTES: u64 = 1 << 18;
