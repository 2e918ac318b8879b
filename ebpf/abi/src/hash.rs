//! The hash that spreads clients over endpoints: the same in the kernel and in user space, so that both choose alike.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// Hashes a key: the value of a header or a cookie, or the octets of an address. The result is the same on every host,
/// in every version and after every restart; it is FNV-1a with the finaliser of MurmurHash3. It does not withstand
/// somebody who looks for collisions, and need not: who chooses the key chooses the endpoint anyway.
#[inline(always)]
#[must_use]
pub const fn key(key: &[u8]) -> u64 {
    let mut hash = OFFSET;
    let mut index = 0;
    while index < key.len() {
        hash = (hash ^ key[index] as u64).wrapping_mul(PRIME);
        index += 1;
    }
    mix(hash)
}

/// Spreads every bit of the input over the whole output (the finaliser of MurmurHash3).
#[inline(always)]
#[must_use]
pub const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}
