//! Maps of which many entries are read and written with one system call. aya does one entry a call, which takes a list of
//! a million bans several seconds.
#![allow(unsafe_code)]

use aya::Pod;
use aya::maps::{Map, MapData, MapError};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};

/// Entries that one call reads or writes at most. A call of so many takes about a millisecond.
pub(crate) const BATCH: usize = 1024;

// Commands of bpf(2).
const LOOKUP: libc::c_long = 1;
const UPDATE: libc::c_long = 2;
const DELETE: libc::c_long = 3;
const NEXT_KEY: libc::c_long = 4;
const LOOKUP_BATCH: libc::c_long = 24;
const UPDATE_BATCH: libc::c_long = 26;
const DELETE_BATCH: libc::c_long = 27;

/// The kernel's own number for what a map cannot do; it has no name in libc.
const ENOTSUPP: i32 = 524;

/// Where a batch of reading ended: a number of buckets or a key, as large as the largest of our keys.
type Cursor = [u8; 32];

/// A hash or a trie, and none of those that have a value for each CPU.
pub(crate) struct BatchMap<K, V> {
    data: MapData,
    /// The kernel has calls for many entries of this kind of map: hashes since 5.6, tries since 5.13.
    has_batches: bool,
    entry: PhantomData<(K, V)>,
}

/// What bpf(2) reads for one entry.
#[repr(C)]
struct One {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// What bpf(2) reads for many.
#[repr(C)]
struct Many {
    begin: u64,
    end: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    entry_flags: u64,
    flags: u64,
}

/// How far a call with many entries came.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// The index of the entry that was refused.
    pub(crate) at: usize,
    pub(crate) error: io::Error,
}

impl<K: Pod, V: Pod> BatchMap<K, V> {
    /// Takes over a map.
    pub(crate) fn new(map: Map) -> Result<Self, MapError> {
        let (Map::HashMap(data) | Map::LpmTrie(data)) = map else {
            return Err(MapError::InvalidMapType { map_type: 0 });
        };
        let info = data.info()?;
        for (found, expected, is_key) in [
            (info.key_size(), size_of::<K>(), true),
            (info.value_size(), size_of::<V>(), false),
        ] {
            let size = found as usize;
            if size != expected {
                return Err(if is_key {
                    MapError::InvalidKeySize { size, expected }
                } else {
                    MapError::InvalidValueSize { size, expected }
                });
            }
        }
        Ok(Self {
            data,
            has_batches: true,
            entry: PhantomData,
        })
    }

    /// As on a kernel without calls for many entries.
    #[cfg(test)]
    pub(crate) fn without_batches(mut self) -> Self {
        self.has_batches = false;
        self
    }

    /// The value of a key. In a trie: of the longest prefix around it.
    pub(crate) fn get(&self, key: &K) -> io::Result<Option<V>> {
        let mut value = zeroed::<V>();
        let found = self.one(LOOKUP, address(key), (&raw mut value) as u64);
        Ok(there(found)?.then_some(value))
    }

    /// Puts one entry in, in the place of what its key had before.
    pub(crate) fn put(&self, key: &K, value: &V) -> io::Result<()> {
        self.one(UPDATE, address(key), address(value))
    }

    /// Removes one entry; says whether it was there.
    pub(crate) fn remove(&self, key: &K) -> io::Result<bool> {
        there(self.one(DELETE, address(key), 0))
    }

    /// Puts entries in, in their order. There are as many values as keys.
    pub(crate) fn put_all(&mut self, keys: &[K], values: &[V]) -> Result<(), Stopped> {
        debug_assert_eq!(keys.len(), values.len());
        let mut done = 0;
        while done < keys.len() && self.has_batches {
            let (some_keys, some_values) = (&keys[done..], &values[done..]);
            let (count, result) = self.many(UPDATE_BATCH, some_keys, Some(some_values));
            done += count;
            match result {
                Err(error) if is_unknown(&error, count) => self.has_batches = false,
                Err(error) => return Err(Stopped { at: done, error }),
                Ok(()) => {}
            }
        }
        for (at, (key, value)) in keys.iter().zip(values).enumerate().skip(done) {
            self.put(key, value)
                .map_err(|error| Stopped { at, error })?;
        }
        Ok(())
    }

    /// Removes entries. Those that are not there are none.
    pub(crate) fn remove_all(&mut self, keys: &[K]) -> Result<(), Stopped> {
        let mut done = 0;
        while done < keys.len() && self.has_batches {
            let (count, result) = self.many(DELETE_BATCH, &keys[done..], None);
            done += count;
            match result {
                Err(error) if is_unknown(&error, count) => self.has_batches = false,
                // The one that is not there is where the kernel stopped.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => done += 1,
                Err(error) => return Err(Stopped { at: done, error }),
                Ok(()) => {}
            }
        }
        for (at, key) in keys.iter().enumerate().skip(done) {
            self.remove(key).map_err(|error| Stopped { at, error })?;
        }
        Ok(())
    }

    /// Hands out every entry. What others write in the meantime may be among them or not.
    pub(crate) fn read(&mut self, mut each: impl FnMut(K, V)) -> io::Result<()> {
        let mut begun = false;
        let mut cursor: Cursor = [0; 32];
        // A bucket is read as a whole or not at all, so a full one wants more room.
        let mut room = BATCH;
        while self.has_batches {
            let mut keys = vec![zeroed::<K>(); room];
            let mut values = vec![zeroed::<V>(); room];
            let mut end: Cursor = [0; 32];
            let mut request = Many {
                begin: if begun { cursor.as_ptr() as u64 } else { 0 },
                end: end.as_mut_ptr() as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: room as u32,
                map: self.descriptor(),
                entry_flags: 0,
                flags: 0,
            };
            // SAFETY: keys and values are of the sizes that `new` has compared, and there is room for `count` of them; both
            // cursors are larger than any key. All of them outlive the call.
            let result = unsafe { bpf(LOOKUP_BATCH, &mut request) };
            let count = (request.count as usize).min(room);
            match result {
                Err(error) if !begun && is_unknown(&error, 0) => {
                    self.has_batches = false;
                    break;
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    room = room.saturating_mul(2);
                    continue;
                }
                Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
                result => {
                    let entries = keys.into_iter().zip(values).take(count);
                    entries.for_each(|(key, value)| each(key, value));
                    if result.is_err() {
                        return Ok(());
                    }
                }
            }
            begun = true;
            cursor = end;
        }
        self.read_singly(each)
    }

    fn read_singly(&self, mut each: impl FnMut(K, V)) -> io::Result<()> {
        let mut before: Option<K> = None;
        loop {
            let mut key = zeroed::<K>();
            let from = before.as_ref().map_or(0, address);
            if !there(self.one(NEXT_KEY, from, (&raw mut key) as u64))? {
                return Ok(());
            }
            // What was removed in between is no entry.
            if let Some(value) = self.get(&key)? {
                each(key, value);
            }
            before = Some(key);
        }
    }

    /// One call; how many entries it came to, and what stopped it.
    fn many(
        &self,
        command: libc::c_long,
        keys: &[K],
        values: Option<&[V]>,
    ) -> (usize, io::Result<()>) {
        let count = keys.len().min(BATCH);
        let mut request = Many {
            begin: 0,
            end: 0,
            keys: keys.as_ptr() as u64,
            values: values.map_or(0, |values| values.as_ptr() as u64),
            count: count as u32,
            map: self.descriptor(),
            entry_flags: 0,
            flags: 0,
        };
        // SAFETY: `count` keys, and as many values where the command reads some, of the sizes that `new` has compared; both
        // outlive the call, which writes to the request alone.
        let result = unsafe { bpf(command, &mut request) };
        // Where the addresses cannot be read, which ours can, it says nothing of how far it came.
        let done = match &result {
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => 0,
            Err(_) if request.count as usize >= count => 0,
            _ => (request.count as usize).min(count),
        };
        (done, result)
    }

    fn one(&self, command: libc::c_long, key: u64, value: u64) -> io::Result<()> {
        let mut request = One {
            map: self.descriptor(),
            padding: 0,
            key,
            value,
            flags: 0,
        };
        // SAFETY: callers pass the addresses of a key and of a key or value, of the sizes that `new` has compared, which
        // outlive the call; null only where the command allows it.
        unsafe { bpf(command, &mut request) }
    }

    fn descriptor(&self) -> u32 {
        // Descriptors are not negative.
        self.data.fd().as_fd().as_raw_fd().cast_unsigned()
    }
}

/// The call is one that this kernel does not have, for this kind of map or at all.
fn is_unknown(error: &io::Error, done: usize) -> bool {
    let unknown = [ENOTSUPP, libc::EOPNOTSUPP, libc::EINVAL];
    done == 0 && error.raw_os_error().is_some_and(|n| unknown.contains(&n))
}

/// An entry that is not there is no error.
fn there(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    }
}

fn address<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

fn zeroed<T: Pod>() -> T {
    // SAFETY: every pattern of bits is a value of a Pod.
    unsafe { std::mem::zeroed() }
}

/// # Safety
/// The request is the one of the command, and every address in it is of memory that the command may read or write.
unsafe fn bpf<T>(command: libc::c_long, request: &mut T) -> io::Result<()> {
    // SAFETY: the request is as large as said; the rest is the caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(request),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aya::maps::HashMap;
    use aya::maps::lpm_trie::{Key, LpmTrie};
    use std::collections::BTreeMap;
    use std::path::Path;

    /// Takes a map over a pin, as a gate does; none where this host has no BPF for us.
    fn through_pin<K: Pod, V: Pod>(
        name: &str,
        pin: impl FnOnce(&Path) -> Option<()>,
    ) -> Option<BatchMap<K, V>> {
        let path = format!("/sys/fs/bpf/bascule-batch-{name}-{}", std::process::id());
        let path = Path::new(&path);
        let pinned = pin(path);
        let map = pinned.and_then(|()| {
            let data = MapData::from_pin(path).ok()?;
            Some(Map::from_map_data(data).expect("a map"))
        });
        let _ = std::fs::remove_file(path);
        if map.is_none() {
            eprintln!("skipped: maps cannot be made or pinned here");
        }
        Some(BatchMap::new(map?).expect("a map of these types"))
    }

    fn hash(name: &str, entries: u32) -> Option<BatchMap<[u8; 4], u64>> {
        through_pin(name, |path| {
            let map = HashMap::<_, [u8; 4], u64>::create(entries, 1).ok()?;
            map.pin(path).ok()
        })
    }

    fn trie(name: &str) -> Option<BatchMap<Key<[u8; 4]>, u64>> {
        through_pin(name, |path| {
            let map = LpmTrie::<_, [u8; 4], u64>::create(10_000, 1).ok()?;
            map.pin(path).ok()
        })
    }

    fn all<K: Pod + Ord>(map: &mut BatchMap<K, u64>) -> BTreeMap<K, u64> {
        let mut all = BTreeMap::new();
        map.read(|key, value| {
            all.insert(key, value);
        })
        .expect("read");
        all
    }

    #[test]
    fn hashes_are_written_and_read_at_once() {
        for batches in [true, false] {
            let Some(map) = hash("hash", 10_000) else {
                return;
            };
            let mut map = if batches { map } else { map.without_batches() };
            let keys: Vec<[u8; 4]> = (0..5000_u32).map(u32::to_be_bytes).collect();
            let values: Vec<u64> = (0..5000).collect();
            map.put_all(&keys, &values).expect("written");
            assert_eq!(map.has_batches, batches);
            let read = all(&mut map);
            assert!(read.into_iter().eq(keys.iter().copied().zip(values)));

            // Some are not there: the rest goes all the same.
            let gone: Vec<[u8; 4]> = (3000..6000_u32).map(u32::to_be_bytes).collect();
            map.remove_all(&gone).expect("removed");
            assert_eq!(all(&mut map).len(), 3000);
            map.remove_all(&gone).expect("nothing to remove");
            assert_eq!(map.get(&keys[2999]).expect("read"), Some(2999));
            assert_eq!(map.get(&keys[3000]).expect("read"), None);
        }
    }

    #[test]
    fn tries_are_written_and_read_at_once() {
        for batches in [true, false] {
            let Some(map) = trie("trie") else {
                return;
            };
            let mut map = if batches { map } else { map.without_batches() };
            let key = |number: u32| Key::new(24, (number << 8).to_be_bytes());
            let keys: Vec<_> = (0..5000).map(key).collect();
            let values: Vec<u64> = (0..5000).collect();
            map.put_all(&keys, &values).expect("written");
            let mut count = 0;
            map.read(|_, value| count += value).expect("read");
            assert_eq!(count, 5000 * 4999 / 2);
            map.remove_all(&(4000..6000).map(key).collect::<Vec<_>>())
                .expect("removed");
            let mut count = 0;
            map.read(|_, _| count += 1).expect("read");
            assert_eq!(count, 4000);
        }
    }

    #[test]
    fn a_full_map_says_which_entry_found_no_room() {
        for batches in [true, false] {
            let Some(map) = hash("full", 1500) else {
                return;
            };
            let mut map = if batches { map } else { map.without_batches() };
            let keys: Vec<[u8; 4]> = (0..2000_u32).map(u32::to_be_bytes).collect();
            let stopped = map.put_all(&keys, &vec![7; 2000]).expect_err("full");
            assert_eq!(stopped.at, 1500);
            assert_eq!(stopped.error.raw_os_error(), Some(libc::E2BIG));
            assert_eq!(all(&mut map).len(), 1500);
        }
    }
}
