//! The four kinds of targets: each has a table of its own in the kernel, and a limit.

use super::BanLimits;
use super::target::is_address;
use types::IpNet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    AddressV4,
    AddressV6,
    PrefixV4,
    PrefixV6,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [
        Self::AddressV4,
        Self::AddressV6,
        Self::PrefixV4,
        Self::PrefixV6,
    ];

    pub(super) fn of(target: &IpNet) -> Self {
        match (target, is_address(target)) {
            (IpNet::V4(_), true) => Self::AddressV4,
            (IpNet::V6(_), true) => Self::AddressV6,
            (IpNet::V4(_), false) => Self::PrefixV4,
            (IpNet::V6(_), false) => Self::PrefixV6,
        }
    }

    /// As errors name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AddressV4 => "IPv4 addresses",
            Self::AddressV6 => "IPv6 addresses",
            Self::PrefixV4 => "IPv4 prefixes",
            Self::PrefixV6 => "IPv6 prefixes",
        }
    }

    /// The setting that has its limit.
    pub(super) const fn setting(self) -> &'static str {
        match self {
            Self::AddressV4 | Self::AddressV6 => "kernel.bans.limit_addresses",
            Self::PrefixV4 | Self::PrefixV6 => "kernel.bans.limit_prefixes",
        }
    }

    pub(super) const fn limit(self, limits: BanLimits) -> u32 {
        match self {
            Self::AddressV4 | Self::AddressV6 => limits.addresses,
            Self::PrefixV4 | Self::PrefixV6 => limits.prefixes,
        }
    }
}
