//! What was found out about values before: the same User-Agent, Cookie or Accept is not inspected twice.

use std::collections::HashMap;

/// A bounded map from exact bytes to verdicts. The value itself is compared, never a hash alone; the hash is keyed at random, so a
/// client cannot make entries collide.
///
/// Two generations of at most half the limit each: when the young one is full it becomes the old one, and what is asked for again
/// comes back from there. So what is used stays, and forgetting costs nothing.
#[derive(Debug, Default)]
pub(crate) struct VerdictCache {
    young: HashMap<Box<[u8]>, Box<[u32]>>,
    old: HashMap<Box<[u8]>, Box<[u32]>>,
    young_bytes: usize,
}

/// Bytes of keys and verdicts that one worker keeps at most. At half of it the older half is forgotten.
const LIMIT_BYTES: usize = 8 << 20;

/// What an entry costs besides its bytes.
const ENTRY_BYTES: usize = 64;

/// Bytes of a value that is worth remembering. Longer ones are inspected each time.
pub(crate) const VALUE_LIMIT_BYTES: usize = 4096;

impl VerdictCache {
    /// The verdict on a key.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&[u32]> {
        if !self.young.contains_key(key) {
            let (key, verdict) = self.old.remove_entry(key)?;
            self.insert(key, verdict);
        }
        self.young.get(key).map(|verdict| &verdict[..])
    }

    pub(crate) fn insert(&mut self, key: Box<[u8]>, verdict: Box<[u32]>) {
        let bytes = key.len() + verdict.len() * size_of::<u32>() + ENTRY_BYTES;
        if self.young_bytes + bytes > LIMIT_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut cache = VerdictCache::default();
        let key = |number: usize| number.to_be_bytes().repeat(64).into_boxed_slice();
        cache.insert(key(0), Box::new([7]));
        for number in 1..40_000 {
            cache.insert(key(number), Box::new([]));
            assert_eq!(cache.get(&key(0)), Some(&[7][..]));
        }
        assert_eq!(cache.get(&key(1)), None);
        assert!(cache.young.len() + cache.old.len() < 2 * (LIMIT_BYTES / 512));
    }
}
