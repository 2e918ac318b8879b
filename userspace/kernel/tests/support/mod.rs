//! What the tests of the kernel path share.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

pub(crate) mod bench;
pub(crate) mod lan;
pub(crate) mod maps;
pub(crate) mod namespace;
pub(crate) mod packet;
pub(crate) mod pass;
pub(crate) mod seen;

use kernel::{AttachError, BanLimits, Bans, Gate, GatePolicy, GateSpec, HostReport, Mode};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other test, of this or another process, has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}{}-{number}", std::process::id())
}

/// Whether this host can run the test; says why not where it cannot.
pub(crate) fn kernel_path_is_there() -> bool {
    let report = HostReport::probe(&[], Path::new(kernel::DEFAULT_PIN_DIR));
    let obstacles = report.obstacles();
    for obstacle in &obstacles {
        println!("skipped: {obstacle}");
    }
    obstacles.is_empty()
}

/// A pin folder of this test alone, removed at the end, attached links included.
pub(crate) struct PinDir(pub(crate) PathBuf);

impl PinDir {
    pub(crate) fn new() -> Self {
        Self(Path::new("/sys/fs/bpf").join(unique("bascule-test-")))
    }

    /// Loads the programs and attaches them to these interfaces.
    pub(crate) fn attach(&self, interfaces: &[&str], bans: &Bans) -> Result<Gate, AttachError> {
        let spec = GateSpec {
            interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
            mode: Mode::Auto,
            pin_dir: self.0.clone(),
            policy: GatePolicy::default(),
        };
        Gate::attach(&spec, bans)
    }

    /// A gate that sees no packets but those of `Gate::run`.
    pub(crate) fn gate(&self, bans: &Bans) -> Gate {
        self.attach(&[], bans).expect("the programs load")
    }
}

impl Drop for PinDir {
    fn drop(&mut self) {
        if let Err(error) = kernel::remove_pins(&self.0) {
            eprintln!("{error}");
        }
    }
}

pub(crate) fn bans() -> Bans {
    Bans::new(BanLimits {
        addresses: 64,
        prefixes: 64,
    })
}
