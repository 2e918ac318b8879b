//! What this host can do for the kernel path.

mod addresses;
pub(crate) mod bpffs;
mod foreign;
pub(crate) mod interfaces;
mod netdev;
mod routes;

pub use foreign::take_off;
pub use routes::is_local;

pub use addresses::own_addresses;

use crate::gate::AttachError;
use crate::object::OBJECT;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The oldest kernel: it has XDP links, boot-clock helpers and programs that take packets in pieces, and lets a process without
/// capabilities write to maps that it has open.
const KERNEL_MIN: (u32, u32) = (5, 19);
const KERNEL_MIN_NAME: &str = "5.19";

/// Numbers of capabilities in /proc/thread-self/status.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// What the host offers, and so which path it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// The kernel's release.
    pub kernel: String,
    /// It is new enough.
    pub kernel_fits: bool,
    /// The capabilities that the process lacks; empty where it may load and attach.
    pub missing_capabilities: Vec<&'static str>,
    /// The pin folder is on a BPF file system, or will be: one can be mounted.
    pub bpffs: BpfFs,
    /// The kernel describes its own types.
    pub btf: bool,
    /// The kernel compiles BPF programs; without it they are interpreted, several times slower. None: cannot be told.
    pub jit: Option<bool>,
    /// Bytes of the programs in this binary; none where it was built without an eBPF toolchain.
    pub object_bytes: Option<usize>,
    /// The interfaces that were asked for.
    pub interfaces: Vec<InterfaceReport>,
}

/// The state of the BPF file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BpfFs {
    /// Mounted.
    Mounted,
    /// Not mounted; attaching mounts it.
    WillBeMounted,
    /// Not there, and not to be had.
    Missing,
    /// It is there, and this user may not write to the pin folder, or to the one that is to hold it.
    Closed(PathBuf),
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceReport {
    /// Its name.
    pub name: String,
    /// It is there.
    pub present: bool,
    /// Whether its driver runs XDP programs itself.
    pub native: NativeXdp,
}

/// Whether a driver runs XDP programs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeXdp {
    /// It says so.
    Yes,
    /// It says no: generic mode.
    No,
    /// The kernel (before 6.3) does not tell; attaching tries.
    Unknown,
}

/// The path that a host gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelPath {
    /// Bans drop packets in XDP.
    Xdp,
    /// Bans refuse connections at accept.
    UserSpace,
}

impl HostReport {
    /// Looks at the host without changing anything.
    #[must_use]
    pub fn probe(interfaces: &[String], pin_dir: &Path) -> Self {
        let kernel = kernel_release();
        let missing_capabilities = missing_capabilities();
        let bpffs = if bpffs::is_on(pin_dir) {
            bpffs::can_write(pin_dir).map_or_else(BpfFs::Closed, |()| BpfFs::Mounted)
        } else if may_mount() && bpffs::can_mount_for(pin_dir) {
            BpfFs::WillBeMounted
        } else {
            BpfFs::Missing
        };
        Self {
            kernel_fits: kernel_fits(&kernel),
            kernel,
            missing_capabilities,
            bpffs,
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            jit: jit(),
            object_bytes: OBJECT.map(<[u8]>::len),
            interfaces: interfaces.iter().map(|name| interface(name)).collect(),
        }
    }

    /// The path that the host gets with these interfaces.
    #[must_use]
    pub fn path(&self) -> KernelPath {
        if self.interfaces.is_empty() || !self.obstacles().is_empty() {
            KernelPath::UserSpace
        } else {
            KernelPath::Xdp
        }
    }

    /// What stands in the way of the kernel path, each with its remedy; empty where nothing does.
    #[must_use]
    pub fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if self.object_bytes.is_none() {
            obstacles.push(AttachError::NotBuilt.to_string());
        }
        if !self.kernel_fits {
            obstacles.push(kernel_too_old(&self.kernel).to_string());
        }
        if !self.missing_capabilities.is_empty() {
            obstacles.push(not_permitted(&self.missing_capabilities).to_string());
        }
        if self.bpffs == BpfFs::Missing && self.missing_capabilities.is_empty() {
            obstacles.push("no BPF file system; run `mount -t bpf bpf /sys/fs/bpf`".to_owned());
        }
        if let BpfFs::Closed(folder) = &self.bpffs {
            let folder = folder.clone();
            obstacles.push(AttachError::PinsClosed { folder }.to_string());
        }
        for absent in self.interfaces.iter().filter(|one| !one.present) {
            obstacles.push(interfaces::absent(&absent.name).to_string());
        }
        obstacles
    }
}

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let obstacles = self.obstacles();
        match self.path() {
            KernelPath::Xdp => writeln!(f, "kernel path: XDP")?,
            KernelPath::UserSpace if obstacles.is_empty() => {
                writeln!(
                    f,
                    "kernel path: possible, no interface is configured; bans hold at accept"
                )?;
            }
            KernelPath::UserSpace => writeln!(f, "kernel path: none; bans hold at accept")?,
        }
        for obstacle in &obstacles {
            writeln!(f, "  obstacle: {obstacle}")?;
        }
        let jit = match self.jit {
            Some(true) => "on",
            Some(false) => "off (programs are interpreted; `sysctl net.core.bpf_jit_enable=1`)",
            None => "unknown",
        };
        let btf = if self.btf { "yes" } else { "no" };
        writeln!(f, "  kernel: {}, JIT {jit}, BTF {btf}", self.kernel)?;
        if let Some(bytes) = self.object_bytes {
            writeln!(f, "  programs: embedded, {} KiB", bytes.div_ceil(1024))?;
        }
        let bpffs = match &self.bpffs {
            BpfFs::Mounted => "mounted",
            BpfFs::WillBeMounted => "not mounted; mounted at start",
            BpfFs::Missing => "missing",
            BpfFs::Closed(_) => "mounted, not open to this user",
        };
        writeln!(f, "  BPF file system: {bpffs}")?;
        for one in self.interfaces.iter().filter(|one| one.present) {
            let native = match one.native {
                NativeXdp::Yes => "driver mode",
                NativeXdp::No => "generic mode (the driver has no XDP)",
                NativeXdp::Unknown => "driver mode if the driver has XDP, else generic",
            };
            writeln!(f, "  {}: {native}", one.name)?;
        }
        Ok(())
    }
}

/// What attaching needs of the kernel and of the process.
pub(crate) fn check_kernel() -> Result<(), AttachError> {
    let release = kernel_release();
    if !kernel_fits(&release) {
        return Err(kernel_too_old(&release));
    }
    let missing = missing_capabilities();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(not_permitted(&missing))
    }
}

fn kernel_too_old(release: &str) -> AttachError {
    AttachError::KernelTooOld {
        found: release.to_owned(),
        needed: KERNEL_MIN_NAME,
    }
}

fn not_permitted(missing: &[&str]) -> AttachError {
    AttachError::NotPermitted {
        missing: missing.join(", "),
    }
}

fn interface(name: &str) -> InterfaceReport {
    let index = interfaces::index(name);
    InterfaceReport {
        name: name.to_owned(),
        present: index.is_some(),
        native: index.map_or(NativeXdp::Unknown, netdev::native_xdp),
    }
}

fn kernel_release() -> String {
    read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned())
}

fn kernel_fits(release: &str) -> bool {
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= KERNEL_MIN,
        // A name that we cannot read: the kernel itself will say what it lacks.
        _ => true,
    }
}

/// A BPF file system is mounted by root alone.
fn may_mount() -> bool {
    effective() >> CAP_SYS_ADMIN & 1 == 1
}

fn missing_capabilities() -> Vec<&'static str> {
    missing_in(effective())
}

fn effective() -> u64 {
    let status = read("/proc/thread-self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

fn missing_in(effective: u64) -> Vec<&'static str> {
    let has = |capability: u32| effective >> capability & 1 == 1;
    let mut missing = Vec::new();
    if !has(CAP_BPF) && !has(CAP_SYS_ADMIN) {
        missing.push("CAP_BPF");
    }
    if !has(CAP_NET_ADMIN) {
        missing.push("CAP_NET_ADMIN");
    }
    if !has(CAP_PERFMON) && !has(CAP_SYS_ADMIN) {
        missing.push("CAP_PERFMON");
    }
    missing
}

fn jit() -> Option<bool> {
    let text = read("/proc/sys/net/core/bpf_jit_enable")?;
    Some(text != "0")
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        for (release, fits) in [
            ("5.18.9", false),
            ("5.19.0-rc1", true),
            ("6.1.0-32-amd64", true),
            ("4.19.0", false),
            ("10.0", true),
            ("custom", true),
        ] {
            assert_eq!(kernel_fits(release), fits, "{release}");
        }
    }

    #[test]
    fn sys_admin_stands_in_for_bpf() {
        assert_eq!(missing_in(0), ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
        assert!(missing_in(1 << CAP_BPF | 1 << CAP_NET_ADMIN | 1 << CAP_PERFMON).is_empty());
        assert!(missing_in(1 << CAP_SYS_ADMIN | 1 << CAP_NET_ADMIN).is_empty());
        assert_eq!(
            missing_in(1 << CAP_BPF | 1 << CAP_PERFMON),
            ["CAP_NET_ADMIN"]
        );
    }

    #[test]
    fn a_report_names_every_obstacle() {
        let report = HostReport {
            kernel: "5.10.0".to_owned(),
            kernel_fits: false,
            missing_capabilities: vec!["CAP_BPF"],
            bpffs: BpfFs::Missing,
            btf: false,
            jit: Some(false),
            object_bytes: None,
            interfaces: vec![InterfaceReport {
                name: "nope0".to_owned(),
                present: false,
                native: NativeXdp::Unknown,
            }],
        };
        assert_eq!(report.path(), KernelPath::UserSpace);
        let text = report.to_string();
        for words in [
            "without the BPF programs",
            "5.19",
            "CAP_BPF",
            "nope0",
            "interpreted",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
}
