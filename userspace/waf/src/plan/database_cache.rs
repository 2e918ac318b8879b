//! Compiled databases kept beyond the process: start and reload then take milliseconds instead of seconds.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha1::{Digest, Sha1};

/// Where compiled databases are kept, by a key that stands for their content and the library that made them.
///
/// What is loaded is handed to Hyperscan, which trusts it: keep it where only the process's own user can write.
pub trait DatabaseCache: Debug + Send + Sync {
    /// What was stored under this key; `None` where nothing was, or it cannot be read. It is then compiled again.
    fn load(&self, key: &str) -> Option<Vec<u8>>;

    /// Keeps a database. That it could not be kept is no error: it is compiled again the next time.
    fn store(&self, key: &str, database: &[u8]);
}

/// Databases as files of one directory, each with a digest of itself, so that a damaged file counts as none.
///
/// The one place of this crate that touches files and looks at a clock: what was used last is kept longest.
#[derive(Clone, Debug)]
pub struct DirectoryCache {
    directory: PathBuf,
    limit_bytes: u64,
}

/// Bytes that a directory keeps, where nothing else is said: some ten rule sets of the size of the CRS.
const LIMIT_BYTES: u64 = 256 << 20;

/// How files of databases end.
const SUFFIX: &str = "hsdb";

/// Bytes of the digest at the start of a file.
const DIGEST_BYTES: usize = 20;

impl DirectoryCache {
    /// A cache in `directory`, which is made when the first database is stored.
    #[must_use]
    pub fn new(directory: impl AsRef<Path>) -> DirectoryCache {
        DirectoryCache {
            directory: directory.as_ref().to_owned(),
            limit_bytes: LIMIT_BYTES,
        }
    }

    /// Keeps at most so many bytes: over them, what was not used for longest is removed.
    #[must_use]
    pub fn limited_to(self, limit_bytes: u64) -> DirectoryCache {
        DirectoryCache {
            limit_bytes,
            ..self
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{key}.{SUFFIX}"))
    }

    /// Removes what was not used for longest until the rest fits.
    fn shrink(&self) -> std::io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|end| end == SUFFIX) {
                let about = entry.metadata()?;
                kept.push((about.modified()?, about.len(), entry.path()));
            }
        }
        kept.sort();
        let mut bytes: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        // The last one is what was just stored.
        kept.pop();
        for (_, length, path) in kept {
            if bytes <= self.limit_bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes -= length;
        }
        Ok(())
    }
}

impl DatabaseCache for DirectoryCache {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut file = fs::read(&path).ok()?;
        let is_whole = file
            .split_at_checked(DIGEST_BYTES)
            .is_some_and(|(digest, database)| Sha1::digest(database).as_slice() == digest);
        if !is_whole {
            // It would be found damaged each time.
            let _ = fs::remove_file(path);
            return None;
        }
        // That it was used cannot be noted on a file system that is read only: it is then not removed either.
        let _ = fs::File::options()
            .append(true)
            .open(path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        file.drain(..DIGEST_BYTES);
        Some(file)
    }

    fn store(&self, key: &str, database: &[u8]) {
        let mut file = Sha1::digest(database).to_vec();
        file.extend_from_slice(database);
        // Written beside its place and moved there, so that a reader sees all of it or nothing.
        let fresh = self
            .directory
            .join(format!("{key}.{}.new", std::process::id()));
        let stored = fs::create_dir_all(&self.directory)
            .and_then(|()| fs::write(&fresh, file))
            .and_then(|()| fs::rename(&fresh, self.path(key)))
            .and_then(|()| self.shrink());
        if stored.is_err() {
            // Nothing was promised; what was half written goes.
            let _ = fs::remove_file(&fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_counts_as_none() {
        let directory = std::env::temp_dir().join(format!("waf-cache-{}", std::process::id()));
        let cache = DirectoryCache::new(&directory);
        assert_eq!(cache.load("a"), None);
        cache.store("a", b"database");
        assert_eq!(cache.load("a").as_deref(), Some(&b"database"[..]));
        let mut file = fs::read(cache.path("a")).unwrap();
        *file.last_mut().unwrap() ^= 1;
        fs::write(cache.path("a"), file).unwrap();
        assert_eq!(cache.load("a"), None);
        fs::write(cache.path("a"), b"short").unwrap();
        assert_eq!(cache.load("a"), None);
        assert!(!cache.path("a").exists(), "what is damaged is thrown away");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let directory = std::env::temp_dir().join(format!("waf-room-{}", std::process::id()));
        let cache = DirectoryCache::new(&directory).limited_to(300);
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        for (key, used) in [("a", 2), ("b", 1)] {
            cache.store(key, &[0; 100]);
            let file = fs::File::options()
                .append(true)
                .open(cache.path(key))
                .unwrap();
            file.set_modified(at(used)).unwrap();
        }
        assert!(
            cache.load("b").is_some(),
            "being used makes it the younger one"
        );
        cache.store("c", &[0; 100]);
        let kept = ["a", "b", "c"].map(|key| cache.load(key).is_some());
        assert_eq!(kept, [false, true, true]);
        cache.store("d", &[0; 1000]);
        let kept = ["b", "c", "d"].map(|key| cache.load(key).is_some());
        assert_eq!(
            kept,
            [false, false, true],
            "what is needed now is kept whatever its size"
        );
        fs::remove_dir_all(directory).unwrap();
    }
}
