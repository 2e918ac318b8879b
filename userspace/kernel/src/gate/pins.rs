//! The pin folder: where maps and links outlive the process.
//!
//! Maps are pinned under their names, links as `xdp-<mode>-<interface>`. The file system allows no dots in names, so
//! they are escaped.

use super::error::AttachError;
use crate::gate::links::UsedMode;
use crate::host::bpffs;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Maps of a migration are pinned here until they take their places.
const STAGING: &str = "staging";
const LINK_PREFIX: &str = "xdp-";

/// The folder, locked for this process. The lock ends with the process, however it ends. In an upgrade two processes share
/// it, and the one that serves has it.
pub(super) struct PinDir {
    path: PathBuf,
    lock: File,
    /// Whether the lock is ours to end.
    is_ours: bool,
}

impl Drop for PinDir {
    fn drop(&mut self) {
        if self.is_ours {
            // Closing the file would not do: a child that another thread is just starting has it open too.
            let _ = self.lock.unlock();
        }
    }
}

/// A pinned link.
pub(super) struct PinnedName {
    pub(super) path: PathBuf,
    pub(super) mode: UsedMode,
    pub(super) interface: String,
}

impl PinDir {
    /// Shares a folder that another process has locked, until that one lets go of it ([`PinDir::set_ours`]).
    pub(super) fn share(path: &Path, lock: File) -> Self {
        Self {
            path: path.to_owned(),
            lock,
            is_ours: false,
        }
    }

    /// The lock, for another process to share.
    pub(super) fn lock_file(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// From now on the lock is this process's, or another's.
    pub(super) fn set_ours(&mut self, is_ours: bool) {
        self.is_ours = is_ours;
    }

    /// Makes the folder where it is missing, on a BPF file system, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, AttachError> {
        bpffs::ensure(path).map_err(|error| AttachError::NoBpffs {
            path: path.to_owned(),
            error,
        })?;
        bpffs::can_write(path).map_err(|folder| AttachError::PinsClosed { folder })?;
        fs::create_dir_all(path).map_err(pin(path))?;
        let dir = Self::lock(path)?;
        // What a process that died in a migration left behind.
        dir.remove_staging()?;
        Ok(dir)
    }

    /// Locks a folder that is there.
    pub(super) fn lock(path: &Path) -> Result<Self, AttachError> {
        let folder = File::open(path).map_err(pin(path))?;
        match folder.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock: folder,
                is_ours: true,
            }),
            Err(TryLockError::WouldBlock) => Err(AttachError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(pin(path)(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.path.join(STAGING)
    }

    pub(super) fn link(&self, mode: UsedMode, interface: &str) -> PathBuf {
        self.path.join(link_name(mode, interface))
    }

    /// Every pinned link.
    pub(super) fn links(&self) -> Result<Vec<PinnedName>, AttachError> {
        let mut links = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(pin(&self.path))? {
            let entry = entry.map_err(pin(&self.path))?;
            let Some((mode, interface)) = entry.file_name().to_str().and_then(read_link_name)
            else {
                continue;
            };
            links.push(PinnedName {
                path: entry.path(),
                mode,
                interface,
            });
        }
        Ok(links)
    }

    /// Moves the staged maps into their places.
    pub(super) fn publish_staging(&self) -> Result<(), AttachError> {
        let staging = self.staging();
        for name in abi::maps::ALL {
            fs::rename(staging.join(name), self.map(name)).map_err(pin(&staging.join(name)))?;
        }
        fs::remove_dir(&staging).map_err(pin(&staging))
    }

    fn remove_staging(&self) -> Result<(), AttachError> {
        let staging = self.staging();
        if staging.is_dir() {
            remove_files(&staging)?;
            fs::remove_dir(&staging).map_err(pin(&staging))?;
        }
        Ok(())
    }

    /// Removes every pin and the folder: links are detached with it.
    pub(super) fn remove_all(self) -> Result<(), AttachError> {
        // Links first: no packet is to be judged by maps that are half gone.
        for link in self.links()? {
            fs::remove_file(&link.path).map_err(pin(&link.path))?;
        }
        self.remove_staging()?;
        remove_files(&self.path)?;
        fs::remove_dir(&self.path).map_err(pin(&self.path))
    }
}

fn remove_files(folder: &Path) -> Result<(), AttachError> {
    for entry in fs::read_dir(folder).map_err(pin(folder))? {
        let path = entry.map_err(pin(folder))?.path();
        fs::remove_file(&path).map_err(pin(&path))?;
    }
    Ok(())
}

/// Turns a file error into one that names the pin.
pub(super) fn pin(path: &Path) -> impl FnOnce(io::Error) -> AttachError {
    let path = path.to_owned();
    move |error| AttachError::Pin { path, error }
}

fn link_name(mode: UsedMode, interface: &str) -> String {
    let interface = interface.replace('%', "%25").replace('.', "%2e");
    format!("{LINK_PREFIX}{}-{interface}", mode.name())
}

fn read_link_name(name: &str) -> Option<(UsedMode, String)> {
    let (mode, interface) = name.strip_prefix(LINK_PREFIX)?.split_once('-')?;
    let mode = UsedMode::ALL
        .into_iter()
        .find(|known| known.name() == mode)?;
    Some((mode, interface.replace("%2e", ".").replace("%25", "%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_links_carry_mode_and_interface() {
        for (mode, interface, name) in [
            (UsedMode::Driver, "eth0", "xdp-driver-eth0"),
            (UsedMode::Generic, "eth0.100", "xdp-generic-eth0%2e100"),
            (UsedMode::Driver, "a-b%2e", "xdp-driver-a-b%252e"),
        ] {
            assert_eq!(link_name(mode, interface), name);
            assert_eq!(read_link_name(name), Some((mode, interface.to_owned())));
        }
        for other in ["COUNTERS", "staging", "xdp-", "xdp-offload-eth0"] {
            assert_eq!(read_link_name(other), None, "{other}");
        }
    }
}
