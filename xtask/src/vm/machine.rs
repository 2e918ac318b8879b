//! A machine that boots, runs its tests, and is gone.

use super::folder;
use super::package::Kernel;
use crate::failure::{Failure, Outcome, at};
use crate::run;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(200);

/// What a machine said.
pub(super) struct Verdict {
    said: String,
    pub(super) log: PathBuf,
}

/// What became of a test program.
pub(super) struct Ended {
    pub(super) code: i32,
    /// The closing line of the tests, or what failed.
    pub(super) summary: String,
}

/// Boots a kernel, and waits until the machine has ended, or ends it when its time is up.
pub(super) fn run(kernel: &Kernel, initramfs: &Path, patience: Duration) -> Outcome<Verdict> {
    let log = folder().join(format!("{}.log", kernel.release));
    let file = File::create(&log).map_err(at(&log))?;
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-cpu", "max", "-smp", "2", "-m", "2048"])
        .args(["-nographic", "-no-reboot", "-nic", "none"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", "console=ttyS0 panic=-1 quiet"])
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(at(&log))?)
        .stderr(file);
    let mut machine = command.spawn().map_err(|error| Failure::Start {
        command: run::line(&command),
        error,
    })?;
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if machine.try_wait().map_err(at(&log))?.is_some() {
            break;
        }
        std::thread::sleep(LOOK);
    }
    if machine.try_wait().map_err(at(&log))?.is_none() {
        println!("{}: ended after {} s", kernel.release, patience.as_secs());
        machine.kill().map_err(at(&log))?;
        machine.wait().map_err(at(&log))?;
    }
    let said = fs::read(&log).map_err(at(&log))?;
    Ok(Verdict {
        said: String::from_utf8_lossy(&said).into_owned(),
        log,
    })
}

impl Verdict {
    /// What became of a test program; none where it did not come to its end.
    pub(super) fn outcome(&self, name: &str) -> Option<Ended> {
        let (_, rest) = self.said.split_once(&format!("vm: begin {name}\r\n"))?;
        let (said, rest) = rest.split_once(&format!("vm: end {name} "))?;
        let code = rest.lines().next()?.trim().parse().ok()?;
        let lines = said.lines().map(str::trim_end);
        let closing = lines.clone().find(|line| line.starts_with("test result"));
        let failed: Vec<_> = lines
            .filter(|line| line.starts_with("test ") && line.ends_with("FAILED"))
            .collect();
        let mut summary = closing.unwrap_or("no result").to_owned();
        for line in failed {
            summary.push_str("\n    ");
            summary.push_str(line);
        }
        Some(Ended { code, summary })
    }
}
