//! Fragments: only the first one of a packet has ports. They are remembered with the packet's id, so that the others go
//! the same way.
//!
//! One that comes before its first fragment, or after it was forgotten, finds nothing. For the address of a service it is
//! dropped: nobody here could put it together.

use super::maps::{FRAGMENTS, SERVICES};
use crate::packet::{Address, Family, Fragment, Headers, Packet};
use abi::service::ServiceKey;
use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::programs::XdpContext;

/// What fragments of one packet have in common.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Whole {
    source: Address,
    destination: Address,
    id: u32,
    protocol: u32,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// To the packet with the ports that are in its headers now.
    Ports,
    /// To a service, and nobody knows to which flow.
    Stray,
    /// To nothing here.
    Nothing,
}

/// Remembers the ports of a first fragment, and gives them to a later one.
#[inline(never)]
pub(super) fn find(context: &XdpContext, headers: &mut Headers) -> Found {
    let Some(id) = id(&Packet::new(context), headers) else {
        return Found::Nothing;
    };
    let whole = Whole {
        source: headers.source,
        destination: headers.destination,
        id,
        protocol: u32::from(headers.protocol),
    };
    if headers.fragment == Fragment::First {
        let ports = u32::from(headers.source_port) << 16 | u32::from(headers.destination_port);
        // Where there is no room, the later ones are strays.
        let _ = FRAGMENTS.insert(&whole, &ports, BPF_ANY as u64);
        return Found::Ports;
    }
    // SAFETY: an integer, which is copied at once; at worst it is that of another packet, whose receiver discards it.
    if let Some(ports) = unsafe { FRAGMENTS.get(&whole) } {
        headers.source_port = (*ports >> 16) as u16;
        headers.destination_port = *ports as u16;
        return Found::Ports;
    }
    let key = ServiceKey {
        address: headers.destination.0,
        port: [0; 2],
        protocol: headers.protocol,
        reserved: 0,
    };
    // SAFETY: only whether it is there matters.
    if unsafe { SERVICES.get(&key) }.is_some() {
        Found::Stray
    } else {
        Found::Nothing
    }
}

/// The packet's id. Of IPv6 it is in the fragment header, which stands right before what a fragment begins with.
#[inline(always)]
fn id(packet: &Packet, headers: &Headers) -> Option<u32> {
    if headers.family == Family::V4 {
        return packet.read::<u16>(headers.l3 + 4).map(u32::from);
    }
    packet.read(headers.l4.wrapping_sub(4))
}
