//! Ban lists that outlive the process: files of the cache folder, each a ban list itself with a first line about it.

use super::fetch::Validators;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a remembered list that are read: the most that can have been written.
const FILE_MAX_BYTES: u64 = (256 << 20) + (1 << 16);
const MARK: &str = "# bascule ";

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    /// The URL, or the name that it was loaded under.
    pub(super) name: String,
    #[serde(default)]
    pub(super) etag: Option<String>,
    #[serde(default)]
    pub(super) last_modified: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    pub(super) at: u64,
}

impl About {
    pub(super) fn validators(&self) -> Validators {
        Validators {
            etag: self.etag.clone(),
            last_modified: self.last_modified.clone(),
        }
    }
}

/// Where lists came from that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Url,
    Loaded,
}

/// The folder of remembered lists.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// A name may have any characters, and two URLs may differ in one.
    fn path(&self, origin: Origin, name: &str) -> PathBuf {
        match origin {
            Origin::Url => {
                // It has no random key. Should another build hash otherwise, the list is fetched once more.
                let mut hasher = DefaultHasher::new();
                hasher.write(name.as_bytes());
                self.0.join(format!("url-{:016x}.list", hasher.finish()))
            }
            Origin::Loaded => self.0.join(format!("loaded-{name}.list")),
        }
    }

    /// Keeps a list in the place of what was kept under its name.
    pub(super) fn keep(&self, origin: Origin, about: &About, text: &str) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        let path = self.path(origin, &about.name);
        let new = path.with_extension("new");
        let head = serde_json::to_string(about).map_err(io::Error::other)?;
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(file, "{MARK}{head}")?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    }

    /// The list that was kept under a name.
    pub(super) fn get(&self, origin: Origin, name: &str) -> Option<(About, String)> {
        let (about, text) = read(&self.path(origin, name))?;
        (about.name == name).then_some((about, text))
    }

    /// Forgets it; one that is not there is forgotten.
    pub(super) fn forget(&self, origin: Origin, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(origin, name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every list that was loaded by hand.
    pub(super) fn loaded(&self) -> Vec<(About, String)> {
        let Ok(entries) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        let of_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("loaded-") && name.ends_with(".list")
        };
        let paths = paths.iter().filter(|path| of_ours(path));
        paths.filter_map(|path| read(path)).collect()
    }
}

/// A list and what its first line says; none where that is not ours.
fn read(path: &Path) -> Option<(About, String)> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(FILE_MAX_BYTES).read_to_string(&mut text).ok()?;
    let (head, _) = text.split_once('\n')?;
    let about = serde_json::from_str(head.strip_prefix(MARK)?).ok()?;
    Some((about, text))
}
