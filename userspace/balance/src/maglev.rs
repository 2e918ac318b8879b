//! Maglev tables: consistent hashing with an even spread and a lookup of one memory access (Eisenbud et al., NSDI 2016).
//!
//! A table has a slot for each hash modulo its size; a slot holds the index of a backend. Every backend fills slots in
//! an order of its own, taking turns by weight, so that its share is exact within one turn, and when a backend leaves,
//! little more than its own slots change hands. The same input gives the same table on every host, in whatever order
//! the backends come.

use crate::hash::mix;
use thiserror::Error;

/// The sizes that a table may have: primes, each about twice the one before. The larger, the more even the spread and
/// the fewer slots change hands beyond those of a backend that leaves. A slot takes two bytes.
pub const SIZES: [u32; 9] = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_537];
/// The size that is used unless the configuration says otherwise.
pub const DEFAULT_SIZE: u32 = 65_537;

/// A backend of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// What identifies it, for instance [`crate::hash_address`].
    pub key: u64,
    /// Its share of the slots relative to the others. 0 gives it none.
    pub weight: u32,
}

/// Why there is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MaglevError {
    /// The size is not one of [`SIZES`].
    #[error("{0} is not one of the sizes {SIZES:?}")]
    Size(u32),
    /// More backends than slots, or than an index can tell apart.
    #[error("{backends} backends do not fit a table of {size} slots")]
    TooManyBackends {
        /// How many there are.
        backends: usize,
        /// The size of the table.
        size: u32,
    },
}

/// A backend that is filling its slots.
struct Filler {
    index: u16,
    key: u64,
    weight: u64,
    /// The slot that it looks at next, and the step to the one after.
    slot: u64,
    skip: u64,
    /// It takes a turn each time this reaches the largest weight.
    credit: u64,
}

/// Makes a table: the index of a backend for each slot. Empty when no backend has a weight.
///
/// # Errors
///
/// A size that is not one of [`SIZES`], or too many backends for it.
pub fn table(size: u32, backends: &[Backend]) -> Result<Vec<u16>, MaglevError> {
    if !SIZES.contains(&size) {
        return Err(MaglevError::Size(size));
    }
    if backends.len() >= size.min(u32::from(u16::MAX)) as usize {
        return Err(MaglevError::TooManyBackends {
            backends: backends.len(),
            size,
        });
    }
    let slots = u64::from(size);
    let mut fillers: Vec<Filler> = (0..)
        .zip(backends)
        .filter(|(_, backend)| backend.weight > 0)
        .map(|(index, backend)| Filler {
            index,
            key: backend.key,
            weight: u64::from(backend.weight),
            slot: mix(backend.key ^ 0x6d61_676c_6576_0001) % slots,
            skip: mix(backend.key ^ 0x6d61_676c_6576_0002) % (slots - 1) + 1,
            credit: 0,
        })
        .collect();
    fillers.sort_by_key(|filler| (filler.key, filler.index));
    let Some(largest) = fillers.iter().map(|filler| filler.weight).max() else {
        return Ok(Vec::new());
    };
    const FREE: u16 = u16::MAX;
    let mut table = vec![FREE; size as usize];
    let mut free = table.len();
    loop {
        for filler in &mut fillers {
            filler.credit += filler.weight;
            if filler.credit < largest {
                continue;
            }
            filler.credit -= largest;
            // The size is prime, so every step width visits every slot: there is a free one on the way.
            while table[filler.slot as usize] != FREE {
                filler.slot = (filler.slot + filler.skip) % slots;
            }
            table[filler.slot as usize] = filler.index;
            free -= 1;
            if free == 0 {
                return Ok(table);
            }
        }
    }
}
