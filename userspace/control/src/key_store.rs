//! The file of API keys, changed offline. Whoever serves from it sees the change and takes it over within a second.
//!
//! A file is replaced as a whole: written beside, flushed to disk, renamed. So a reader sees the old or the new one, and
//! a crash loses neither. Its mode is 0600; the owner of a file that was there before stays its owner.

#[cfg(test)]
mod tests;

use crate::random;
use auth::key_file::{KeyFileError, KeyFileProblem, NewKey};
use auth::{KeyFile, KeyRecord};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use types::Secret;

/// The prefix of keys where none is named.
pub const DEFAULT_PREFIX: &str = "bsc";
/// The largest file in bytes; a larger one is refused.
pub const FILE_LIMIT_BYTES: u64 = 512 * 1024 * 1024;
/// Who may read the file: its owner.
const FILE_MODE: u32 = 0o600;

/// Why nothing was done. The file is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is no such file.
    #[error("there is no key store `{path}`; `bascule key create --store {path}` makes one")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system refused a step.
    #[error("key store `{path}`: {doing}: {error}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The step.
        doing: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The file is too large to be a key store.
    #[error("`{path}` is larger than {FILE_LIMIT_BYTES} bytes; is it a key store?")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is wrong.
    #[error("key store `{path}`, {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where and how.
        error: KeyFileError,
    },
    /// The new key would not fit in.
    #[error("the key is not made: {0}")]
    Key(#[from] KeyFileProblem),
    /// A store has one prefix.
    #[error(
        "the keys in `{path}` begin with `{found}`, not with `{asked}`; leave --prefix out, or use another store"
    )]
    OtherPrefix {
        /// The file.
        path: PathBuf,
        /// Its prefix.
        found: String,
        /// The prefix that was asked for.
        asked: String,
    },
    /// No key has the id.
    #[error("no key in `{path}` has the id `{id}`; `bascule key list --store {path}` shows them")]
    UnknownId {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// The system has no randomness.
    #[error("the system gives no randomness to make a key of: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// What a new key is for.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    /// Who will hold it.
    pub consumer: String,
    /// The name of the key; one is made up where it is left out.
    pub id: Option<String>,
    /// What keys of the store begin with; [`DEFAULT_PREFIX`] for a new store where it is left out.
    pub prefix: Option<String>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// How long it is good; for ever where it is left out.
    pub ttl: Option<Duration>,
}

/// A key that was made. The store keeps its hash alone, so this is the only time that anybody sees it.
#[derive(Clone, Debug)]
pub struct IssuedKey {
    /// Its name.
    pub id: String,
    /// The key.
    pub secret: Secret,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether the store was made for it.
    pub new_store: bool,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    /// Its name.
    pub id: String,
    /// Who holds it.
    pub consumer: String,
    /// Whether it is accepted.
    pub state: KeyState,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// When it was revoked, in seconds since 1970.
    pub revoked: Option<u64>,
    /// What it may be used for.
    pub scopes: Vec<String>,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It is.
    Live,
    /// Its time is over.
    Expired,
    /// Not until it is switched on again.
    Disabled,
    /// Never again.
    Revoked,
}

impl KeyState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }
}

/// The keys of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyList {
    /// What its keys begin with.
    pub prefix: String,
    /// The keys, in the order of the file.
    pub keys: Vec<KeyEntry>,
}

/// What [`revoke`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The key is refused from now on.
    Now,
    /// It was revoked before.
    Before,
}

/// Makes a key and adds its hash to the store; makes the store where it is not there yet.
///
/// # Errors
/// [`KeyStoreError`]
pub fn create(
    store: &Path,
    request: &KeyRequest,
    now: SystemTime,
) -> Result<IssuedKey, KeyStoreError> {
    let _lock = lock(store)?;
    let found = match read(store) {
        Ok(file) => Some(file),
        Err(KeyStoreError::Missing { .. }) => None,
        Err(error) => return Err(error),
    };
    let new_store = found.is_none();
    let mut file = match (found, &request.prefix) {
        (Some(file), Some(asked)) if file.prefix != *asked => {
            return Err(KeyStoreError::OtherPrefix {
                path: store.to_owned(),
                found: file.prefix,
                asked: asked.clone(),
            });
        }
        (Some(file), _) => file,
        (None, prefix) => {
            let prefix = prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
            KeyFile::new(prefix).map_err(KeyFileProblem::from)?
        }
    };
    let id = match &request.id {
        Some(id) => id.clone(),
        None => made_up_id()?,
    };
    let expires = request.ttl.and_then(|ttl| now.checked_add(ttl));
    let key = NewKey {
        id: id.clone(),
        consumer: request.consumer.clone(),
        expires,
        slot: None,
        scopes: request.scopes.clone(),
    };
    let secret = file.issue(key, &random::secret()?, now)?;
    replace(store, file.to_text().as_bytes())?;
    Ok(IssuedKey {
        id,
        secret,
        expires: expires.map(unix_seconds),
        new_store,
    })
}

/// The keys of a store, without their hashes.
///
/// # Errors
/// [`KeyStoreError`]
pub fn list(store: &Path, now: SystemTime) -> Result<KeyList, KeyStoreError> {
    let file = read(store)?;
    let now = unix_seconds(now);
    Ok(KeyList {
        keys: file
            .records
            .iter()
            .map(|record| entry(record, now))
            .collect(),
        prefix: file.prefix,
    })
}

/// Revokes a key for ever.
///
/// # Errors
/// [`KeyStoreError::UnknownId`] where no key has the id.
pub fn revoke(store: &Path, id: &str, now: SystemTime) -> Result<Revoked, KeyStoreError> {
    let _lock = lock(store)?;
    let mut file = read(store)?;
    let known = file.records.iter().find(|record| record.id == id);
    if known.is_some_and(|record| record.revoked.is_some()) {
        return Ok(Revoked::Before);
    }
    if !file.revoke(id, now) {
        return Err(KeyStoreError::UnknownId {
            path: store.to_owned(),
            id: id.to_owned(),
        });
    }
    replace(store, file.to_text().as_bytes())?;
    Ok(Revoked::Now)
}

fn entry(record: &KeyRecord, now: u64) -> KeyEntry {
    let state = if record.revoked.is_some() {
        KeyState::Revoked
    } else if record.disabled {
        KeyState::Disabled
    } else if record.expires.is_some_and(|expires| expires <= now) {
        KeyState::Expired
    } else {
        KeyState::Live
    };
    KeyEntry {
        id: record.id.clone(),
        consumer: record.consumer.clone(),
        state,
        created: record.created,
        expires: record.expires,
        revoked: record.revoked,
        scopes: record.scopes.clone(),
    }
}

fn made_up_id() -> Result<String, getrandom::Error> {
    let bytes: [u8; 6] = random::secret()?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("k-{digits}"))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn refused(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> KeyStoreError {
    move |error| KeyStoreError::Refused {
        path: path.to_owned(),
        doing,
        error,
    }
}

/// The folder of the store, locked: two commands at one moment do not lose each other's key.
fn lock(store: &Path) -> Result<File, KeyStoreError> {
    let folder = File::open(folder(store)).map_err(refused(store, "opening its folder"))?;
    folder
        .lock()
        .map_err(refused(store, "locking its folder"))?;
    Ok(folder)
}

fn folder(store: &Path) -> &Path {
    match store.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn read(store: &Path) -> Result<KeyFile, KeyStoreError> {
    let file = File::open(store).map_err(|error| match error.kind() {
        ErrorKind::NotFound => KeyStoreError::Missing {
            path: store.to_owned(),
        },
        _ => refused(store, "opening it")(error),
    })?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(refused(store, "reading it"))?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(KeyStoreError::TooLarge {
            path: store.to_owned(),
        });
    }
    KeyFile::parse(&bytes).map_err(|error| KeyStoreError::Unreadable {
        path: store.to_owned(),
        error,
    })
}

/// Puts a new file in the place of the store in one step.
fn replace(store: &Path, content: &[u8]) -> Result<(), KeyStoreError> {
    // A link to a file elsewhere stays one.
    let target = fs::canonicalize(store).unwrap_or_else(|_| store.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = target.with_file_name(name);
    let written = write(&beside, &target, content);
    if written.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(refused(store, "writing it anew"))
}

fn write(beside: &Path, target: &Path, content: &[u8]) -> io::Result<()> {
    // One that a crash has left behind may have another mode.
    match fs::remove_file(beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(beside)?;
    if let Ok(old) = fs::metadata(target) {
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(beside, target)?;
    // The rename is on disk only when the folder is.
    File::open(folder(target))?.sync_all()
}
