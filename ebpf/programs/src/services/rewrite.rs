//! Other addresses and ports in a packet, with its checksums put right.

use super::checksum;
use super::segment::Segment;
use crate::packet::protocol;
use abi::Reason;
use abi::service::Flow;
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

/// The fields of an IPv4 header that change.
#[repr(C, packed)]
struct Ipv4 {
    before: [u8; 8],
    hops: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

/// The fields of an IPv6 header that change.
#[repr(C, packed)]
struct Ipv6 {
    before: [u8; 7],
    hops: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

#[repr(C, packed)]
struct Tcp {
    ports: u32,
    between: [u8; 12],
    checksum: u16,
}

#[repr(C, packed)]
struct Udp {
    ports: u32,
    length: u16,
    checksum: u16,
}

/// The Ethernet addresses of the way out.
#[inline(always)]
pub(super) fn ethernet(context: &XdpContext, flow: &Flow) -> Result<(), Reason> {
    let addresses: *mut [u8; 12] = place(context, 0).ok_or(Reason::DropMalformed)?;
    // SAFETY: `place` compared it with the packet's end.
    unsafe { addresses.write_unaligned(flow.hop_addresses) };
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
        let header: *mut Ipv6 = place(context, network).ok_or(Reason::DropMalformed)?;
        // SAFETY: `place` compared it with the packet's end; the struct is packed, so it has no alignment.
        let header = unsafe { &mut *header };
        if leaves_here {
            header.hops = segment.hops - 1;
        }
        header.source = flow.source;
        header.destination = flow.destination;
    } else {
        let header: *mut Ipv4 = place(context, network).ok_or(Reason::DropMalformed)?;
        // SAFETY: as above.
        let header = unsafe { &mut *header };
        let mut delta = u64::from(flow.address_delta);
        if leaves_here {
            let word = |hops| u32::from(u16::from_ne_bytes([hops, 0]));
            delta += checksum::change(word(segment.hops), word(segment.hops - 1));
            header.hops = segment.hops - 1;
        }
        header.checksum = checksum::update(header.checksum, checksum::fold(delta));
        header.source = flow.source[3];
        header.destination = flow.destination[3];
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
        let header: *mut Tcp = place(context, at).ok_or(Reason::DropMalformed)?;
        // SAFETY: `place` compared it with the packet's end; the struct is packed, so it has no alignment.
        let header = unsafe { &mut *header };
        header.ports = flow.ports;
        header.checksum = checksum::update(header.checksum, flow.delta);
    } else {
        let header: *mut Udp = place(context, at).ok_or(Reason::DropMalformed)?;
        // SAFETY: as above.
        let header = unsafe { &mut *header };
        header.ports = flow.ports;
        // 0 says that there is no checksum; one that comes out as 0 is written as its other form.
        if header.checksum != 0 {
            let sum = checksum::update(header.checksum, flow.delta);
            header.checksum = if sum == 0 { 0xffff } else { sum };
        }
    }
    Ok(())
}
