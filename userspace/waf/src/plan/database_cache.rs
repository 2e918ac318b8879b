//! Compiled databases kept beyond the process: start and reload then take milliseconds instead of seconds.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

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
#[derive(Clone, Debug)]
pub struct DirectoryCache {
    directory: PathBuf,
}

/// Bytes of the digest at the start of a file.
const DIGEST_BYTES: usize = 20;

impl DirectoryCache {
    /// A cache in `directory`, which is made when the first database is stored.
    #[must_use]
    pub fn new(directory: impl AsRef<Path>) -> DirectoryCache {
        DirectoryCache {
            directory: directory.as_ref().to_owned(),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{key}.hsdb"))
    }
}

impl DatabaseCache for DirectoryCache {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        let file = fs::read(self.path(key)).ok()?;
        let (digest, database) = file.split_at_checked(DIGEST_BYTES)?;
        (Sha1::digest(database).as_slice() == digest).then(|| database.to_vec())
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
            .and_then(|()| fs::rename(&fresh, self.path(key)));
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
        fs::remove_dir_all(directory).unwrap();
    }
}
