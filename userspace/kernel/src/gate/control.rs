//! What the operator's policy becomes in the kernel: settings and the allow list.

use crate::clock;
use crate::policy::GatePolicy;
use crate::settings::SettingsMap;
use abi::Flood;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, Map, MapData, MapError};
use std::collections::HashSet;
use std::net::IpAddr;
use types::{IpNet, Ipv4Net, Ipv6Net};

/// Writes the policy where the XDP program reads it.
pub(crate) struct Control {
    settings: SettingsMap,
    allow_v4: LpmTrie<MapData, [u8; 4], u32>,
    allow_v6: LpmTrie<MapData, [u8; 16], u32>,
    flood: Array<MapData, Flood>,
}

/// A value of the allow list: that the key is there is all that counts.
const ALLOWED: u32 = 1;

impl Control {
    pub(super) fn new(
        settings: SettingsMap,
        mut map: impl FnMut(&str) -> Result<Map, MapError>,
    ) -> Result<Self, MapError> {
        Ok(Self {
            settings,
            allow_v4: map(abi::maps::ALLOW_V4)?.try_into()?,
            allow_v6: map(abi::maps::ALLOW_V6)?.try_into()?,
            flood: map(abi::maps::FLOOD)?.try_into()?,
        })
    }

    /// Carries out a policy. Whoever is newly allowed is so before anything else changes, and whoever is no longer
    /// allowed is so until the end: nobody who stays is shut out in between.
    pub(super) fn set_policy(&mut self, policy: &GatePolicy) -> Result<(), MapError> {
        let present = self.allowed()?;
        let wanted: HashSet<IpNet> = policy.allow.iter().map(IpNet::trunc).collect();
        for net in wanted.difference(&present) {
            match net {
                IpNet::V4(net) => self.allow_v4.insert(&v4(net), ALLOWED, 0)?,
                IpNet::V6(net) => self.allow_v6.insert(&v6(net), ALLOWED, 0)?,
            }
        }
        self.settings.set_policy(policy)?;
        for net in present.difference(&wanted) {
            match net {
                IpNet::V4(net) => self.allow_v4.remove(&v4(net))?,
                IpNet::V6(net) => self.allow_v6.remove(&v6(net))?,
            }
        }
        Ok(())
    }

    /// What is known of floods.
    pub(super) fn flood(&self) -> Result<Flood, MapError> {
        self.flood.get(&0, 0)
    }

    /// There is a flood. What the programs count meanwhile may lose a few connections.
    pub(super) fn declare_flood(&mut self) -> Result<(), MapError> {
        let now_ns = clock::boot_ns();
        let mut flood = self.flood()?;
        if flood.until_ns <= now_ns {
            flood.begun = flood.begun.wrapping_add(1);
        }
        flood.until_ns = flood.until_ns.max(now_ns + abi::limits::FLOOD_HOLD_NS);
        self.flood.set(0, flood, 0)
    }

    fn allowed(&self) -> Result<HashSet<IpNet>, MapError> {
        let mut nets = HashSet::new();
        for key in self.allow_v4.keys() {
            let key = key?;
            nets.extend(net(IpAddr::from(key.data()), key.prefix_len()));
        }
        for key in self.allow_v6.keys() {
            let key = key?;
            nets.extend(net(IpAddr::from(key.data()), key.prefix_len()));
        }
        Ok(nets)
    }
}

fn net(address: IpAddr, bits: u32) -> Option<IpNet> {
    IpNet::new(address, u8::try_from(bits).ok()?).ok()
}

fn v4(net: &Ipv4Net) -> Key<[u8; 4]> {
    Key::new(u32::from(net.prefix_len()), net.addr().octets())
}

fn v6(net: &Ipv6Net) -> Key<[u8; 16]> {
    Key::new(u32::from(net.prefix_len()), net.addr().octets())
}
