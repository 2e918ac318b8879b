//! The gate: the XDP program on interfaces, its maps and its pins.

mod control;
mod error;
mod links;
mod load;
mod pins;
mod tables;

pub use error::AttachError;
pub(crate) use links::attach;
pub use links::{Attachment, UsedMode};

use crate::bans::Bans;
use crate::clock;
use crate::counters::Counters;
use crate::host::interfaces;
use crate::policy::GatePolicy;
use crate::privilege;
use crate::samples::Samples;
use crate::services::Services;
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, programs::ProgramError};
use control::Control;
use links::Links;
use pins::PinDir;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where and how to attach.
#[derive(Clone, Debug)]
pub struct GateSpec {
    /// Names of the interfaces. With none the programs are loaded and their maps pinned, but no packet is seen.
    pub interfaces: Vec<String>,
    /// Which attachment is good enough.
    pub mode: Mode,
    /// A folder of a BPF file system, for this instance alone. It is made, and the file system mounted, where missing.
    pub pin_dir: PathBuf,
    /// What the gate does beyond bans.
    pub policy: GatePolicy,
}

/// Which attachment is good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In the driver where it can, else generic.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Driver,
    /// Behind the driver, on every interface: slower, but it needs nothing of the driver.
    Generic,
}

/// What the program did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on to the stack.
    Pass,
    /// It is gone.
    Drop,
    /// It goes back out of the interface that it came in by.
    Send,
    /// It goes out of another interface.
    Redirect,
    /// Another of the kernel's `XDP_*` numbers, which the gate does not use.
    Other(u32),
}

/// The outcome of [`Gate::run`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// What became of the packet.
    pub action: Action,
    /// The packet as it left the program; of several runs the last.
    pub packet: Vec<u8>,
    /// The mean time of one run.
    pub duration: Duration,
}

/// Whether new connections come in a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodState {
    /// There is one now.
    pub on: bool,
    /// Floods that began since the maps were made.
    pub begun: u64,
}

/// The attached programs.
///
/// Dropping it leaves everything as it is: links and maps are pinned, drops go on, and the next [`Gate::attach`] with
/// the same pin folder adopts them. [`Gate::detach`] takes everything down.
pub struct Gate {
    ebpf: Ebpf,
    links: Links,
    counters: Counters,
    services: Services,
    control: Control,
    samples: Samples,
    bans: Bans,
    pins: PinDir,
}

impl Gate {
    /// Loads the programs, adopts what an earlier process pinned, and attaches to every interface of the spec.
    ///
    /// Bans found in the kernel join `bans`; from now on `bans` writes every change to the kernel. An adopted link
    /// switches to this program in one step, so that no packet passes between. Links to interfaces that the spec does
    /// not name are removed.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing and what to do. Links that were there before stay.
    pub fn attach(spec: &GateSpec, bans: &Bans) -> Result<Self, AttachError> {
        privilege::with(|| {
            load::check()?;
            Self::attach_in(PinDir::open(&spec.pin_dir)?, spec, bans)
        })
    }

    /// As [`Gate::attach`], beside the process that has the pin folder of the spec and gave us its lock
    /// ([`Gate::lock_file`]). The folder is ours from [`Gate::take_charge`] on.
    ///
    /// # Errors
    /// As [`Gate::attach`]. The other process should take its interfaces back then ([`Gate::retake`]).
    pub fn attach_beside(spec: &GateSpec, bans: &Bans, lock: File) -> Result<Self, AttachError> {
        privilege::with(|| Self::attach_in(PinDir::share(&spec.pin_dir, lock), spec, bans))
    }

    fn attach_in(pins: PinDir, spec: &GateSpec, bans: &Bans) -> Result<Self, AttachError> {
        let mut loaded = load::load(&pins, bans, spec.policy.table_of_sources())?;
        bans.set_allowed(&spec.policy.allow);
        loaded
            .control
            .set_policy(&spec.policy)
            .map_err(AttachError::Map)?;
        let mut links = Links::default();
        let program = program(&mut loaded.ebpf)?;
        links.sync(program, &pins, &spec.interfaces, spec.mode)?;
        loaded.services.set_ways_out(&links.ways_out())?;
        Ok(Self {
            ebpf: loaded.ebpf,
            links,
            counters: loaded.counters,
            services: loaded.services,
            control: loaded.control,
            samples: loaded.samples,
            bans: bans.clone(),
            pins,
        })
    }

    /// Attaches to these interfaces and to no others; what stays is not touched.
    ///
    /// # Errors
    /// As [`Gate::attach`]; what was attached before stays.
    pub fn set_interfaces(&mut self, interfaces: &[String], mode: Mode) -> Result<(), AttachError> {
        privilege::with(|| {
            let program = program(&mut self.ebpf)?;
            self.links.sync(program, &self.pins, interfaces, mode)
        })?;
        self.services.set_ways_out(&self.links.ways_out())?;
        Ok(())
    }

    /// Attaches to those of the interfaces that have come since: made anew, or plugged in again. Says whether there were any. What
    /// is not there is passed over; it is looked for again with the next call. Going down and up changes nothing.
    ///
    /// # Errors
    /// As [`Gate::attach`]; what was attached before stays.
    pub fn heal(&mut self, interfaces: &[String], mode: Mode) -> Result<bool, AttachError> {
        if !self.links.lacks(interfaces) {
            return Ok(false);
        }
        let present: Vec<String> = interfaces
            .iter()
            .filter(|name| interfaces::index(name).is_some())
            .cloned()
            .collect();
        self.set_interfaces(&present, mode).map(|()| true)
    }

    /// A further descriptor of the lock on the pin folder, for the process that will take our place.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn lock_file(&self) -> io::Result<File> {
        self.pins.lock_file()
    }

    /// The pin folder is this process's from now on: it unlocks the folder in the end.
    pub fn take_charge(&mut self) {
        self.pins.set_ours(true);
    }

    /// The pin folder is another process's from now on. Dropping this changes nothing of it.
    pub fn leave(&mut self) {
        self.pins.set_ours(false);
    }

    /// Puts this program back on its interfaces, after another process has failed to take our place.
    ///
    /// # Errors
    /// Where the program is not there any more.
    pub fn retake(&mut self) -> Result<(), AttachError> {
        privilege::with(|| {
            let program = program(&mut self.ebpf)?;
            self.links.retake(program, &self.pins);
            Ok(())
        })
    }

    /// Follows another policy, from the next packet on.
    ///
    /// # Errors
    /// [`AttachError::Map`] where the kernel does not take a part of it; the settings are the old ones then.
    pub fn set_policy(&mut self, policy: &GatePolicy) -> Result<(), AttachError> {
        self.bans.set_allowed(&policy.allow);
        self.control.set_policy(policy).map_err(AttachError::Map)
    }

    /// The state of floods of new connections.
    ///
    /// # Errors
    /// [`AttachError::Map`] where it cannot be read.
    pub fn flood(&self) -> Result<FloodState, AttachError> {
        let flood = self.control.flood().map_err(AttachError::Map)?;
        Ok(FloodState {
            on: flood.until_ns > clock::boot_ns(),
            begun: flood.begun,
        })
    }

    /// Says that there is a flood, for something that the programs do not see: it lasts three seconds from now at least. Only
    /// where the policy has a [`FloodPolicy`](crate::FloodPolicy) it has an effect.
    ///
    /// # Errors
    /// [`AttachError::Map`] where it cannot be written.
    pub fn declare_flood(&mut self) -> Result<(), AttachError> {
        self.control.declare_flood().map_err(AttachError::Map)
    }

    /// Samples of what was dropped.
    #[must_use]
    pub fn samples(&self) -> Samples {
        self.samples.clone()
    }

    /// The interfaces that the program is attached to.
    #[must_use]
    pub fn attachments(&self) -> Vec<Attachment> {
        self.links.attachments()
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// The L4 services.
    #[must_use]
    pub fn services(&self) -> Services {
        self.services.clone()
    }

    /// The folder with the pins.
    #[must_use]
    pub fn pin_dir(&self) -> &Path {
        self.pins.path()
    }

    /// Runs the program on a packet that was on no wire, `repeat` times over. It is counted like any other.
    ///
    /// # Errors
    /// Where the kernel refuses the packet: it must be 14 bytes at least and fit a page.
    pub fn run(&self, packet: &[u8], repeat: u32) -> Result<RunResult, AttachError> {
        run(&self.ebpf, abi::XDP_GATE, packet, repeat)
    }

    /// The kernel's number for the program at the gate, by which other programs of this host can find it.
    #[must_use]
    pub fn program_id(&self) -> Option<u32> {
        let program: &Xdp = self.ebpf.program(abi::XDP_GATE)?.try_into().ok()?;
        program.info().ok().map(|info| info.id())
    }

    /// Detaches from every interface and removes the pins. The bans stay in [`Bans`] and hold at accept.
    ///
    /// # Errors
    /// [`AttachError::Pin`] names what could not be removed.
    pub fn detach(self) -> Result<(), AttachError> {
        self.bans.unbind();
        privilege::with(|| self.pins.remove_all())
    }
}

/// Removes what an earlier process left attached and pinned, where the configuration no longer asks for a gate.
/// Says whether there was anything.
///
/// # Errors
/// [`AttachError::InUse`] where another process has it, [`AttachError::Pin`] where it cannot be removed.
pub fn remove_pins(pin_dir: &Path) -> Result<bool, AttachError> {
    if !pin_dir.is_dir() {
        return Ok(false);
    }
    privilege::with(|| PinDir::lock(pin_dir)?.remove_all())?;
    Ok(true)
}

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;
/// Bytes that a program can put in front of a packet, more than any tunnel's header needs.
const GROWTH_MAX_BYTES: usize = 256;

/// Runs a program on a packet.
pub(crate) fn run(
    ebpf: &Ebpf,
    name: &str,
    packet: &[u8],
    repeat: u32,
) -> Result<RunResult, AttachError> {
    let program = ebpf
        .program(name)
        .ok_or(AttachError::Program(ProgramError::NotLoaded))?;
    let program: &Xdp = program.try_into().map_err(AttachError::Program)?;
    let mut options = TestRunOptions::new();
    let mut out = vec![0; packet.len() + GROWTH_MAX_BYTES];
    options.data_in = Some(packet);
    options.data_out = Some(&mut out);
    options.repeat = repeat;
    let result = program.test_run(options).map_err(AttachError::Program)?;
    let out_bytes = usize::try_from(result.data_size_out).unwrap_or(usize::MAX);
    out.truncate(out_bytes);
    Ok(RunResult {
        action: match result.return_value {
            XDP_DROP => Action::Drop,
            XDP_PASS => Action::Pass,
            XDP_TX => Action::Send,
            XDP_REDIRECT => Action::Redirect,
            other => Action::Other(other),
        },
        packet: out,
        duration: result.duration,
    })
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp, AttachError> {
    let program = ebpf
        .program_mut(abi::XDP_GATE)
        .ok_or(AttachError::Program(ProgramError::NotLoaded))?;
    program.try_into().map_err(AttachError::Program)
}
