//! Finds the object with the BPF programs, which `cargo xtask ebpf` builds, and embeds it.
//! Without one the crate builds as well, and attaching says what is missing.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names an object to embed in place of the one in the target folder.
const VARIABLE: &str = "BASCULE_BPF_OBJECT";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let embedded = out.join("bascule.bpf.o");
    let code = match object()? {
        Some(object) => {
            fs::copy(object, &embedded)?;
            // aya reads 64-bit fields in place, so the bytes have to be aligned.
            format!("Some(aya::include_bytes_aligned!({embedded:?}))")
        }
        None => "None".to_owned(),
    };
    fs::write(out.join("object.rs"), code)
}

fn object() -> io::Result<Option<PathBuf>> {
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        println!("cargo::rerun-if-changed={}", named.display());
        return Ok(Some(named));
    }
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folder = manifest.join("../../target/bpf");
    // The folder is watched, not the file: a file that does not exist would count as changed at every build.
    fs::create_dir_all(&folder)?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let object = folder.join("bascule.bpf.o");
    Ok(Path::exists(&object).then_some(object))
}
