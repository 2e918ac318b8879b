//! Packets of no known flow: is there a service, and which endpoint gets them?

use super::maps::{ENDPOINT_COUNTERS, ENDPOINTS, FLOWS, MAGLEV, SERVICES};
use super::segment::Segment;
use super::{checksum, output, track};
use crate::packet::{protocol, tcp};
use abi::service::{
    Address, Affinity, Endpoint, EndpointState, Flow, FlowKey, FlowKind, Forwarding, MAGLEV_SLOTS,
    Service, ServiceKey,
};
use abi::{Reason, hash, limits};
use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use aya_ebpf::helpers::bpf_get_prandom_u32;
use aya_ebpf::programs::XdpContext;

const NOBODY: Address = [0; 4];

/// Chooses an endpoint for the packet's flow and sends the packet there. `before` is what is remembered of the flow,
/// where that is no longer good.
#[inline(always)]
pub(super) fn endpoint(
    context: &XdpContext,
    segment: &Segment,
    before: Option<&mut Flow>,
    now_ns: u64,
) -> Option<(u32, Reason)> {
    let key = ServiceKey {
        address: segment.key.destination,
        port: destination_port(segment.key.ports),
        protocol: segment.protocol,
        reserved: 0,
    };
    // SAFETY: entries are not preallocated, so RCU keeps one that is deleted as it was until we are done with it.
    let service = unsafe { SERVICES.get(&key) }?;
    let Some((place, endpoint)) = pick(service, &segment.key, segment.is_v6) else {
        return Some(output::drop(Reason::DropServiceNoEndpoint));
    };
    let was_elsewhere = before
        .as_ref()
        .is_some_and(|flow| flow.endpoint != place && segment.tcp_flags & tcp::SYN == 0);
    if let Some(flow) = before
        && flow.kind == FlowKind::Nat as u8
    {
        // Answers on the way from the endpoint before would reach the client as if they were of the new flow.
        let _ = FLOWS.remove(&track::opposite(flow, segment.key.protocol));
    }
    let mut flow = Flow {
        last_ns: now_ns,
        hop_ns: 0,
        source: segment.key.source,
        destination: endpoint.address,
        ports: segment.key.ports,
        endpoint: place,
        serial: endpoint.serial,
        idle_s: service.idle_s,
        address_delta: 0,
        delta: 0,
        kind: service.forwarding,
        state: if segment.protocol == protocol::TCP {
            track::client_bits(segment.tcp_flags)
        } else {
            0
        },
        hop_mtu: 0,
        hop_interface: 0,
        hop_addresses: [0; 12],
    };
    if service.forwarding == Forwarding::Nat as u8 {
        flow.ports = with_destination_port(segment.key.ports, endpoint.port);
        if !open_reply(&mut flow, segment, endpoint) {
            return Some(output::drop(Reason::DropServicePorts));
        }
        set_deltas(&mut flow, &segment.key);
    } else if service.forwarding == Forwarding::Tunnel as u8 {
        flow.source = endpoint.source;
    }
    if FLOWS.insert(&segment.key, &flow, BPF_ANY as u64).is_err() {
        // Without a memory of it the flow is balanced by its hash alone, packet by packet. Answers of NAT would not
        // find back.
        if service.forwarding == Forwarding::Nat as u8 && endpoint.source != NOBODY {
            return Some(output::drop(Reason::DropServiceNoFlow));
        }
    }
    count_flow(place, was_elsewhere);
    Some(match FLOWS.get_ptr_mut(&segment.key) {
        // SAFETY: as in `balance`.
        Some(kept) => output::send(context, segment, unsafe { &mut *kept }, true, now_ns),
        None => output::send(context, segment, &mut flow, true, now_ns),
    })
}

/// The flow that a packet with this key would have, where it needs no memory: the way to an endpoint that gets packets as
/// they are.
#[inline(always)]
pub(super) fn guess(key: &FlowKey, is_v6: bool, protocol: u8) -> Option<Flow> {
    let service = ServiceKey {
        address: key.destination,
        port: destination_port(key.ports),
        protocol,
        reserved: 0,
    };
    // SAFETY: as above.
    let service = unsafe { SERVICES.get(&service) }?;
    if service.forwarding == Forwarding::Nat as u8 {
        return None;
    }
    let (place, endpoint) = pick(service, key, is_v6)?;
    let is_tunnel = service.forwarding == Forwarding::Tunnel as u8;
    Some(Flow {
        last_ns: 0,
        hop_ns: 0,
        source: if is_tunnel {
            endpoint.source
        } else {
            key.source
        },
        destination: endpoint.address,
        ports: key.ports,
        endpoint: place,
        serial: endpoint.serial,
        idle_s: service.idle_s,
        address_delta: 0,
        delta: 0,
        kind: service.forwarding,
        state: 0,
        hop_mtu: 0,
        hop_interface: 0,
        hop_addresses: [0; 12],
    })
}

/// The endpoint that the client's hash leads to.
#[inline(always)]
fn pick(service: &Service, key: &FlowKey, is_v6: bool) -> Option<(u32, &'static Endpoint)> {
    let place = place(service, key, is_v6);
    let endpoint = ENDPOINTS.get(place)?;
    let fits = endpoint.service == service.serial && endpoint.state == EndpointState::Up as u8;
    (place != 0 && fits).then_some((place, endpoint))
}

/// Its place; 0 where there is none. A function of its own for the sake of the stack.
#[inline(never)]
fn place(service: &Service, key: &FlowKey, is_v6: bool) -> u32 {
    // The verifier does not know that a remainder is small; what is hidden from the compiler is compared with a bound.
    let hash = client_hash(service, key, is_v6);
    let slot = core::hint::black_box(hash % u64::from(MAGLEV_SLOTS));
    let Some(table) = MAGLEV.get_value(service.index, &0) else {
        return 0;
    };
    table
        .slots
        .get(slot as usize)
        .map_or(0, |place| u32::from(*place))
}

/// The same as `balance::client_hash` in user space.
#[inline(always)]
fn client_hash(service: &Service, key: &FlowKey, is_v6: bool) -> u64 {
    let alone = service.affinity == Affinity::Source as u8;
    let [p, q] = source_port(key.ports);
    if is_v6 {
        let mut octets = [0; 18];
        for (chunk, word) in octets.chunks_exact_mut(4).zip(key.source) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        [octets[16], octets[17]] = [p, q];
        hash::key(if alone { &octets[..16] } else { &octets })
    } else {
        let [a, b, c, d] = key.source[3].to_ne_bytes();
        let octets = [a, b, c, d, p, q];
        hash::key(if alone { &octets[..4] } else { &octets })
    }
}

/// Remembers the way back: what the endpoint sends gets the service's address and port again.
#[inline(always)]
fn open_reply(flow: &mut Flow, segment: &Segment, endpoint: &Endpoint) -> bool {
    let mut reply = Flow {
        source: segment.key.destination,
        destination: segment.key.source,
        ports: segment.key.ports.rotate_left(16),
        kind: FlowKind::Reply as u8,
        ..*flow
    };
    let mut key = FlowKey {
        source: flow.destination,
        destination: flow.source,
        ports: flow.ports.rotate_left(16),
        protocol: segment.key.protocol,
    };
    if endpoint.source == NOBODY {
        set_deltas(&mut reply, &key);
        return FLOWS.insert(&key, &reply, BPF_ANY as u64).is_ok();
    }
    flow.source = endpoint.source;
    key.destination = endpoint.source;
    // SAFETY: the helper has no preconditions.
    let start = unsafe { bpf_get_prandom_u32() };
    for attempt in 0..limits::PORT_TRIES {
        let port = limits::PORTS_FIRST + (start.wrapping_add(attempt * 7919)) % limits::PORTS;
        flow.ports = with_source_port(flow.ports, (port as u16).to_be_bytes());
        key.ports = flow.ports.rotate_left(16);
        set_deltas(&mut reply, &key);
        if FLOWS.insert(&key, &reply, BPF_NOEXIST as u64).is_ok() {
            return true;
        }
    }
    false
}

/// What the flow's addresses and ports add to the checksums of packets that come with those of `key`.
#[inline(always)]
fn set_deltas(flow: &mut Flow, key: &FlowKey) {
    let addresses = checksum::change_address(&key.source, &flow.source)
        + checksum::change_address(&key.destination, &flow.destination);
    flow.address_delta = checksum::fold(addresses);
    flow.delta = checksum::fold(addresses + checksum::change(key.ports, flow.ports));
}

#[inline(always)]
fn count_flow(place: u32, was_elsewhere: bool) {
    if let Some(counter) = ENDPOINT_COUNTERS.get_ptr_mut(place) {
        // SAFETY: the pointer is into this CPU's own slot, and a program is not interrupted by itself on one CPU.
        unsafe {
            (*counter).flows = (*counter).flows.wrapping_add(1);
            (*counter).moved = (*counter).moved.wrapping_add(u64::from(was_elsewhere));
        }
    }
}

#[inline(always)]
const fn source_port(ports: u32) -> [u8; 2] {
    let [a, b, _, _] = ports.to_ne_bytes();
    [a, b]
}

#[inline(always)]
const fn destination_port(ports: u32) -> [u8; 2] {
    let [_, _, a, b] = ports.to_ne_bytes();
    [a, b]
}

#[inline(always)]
const fn with_source_port(ports: u32, port: [u8; 2]) -> u32 {
    let [_, _, a, b] = ports.to_ne_bytes();
    u32::from_ne_bytes([port[0], port[1], a, b])
}

#[inline(always)]
const fn with_destination_port(ports: u32, port: [u8; 2]) -> u32 {
    let [a, b, _, _] = ports.to_ne_bytes();
    u32::from_ne_bytes([a, b, port[0], port[1]])
}
