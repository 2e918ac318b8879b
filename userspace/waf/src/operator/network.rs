//! `@ipMatch` and its kin: lists of addresses and networks.

use std::net::IpAddr;

/// A list of networks; IPv4 ones match IPv4 addresses only.
#[derive(Debug, Default, Hash)]
pub(crate) struct Networks(Vec<Network>);

#[derive(Clone, Copy, Debug, Hash)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

/// An entry that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an IP address nor a network such as 192.0.2.0/24")]
pub struct NetworkError(pub(crate) String);

impl Networks {
    /// Reads entries such as `192.0.2.1`, `2001:db8::/32`.
    pub(crate) fn read<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Networks, NetworkError> {
        let entries = entries
            .into_iter()
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        entries
            .map(|entry| Network::read(entry).ok_or_else(|| NetworkError(entry.to_owned())))
            .collect::<Result<_, _>>()
            .map(Networks)
    }

    /// Whether `value` is the text of an address in one of the networks. Text that is no address is in none.
    pub(crate) fn contains(&self, value: &[u8]) -> bool {
        let address = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.trim().parse::<IpAddr>().ok());
        address.is_some_and(|address| self.0.iter().any(|network| network.contains(address)))
    }
}

impl Network {
    fn read(entry: &str) -> Option<Network> {
        let (address, prefix) = match entry.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (entry, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits)?,
            None => bits,
        };
        Some(Network { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u32::from(network) ^ u32::from(address)).leading_zeros() >= self.prefix
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (u128::from(network) ^ u128::from(address)).leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}
