//! What one source may send: token buckets for an address and for the /24 or /64 around it.

use crate::maps::{SOURCE_PREFIXES, SOURCES};
use crate::packet::{Address, Family, Headers};
use abi::{Limits, Rate, Reason, Settings, Source, flags};
use aya_ebpf::maps::LruHashMap;

/// What became of a packet here.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Charged {
    /// Within the limits, from a source that was seen before.
    Known,
    /// Within the limits, from a source that was not, as far as the table reaches.
    Unknown,
    /// There are no limits for sources.
    Unasked,
    AddressPackets,
    AddressSyns,
    AddressBytes,
    PrefixPackets,
    PrefixSyns,
    PrefixBytes,
}

impl Charged {
    /// Why the packet is dropped, if it is.
    #[inline(always)]
    pub(crate) fn over(self) -> Option<Reason> {
        match self {
            Self::Known | Self::Unknown | Self::Unasked => None,
            Self::AddressPackets => Some(Reason::DropAddressPackets),
            Self::AddressSyns => Some(Reason::DropAddressSyns),
            Self::AddressBytes => Some(Reason::DropAddressBytes),
            Self::PrefixPackets => Some(Reason::DropPrefixPackets),
            Self::PrefixSyns => Some(Reason::DropPrefixSyns),
            Self::PrefixBytes => Some(Reason::DropPrefixBytes),
        }
    }
}

/// Which of a source's limits is reached.
enum Over {
    Packets,
    Syns,
    Bytes,
}

/// Takes the packet out of its sources' buckets, or says which limit it is beyond. In a flood unknown sources are not
/// remembered: they would push out the known ones.
///
/// A function of its own for the verifier's sake: it has a stack of its own and returns one number.
#[inline(never)]
pub(crate) fn charge(settings: &Settings, headers: &Headers, now_ns: u64, flood: bool) -> Charged {
    let mut charged = Charged::Unasked;
    if settings.flags & flags::ADDRESS_LIMITS != 0 {
        let key = headers.source.octets();
        charged = match one(&SOURCES, &key, &settings.address, headers, now_ns, flood) {
            Ok(true) => Charged::Known,
            Ok(false) => Charged::Unknown,
            Err(Over::Packets) => return Charged::AddressPackets,
            Err(Over::Syns) => return Charged::AddressSyns,
            Err(Over::Bytes) => return Charged::AddressBytes,
        };
    }
    if settings.flags & flags::PREFIX_LIMITS != 0 {
        let key = prefix(headers).octets();
        let limits = &settings.prefix;
        let of_prefix = match one(&SOURCE_PREFIXES, &key, limits, headers, now_ns, flood) {
            Ok(true) => Charged::Known,
            Ok(false) => Charged::Unknown,
            Err(Over::Packets) => return Charged::PrefixPackets,
            Err(Over::Syns) => return Charged::PrefixSyns,
            Err(Over::Bytes) => return Charged::PrefixBytes,
        };
        if charged == Charged::Unasked {
            charged = of_prefix;
        }
    }
    charged
}

/// The /24 of an IPv4 address, the /64 of an IPv6 one.
#[inline(always)]
fn prefix(headers: &Headers) -> Address {
    let Address([first, second, third, fourth]) = headers.source;
    match headers.family {
        Family::V4 => Address([first, second, third, fourth & 0xffff_ff00_u32.to_be()]),
        Family::V6 => Address([first, second, 0, 0]),
    }
}

/// Charges one bucket's owner; says whether it was known.
#[inline(always)]
fn one(
    table: &LruHashMap<[u8; 16], Source>,
    key: &[u8; 16],
    limits: &Limits,
    headers: &Headers,
    now_ns: u64,
    flood: bool,
) -> Result<bool, Over> {
    if let Some(source) = table.get_ptr_mut(key) {
        // SAFETY: the pointer is into the map, valid until the program ends. Other CPUs may write at the same time;
        // then one packet of several counts, and no value is torn, for each is one aligned word.
        unsafe {
            *source = take(&*source, limits, headers, now_ns)?;
        }
        return Ok(true);
    }
    if !flood {
        let source = take(&Source::default(), limits, headers, now_ns)?;
        // A table that takes no more forgets, and does not refuse: then the source is as unknown as before.
        let _ = table.insert(key, source, 0);
    }
    Ok(false)
}

/// The buckets after the packet, unless one of them is empty. A packet that is dropped takes nothing.
#[inline(always)]
fn take(source: &Source, limits: &Limits, headers: &Headers, now_ns: u64) -> Result<Source, Over> {
    let syns = u64::from(headers.opens_connection());
    Ok(Source {
        packets: fill(source.packets, &limits.packets, 1, now_ns).ok_or(Over::Packets)?,
        syns: fill(source.syns, &limits.syns, syns, now_ns).ok_or(Over::Syns)?,
        bytes: fill(source.bytes, &limits.bytes, headers.bytes, now_ns).ok_or(Over::Bytes)?,
    })
}

/// When the bucket will be full again if `units` are taken now; none where there are not so many in it.
#[inline(always)]
fn fill(full_at: u64, rate: &Rate, units: u64, now_ns: u64) -> Option<u64> {
    if rate.cost == 0 || units == 0 {
        return Some(full_at);
    }
    let from = if full_at > now_ns { full_at } else { now_ns };
    let full_at = from.wrapping_add(rate.time_of(units));
    (full_at.wrapping_sub(now_ns) <= rate.full_ns).then_some(full_at)
}
