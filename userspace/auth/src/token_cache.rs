//! Tokens that were verified a moment ago.
//!
//! A client sends the same token with each request, and verifying its signature costs 20 µs (RS256) to 400 µs (ES512), a
//! look-up here less than one.
//! Each worker has a cache of its own. It holds no tokens: an entry is found by an HMAC of the token, so that neither a
//! dump of the memory nor the duration of a look-up says anything about tokens.

use crate::identity::Identity;
use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::sync::Arc;

/// Entries in a cache where the configuration says nothing: about 1.5 MB a worker when full.
pub const DEFAULT_LIMIT: usize = 8_192;
/// The random bytes that a cache is keyed with.
pub const SEED_BYTES: usize = 32;

type Fingerprint = [u8; 32];

/// The verified tokens of one worker, a bounded number of them.
///
/// Full means: the older half is forgotten. A token that was forgotten is verified again, no more happens.
#[derive(Debug)]
pub struct TokenCache {
    key: hmac::Key,
    /// The most entries in one half.
    half_limit: usize,
    young: HashMap<Fingerprint, Entry>,
    old: HashMap<Fingerprint, Entry>,
    hits: u64,
    misses: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    identity: Arc<Identity>,
    key_set: u64,
    /// The first second in which the entry is not good any more.
    ends: u64,
}

impl TokenCache {
    /// A cache of at most `limit` entries; 0 remembers nothing. `seed` is random and differs from worker to worker.
    #[must_use]
    pub fn new(limit: usize, seed: &[u8; SEED_BYTES]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            half_limit: limit / 2,
            young: HashMap::new(),
            old: HashMap::new(),
            hits: 0,
            misses: 0,
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Look-ups that found a token, and look-ups that did not.
    #[must_use]
    pub const fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }

    /// Where a token stands. The method's id is a part of it: methods accept different tokens.
    pub(crate) fn fingerprint(&self, method: u64, token: &[u8]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&method.to_be_bytes());
        context.update(token);
        let tag = context.sign();
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        fingerprint
    }

    /// The identity of a token that was verified with this key set and has not ended.
    pub(crate) fn get(
        &mut self,
        at: &Fingerprint,
        key_set: u64,
        now: u64,
    ) -> Option<Arc<Identity>> {
        let good = |entry: &Entry| entry.key_set == key_set && now < entry.ends;
        if let Some(entry) = self.young.get(at).filter(|entry| good(entry)) {
            self.hits += 1;
            return Some(Arc::clone(&entry.identity));
        }
        self.young.remove(at);
        let found = self.old.remove(at).filter(good);
        let Some(entry) = found else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        let identity = Arc::clone(&entry.identity);
        self.put_entry(*at, entry);
        Some(identity)
    }

    /// Remembers a token until `ends`, in seconds since 1970.
    pub(crate) fn put(
        &mut self,
        at: Fingerprint,
        identity: &Arc<Identity>,
        key_set: u64,
        ends: u64,
    ) {
        let identity = Arc::clone(identity);
        self.put_entry(
            at,
            Entry {
                identity,
                key_set,
                ends,
            },
        );
    }

    fn put_entry(&mut self, at: Fingerprint, entry: Entry) {
        if self.half_limit == 0 {
            return;
        }
        if self.young.len() >= self.half_limit {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.old.remove(&at);
        self.young.insert(at, entry);
    }
}

#[cfg(test)]
mod tests;
