//! Finds the objects with the BPF programs, which `cargo xtask ebpf` builds, and embeds them.
//! Without them the crate builds as well, and attaching says what is missing.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names the object of the gate, in place of the one in the target folder. The others are looked for beside it.
const VARIABLE: &str = "BASCULE_BPF_OBJECT";

/// The constants in `object.rs` and the files that they embed.
const OBJECTS: [(&str, &str); 5] = [
    ("OBJECT", "bascule.bpf.o"),
    ("STEER_OBJECT", "bascule-steer.bpf.o"),
    ("LOOKUP_OBJECT", "bascule-lookup.bpf.o"),
    ("UNWRAP_OBJECT", "bascule-unwrap.bpf.o"),
    ("RELAY_OBJECT", "bascule-relay.bpf.o"),
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let folder = folder()?;
    let mut code = String::new();
    for (constant, file) in OBJECTS {
        let embedded = out.join(file);
        let named = env::var_os(VARIABLE).filter(|value| !value.is_empty());
        let object = match (named, constant) {
            (Some(named), "OBJECT") => PathBuf::from(named),
            _ => folder.join(file),
        };
        let value = if Path::exists(&object) {
            fs::copy(object, &embedded)?;
            // aya reads 64-bit fields in place, so the bytes have to be aligned.
            format!("Some(aya::include_bytes_aligned!({embedded:?}))")
        } else {
            "None".to_owned()
        };
        code.push_str(&format!(
            "/// The bytes of `{file}`.\npub(crate) const {constant}: Option<&[u8]> = {value};\n"
        ));
    }
    fs::write(out.join("object.rs"), code)
}

/// The folder of the objects.
fn folder() -> io::Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        println!("cargo::rerun-if-changed={}", named.display());
        return Ok(named.parent().unwrap_or(Path::new(".")).to_owned());
    }
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folder = manifest.join("../../target/bpf");
    // The folder is watched, not the files: a file that does not exist would count as changed at every build.
    fs::create_dir_all(&folder)?;
    println!("cargo::rerun-if-changed={}", folder.display());
    Ok(folder)
}
