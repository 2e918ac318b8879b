//! Incremental checksums (RFC 1624, equation 3): HC' = ~(~HC + ~m + m').
//!
//! Sums are kept in the byte order of the packet; one's complement does not care.

use abi::service::Address;

/// Folds a sum into 16 bits, carries around.
#[inline(always)]
pub(super) const fn fold(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// What replacing one word by another adds. Nothing where they are equal, so that a sum of zero stays one.
#[inline(always)]
pub(super) const fn change(old: u32, new: u32) -> u64 {
    if old == new {
        0
    } else {
        (!old) as u64 + new as u64
    }
}

/// What replacing one address by another adds.
#[inline(always)]
pub(super) const fn change_address(old: &Address, new: &Address) -> u64 {
    change(old[0], new[0])
        + change(old[1], new[1])
        + change(old[2], new[2])
        + change(old[3], new[3])
}

/// The checksum after what `delta` adds.
#[inline(always)]
pub(super) const fn update(checksum: u16, delta: u16) -> u16 {
    if delta == 0 {
        return checksum;
    }
    !fold((!checksum) as u64 + delta as u64)
}
