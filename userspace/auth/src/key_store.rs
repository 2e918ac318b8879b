//! Who holds which key: the key file, arranged for look-up, and the handle through which it is replaced.

use crate::api_key::{ApiKey, KeyHash};
use crate::civil_time::{from_unix, unix_seconds};
use crate::denial::Detail;
use crate::identity::Identity;
use crate::key_file::{KeyFile, KeyRecord};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::SystemTime;

/// The keys of one file, sorted by hash. It does not change.
#[derive(Debug)]
pub struct KeyStore {
    prefix: String,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    hash: KeyHash,
    expires: Option<u64>,
    revoked: bool,
    disabled: bool,
    identity: Arc<Identity>,
}

impl KeyStore {
    /// Arranges a key file; `method` is the name of the method that the identities carry.
    #[must_use]
    pub fn new(file: &KeyFile, method: &Arc<str>) -> Self {
        let mut entries: Vec<Entry> = file
            .records
            .iter()
            .map(|record| Entry::new(record, method))
            .collect();
        entries.sort_unstable_by_key(|entry| *entry.hash.as_bytes());
        Self {
            prefix: file.prefix.clone(),
            entries,
        }
    }

    /// How many keys there are, revoked ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Who holds the key. A text with a wrong form, checksum or prefix is refused before the store is looked into.
    /// Allocates nothing.
    ///
    /// # Errors
    /// Why the key is refused.
    pub fn check(&self, text: &[u8], now: SystemTime) -> Result<Arc<Identity>, Detail> {
        let key = ApiKey::parse(text).map_err(|error| match error {
            crate::api_key::ApiKeyError::Form => Detail::MalformedKey,
            crate::api_key::ApiKeyError::Checksum => Detail::BadChecksum,
        })?;
        if key.prefix() != self.prefix {
            return Err(Detail::WrongPrefix);
        }
        let entry = self.find(&key.hash()).ok_or(Detail::UnknownKey)?;
        if entry.revoked {
            return Err(Detail::KeyRevoked);
        }
        if entry.disabled {
            return Err(Detail::KeyDisabled);
        }
        if entry
            .expires
            .is_some_and(|expires| unix_seconds(now) >= expires)
        {
            return Err(Detail::KeyExpired);
        }
        Ok(Arc::clone(&entry.identity))
    }

    /// Candidates are found by the first 64 bits of the hash, the whole hash is compared in constant time. What the
    /// search betrays by its duration is a part of a hash, from which no key follows.
    fn find(&self, hash: &KeyHash) -> Option<&Entry> {
        let bucket = hash.bucket();
        let first = self
            .entries
            .partition_point(|entry| entry.hash.bucket() < bucket);
        self.entries
            .get(first..)?
            .iter()
            .take_while(|entry| entry.hash.bucket() == bucket)
            .find(|entry| entry.hash == *hash)
    }
}

impl Entry {
    fn new(record: &KeyRecord, method: &Arc<str>) -> Self {
        let consumer: Arc<str> = record.consumer.as_str().into();
        Self {
            hash: record.hash,
            expires: record.expires,
            revoked: record.revoked.is_some(),
            disabled: record.disabled,
            identity: Arc::new(Identity {
                subject: Arc::clone(&consumer),
                consumer,
                method: Arc::clone(method),
                scopes: record.scopes.join(" ").into(),
                key_id: Some(record.id.as_str().into()),
                expires: record.expires.map(from_unix),
            }),
        }
    }
}

/// A key store that is replaced while it is in use. The control plane installs, the workers check: a revocation counts
/// from the next request on.
#[derive(Debug)]
pub struct KeyStoreHandle {
    method: Arc<str>,
    store: ArcSwapOption<KeyStore>,
}

impl KeyStoreHandle {
    /// A handle without keys: until [`KeyStoreHandle::install`], every key is answered with 503. `method` is the name
    /// of the authentication method in the configuration.
    #[must_use]
    pub fn new(method: &str) -> Arc<Self> {
        Arc::new(Self {
            method: method.into(),
            store: ArcSwapOption::empty(),
        })
    }

    /// The name of the authentication method.
    #[must_use]
    pub const fn method(&self) -> &Arc<str> {
        &self.method
    }

    /// Replaces the keys.
    pub fn install(&self, file: &KeyFile) {
        self.store
            .store(Some(Arc::new(KeyStore::new(file, &self.method))));
    }

    /// The keys as they are now, for `status`.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeyStore>> {
        self.store.load_full()
    }

    /// [`KeyStore::check`] on the current keys.
    ///
    /// # Errors
    /// Why the key is refused.
    pub fn check(&self, text: &[u8], now: SystemTime) -> Result<Arc<Identity>, Detail> {
        self.store
            .load()
            .as_ref()
            .ok_or(Detail::StoreUnavailable)?
            .check(text, now)
    }
}

#[cfg(test)]
mod tests;
