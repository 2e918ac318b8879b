//! Collections that outlive a transaction: `IP`, `GLOBAL`, `SESSION`, `USER`, `RESOURCE`.
//!
//! They live in memory. All workers of a policy share one [`Collections`], and whoever reloads rules hands the same one to the next
//! rule set. No clock is read: moments are seconds since 1970 that the caller gives.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts with a lock each, so that workers seldom meet at one.
const SHARDS: usize = 16;

/// What a record and a variable cost besides their bytes.
const RECORD_BYTES: usize = 256;
const VARIABLE_BYTES: usize = 64;

/// Expired records that each new one makes room for: those that nobody asks for any more go without a sweep.
const SWEPT_FOR_ONE: usize = 2;

/// Bounds of [`Collections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionLimits {
    /// Records (an address, a session ...) in all. Over it the least recently used ones are forgotten.
    pub records: usize,
    /// Bytes in all, with what keeping them costs. Over it the least recently used records are forgotten.
    pub bytes: usize,
    /// Variables of one record. A further one is not stored, and counted.
    pub variables: usize,
    /// Bytes of one name or value. A longer one is not stored, and counted.
    pub value_bytes: usize,
}

impl Default for CollectionLimits {
    fn default() -> Self {
        CollectionLimits {
            records: 200_000,
            bytes: 64 << 20,
            variables: 256,
            value_bytes: 8 << 10,
        }
    }
}

/// What [`Collections`] hold, and what they had to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionStats {
    /// Records, those that have expired and were not asked for since included.
    pub records: usize,
    /// Bytes, with what keeping them costs.
    pub bytes: usize,
    /// Records that were forgotten because of the limits, since the start.
    pub evicted: u64,
    /// Variables that were not stored because of the limits, since the start.
    pub refused: u64,
}

/// The persistent collections of a policy.
pub struct Collections {
    shards: [Mutex<Shard>; SHARDS],
    limits: CollectionLimits,
    hasher: RandomState,
    evicted: AtomicU64,
    refused: AtomicU64,
}

/// What rules can ask of a record besides its variables. Moments are in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    /// Transactions that changed it.
    pub(crate) updates: u64,
    /// Seconds after the last change at which it expires.
    pub(crate) timeout: u64,
}

struct Variable {
    /// In lower case.
    name: Box<[u8]>,
    /// `None` while it only has a moment at which it will expire.
    value: Option<Box<[u8]>>,
    expires: Option<u64>,
}

impl Variable {
    fn bytes(&self) -> usize {
        VARIABLE_BYTES + self.name.len() + self.value.as_ref().map_or(0, |value| value.len())
    }

    fn is_alive(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

struct Record {
    header: Header,
    variables: Vec<Variable>,
    /// Its place in the order of use.
    used: u64,
    bytes: usize,
}

impl Record {
    fn is_alive(&self, now: u64) -> bool {
        now < self.header.updated.saturating_add(self.header.timeout)
    }
}

#[derive(Default)]
struct Shard {
    records: HashMap<Arc<[u8]>, Record>,
    /// Keys by when they were used last.
    order: BTreeMap<u64, Arc<[u8]>>,
    next: u64,
    bytes: usize,
}

/// Who writes: the transaction's moment, and whether it has written to this record before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) now: u64,
    /// Seconds that a new record lives without being changed.
    pub(crate) timeout: u64,
    pub(crate) is_first: bool,
}

impl Default for Collections {
    fn default() -> Self {
        Collections::new(CollectionLimits::default())
    }
}

impl Collections {
    /// Nothing yet, and never more than `limits`.
    #[must_use]
    pub fn new(limits: CollectionLimits) -> Collections {
        Collections {
            shards: std::array::from_fn(|_| Mutex::default()),
            limits,
            hasher: RandomState::new(),
            evicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// What is held now. Takes every lock in turn.
    #[must_use]
    pub fn stats(&self) -> CollectionStats {
        let mut stats = CollectionStats {
            evicted: self.evicted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            ..CollectionStats::default()
        };
        for shard in &self.shards {
            let shard = lock(shard);
            stats.records += shard.records.len();
            stats.bytes += shard.bytes;
        }
        stats
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        lock(&self.shards[at])
    }

    /// The header of a record that has not expired.
    pub(crate) fn header(&self, key: &[u8], now: u64) -> Option<Header> {
        let mut shard = self.shard(key);
        shard.touch(key, now).map(|record| record.header)
    }

    /// Shows every variable of a record that has not expired.
    pub(crate) fn visit(
        &self,
        key: &[u8],
        now: u64,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Option<Header> {
        let mut shard = self.shard(key);
        let record = shard.touch(key, now)?;
        for variable in record.variables.iter().filter(|known| known.is_alive(now)) {
            if let Some(value) = &variable.value {
                visit(&variable.name, value);
            }
        }
        Some(record.header)
    }

    /// Changes a variable, its name in lower case: from its value to what `change` makes of it, `None` being no variable at all.
    /// Nobody else sees it in between. Makes the record where there is none.
    pub(crate) fn update(
        &self,
        key: &[u8],
        name: &[u8],
        writer: Writer,
        change: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>,
    ) {
        let mut shard = self.shard(key);
        let limits = &self.limits;
        let (record, mut refused) = (shard.write(key, writer), false);
        let variables = &mut record.variables;
        variables.retain(|variable| variable.is_alive(writer.now));
        let at = variables.iter().position(|known| *known.name == *name);
        let current = at.and_then(|at| variables[at].value.as_deref());
        match (change(current), at) {
            (None, Some(at)) => drop(variables.swap_remove(at)),
            (None, None) => {}
            (Some(value), _) if value.len() > limits.value_bytes => refused = true,
            (Some(value), Some(at)) => variables[at].value = Some(value.into()),
            (Some(value), None) => {
                refused = variables.len() >= limits.variables || name.len() > limits.value_bytes;
                if !refused {
                    variables.push(Variable {
                        name: name.into(),
                        value: Some(value.into()),
                        expires: None,
                    });
                }
            }
        }
        self.settle(&mut shard, key, refused);
    }

    /// Lets a variable expire at a moment; also one that is only set later.
    pub(crate) fn expire(&self, key: &[u8], name: &[u8], writer: Writer, at: u64) {
        let mut shard = self.shard(key);
        let (record, mut refused) = (shard.write(key, writer), false);
        let variables = &mut record.variables;
        variables.retain(|variable| variable.is_alive(writer.now));
        let is_full =
            variables.len() >= self.limits.variables || name.len() > self.limits.value_bytes;
        match variables.iter_mut().find(|known| *known.name == *name) {
            Some(variable) => variable.expires = Some(at),
            None if is_full => refused = true,
            None => variables.push(Variable {
                name: name.into(),
                value: None,
                expires: Some(at),
            }),
        }
        self.settle(&mut shard, key, refused);
    }

    /// Sets how long a record lives without being changed, in seconds.
    pub(crate) fn set_timeout(&self, key: &[u8], writer: Writer, seconds: u64) {
        let mut shard = self.shard(key);
        shard.write(key, writer).header.timeout = seconds;
        self.settle(&mut shard, key, false);
    }

    /// Counts what a record has become, and makes room.
    fn settle(&self, shard: &mut Shard, key: &[u8], refused: bool) {
        shard.weigh(key);
        if refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        let mut evicted = 0;
        while shard.records.len() > self.limits.records.div_ceil(SHARDS)
            || shard.bytes > self.limits.bytes.div_ceil(SHARDS)
        {
            let Some((_, oldest)) = shard.order.pop_first() else {
                break;
            };
            shard.forget(&oldest);
            evicted += 1;
        }
        if evicted > 0 {
            self.evicted.fetch_add(evicted, Ordering::Relaxed);
        }
    }
}

/// A thread that panicked with the lock has left nothing half done that matters here.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// A record that has not expired, as the one used last.
    fn touch(&mut self, key: &[u8], now: u64) -> Option<&mut Record> {
        let (known, record) = self.records.get_key_value(key)?;
        let (known, used) = (Arc::clone(known), record.used);
        self.order.remove(&used);
        if !record.is_alive(now) {
            self.forget(&known);
            return None;
        }
        let used = self.next;
        self.next += 1;
        self.order.insert(used, known);
        let record = self.records.get_mut(key)?;
        record.used = used;
        Some(record)
    }

    /// The record to write to, a new one if need be.
    fn write(&mut self, key: &[u8], writer: Writer) -> &mut Record {
        let Writer { now, timeout, .. } = writer;
        let is_new = self.touch(key, now).is_none();
        if is_new {
            self.sweep(now);
        }
        let Shard {
            records,
            order,
            next,
            ..
        } = self;
        let record = records.entry(key.into()).or_insert_with_key(|key| {
            let used = *next;
            *next += 1;
            order.insert(used, Arc::clone(key));
            let header = Header {
                created: now,
                updated: now,
                updates: 0,
                timeout,
            };
            Record {
                header,
                variables: Vec::new(),
                used,
                bytes: 0,
            }
        });
        record.header.updates += u64::from(writer.is_first || is_new);
        record.header.updated = record.header.updated.max(now);
        record
    }

    /// Forgets the records at the end of the order that have expired.
    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT_FOR_ONE {
            let oldest = self.order.first_key_value().map(|(_, key)| Arc::clone(key));
            let Some(key) = oldest else { return };
            match self.records.get(&key) {
                Some(record) if record.is_alive(now) => return,
                _ => {
                    self.order.pop_first();
                    self.forget(&key);
                }
            }
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(record) = self.records.remove(key) {
            self.bytes -= record.bytes;
        }
    }

    fn weigh(&mut self, key: &[u8]) {
        if let Some(record) = self.records.get_mut(key) {
            let variables: usize = record.variables.iter().map(Variable::bytes).sum();
            let bytes = RECORD_BYTES + key.len() + variables;
            self.bytes = self.bytes - record.bytes + bytes;
            record.bytes = bytes;
        }
    }
}

/// Says how much, not what: the values are of clients.
impl std::fmt::Debug for Collections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collections")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: Writer = Writer {
        now: 1000,
        timeout: 60,
        is_first: true,
    };

    fn add_one(current: Option<&[u8]>) -> Option<Vec<u8>> {
        let current = current.map_or(0, crate::bytes::atoi);
        Some((current + 1).to_string().into_bytes())
    }

    fn shown(collections: &Collections, key: &[u8], now: u64) -> Vec<String> {
        let mut shown = Vec::new();
        collections.visit(key, now, &mut |name, value| {
            shown.push(format!("{}={}", name.escape_ascii(), value.escape_ascii()));
        });
        shown.sort();
        shown
    }

    #[test]
    fn variables_expire_and_so_do_records() {
        let collections = Collections::default();
        collections.update(b"ip", b"a", WRITER, add_one);
        collections.update(b"ip", b"b", WRITER, add_one);
        collections.expire(b"ip", b"a", WRITER, 1010);
        // A moment that is set before the variable counts too.
        collections.expire(b"ip", b"c", WRITER, 1020);
        collections.update(b"ip", b"c", WRITER, add_one);
        assert_eq!(shown(&collections, b"ip", 1009), ["a=1", "b=1", "c=1"]);
        assert_eq!(shown(&collections, b"ip", 1010), ["b=1", "c=1"]);
        assert_eq!(shown(&collections, b"ip", 1059), ["b=1"]);
        assert_eq!(shown(&collections, b"ip", 1060), [] as [&str; 0]);
        assert_eq!(collections.header(b"ip", 1060), None);
        assert_eq!(collections.stats().records, 0);
        assert_eq!(collections.stats().bytes, 0);
        collections.update(b"ip", b"a", WRITER, add_one);
        assert_eq!(shown(&collections, b"ip", 1000), ["a=1"]);
    }

    #[test]
    fn what_was_used_least_recently_is_forgotten_over_a_limit() {
        let limits = CollectionLimits {
            records: 160,
            ..CollectionLimits::default()
        };
        let collections = Collections::new(limits);
        let key = |number: u32| format!("ip{number}").into_bytes();
        for number in 0..1000 {
            collections.update(&key(number), b"n", WRITER, add_one);
            collections.header(&key(0), 1000);
        }
        let stats = collections.stats();
        assert!(stats.records <= 160 && stats.records > 100, "{stats:?}");
        assert_eq!(stats.evicted, 1000 - stats.records as u64);
        assert_eq!(shown(&collections, &key(0), 1000), ["n=1"]);
        assert_eq!(shown(&collections, &key(999), 1000), ["n=1"]);
        assert_eq!(shown(&collections, &key(1), 1000), [] as [&str; 0]);
    }

    #[test]
    fn bytes_and_variables_are_bounded() {
        let limits = CollectionLimits {
            bytes: 64 << 10,
            variables: 3,
            value_bytes: 100,
            ..CollectionLimits::default()
        };
        let collections = Collections::new(limits);
        for number in 0..5000_u32 {
            let key = number.to_be_bytes();
            collections.update(&key, b"v", WRITER, |_| Some(vec![b'x'; 100]));
        }
        let stats = collections.stats();
        assert!(stats.bytes <= 64 << 10 && stats.evicted > 4000, "{stats:?}");
        for name in [b"1", b"2", b"3", b"4"] {
            collections.update(b"ip", name, WRITER, add_one);
        }
        collections.update(b"ip", b"1", WRITER, |_| Some(vec![b'x'; 101]));
        assert_eq!(shown(&collections, b"ip", 1000), ["1=1", "2=1", "3=1"]);
        assert_eq!(collections.stats().refused, 2);
    }

    #[test]
    fn expired_records_make_room_without_being_asked_for() {
        let collections = Collections::default();
        for number in 0..2000_u32 {
            let now = 1000 + u64::from(number);
            collections.update(
                &number.to_be_bytes(),
                b"n",
                Writer { now, ..WRITER },
                add_one,
            );
        }
        assert!(
            collections.stats().records < 200,
            "{:?}",
            collections.stats()
        );
        assert_eq!(collections.stats().evicted, 0);
    }

    #[test]
    fn no_count_is_lost_between_threads() {
        let collections = Collections::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        collections.update(b"global", b"n", WRITER, add_one);
                    }
                });
            }
        });
        assert_eq!(shown(&collections, b"global", 1000), ["n=20000"]);
        let header = collections.header(b"global", 1000);
        assert_eq!(header.map(|header| header.updates), Some(20_000));
    }
}
