//! Why the gate cannot stand.

use crate::bans::BanError;
use crate::services::ServiceError;
use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use std::io;
use std::path::PathBuf;

/// Why the programs were not attached. Traffic flows as before; bans hold at accept only.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The binary has no BPF programs in it.
    #[error(
        "built without the BPF programs; install an eBPF toolchain (`cargo xtask setup kernel`) and build again"
    )]
    NotBuilt,
    /// The process may not load programs.
    #[error("missing {missing}; run as root, or grant them (AmbientCapabilities= of the service)")]
    NotPermitted {
        /// The capabilities, or root.
        missing: String,
    },
    /// The kernel lacks something that the programs use.
    #[error("kernel {found} is too old; the programs need {needed}")]
    KernelTooOld {
        /// The kernel's release.
        found: String,
        /// The oldest release that will do.
        needed: &'static str,
    },
    /// There is no such interface in this network namespace.
    #[error("no interface `{name}`; there are: {present}")]
    NoInterface {
        /// The name in the configuration.
        name: String,
        /// The names that there are.
        present: String,
    },
    /// The pin folder is not on a BPF file system.
    #[error("{} is not on a BPF file system, and none can be mounted: {error}; run `mount -t bpf bpf /sys/fs/bpf`", path.display())]
    NoBpffs {
        /// The pin folder.
        path: PathBuf,
        /// Why mounting failed.
        error: io::Error,
    },
    /// The pin folder, or the one that is to hold it, is not open to this user.
    #[error(
        "{} is not open to this user, who cannot pin maps there; as root, `chmod o+x /sys/fs/bpf` and `install -d -o USER -m 700 \
         /sys/fs/bpf/bascule`, or run as root",
        folder.display()
    )]
    PinsClosed {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process has the pin folder.
    #[error("{} belongs to another running instance; stop it, or give this one a pin folder of its own", path.display())]
    InUse {
        /// The pin folder.
        path: PathBuf,
    },
    /// The pinned maps are of another version.
    #[error(
        "the maps in {} are of version {found}, this program's of {expected}; run the version that made them and \
         `bascule ban list` to save its bans, stop it, remove the folder and start again",
        path.display()
    )]
    AbiMismatch {
        /// The pin folder.
        path: PathBuf,
        /// The version found there; 0 where it cannot be told.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// A pin or its folder cannot be read, made or removed.
    #[error("{}: {error}", path.display())]
    Pin {
        /// The pin or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another program is attached to the interface.
    #[error(
        "another XDP program is on `{interface}` (`bpftool net` names it); stop what attached it, leave the interface out, or set \
         `kernel.foreign: replace`"
    )]
    Occupied {
        /// The interface.
        interface: String,
    },
    /// The program of another cannot be taken off the interface.
    #[error(
        "the XDP program on `{interface}` cannot be replaced: {error}; where a BPF link holds it (`bpftool link`), only the process that \
         made the link can let go: stop it"
    )]
    Held {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        error: io::Error,
    },
    /// The interface takes the program in none of the modes that were allowed.
    #[error("`{interface}` does not take an XDP program: {attempts}")]
    Refused {
        /// The interface.
        interface: String,
        /// Each mode with the kernel's answer.
        attempts: String,
    },
    /// More workers than connections can be steered to.
    #[error("{found} workers, connections are steered to {limit} at most; set `workers`")]
    TooManyWorkers {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: u32,
    },
    /// The map of loads cannot be brought into our memory.
    #[error("the loads of workers cannot be shared with the kernel: {0}")]
    Loads(#[source] io::Error),
    /// The kernel does not describe itself, or not as it should.
    #[error("{0}; the kernel has to be built with CONFIG_DEBUG_INFO_BTF")]
    NoBtf(String),
    /// The map of connections that are relayed cannot be brought into our memory.
    #[error("connections cannot be shared with the kernel: {0}")]
    Sides(#[source] io::Error),
    /// The object cannot be loaded.
    #[error("the BPF object cannot be loaded: {0}")]
    Load(#[source] Box<EbpfError>),
    /// The kernel refused the program.
    #[error("the kernel refused a BPF program: {0}")]
    Program(#[source] ProgramError),
    /// A map cannot be used.
    #[error("a BPF map cannot be used: {0}")]
    Map(#[source] MapError),
    /// The bans cannot be brought into the kernel.
    #[error(transparent)]
    Bans(#[from] BanError),
    /// The services that an earlier process left cannot be taken over.
    #[error(transparent)]
    Services(#[from] ServiceError),
}
