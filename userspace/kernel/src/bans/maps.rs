//! The four ban maps in the kernel.

use super::BanError;
use super::target::is_address;
use abi::Ban;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, Map, MapData, MapError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use types::{IpNet, Ipv4Net, Ipv6Net};

/// Writes bans where the XDP program reads them.
pub(crate) struct BanMaps {
    v4: HashMap<MapData, [u8; 4], Ban>,
    v6: HashMap<MapData, [u8; 16], Ban>,
    prefixes_v4: LpmTrie<MapData, [u8; 4], Ban>,
    prefixes_v6: LpmTrie<MapData, [u8; 16], Ban>,
}

impl BanMaps {
    /// Takes the maps by their names in the object.
    pub(crate) fn new(
        mut map: impl FnMut(&str) -> Result<Map, MapError>,
    ) -> Result<Self, MapError> {
        Ok(Self {
            v4: map(abi::maps::BANS_V4)?.try_into()?,
            v6: map(abi::maps::BANS_V6)?.try_into()?,
            prefixes_v4: map(abi::maps::PREFIX_BANS_V4)?.try_into()?,
            prefixes_v6: map(abi::maps::PREFIX_BANS_V6)?.try_into()?,
        })
    }

    pub(super) fn insert(&mut self, target: &IpNet, ban: &Ban) -> Result<(), BanError> {
        match (target.addr(), is_address(target)) {
            (IpAddr::V4(address), true) => self.v4.insert(address.octets(), ban, 0),
            (IpAddr::V6(address), true) => self.v6.insert(address.octets(), ban, 0),
            (IpAddr::V4(address), false) => {
                self.prefixes_v4
                    .insert(&key(target, address.octets()), ban, 0)
            }
            (IpAddr::V6(address), false) => {
                self.prefixes_v6
                    .insert(&key(target, address.octets()), ban, 0)
            }
        }
        .map_err(|error| refused("take", target, error))
    }

    /// Removes a ban; one that is not there is no error.
    pub(super) fn remove(&mut self, target: &IpNet) -> Result<(), BanError> {
        let removed = match (target.addr(), is_address(target)) {
            (IpAddr::V4(address), true) => self.v4.remove(&address.octets()),
            (IpAddr::V6(address), true) => self.v6.remove(&address.octets()),
            (IpAddr::V4(address), false) => self.prefixes_v4.remove(&key(target, address.octets())),
            (IpAddr::V6(address), false) => self.prefixes_v6.remove(&key(target, address.octets())),
        };
        match removed {
            Err(error) if !is_absent(&error) => Err(refused("lift", target, error)),
            _ => Ok(()),
        }
    }

    /// Packets that the ban of a target has dropped; none where there is no such ban.
    pub(super) fn packets(&self, target: &IpNet) -> Option<u64> {
        let ban = match (target.addr(), is_address(target)) {
            (IpAddr::V4(address), true) => self.v4.get(&address.octets(), 0),
            (IpAddr::V6(address), true) => self.v6.get(&address.octets(), 0),
            (IpAddr::V4(address), false) => self.prefixes_v4.get(&key(target, address.octets()), 0),
            (IpAddr::V6(address), false) => self.prefixes_v6.get(&key(target, address.octets()), 0),
        };
        // A shorter prefix around it is another ban.
        let ban = ban.ok().filter(|ban| ban.prefix_len == target.prefix_len());
        ban.map(|ban| ban.packets)
    }

    /// Every entry. Ones that no longer parse as a prefix (written by another hand) are left where they are.
    pub(super) fn all(&self) -> Result<Vec<(IpNet, Ban)>, MapError> {
        let mut all = Vec::new();
        for entry in &self.v4 {
            let (address, ban) = entry?;
            all.push((IpAddr::V4(Ipv4Addr::from(address)).into(), ban));
        }
        for entry in &self.v6 {
            let (address, ban) = entry?;
            all.push((IpAddr::V6(Ipv6Addr::from(address)).into(), ban));
        }
        for entry in &self.prefixes_v4 {
            let (key, ban) = entry?;
            let prefix = Ipv4Net::new(key.data().into(), length(key.prefix_len()));
            all.extend(prefix.map(|prefix| (IpNet::V4(prefix), ban)));
        }
        for entry in &self.prefixes_v6 {
            let (key, ban) = entry?;
            let prefix = Ipv6Net::new(key.data().into(), length(key.prefix_len()));
            all.extend(prefix.map(|prefix| (IpNet::V6(prefix), ban)));
        }
        Ok(all)
    }
}

fn key<const BYTES: usize>(target: &IpNet, address: [u8; BYTES]) -> Key<[u8; BYTES]> {
    Key::new(u32::from(target.prefix_len()), address)
}

fn length(bits: u32) -> u8 {
    u8::try_from(bits).unwrap_or(u8::MAX)
}

fn refused(doing: &'static str, target: &IpNet, error: MapError) -> BanError {
    BanError::Kernel {
        doing,
        target: *target,
        error: Box::new(error),
    }
}

fn is_absent(error: &MapError) -> bool {
    match error {
        MapError::KeyNotFound | MapError::ElementNotFound => true,
        MapError::SyscallError(error) => error.io_error.raw_os_error() == Some(libc::ENOENT),
        _ => false,
    }
}
