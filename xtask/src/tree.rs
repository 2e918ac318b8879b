//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// Build products. Tools and BPF objects always live in the clone's own target folder.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// Tools that setup installs for this clone alone (a cargo install root: programs are in `bin`).
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// Where cargo puts the binaries of a profile; follows CARGO_TARGET_DIR as cargo does.
pub(crate) fn profile(name: &str) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(target, |dir| root().join(dir))
        .join(name)
}
