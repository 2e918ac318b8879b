//! Other addresses and ports in a packet, with its checksums put right.

use super::checksum;
use super::segment::Segment;
use crate::packet::protocol;
use abi::Reason;
use abi::service::{Address, Flow};
use aya_ebpf::programs::XdpContext;

/// The furthest that a transport header is looked for. Behind it lie more extension headers than are walked.
const TRANSPORT_MAX: usize = 512;
/// The furthest that an IP header is looked for: Ethernet and two VLAN tags.
pub(super) const NETWORK_MAX: usize = 22;

/// A place in the packet where a value can be read and written.
#[inline(always)]
pub(super) fn place<T>(context: &XdpContext, offset: usize) -> Option<*mut T> {
    let at = context.data() + offset;
    if at + size_of::<T>() > context.data_end() {
        return None;
    }
    Some(at as *mut T)
}

/// Where fields of headers are, from the header's beginning.
mod v4 {
    pub(super) const BYTES: usize = 20;
    pub(super) const HOPS: usize = 8;
    pub(super) const CHECKSUM: usize = 10;
    pub(super) const SOURCE: usize = 12;
    pub(super) const DESTINATION: usize = 16;
}
mod v6 {
    pub(super) const BYTES: usize = 40;
    pub(super) const HOPS: usize = 7;
    pub(super) const SOURCE: usize = 8;
    pub(super) const DESTINATION: usize = 24;
}
/// As far as it is looked at.
mod tcp {
    pub(super) const BYTES: usize = 18;
    pub(super) const CHECKSUM: usize = 16;
}
mod udp {
    pub(super) const BYTES: usize = 8;
    pub(super) const CHECKSUM: usize = 6;
}

/// A header in the packet, compared with the packet's end as a whole. Fields are read and written in one go each: headers lie
/// at odd places, but this target has no alignment to keep, and an access that says so would be one for each byte.
struct Header<const BYTES: usize>(*mut [u8; BYTES]);

impl<const BYTES: usize> Header<BYTES> {
    #[inline(always)]
    fn at(context: &XdpContext, offset: usize) -> Result<Self, Reason> {
        place(context, offset)
            .map(Self)
            .ok_or(Reason::DropMalformed)
    }

    /// A place in the header; nowhere else than in it.
    #[inline(always)]
    fn field<T>(&self, offset: usize) -> *mut T {
        let within = if offset + size_of::<T>() <= BYTES {
            offset
        } else {
            0
        };
        // SAFETY: it lies within the header, whose bytes are in the packet.
        unsafe { self.0.cast::<u8>().add(within).cast() }
    }

    #[inline(always)]
    fn get(&self, offset: usize) -> u16 {
        // SAFETY: `field` lies in the packet, and every bit pattern is a number.
        unsafe { self.field::<u16>(offset).read_volatile() }
    }

    #[inline(always)]
    fn set<T>(&self, offset: usize, value: T) {
        // SAFETY: `field` lies in the packet.
        unsafe { self.field::<T>(offset).write_volatile(value) };
    }

    #[inline(always)]
    fn set_address(&self, offset: usize, address: &Address) {
        self.set(offset, address[0]);
        self.set(offset + 4, address[1]);
        self.set(offset + 8, address[2]);
        self.set(offset + 12, address[3]);
    }
}

/// The Ethernet addresses of the way out.
#[inline(always)]
pub(super) fn ethernet(context: &XdpContext, flow: &Flow) -> Result<(), Reason> {
    let header = Header::<12>::at(context, 0)?;
    // SAFETY: twelve bytes on a border of four in a value of a map, and every bit pattern is a number.
    let [first, second, third] =
        unsafe { (&raw const flow.hop_addresses).cast::<[u32; 3]>().read() };
    header.set(0, first);
    header.set(4, second);
    header.set(8, third);
    Ok(())
}

/// The flow's addresses and ports. Where the packet leaves without the stack, it gets Ethernet addresses as well and
/// has one hop less to live, as behind a router.
#[inline(always)]
pub(super) fn packet(
    context: &XdpContext,
    segment: &Segment,
    flow: &Flow,
    leaves_here: bool,
) -> Result<(), Reason> {
    if leaves_here && segment.hops <= 1 {
        return Err(Reason::DropServiceHops);
    }
    let network = segment.network as usize;
    if network > NETWORK_MAX {
        return Err(Reason::DropMalformed);
    }
    if segment.is_v6 {
        let header = Header::<{ v6::BYTES }>::at(context, network)?;
        if leaves_here {
            header.set(v6::HOPS, segment.hops - 1);
        }
        header.set_address(v6::SOURCE, &flow.source);
        header.set_address(v6::DESTINATION, &flow.destination);
    } else {
        let header = Header::<{ v4::BYTES }>::at(context, network)?;
        let mut delta = u64::from(flow.address_delta);
        if leaves_here {
            let word = |hops| u32::from(u16::from_ne_bytes([hops, 0]));
            delta += checksum::change(word(segment.hops), word(segment.hops - 1));
            header.set(v4::HOPS, segment.hops - 1);
        }
        let sum = checksum::update(header.get(v4::CHECKSUM), checksum::fold(delta));
        header.set(v4::CHECKSUM, sum);
        header.set(v4::SOURCE, flow.source[3]);
        header.set(v4::DESTINATION, flow.destination[3]);
    }
    transport(context, segment, flow)?;
    if leaves_here {
        ethernet(context, flow)?;
    }
    Ok(())
}

#[inline(always)]
fn transport(context: &XdpContext, segment: &Segment, flow: &Flow) -> Result<(), Reason> {
    let at = segment.transport as usize;
    if at == 0 {
        // The checksum is in the first fragment and counts for all of them.
        return Ok(());
    }
    if at > TRANSPORT_MAX {
        return Err(Reason::DropMalformed);
    }
    if segment.protocol == protocol::TCP {
        let header = Header::<{ tcp::BYTES }>::at(context, at)?;
        header.set(0, flow.ports);
        let sum = header.get(tcp::CHECKSUM);
        header.set(tcp::CHECKSUM, checksum::update(sum, flow.delta));
    } else {
        let header = Header::<{ udp::BYTES }>::at(context, at)?;
        header.set(0, flow.ports);
        let sum = header.get(udp::CHECKSUM);
        // 0 says that there is no checksum; one that comes out as 0 is written as its other form.
        if sum != 0 {
            let sum = checksum::update(sum, flow.delta);
            header.set(udp::CHECKSUM, if sum == 0 { 0xffff } else { sum });
        }
    }
    Ok(())
}
