//! Reading an archive into memory, within bounds, and believing none of its names.

use super::CrsError;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Bytes of an archive; a larger one is refused.
pub const ARCHIVE_LIMIT_BYTES: u64 = 64 << 20;

/// Bytes of one file of a release.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// Bytes of all files of a release that are kept, and of everything that an archive unpacks to.
const TOTAL_LIMIT_BYTES: u64 = 256 << 20;

/// Entries of an archive.
const ENTRIES_LIMIT: usize = 20_000;

/// The files of a release by path: those that rules are made of. Tests and tools are left out.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Whether a file is one of those that are installed.
pub(super) fn is_wanted(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name == "LICENSE"
        || [".conf", ".conf.example", ".data"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// A path that stays where it is put: relative, of plain names.
fn checked(path: &str) -> Result<&str, CrsError> {
    let is_plain = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0'])
    };
    let trimmed = path
        .strip_prefix("./")
        .unwrap_or(path)
        .trim_end_matches('/');
    if trimmed.split('/').all(is_plain) {
        Ok(trimmed)
    } else {
        Err(CrsError::Path(path.to_owned()))
    }
}

/// The files of a .zip or .tar.gz, whichever it is.
pub(crate) fn read(bytes: &[u8]) -> Result<Files, CrsError> {
    if bytes.starts_with(b"PK") {
        unzip(bytes)
    } else if bytes.starts_with(b"\x1f\x8b") {
        untar(bytes)
    } else {
        Err(CrsError::Archive("it begins like neither".to_owned()))
    }
}

/// Counts what is unpacked.
#[derive(Default)]
struct Budget {
    entries: usize,
    bytes: u64,
}

impl Budget {
    fn entry(&mut self, size: u64) -> Result<(), CrsError> {
        self.entries += 1;
        if self.entries > ENTRIES_LIMIT {
            return Err(CrsError::TooLarge {
                what: "entries of the archive",
                limit: ENTRIES_LIMIT as u64,
            });
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > TOTAL_LIMIT_BYTES {
            return Err(CrsError::TooLarge {
                what: "bytes of all files",
                limit: TOTAL_LIMIT_BYTES,
            });
        }
        Ok(())
    }
}

/// What an entry holds, whatever size it claims.
fn content(path: &str, entry: impl Read) -> Result<Vec<u8>, CrsError> {
    let mut bytes = Vec::new();
    entry
        .take(FILE_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CrsError::Archive(format!("{path}: {error}")))?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(CrsError::TooLarge {
            what: "bytes of one file",
            limit: FILE_LIMIT_BYTES,
        });
    }
    Ok(bytes)
}

fn unzip(bytes: &[u8]) -> Result<Files, CrsError> {
    let broken = |error: zip::result::ZipError| CrsError::Archive(error.to_string());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut files = Files::new();
    let mut budget = Budget::default();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(broken)?;
        let path = entry.name().map_err(broken)?.into_owned();
        let checked = checked(&path)?;
        // A link is no file, wherever it leads.
        if !entry.is_file() || entry.is_symlink() || !is_wanted(checked) {
            budget.entry(0)?;
            continue;
        }
        let content = content(checked, entry)?;
        budget.entry(content.len() as u64)?;
        files.insert(checked.to_owned(), content);
    }
    Ok(files)
}

fn untar(bytes: &[u8]) -> Result<Files, CrsError> {
    let broken = |error: std::io::Error| CrsError::Archive(error.to_string());
    // What is passed over has to be unpacked as well.
    let plain = GzDecoder::new(bytes).take(TOTAL_LIMIT_BYTES);
    let mut archive = tar::Archive::new(plain);
    let mut files = Files::new();
    let mut budget = Budget::default();
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let checked = checked(&path)?;
        if !kind.is_file() || !is_wanted(checked) {
            budget.entry(0)?;
            continue;
        }
        let content = content(checked, entry)?;
        budget.entry(content.len() as u64)?;
        files.insert(checked.to_owned(), content);
    }
    Ok(files)
}
