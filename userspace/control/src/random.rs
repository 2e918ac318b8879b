//! Randomness from the operating system.

use std::hash::{BuildHasher, RandomState};

/// Bytes for secrets.
///
/// # Errors
/// Where the system has no randomness to give, which a booted Linux does not do.
pub(crate) fn secret<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A number to spread work in time. It need not be secret, so it never fails.
pub(crate) fn spread() -> u64 {
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(0_u8))
}
