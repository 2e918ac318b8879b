//! Where the bench takes place: a folder, a certificate, cores, the backend and the kernel's settings.

use super::options::{Options, Waf};
use super::{crs, host};
use crate::failure::{Failure, Outcome, at};
use crate::service::{Service, free_address};
use crate::undo::{self, Undo};
use crate::{run, tree};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fixed for the run: the default differs between hosts, and BBR spreads sends over time, which costs CPU.
const CONGESTION_CONTROL: &str = "cubic";
const CONGESTION_CONTROL_FILE: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

pub(super) struct Place {
    /// Configurations and logs.
    pub(super) folder: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) cores: Cores,
    pub(super) backend: SocketAddr,
    /// The file that leads to the CRS, where it takes part.
    pub(super) crs: Option<PathBuf>,
}

/// Who runs where. With two cores the backend and the load share the second one.
pub(super) struct Cores {
    pub(super) contestant: usize,
    pub(super) backend: usize,
    pub(super) load: usize,
}

impl Place {
    /// Prepares everything that all contestants share.
    pub(super) fn prepare(options: &Options, undo: &mut Undo) -> Outcome<Self> {
        let folder = tree::profile("bench");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let crs = match options.waf {
            Waf::Crs => Some(crs::write(&options.crs, &folder)?),
            Waf::None | Waf::Shipped => None,
        };
        let cores = Cores::choose(&host::cores());
        fix_congestion_control(undo)?;
        let (certificate, key) = certificate(&folder)?;
        let backend = free_address()?;
        let program = tree::profile("release").join("backend");
        let mut command = pinned(cores.backend, &program);
        command.args(["--listen", &backend.to_string(), "--name", "bench"]);
        Service::start("backend", &mut command, &folder.join("backend.log"), undo)?
            .wait_for(backend)?;
        Ok(Self {
            folder,
            certificate,
            key,
            cores,
            backend,
            crs,
        })
    }

    /// Writes a file of a contestant.
    pub(super) fn write(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(at(&path))?;
        Ok(path)
    }
}

impl Cores {
    fn choose(cores: &[usize]) -> Self {
        let nth = |index: usize| cores.get(index).or(cores.last()).copied().unwrap_or(0);
        if cores.len() < 2 {
            eprintln!("bench: one core: contestants and load disturb each other");
        }
        Self {
            contestant: nth(0),
            backend: nth(1),
            load: nth(2),
        }
    }
}

/// A program on one core.
pub(super) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(program);
    command
}

fn fix_congestion_control(undo: &mut Undo) -> Outcome {
    if !run::is_root() {
        eprintln!("bench: without root the congestion control stays as it is");
        return Ok(());
    }
    undo::set(undo, Path::new(CONGESTION_CONTROL_FILE), CONGESTION_CONTROL)
}

/// The congestion control that is in force.
pub(super) fn congestion_control() -> String {
    fs::read_to_string(CONGESTION_CONTROL_FILE)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// One certificate for all contestants: ECDSA on P-256, signed by itself.
fn certificate(folder: &Path) -> Outcome<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder.join("bench.pem"), folder.join("bench.key"));
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    if run::succeeds(&mut command) {
        return Ok((certificate, key));
    }
    Err(Failure::Missing {
        what: "a working `openssl`".to_owned(),
        remedy: "apt-get install openssl".to_owned(),
    })
}
