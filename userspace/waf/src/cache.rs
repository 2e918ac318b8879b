//! What was found out about values before: the same User-Agent, Cookie or Accept is not inspected twice.

use std::hash::BuildHasher;

/// Bytes of values that one half of a [`VerdictCache`] keeps at most.
const HALF_BYTES: usize = 3 << 20;

/// Entries that one half has room for: a power of two. Three quarters of them are used.
const HALF_PLACES: usize = 1 << 14;

/// Rules that the verdicts of one half name at most.
const HALF_RULES: usize = 1 << 17;

/// Bits of one half of [`Met`], and how many are set at most: one new value in eight is taken for a known one then.
const MET_BITS: usize = 1 << 18;
const MET_LIMIT: u32 = 1 << 14;

/// Bytes of a value that is worth remembering. Longer ones are inspected each time.
pub(crate) const VALUE_LIMIT_BYTES: usize = 4096;

/// A bounded map from exact bytes to verdicts. The value itself is compared, never a hash alone; the hash is keyed at random, so a
/// client cannot make entries collide.
///
/// Two halves: when the young one is full it becomes the old one, and what is asked for again comes back from there. So what is
/// used stays, and forgetting costs nothing. Once the halves have their size nothing is allocated.
///
/// A value is kept when it is met for the second time: most of what is new in a request never comes again, and would only push out
/// what does.
#[derive(Debug, Default)]
pub(crate) struct VerdictCache {
    young: Half,
    old: Half,
    met: Met,
    hasher: foldhash::quality::RandomState,
    verdict: Vec<u32>,
    numbers: u64,
}

/// Where an entry lies. Places of earlier rounds are free.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    round: u32,
    /// The upper half of the hash; the lower half says where to look.
    check: u32,
    tag: u64,
    start: u32,
    length: u32,
    rules: u32,
    count: u32,
}

#[derive(Debug, Default)]
struct Half {
    places: Vec<Place>,
    round: u32,
    used: usize,
    bytes: Vec<u8>,
    rules: Vec<u32>,
}

impl Half {
    /// The place of a key, or the free one where it would stand.
    fn find(&self, hash: u64, tag: u64, value: &[u8]) -> Result<&Place, usize> {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let Some(place) = self.places.get(at) else {
                return Err(at);
            };
            if place.round != self.round {
                return Err(at);
            }
            if place.check == (hash >> 32) as u32 && place.tag == tag {
                let (start, length) = (place.start as usize, place.length as usize);
                if self.bytes.get(start..start + length) == Some(value) {
                    return Ok(place);
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn verdict(&self, place: &Place) -> &[u32] {
        let (start, count) = (place.rules as usize, place.count as usize);
        self.rules.get(start..start + count).unwrap_or_default()
    }

    fn has_room(&self, value: &[u8], verdict: &[u32]) -> bool {
        self.used < HALF_PLACES / 4 * 3
            && self.bytes.len() + value.len() <= HALF_BYTES
            && self.rules.len() + verdict.len() <= HALF_RULES
    }

    /// The key is not in it, and there is room.
    fn insert(&mut self, hash: u64, tag: u64, value: &[u8], verdict: &[u32]) {
        if self.places.is_empty() {
            self.places.resize(HALF_PLACES, Place::default());
            self.round = 1;
        }
        let Err(at) = self.find(hash, tag, value) else {
            return;
        };
        if let Some(place) = self.places.get_mut(at) {
            // All of these are below the limits of a half.
            *place = Place {
                round: self.round,
                check: (hash >> 32) as u32,
                tag,
                start: self.bytes.len() as u32,
                length: value.len() as u32,
                rules: self.rules.len() as u32,
                count: verdict.len() as u32,
            };
            self.used += 1;
            self.bytes.extend_from_slice(value);
            self.rules.extend_from_slice(verdict);
        }
    }

    fn clear(&mut self) {
        self.used = 0;
        self.bytes.clear();
        self.rules.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            // Once in four billion times: places of the first round would look like new ones.
            self.places.fill(Place::default());
            self.round = 1;
        }
    }
}

/// Which values were met lately, by their hashes: a filter that sometimes takes a new value for a known one, which only keeps it too
/// early. Two halves, as the cache has them.
#[derive(Debug, Default)]
struct Met {
    young: Vec<u64>,
    old: Vec<u64>,
    /// Values in the young half.
    count: u32,
}

impl Met {
    fn place(hash: u64) -> (usize, u64) {
        // Other bits than those that say where an entry lies.
        let bit = hash.rotate_left(24) as usize % MET_BITS;
        (bit / 64, 1 << (bit % 64))
    }

    /// Whether a value was met lately; it then is known for longer.
    fn contains(&mut self, hash: u64) -> bool {
        let (word, bit) = Met::place(hash);
        let has = |half: &[u64]| half.get(word).is_some_and(|word| word & bit != 0);
        if has(&self.young) {
            return true;
        }
        let known = has(&self.old);
        if known {
            self.set(hash);
        }
        known
    }

    /// Meets a value: whether it was met before.
    fn insert(&mut self, hash: u64) -> bool {
        let known = self.contains(hash);
        if !known {
            self.set(hash);
        }
        known
    }

    fn set(&mut self, hash: u64) {
        if self.young.is_empty() {
            self.young.resize(MET_BITS / 64, 0);
            self.old.resize(MET_BITS / 64, 0);
        }
        if self.count >= MET_LIMIT {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.fill(0);
            self.count = 0;
        }
        let (word, bit) = Met::place(hash);
        if let Some(word) = self.young.get_mut(word) {
            *word |= bit;
            self.count += 1;
        }
    }

    fn clear(&mut self) {
        self.young.fill(0);
        self.old.fill(0);
        self.count = 0;
    }
}

impl VerdictCache {
    /// The verdict on a value; `tag` says by whom.
    pub(crate) fn get(&mut self, tag: u64, value: &[u8]) -> Option<&[u32]> {
        let hash = self.hash(tag, value);
        if !self.met.contains(hash) {
            return None;
        }
        self.find(hash, tag, value)
    }

    /// What [`VerdictCache::remember`] kept.
    pub(crate) fn recall(&mut self, tag: u64, value: &[u8]) -> Option<&[u32]> {
        let hash = self.hash(tag, value);
        self.find(hash, tag, value)
    }

    fn find(&mut self, hash: u64, tag: u64, value: &[u8]) -> Option<&[u32]> {
        // Looked for twice where it is found, since the borrow checker does not see that the first borrow ended.
        if self.young.find(hash, tag, value).is_err() {
            let place = self.old.find(hash, tag, value).ok()?;
            self.verdict.clear();
            self.verdict.extend_from_slice(self.old.verdict(place));
            let verdict = std::mem::take(&mut self.verdict);
            self.add(hash, tag, value, &verdict);
            self.verdict = verdict;
            return Some(&self.verdict);
        }
        let place = self.young.find(hash, tag, value).ok()?;
        Some(self.young.verdict(place))
    }

    /// Keeps the verdict on a value, unless the value was never met before.
    pub(crate) fn insert(&mut self, tag: u64, value: &[u8], verdict: &[u32]) {
        let hash = self.hash(tag, value);
        if self.met.insert(hash) {
            self.add(hash, tag, value, verdict);
        }
    }

    /// Keeps it at once: for what is sure to come again.
    pub(crate) fn remember(&mut self, tag: u64, value: &[u8], verdict: &[u32]) {
        let hash = self.hash(tag, value);
        self.add(hash, tag, value, verdict);
    }

    fn add(&mut self, hash: u64, tag: u64, value: &[u8], verdict: &[u32]) {
        if !self.young.has_room(value, verdict) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(hash, tag, value, verdict);
    }

    /// A number that was not given before.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn hash(&self, tag: u64, value: &[u8]) -> u64 {
        self.hasher.hash_one((tag, value))
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.met.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut cache = VerdictCache::default();
        let key = |number: usize| number.to_be_bytes().repeat(64);
        cache.insert(1, &key(0), &[7]);
        assert_eq!(cache.get(1, &key(0)), None, "it was met once");
        cache.insert(1, &key(0), &[7]);
        for number in 1..40_000 {
            cache.insert(1, &key(number), &[]);
            cache.remember(1, &key(number), &[]);
            assert_eq!(cache.get(1, &key(0)), Some(&[7][..]));
        }
        assert_eq!(cache.get(1, &key(1)), None);
        assert_eq!(cache.get(2, &key(0)), None);
        assert!(cache.young.used + cache.old.used < 2 * HALF_PLACES);
        cache.clear();
        assert_eq!(cache.get(1, &key(0)), None);
    }

    #[test]
    fn an_empty_cache_has_nothing() {
        let mut cache = VerdictCache::default();
        assert_eq!(cache.get(0, b""), None);
        cache.remember(0, b"", &[1, 2]);
        assert_eq!(cache.recall(0, b""), Some(&[1, 2][..]));
        assert_eq!(cache.get(0, b""), None, "no value");
    }

    #[test]
    fn values_that_are_met_once_push_nothing_out() {
        let mut cache = VerdictCache::default();
        cache.remember(1, b"kept", &[3]);
        let twice = |cache: &mut VerdictCache| {
            cache.insert(1, b"value", &[4]);
            cache.insert(1, b"value", &[4]);
        };
        twice(&mut cache);
        for number in 0..100_000usize {
            cache.insert(1, &number.to_be_bytes(), &[]);
            if number % 1000 == 0 {
                assert_eq!(cache.get(1, b"value"), Some(&[4][..]), "{number}");
            }
        }
        assert_eq!(cache.recall(1, b"kept"), Some(&[3][..]));
        assert!(cache.young.used + cache.old.used < 30_000);
    }
}
