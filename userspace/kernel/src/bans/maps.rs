//! The four ban maps in the kernel.

use super::BanError;
use super::kind::Kind;
use super::list::Octets;
use crate::batch::{BatchMap, Stopped};
use crate::settings::SettingsMap;
use abi::Ban;
use aya::Pod;
use aya::maps::lpm_trie::Key;
use aya::maps::{Map, MapError};
use std::io;
use std::net::IpAddr;
use types::IpNet;

/// Writes bans where the XDP program reads them.
pub(crate) struct BanMaps {
    pub(super) v4: BatchMap<[u8; 4], Ban>,
    pub(super) v6: BatchMap<[u8; 16], Ban>,
    pub(super) prefixes_v4: BatchMap<Key<[u8; 4]>, Ban>,
    pub(super) prefixes_v6: BatchMap<Key<[u8; 16]>, Ban>,
    /// Where the generation of the lists is; older layouts have none.
    settings: Option<SettingsMap>,
}

/// What is written to one map.
pub(super) struct Batch<A> {
    pub(super) puts: Vec<((A, u8), Ban)>,
    pub(super) removals: Vec<(A, u8)>,
}

impl<A> Default for Batch<A> {
    fn default() -> Self {
        Self {
            puts: Vec::new(),
            removals: Vec::new(),
        }
    }
}

/// A map for one kind of targets.
pub(super) trait Store<A> {
    fn write(&mut self, batch: &Batch<A>) -> Result<(), BanError>;
}

impl<A: Octets + Pod> Store<A> for BatchMap<A, Ban> {
    fn write(&mut self, batch: &Batch<A>) -> Result<(), BanError> {
        write(self, batch, |(address, _)| address)
    }
}

impl<A: Octets + Pod> Store<A> for BatchMap<Key<A>, Ban> {
    fn write(&mut self, batch: &Batch<A>) -> Result<(), BanError> {
        write(self, batch, |(address, length)| {
            Key::new(u32::from(length), address)
        })
    }
}

fn write<A: Octets, K: Pod>(
    map: &mut BatchMap<K, Ban>,
    batch: &Batch<A>,
    key: impl Fn((A, u8)) -> K,
) -> Result<(), BanError> {
    let (places, bans): (Vec<(A, u8)>, Vec<Ban>) = batch.puts.iter().copied().unzip();
    let keys: Vec<K> = places.iter().copied().map(&key).collect();
    map.put_all(&keys, &bans)
        .map_err(|stopped| refused_at("take", &places, stopped))?;
    let keys: Vec<K> = batch.removals.iter().copied().map(&key).collect();
    map.remove_all(&keys)
        .map_err(|stopped| refused_at("lift", &batch.removals, stopped))
}

impl BanMaps {
    /// Takes the maps by their names in the object.
    pub(crate) fn new(
        settings: Option<SettingsMap>,
        mut map: impl FnMut(&str) -> Result<Map, MapError>,
    ) -> Result<Self, MapError> {
        Ok(Self {
            v4: BatchMap::new(map(abi::maps::BANS_V4)?)?,
            v6: BatchMap::new(map(abi::maps::BANS_V6)?)?,
            prefixes_v4: BatchMap::new(map(abi::maps::PREFIX_BANS_V4)?)?,
            prefixes_v6: BatchMap::new(map(abi::maps::PREFIX_BANS_V6)?)?,
            settings,
        })
    }

    pub(super) fn put(&mut self, target: &IpNet, ban: &Ban) -> Result<(), BanError> {
        match (target.addr(), Kind::of(target)) {
            (IpAddr::V4(address), Kind::AddressV4) => self.v4.put(&address.octets(), ban),
            (IpAddr::V6(address), Kind::AddressV6) => self.v6.put(&address.octets(), ban),
            (IpAddr::V4(address), _) => self.prefixes_v4.put(&key(target, address.octets()), ban),
            (IpAddr::V6(address), _) => self.prefixes_v6.put(&key(target, address.octets()), ban),
        }
        .map_err(|error| refused("take", *target, error))
    }

    /// Removes a ban; one that is not there is no error.
    pub(super) fn remove(&mut self, target: &IpNet) -> Result<(), BanError> {
        match (target.addr(), Kind::of(target)) {
            (IpAddr::V4(address), Kind::AddressV4) => self.v4.remove(&address.octets()),
            (IpAddr::V6(address), Kind::AddressV6) => self.v6.remove(&address.octets()),
            (IpAddr::V4(address), _) => self.prefixes_v4.remove(&key(target, address.octets())),
            (IpAddr::V6(address), _) => self.prefixes_v6.remove(&key(target, address.octets())),
        }
        .map(drop)
        .map_err(|error| refused("lift", *target, error))
    }

    /// Packets that the ban of a target has dropped; none where there is no such ban.
    pub(super) fn packets(&self, target: &IpNet) -> Option<u64> {
        let ban = match (target.addr(), Kind::of(target)) {
            (IpAddr::V4(address), Kind::AddressV4) => self.v4.get(&address.octets()),
            (IpAddr::V6(address), Kind::AddressV6) => self.v6.get(&address.octets()),
            (IpAddr::V4(address), _) => self.prefixes_v4.get(&key(target, address.octets())),
            (IpAddr::V6(address), _) => self.prefixes_v6.get(&key(target, address.octets())),
        };
        let ban = ban.ok().flatten();
        // A shorter prefix around it is another ban.
        let ban = ban.filter(|ban| ban.prefix_len == target.prefix_len());
        ban.map(|ban| ban.packets)
    }

    /// Hands out every entry. Ones that no longer parse as a prefix (written by another hand) are left where they are.
    pub(super) fn read(&mut self, mut each: impl FnMut(IpNet, Ban)) -> io::Result<()> {
        self.v4
            .read(|address, ban| each(IpAddr::from(address).into(), ban))?;
        self.v6
            .read(|address, ban| each(IpAddr::from(address).into(), ban))?;
        let mut prefix = |address: IpAddr, bits: u32, ban| {
            let length = u8::try_from(bits).unwrap_or(u8::MAX);
            if let Ok(net) = IpNet::new(address, length) {
                each(net, ban);
            }
        };
        self.prefixes_v4
            .read(|key, ban| prefix(key.data().into(), key.prefix_len(), ban))?;
        self.prefixes_v6
            .read(|key, ban| prefix(key.data().into(), key.prefix_len(), ban))
    }

    /// The generation of the lists that the program goes by.
    pub(super) fn generation(&self) -> io::Result<u32> {
        let settings = self.settings.as_ref();
        settings.map_or(Ok(0), |settings| {
            settings.generation().map_err(io::Error::other)
        })
    }

    /// Switches to another one, from the next packet on.
    pub(super) fn set_generation(&mut self, generation: u32) -> io::Result<()> {
        let settings = self.settings.as_ref();
        settings.map_or(Ok(()), |settings| {
            settings
                .set_generation(generation)
                .map_err(io::Error::other)
        })
    }
}

fn key<const BYTES: usize>(target: &IpNet, address: [u8; BYTES]) -> Key<[u8; BYTES]> {
    Key::new(u32::from(target.prefix_len()), address)
}

fn refused_at<A: Octets>(doing: &'static str, places: &[(A, u8)], stopped: Stopped) -> BanError {
    let target = places
        .get(stopped.at)
        .and_then(|(address, length)| IpNet::new(address.address(), *length).ok());
    // A batch stops at one of its own entries, and those are prefixes.
    refused(doing, target.unwrap_or_default(), stopped.error)
}

fn refused(doing: &'static str, target: IpNet, error: io::Error) -> BanError {
    BanError::Kernel {
        doing,
        target,
        error,
    }
}
