//! `cargo xtask ebpf`: the BPF programs, compiled to objects that the `kernel` room embeds.

pub(crate) mod toolchain;

use crate::failure::{Outcome, at};
use crate::{run, setup, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toolchain::Toolchain;

/// How far the build of the BPF programs came.
pub(crate) enum Build {
    /// The object is there and up to date.
    Done,
    /// This host cannot build it, in one line with the remedy.
    Skipped(String),
}

/// Builds the object, and fails only where the programs themselves do not compile.
pub(crate) fn task(_arguments: &[String]) -> Outcome {
    setup::for_build()?;
    match build_if_possible()? {
        Build::Done => {
            for (_, object) in objects() {
                println!("built {}", object.display());
            }
        }
        Build::Skipped(why) => println!("skipped: {why}"),
    }
    Ok(())
}

/// The binaries of `ebpf/programs` and their objects. `userspace/kernel/build.rs` looks for them here.
fn objects() -> [(&'static str, PathBuf); 6] {
    let place = |name| tree::target().join("bpf").join(name);
    [
        ("bascule", object()),
        ("steer", place("bascule-steer.bpf.o")),
        ("lookup", place("bascule-lookup.bpf.o")),
        ("traffic", traffic()),
        ("unwrap", place("bascule-unwrap.bpf.o")),
        ("relay", place("bascule-relay.bpf.o")),
    ]
}

/// The object of the gate.
pub(crate) fn object() -> PathBuf {
    tree::target().join("bpf/bascule.bpf.o")
}

/// The object that makes the traffic of the benches.
pub(crate) fn traffic() -> PathBuf {
    tree::target().join("bpf/traffic.bpf.o")
}

/// Builds the object where a toolchain for it is found.
pub(crate) fn build_if_possible() -> Outcome<Build> {
    match Toolchain::find() {
        Ok(toolchain) => match build(&toolchain) {
            Err(failure) if toolchain.may_not_fit() => {
                let why = "this nightly compiler and bpf-linker do not go together (see above)";
                skip(format!("{why}: {failure}"))
            }
            built => built.map(|()| Build::Done),
        },
        Err(missing) => skip(missing.to_string()),
    }
}

fn skip(why: String) -> Outcome<Build> {
    // An object of an older build would not fit the abi of this one.
    for (_, object) in objects() {
        match fs::remove_file(&object) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(at(&object)(error));
            }
            _ => {}
        }
    }
    Ok(Build::Skipped(why))
}

fn build(toolchain: &Toolchain) -> Outcome {
    let folder = build_folder();
    run::run(&mut cargo(toolchain, "build", &folder, ""))?;
    for (binary, object) in objects() {
        let built = folder.join("bpfel-unknown-none/release").join(binary);
        publish(&built, &object)?;
    }
    Ok(())
}

/// Beside the object's folder, not in it: `userspace/kernel/build.rs` watches that one.
fn build_folder() -> PathBuf {
    tree::target().join("ebpf")
}

/// `cargo <verb>` over the programs, with the compiler, the linker and the flags that the target wants.
pub(crate) fn cargo(toolchain: &Toolchain, verb: &str, folder: &Path, flags: &str) -> Command {
    let mut command = toolchain.cargo();
    command
        .current_dir(tree::root().join("ebpf/programs"))
        .args([
            verb,
            "--release",
            "--locked",
            "--quiet",
            "--target",
            "bpfel-unknown-none",
        ])
        .args(toolchain.cargo_flags())
        .arg("--target-dir")
        .arg(folder)
        .env(
            "RUSTFLAGS",
            format!(
                "-C linker={} -C target-cpu=v3 -C debuginfo=2 -C link-arg=--btf --remap-path-prefix={}=. {flags}",
                toolchain.linker.display(),
                tree::root().display(),
            ),
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    command
}

/// Puts the object in its place. One that did not change keeps its date, so that nothing is compiled again for it.
fn publish(built: &Path, object: &Path) -> Outcome {
    let bytes = fs::read(built).map_err(at(built))?;
    if fs::read(object).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = object.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let staged = build_folder().join("staged.o");
    fs::write(&staged, bytes).map_err(at(&staged))?;
    fs::rename(&staged, object).map_err(at(object))
}
