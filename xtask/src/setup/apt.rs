//! Debian's packages. Services that a package brings are not started: the bench wants the programs alone.

use crate::failure::{Outcome, at};
use crate::run;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Asked by packages before they start a service; exit code 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Marks a policy as ours, so that one left behind by an interrupted run is recognised.
const POLICY_TEXT: &str =
    "#!/bin/sh\n# Written by bascule's `xtask setup` while it installs packages.\nexit 101\n";

/// We are root and apt is here.
pub(super) fn may_install() -> bool {
    run::is_root() && run::find("apt-get").is_some()
}

/// Installs packages; reads the package lists first where they lack one of them.
pub(super) fn install(packages: &[&str]) -> Outcome {
    let _policy = ServicesStayDown::begin()?;
    if !known(packages) {
        run::run(apt_get().args(["update", "-qq"]))?;
    }
    let installed = run::run(
        apt_get()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages),
    );
    if installed.is_ok() {
        return installed;
    }
    // Lists that are days old name files that the mirror no longer has.
    run::run(apt_get().args(["update", "-qq"]))?;
    run::run(
        apt_get()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages),
    )
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"]);
    command
}

fn known(packages: &[&str]) -> bool {
    packages.iter().all(|package| {
        run::output(Command::new("apt-cache").args(["policy", package]))
            .is_some_and(|text| text.contains("Candidate:") && !text.contains("Candidate: (none)"))
    })
}

/// While it lives, packages start no services. A host that already has a policy of its own keeps it.
struct ServicesStayDown {
    ours: bool,
}

impl ServicesStayDown {
    fn begin() -> Outcome<Self> {
        use std::os::unix::fs::PermissionsExt;
        let path = Path::new(POLICY);
        if path.exists() && !fs::read_to_string(path).is_ok_and(|text| text == POLICY_TEXT) {
            return Ok(Self { ours: false });
        }
        fs::write(path, POLICY_TEXT).map_err(at(path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(at(path))?;
        Ok(Self { ours: true })
    }
}

impl Drop for ServicesStayDown {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("setup: remove {POLICY} by hand: {error}");
        }
    }
}
