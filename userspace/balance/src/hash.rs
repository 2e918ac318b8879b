//! The hash that spreads keys over endpoints.

use std::net::{IpAddr, SocketAddr};

/// Hashes a key: the value of a header or a cookie, or the octets of an address. The result is the same on every host,
/// in every version and after every restart; it is FNV-1a with the finaliser of MurmurHash3, simple enough to be
/// repeated in a BPF program. It does not withstand somebody who looks for collisions, and need not: who chooses the
/// key chooses the endpoint anyway.
#[must_use]
pub fn hash_key(key: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let fnv = key.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    mix(fnv)
}

/// Hashes the address of an endpoint: its octets, then its port in network order. IPv4 in IPv6 counts as IPv4.
#[must_use]
pub fn hash_address(address: SocketAddr) -> u64 {
    let port = address.port().to_be_bytes();
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            hash_key(&[a, b, c, d, port[0], port[1]])
        }
        IpAddr::V6(ip) => {
            let mut key = [0; 18];
            key[..16].copy_from_slice(&ip.octets());
            key[16..].copy_from_slice(&port);
            hash_key(&key)
        }
    }
}

/// Spreads every bit of the input over the whole output (the finaliser of MurmurHash3).
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

/// The next of a row of numbers that look random, made from one.
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

/// A number below `bound` from a random one, without the bias and the cost of a division.
pub(crate) fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values must never change: they decide which endpoint a client's session is on.
    #[test]
    fn is_stable() {
        assert_eq!(hash_key(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(
            hash_key(b"foobar"),
            mix(0x8594_4171_f739_67e8),
            "FNV-1a's published vector"
        );
        let mapped = "[::ffff:192.0.2.1]:80".parse().unwrap();
        let plain: SocketAddr = "192.0.2.1:80".parse().unwrap();
        assert_eq!(hash_address(plain), hash_key(&[192, 0, 2, 1, 0, 80]));
        assert_eq!(hash_address(mapped), hash_address(plain));
    }

    #[test]
    fn stays_below() {
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(0, 10), 0);
        assert_eq!(below(u64::MAX / 2, 10), 4);
        assert_eq!(below(7, 0), 0);
    }
}
