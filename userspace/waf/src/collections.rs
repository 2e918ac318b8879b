//! Collections that outlive a transaction: `IP`, `GLOBAL`, `SESSION`, `USER`, `RESOURCE`.
//!
//! They live in memory. All workers of a policy share one [`Collections`], and whoever reloads rules hands the same one to the next
//! rule set. No clock is read: moments are seconds since 1970 that the caller gives.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// The bounds of all records together, which can change.
    records: AtomicUsize,
    bytes: AtomicUsize,
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
            records: AtomicUsize::new(limits.records),
            bytes: AtomicUsize::new(limits.bytes),
            limits,
            hasher: RandomState::new(),
            evicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Changes how many records and bytes there may be in all; what is over it is forgotten as soon as somebody writes.
    pub fn bound(&self, records: usize, bytes: usize) {
        self.records.store(records, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
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
        let records = self.records.load(Ordering::Relaxed).div_ceil(SHARDS);
        let bytes = self.bytes.load(Ordering::Relaxed).div_ceil(SHARDS);
        while shard.records.len() > records || shard.bytes > bytes {
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
mod tests;
