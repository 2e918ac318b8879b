//! `bascule crs install`: puts a release of the OWASP Core Rule Set where the service reads it.

mod archive;

#[cfg(test)]
mod tests;

use crate::check::{CheckReport, check};
use crate::files::{self, FileError};
use crate::source::Rules;
pub use archive::ARCHIVE_LIMIT_BYTES;
use archive::Files;
#[cfg(test)]
pub(crate) use archive::read as read_archive;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The example that a release is known by.
const SETUP_EXAMPLE: &str = "crs-setup.conf.example";

/// What the CRS takes as given and does not set itself, in our words: engine settings, and who parses which body.
const ENGINE: &str = include_str!("engine.conf");

/// Why a release was not installed.
#[derive(Debug, thiserror::Error)]
pub enum CrsError {
    /// The system says no.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be written.
    #[error("{}: cannot be written: {error}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The bytes are not those that were meant.
    #[error(
        "expected the SHA-256 {expected}, found {found}: the archive is not the one that the checksum is of; nothing was installed"
    )]
    Checksum {
        /// What was given.
        expected: String,
        /// What the bytes give.
        found: String,
    },
    /// A URL needs a checksum.
    #[error(
        "expected --checksum for a URL, found none; what was fetched has {found}: compare it with the release page and pass it on"
    )]
    NoChecksum {
        /// What the bytes give.
        found: String,
    },
    /// A folder has none.
    #[error("expected an archive for --checksum, found the folder {}; leave it out", .0.display())]
    ChecksumOfFolder(PathBuf),
    /// It is no archive.
    #[error("expected a .zip or .tar.gz file: {0}")]
    Archive(String),
    /// A name that leads elsewhere.
    #[error(
        "the archive holds `{0}`, which would be written outside of its folder; nothing was installed"
    )]
    Path(String),
    /// More than a release has.
    #[error("expected at most {limit} {what}, found more; nothing was installed")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many would do.
        limit: u64,
    },
    /// It holds something else.
    #[error(
        "expected a release of the CRS with `crs-setup.conf.example` and `rules/*.conf`, found {0}"
    )]
    NoRelease(String),
}

/// Where a release comes from.
#[derive(Clone, Debug)]
pub enum Release {
    /// A folder, a .zip or a .tar.gz.
    Path(PathBuf),
    /// What was fetched from a URL.
    Fetched(Vec<u8>),
}

/// What was installed.
#[derive(Clone, Debug, Serialize)]
pub struct Installed {
    /// Where.
    pub to: PathBuf,
    /// The SHA-256 of the archive, where it is one.
    pub checksum: Option<String>,
    /// Whether somebody gave the checksum and it fits.
    pub verified: bool,
    /// Files that were written.
    pub written: usize,
    /// Files that are yours to change and were kept as they are.
    pub kept: Vec<String>,
    /// What `bascule.yaml` needs.
    pub configuration: String,
    /// The check of what was installed.
    pub check: CheckReport,
}

/// Installs a release and checks it.
///
/// # Errors
/// Whatever is wrong with the release or the folder. Before everything is read and verified nothing is written.
pub fn install(
    release: &Release,
    checksum: Option<&str>,
    to: &Path,
) -> Result<Installed, CrsError> {
    let (files, found) = match release {
        Release::Path(path) if path.is_dir() => {
            if checksum.is_some() {
                return Err(CrsError::ChecksumOfFolder(path.clone()));
            }
            (folder(path)?, None)
        }
        Release::Path(path) => {
            let bytes = files::read(path, ARCHIVE_LIMIT_BYTES)?;
            let found = verified(&bytes, checksum)?;
            (archive::read(&bytes)?, Some(found))
        }
        Release::Fetched(bytes) => {
            let found = verified(bytes, checksum)?;
            if checksum.is_none() {
                return Err(CrsError::NoChecksum { found });
            }
            (archive::read(bytes)?, Some(found))
        }
    };
    let files = rooted(files)?;
    let (written, kept) = write(&files, to)?;
    Ok(Installed {
        to: to.to_owned(),
        verified: checksum.is_some(),
        checksum: found,
        written,
        kept,
        configuration: configuration(to),
        check: check(&Rules::of(&[to.to_owned()])),
    })
}

/// The checksum of the bytes, if it is the one that is expected.
fn verified(bytes: &[u8], expected: Option<&str>) -> Result<String, CrsError> {
    let digest = Sha256::digest(bytes);
    let found = digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    match expected.map(|expected| expected.trim().to_ascii_lowercase()) {
        Some(expected) if expected.strip_prefix("sha256:").unwrap_or(&expected) != found => {
            Err(CrsError::Checksum { expected, found })
        }
        _ => Ok(found),
    }
}

/// The files of a folder that holds a release.
fn folder(path: &Path) -> Result<Files, CrsError> {
    let mut files = Files::new();
    for (below, prefix) in [(path.to_owned(), ""), (path.join("rules"), "rules/")] {
        let unreadable = |error| FileError::Unreadable {
            path: below.clone(),
            error,
        };
        if !below.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&below).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?.path();
            let name = entry
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if entry.is_file() && archive::is_wanted(&name) {
                let bytes = files::read(&entry, ARCHIVE_LIMIT_BYTES)?;
                files.insert(format!("{prefix}{name}"), bytes);
            }
        }
    }
    Ok(files)
}

/// The files of the release alone: an archive has a folder round them, named after the version.
fn rooted(files: Files) -> Result<Files, CrsError> {
    let roots: Vec<String> = files
        .keys()
        .filter_map(|path| path.strip_suffix(SETUP_EXAMPLE))
        .map(str::to_owned)
        .collect();
    let shortest = roots.iter().min_by_key(|root| root.len());
    let Some(root) = shortest else {
        let found = match files.len() {
            0 => "no rule files at all".to_owned(),
            count => format!("{count} rule files without `{SETUP_EXAMPLE}`"),
        };
        return Err(CrsError::NoRelease(found));
    };
    let within = files
        .into_iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix(root)?.to_owned(), bytes)));
    let release: Files = within
        .filter(|(path, _)| !path.contains('/') || is_rule_file(path))
        .collect();
    if release.keys().any(|path| is_rule_file(path)) {
        Ok(release)
    } else {
        Err(CrsError::NoRelease("no `rules/*.conf`".to_owned()))
    }
}

/// Whether a file lies in `rules/` itself.
fn is_rule_file(path: &str) -> bool {
    path.strip_prefix("rules/")
        .is_some_and(|name| !name.contains('/'))
}

/// Writes the files. Old rule files that the release has no more are taken away; what is yours is kept.
fn write(files: &Files, to: &Path) -> Result<(usize, Vec<String>), CrsError> {
    let rules = to.join("rules");
    fs::create_dir_all(&rules).map_err(|error| CrsError::Write {
        path: rules.clone(),
        error,
    })?;
    remove_old(&rules, files)?;
    let mut written = 0;
    let mut kept = Vec::new();
    let mut put = |name: &str, bytes: &[u8], is_yours: bool| {
        let path = to.join(name);
        if is_yours && path.exists() {
            kept.push(name.to_owned());
            return Ok(());
        }
        written += 1;
        replace(&path, bytes)
    };
    for (name, bytes) in files {
        put(name, bytes, false)?;
        // An example is the first version of a file that people change.
        if let Some(own) = name.strip_suffix(".example") {
            put(own, bytes, true)?;
        }
    }
    put("engine.conf", ENGINE.as_bytes(), true)?;
    Ok((written, kept))
}

/// Puts a file in its place as a whole: a service that reads it meanwhile sees the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), CrsError> {
    let beside = path.with_extension("new");
    let failed = |error| CrsError::Write {
        path: path.to_owned(),
        error,
    };
    fs::write(&beside, bytes).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}

fn remove_old(rules: &Path, files: &Files) -> Result<(), CrsError> {
    let failed = |error| CrsError::Write {
        path: rules.to_owned(),
        error,
    };
    for entry in fs::read_dir(rules).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let known = files.contains_key(&format!("rules/{name}"))
            || files.contains_key(&format!("rules/{name}.example"));
        let is_of_crs = ["REQUEST-", "RESPONSE-"]
            .iter()
            .any(|start| name.starts_with(start))
            || name.ends_with(".data");
        if !known && is_of_crs {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn configuration(to: &Path) -> String {
    let folder = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    let folder = folder.display();
    format!(
        "waf:\n  crs:\n    rules:\n      - {folder}/engine.conf\n      - {folder}/crs-setup.conf\n      - {folder}/rules/*.conf\n"
    )
}

impl Installed {
    /// What people read.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}: {} files written\n", self.to.display(), self.written);
        // Writing to a String cannot fail.
        for name in &self.kept {
            let _ = writeln!(out, "  {name} is yours and was kept");
        }
        match &self.checksum {
            Some(checksum) if self.verified => {
                let _ = writeln!(out, "SHA-256 {checksum}, as expected");
            }
            Some(checksum) => {
                let _ = writeln!(
                    out,
                    "SHA-256 {checksum}, not verified: there was no --checksum"
                );
            }
            None => {}
        }
        let _ = write!(
            out,
            "\nin the configuration, and `waf: crs` at the routes:\n\n{}\n{}",
            self.configuration,
            self.check.summary()
        );
        out
    }
}
