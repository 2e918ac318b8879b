//! The hash that spreads keys over endpoints.

use std::net::{IpAddr, SocketAddr};

pub(crate) use abi::hash::mix;

/// Hashes a key: the value of a header or a cookie, or the octets of an address. The result is the same on every host,
/// in every version, after every restart, and in the BPF program that balances packets.
#[must_use]
pub fn hash_key(key: &[u8]) -> u64 {
    abi::hash::key(key)
}

/// What a client of an L4 service is spread by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// Address and port: each connection for itself.
    #[default]
    Flow,
    /// The address: all connections of a client go to one endpoint.
    Source,
}

/// Hashes a client of an L4 service, as the BPF program does it.
#[must_use]
pub fn hash_client(client: SocketAddr, affinity: Affinity) -> u64 {
    match (affinity, client.ip().to_canonical()) {
        (Affinity::Flow, _) => hash_address(client),
        (Affinity::Source, IpAddr::V4(ip)) => hash_key(&ip.octets()),
        (Affinity::Source, IpAddr::V6(ip)) => hash_key(&ip.octets()),
    }
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
