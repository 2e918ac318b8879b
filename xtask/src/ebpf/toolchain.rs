//! Which Rust compiler can compile for BPF here.
//!
//! Two ways are known. Debian ships a compiler with a ready-made `core` for BPF (rustc-web); rustup has a nightly
//! that compiles `core` itself from its sources. Both link with bpf-linker.

use crate::{run, tree};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of bpf-linker that is installed where there is none.
const LINKER_VERSION: &str = "0.13.0";
/// LLVM's major version: that of Debian's rustc-web, so that the linker can read what the compiler wrote.
const LLVM_MAJOR: &str = "22";
/// Debian's second compiler. rustup's, where both are there, comes first in PATH and stays the default.
const DEBIAN_COMPILER: &str = "/usr/bin/rustc";

/// A compiler for BPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// A compiler that has `core` for BPF ready.
    Ready(PathBuf),
    /// rustup's nightly with its sources.
    Nightly,
}

/// All that it takes to build the programs.
pub(crate) struct Toolchain {
    compiler: Compiler,
    /// bpf-linker.
    pub(crate) linker: PathBuf,
}

/// What a host lacks for the kernel path.
#[derive(Debug)]
pub(crate) enum Missing {
    Compiler,
    Linker,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compiler => {
                "no Rust compiler for BPF; run `apt-get install rustc-web libstd-rust-web-dev-bpf llvm-22-dev`, or \
                 `rustup toolchain install nightly --component rust-src` and `cargo install bpf-linker`, then `cargo xtask build`"
            }
            Self::Linker => {
                "no bpf-linker; run `cargo xtask setup kernel` (it needs llvm-22-dev), or `cargo install bpf-linker`"
            }
        })
    }
}

impl Toolchain {
    /// Finds one, preferring the compiler that needs no building of `core`.
    pub(crate) fn find() -> Result<Self, Missing> {
        Ok(Self {
            compiler: compiler().ok_or(Missing::Compiler)?,
            linker: linker().ok_or(Missing::Linker)?,
        })
    }

    /// Whether a failed build may be the host's fault: any nightly meets any bpf-linker, and their LLVMs have to agree.
    pub(crate) fn may_not_fit(&self) -> bool {
        self.compiler == Compiler::Nightly
    }

    /// The cargo to call, with the compiler in its environment.
    pub(crate) fn cargo(&self) -> Command {
        match &self.compiler {
            Compiler::Ready(rustc) => {
                let mut command = run::cargo();
                // BPF is a tier 3 target: a stable compiler takes the unstable features of aya-ebpf only this way.
                command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Compiler::Nightly => {
                let mut command = Command::new("rustup");
                command
                    .args(["run", "nightly", "cargo"])
                    .env_remove("RUSTC")
                    .env_remove("CARGO");
                command
            }
        }
    }

    /// Flags that the compiler's kind wants of cargo.
    pub(crate) fn cargo_flags(&self) -> &'static [&'static str] {
        match self.compiler {
            Compiler::Ready(_) => &[],
            Compiler::Nightly => &["-Z", "build-std=core"],
        }
    }
}

/// The compiler for BPF on this host, if there is one.
pub(crate) fn compiler() -> Option<Compiler> {
    let debian = Path::new(DEBIAN_COMPILER);
    if run::is_program(debian) && sysroot(Command::new(debian)).is_some_and(|root| has_bpf(&root)) {
        return Some(Compiler::Ready(debian.to_owned()));
    }
    run::find("rustup")?;
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc"]);
    sysroot(nightly)
        .is_some_and(|root| {
            root.join("lib/rustlib/src/rust/library/core/src/lib.rs")
                .exists()
        })
        .then_some(Compiler::Nightly)
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    run::output(rustc.args(["--print", "sysroot"])).map(PathBuf::from)
}

fn has_bpf(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/bpfel-unknown-none/lib").is_dir()
}

/// bpf-linker: this clone's own, or the host's.
pub(crate) fn linker() -> Option<PathBuf> {
    let own = tree::tools().join("bin/bpf-linker");
    if run::is_program(&own) {
        return Some(own);
    }
    run::find("bpf-linker")
}

/// The folder of the LLVM that bpf-linker is compiled against.
pub(crate) fn llvm() -> Option<PathBuf> {
    let folder = PathBuf::from(format!("/usr/lib/llvm-{LLVM_MAJOR}"));
    run::is_program(&folder.join("bin/llvm-config")).then_some(folder)
}

/// Compiles bpf-linker into this clone's tools where the host has none and has the LLVM for it. A failure costs the
/// kernel path only, and the build says so in its own line.
pub(crate) fn install_linker_if_possible() {
    let (None, Some(llvm)) = (linker(), llvm()) else {
        return;
    };
    println!("setup: compiling bpf-linker {LINKER_VERSION}, about a minute");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(llvm.join("bin")).chain(std::env::split_paths(&path));
    let mut command = run::cargo();
    command
        .args([
            "install",
            "bpf-linker",
            "--quiet",
            "--locked",
            "--version",
            LINKER_VERSION,
        ])
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{LLVM_MAJOR}"),
        ])
        .arg("--root")
        .arg(tree::tools())
        .env("CARGO_TARGET_DIR", tree::tools().join("build"))
        .env("LLVM_PREFIX", llvm);
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    if let Err(failure) = run::run(&mut command) {
        eprintln!("setup: {failure}");
    }
}
