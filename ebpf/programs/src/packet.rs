//! Reading a packet's headers.

use abi::{Reason, limits};
use aya_ebpf::programs::XdpContext;

const ETHERNET_BYTES: usize = 14;
const VLAN_BYTES: usize = 4;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;

mod ether {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const IPV6: u16 = 0x86dd;
    /// 802.1Q
    pub(super) const VLAN: u16 = 0x8100;
    /// 802.1ad, the outer one of two tags
    pub(super) const SERVICE_VLAN: u16 = 0x88a8;
}

/// Extension headers of IPv6 (RFC 8200, 4) and those that share their form.
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

/// Where a packet comes from.
pub(crate) enum Source {
    V4([u8; 4]),
    V6 {
        address: [u8; 16],
        /// Offset of what follows the fixed header.
        rest: usize,
        /// The first header there.
        next_header: u8,
    },
}

/// The bytes of a packet that can be read directly. Headers always lie there, also where the packet has fragments.
pub(crate) struct Packet {
    start: usize,
    end: usize,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        Self {
            start: context.data(),
            end: context.data_end(),
        }
    }

    /// A copy of the bytes at an offset; none where the packet ends before.
    #[inline(always)]
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: compared with the packet's end above, as the verifier checks again; T has no alignment to keep
        // because the read is unaligned, and is only used for integers and arrays of bytes.
        Some(unsafe { (at as *const T).read_unaligned() })
    }

    /// The source address, or the reason why there is none to judge.
    #[inline(always)]
    pub(crate) fn source(&self) -> Result<Source, Reason> {
        let mut kind = self.ether_type(ETHERNET_BYTES - 2)?;
        let mut offset = ETHERNET_BYTES;
        for _ in 0..limits::VLAN_TAGS {
            if !is_vlan(kind) {
                break;
            }
            kind = self.ether_type(offset + VLAN_BYTES - 2)?;
            offset += VLAN_BYTES;
        }
        match kind {
            ether::IPV4 => self.ipv4(offset),
            ether::IPV6 => self.ipv6(offset),
            kind if is_vlan(kind) => Err(Reason::PassVlanDepth),
            _ => Err(Reason::PassNotIp),
        }
    }

    #[inline(always)]
    fn ether_type(&self, offset: usize) -> Result<u16, Reason> {
        let bytes = self.read(offset).ok_or(Reason::PassMalformed)?;
        Ok(u16::from_be_bytes(bytes))
    }

    #[inline(always)]
    fn ipv4(&self, offset: usize) -> Result<Source, Reason> {
        let header: [u8; IPV4_BYTES] = self.read(offset).ok_or(Reason::PassMalformed)?;
        let header_bytes = usize::from(header[0] & 0x0f) * 4;
        let total_bytes = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let well_formed =
            header[0] >> 4 == 4 && header_bytes >= IPV4_BYTES && total_bytes >= header_bytes;
        if !well_formed {
            return Err(Reason::PassMalformed);
        }
        Ok(Source::V4([header[12], header[13], header[14], header[15]]))
    }

    #[inline(always)]
    fn ipv6(&self, offset: usize) -> Result<Source, Reason> {
        let header: [u8; 8] = self.read(offset).ok_or(Reason::PassMalformed)?;
        let address = self.read(offset + 8).ok_or(Reason::PassMalformed)?;
        if header[0] >> 4 != 6 || self.start + offset + IPV6_BYTES > self.end {
            return Err(Reason::PassMalformed);
        }
        Ok(Source::V6 {
            address,
            rest: offset + IPV6_BYTES,
            next_header: header[6],
        })
    }

    /// Walks IPv6 extension headers to the transport header, and says what is wrong with them.
    #[inline(always)]
    pub(crate) fn check_extensions(&self, mut offset: usize, mut header: u8) -> Result<(), Reason> {
        for _ in 0..limits::IPV6_EXTENSIONS {
            if !is_extension(header) {
                return Ok(());
            }
            let [next_header, length, high, low]: [u8; 4] =
                self.read(offset).ok_or(Reason::PassMalformed)?;
            if header == next::FRAGMENT && u16::from_be_bytes([high, low]) >> 3 != 0 {
                // A later fragment: the headers behind are in the first one.
                return Ok(());
            }
            offset += match header {
                next::FRAGMENT => 8,
                next::AUTHENTICATION => (usize::from(length) + 2) * 4,
                _ => (usize::from(length) + 1) * 8,
            };
            header = next_header;
        }
        if is_extension(header) {
            return Err(Reason::PassHeaderDepth);
        }
        Ok(())
    }
}

#[inline(always)]
fn is_vlan(kind: u16) -> bool {
    matches!(kind, ether::VLAN | ether::SERVICE_VLAN)
}

#[inline(always)]
fn is_extension(header: u8) -> bool {
    matches!(
        header,
        next::HOP_BY_HOP
            | next::ROUTING
            | next::FRAGMENT
            | next::AUTHENTICATION
            | next::DESTINATION
            | next::MOBILITY
            | next::HOST_IDENTITY
            | next::SHIM6
    )
}
