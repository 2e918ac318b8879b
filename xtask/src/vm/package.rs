//! Kernels from Debian's packages, downloaded and unpacked once.

use super::folder;
use crate::failure::{Failure, Outcome, at};
use crate::run;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// An unpacked kernel.
pub(super) struct Kernel {
    /// What `uname -r` will say.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// The folder of its modules.
    pub(super) modules: PathBuf,
}

/// The kernel that a package of no content depends on; or why it is not to be had.
pub(super) fn fetch(package: &str) -> Outcome<Result<Kernel, String>> {
    let depends = run::output(Command::new("apt-cache").args(["depends", package]));
    let Some(name) = depends.as_deref().and_then(image_package) else {
        return Ok(Err(format!(
            "apt does not know `{package}`; run `apt-get update` (6.12 is in bookworm-backports)"
        )));
    };
    let release = name.trim_start_matches("linux-image-").to_owned();
    let place = folder().join(&release);
    let kernel = Kernel {
        image: place.join("boot").join(format!("vmlinuz-{release}")),
        modules: place.join("lib/modules").join(&release).join("kernel"),
        release,
    };
    if kernel.image.is_file() {
        return Ok(Ok(kernel));
    }
    let packages = folder().join("packages");
    fs::create_dir_all(&packages).map_err(at(&packages))?;
    let mut download = Command::new("apt-get");
    download.current_dir(&packages).args(["download", &name]);
    if !run::succeeds(&mut download) {
        return Ok(Err(format!("`apt-get download {name}` fails")));
    }
    let entries = fs::read_dir(&packages).map_err(at(&packages))?;
    let file = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(&format!("{name}_"))
        });
    let Some(file) = file else {
        return Ok(Err(format!("`apt-get download {name}` brought no file")));
    };
    // Unpacked beside its place, so that one that was cut short is not taken for whole.
    let staged = folder().join("staged");
    let _ = fs::remove_dir_all(&staged);
    run::run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&staged))?;
    fs::rename(&staged, &place).map_err(at(&place))?;
    fs::remove_file(&file).map_err(at(&file))?;
    match kernel.image.is_file() {
        true => Ok(Ok(kernel)),
        false => Err(Failure::Unexpected {
            program: name,
            expected: kernel.image.display().to_string(),
            found: "no such file in it".to_owned(),
        }),
    }
}

/// `  Depends: linux-image-6.1.0-53-amd64`
fn image_package(depends: &str) -> Option<String> {
    depends.lines().find_map(|line| {
        let name = line.trim().strip_prefix("Depends: ")?;
        name.starts_with("linux-image-").then(|| name.to_owned())
    })
}
