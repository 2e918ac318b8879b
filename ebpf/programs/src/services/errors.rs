//! ICMP errors about packets of flows (RFC 792, RFC 4443, RFC 5508): they go to who sent the packet that they quote, and
//! quote it as that one sent it.

use super::maps::{ENDPOINTS, FLOWS, PATH_MTUS, PathMtu, SEGMENT};
use super::rewrite;
use super::segment::Segment;
use super::{checksum, choose, output, too_big, tunnel, way};
use crate::maps::count;
use crate::packet::protocol;
use abi::Reason;
use abi::service::{self, EndpointState, Flow, FlowKey, FlowKind};
use aya_ebpf::bindings::{BPF_ANY, xdp_action};
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

const ICMP_BYTES: usize = 8;
/// No offset is larger: the compiler is told nothing of it, so the verifier is.
const OFFSET_MAX: usize = 0x7ff;
/// Behind it no transport header is looked for.
const AT_MAX: usize = 512;
const IPV4_INSIDE: u8 = 4;
const IPV6_INSIDE: u8 = 41;
const OFFSET_OF_FRAGMENT: u16 = 0x1fff;

#[repr(C, packed)]
struct Ipv4 {
    version: u8,
    class: u8,
    bytes: u16,
    id: u16,
    fragment: u16,
    hops: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

#[repr(C, packed)]
struct Ipv6 {
    version: [u8; 4],
    bytes: u16,
    protocol: u8,
    hops: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

#[repr(C, packed)]
struct Icmp {
    kind: u8,
    code: u8,
    checksum: u16,
    /// Of a packet that was too big: the MTU, of ICMP in its last two bytes.
    rest: [u8; 4],
}

/// The packet that an error is about.
struct Quoted {
    /// What packets of the other direction have: the flow's key, where it is one of ours.
    key: FlowKey,
    is_v6: bool,
    protocol: u8,
    /// Where its IP header is.
    network: usize,
    /// Where its transport header is.
    transport: usize,
}

/// As [`rewrite::place`]. The compiler knows that what lies before a byte of the packet is in the packet as well, and would
/// not compare; the verifier does not know.
#[inline(always)]
fn place<T>(context: &XdpContext, offset: usize) -> Option<*mut T> {
    rewrite::place(context, core::hint::black_box(offset) & OFFSET_MAX)
}

/// Whether the message is an error, which quotes a packet.
#[inline(always)]
pub(super) fn is_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        // Unreachable, time exceeded, parameter problem.
        protocol::ICMP => matches!(kind, 3 | 11 | 12),
        // And too big.
        protocol::ICMPV6 => matches!(kind, 1..=4),
        _ => false,
    }
}

/// Goes on where [`super::forward`] ends, with an ICMP error; or where a packet of a flow is too big for its way.
#[xdp(frags)]
pub fn xdp_service_errors(context: XdpContext) -> u32 {
    let Some(segment) = SEGMENT.get_ptr(0) else {
        return xdp_action::XDP_PASS;
    };
    // SAFETY: as in `xdp_services`.
    let segment = unsafe { &*segment };
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
    if matches!(segment.protocol, protocol::TCP | protocol::UDP) {
        let is_answered = tell_sender(&context, segment, now_ns);
        let (action, reason) = if is_answered {
            (xdp_action::XDP_TX, Reason::AnswerTooBig)
        } else {
            output::drop(Reason::DropServiceTooBig)
        };
        count(reason, u64::from(segment.frame_bytes));
        return action;
    }
    let (action, reason) = pass_on(&context, segment, now_ns).unwrap_or_else(|| {
        let reason = match too_big(&context, segment) {
            Some(_) => Reason::PassIcmpNeeded,
            None => Reason::Pass,
        };
        (xdp_action::XDP_PASS, reason)
    });
    count(reason, u64::from(segment.frame_bytes));
    action
}

/// Tells the sender of a packet how large it may be. `false`: not now.
#[inline(always)]
fn tell_sender(context: &XdpContext, segment: &Segment, now_ns: u64) -> bool {
    let Some(flow) = FLOWS.get_ptr(&segment.key) else {
        return false;
    };
    // SAFETY: as in `balance`.
    let flow = unsafe { &*flow };
    let is_tunnel = flow.kind == FlowKind::Tunnel as u8;
    let overhead = if is_tunnel { tunnel::overhead(flow) } else { 0 };
    let mtu = u32::from(flow.hop_mtu).saturating_sub(overhead);
    too_big::answer(context, segment, mtu, now_ns)
}

/// Sends an error on; nothing where it is about no flow of ours.
#[inline(always)]
fn pass_on(context: &XdpContext, segment: &Segment, now_ns: u64) -> Option<(u32, Reason)> {
    let at = segment.transport as usize;
    if at > AT_MAX {
        return None;
    }
    let quoted = quoted(context, segment, at + ICMP_BYTES)?;
    if quoted.protocol == IPV4_INSIDE || quoted.protocol == IPV6_INSIDE {
        learn_path_mtu(context, segment, &quoted, now_ns);
        return None;
    }
    // It comes to who sent the packet; what says otherwise was made up.
    let is_addressed = quoted.key.destination == segment.key.destination;
    let is_known = matches!(quoted.protocol, protocol::TCP | protocol::UDP);
    if !is_addressed || !is_known {
        return None;
    }
    let mut guessed;
    let flow = if let Some(flow) = known(&quoted.key) {
        flow
    } else {
        guessed = choose::guess(&quoted.key, quoted.is_v6, quoted.protocol)?;
        &mut guessed
    };
    if !way::is_fresh(flow, now_ns)
        && let Err(reason) = way::find(context, segment, flow, now_ns)
    {
        return Some(output::drop(reason));
    }
    let leaves_here = flow.hop_interface != way::STACK;
    let changed = if flow.kind == FlowKind::L2Dsr as u8 {
        rewrite::ethernet(context, flow)
    } else if flow.kind == FlowKind::Tunnel as u8 {
        tunnel::wrap(context, segment, flow)
    } else {
        translate(context, segment, &quoted, flow, leaves_here).ok_or(Reason::DropMalformed)
    };
    if let Err(reason) = changed {
        return Some(output::drop(reason));
    }
    Some((output::leave(context, flow), Reason::ForwardIcmp))
}

/// The flow with this key, unless its endpoint is another one by now.
#[inline(always)]
fn known(key: &FlowKey) -> Option<&'static mut Flow> {
    let flow = FLOWS.get_ptr_mut(key)?;
    // SAFETY: as in `balance`.
    let flow = unsafe { &mut *flow };
    let is_there = ENDPOINTS.get(flow.endpoint).is_some_and(|endpoint| {
        endpoint.serial == flow.serial && endpoint.state != EndpointState::Free as u8
    });
    // The endpoint's own packets go on to clients, wherever new ones go.
    (is_there || flow.kind == FlowKind::Reply as u8).then_some(flow)
}

/// Reads what an error quotes; nothing where that is no packet, or one that has no ports.
#[inline(always)]
fn quoted(context: &XdpContext, segment: &Segment, network: usize) -> Option<Quoted> {
    let (source, destination, protocol, header_bytes) = if segment.is_v6 {
        let header: *const Ipv6 = place(context, network)?;
        // SAFETY: `place` compared it with the packet's end; the struct is packed, so it has no alignment.
        let header = unsafe { header.read_unaligned() };
        (
            header.source,
            header.destination,
            header.protocol,
            size_of::<Ipv6>(),
        )
    } else {
        let header: *const Ipv4 = place(context, network)?;
        // SAFETY: as above.
        let header = unsafe { header.read_unaligned() };
        if u16::from_be(header.fragment) & OFFSET_OF_FRAGMENT != 0 {
            return None;
        }
        let bytes = usize::from(header.version & 0x0f) * 4;
        let (source, destination) = (header.source, header.destination);
        (
            service::v4(source),
            service::v4(destination),
            header.protocol,
            bytes,
        )
    };
    let transport = network + header_bytes;
    let end = segment.network as usize + segment.packet_bytes as usize;
    let ports: *const u32 = place(context, transport)?;
    if transport + ICMP_BYTES > end {
        return None;
    }
    // SAFETY: as above.
    let ports = unsafe { ports.read_unaligned() };
    Some(Quoted {
        key: FlowKey {
            source: destination,
            destination: source,
            ports: ports.rotate_left(16),
            protocol: u32::from(protocol),
        },
        is_v6: segment.is_v6,
        protocol,
        network,
        transport,
    })
}

/// The MTU of the way that a packet was too big for.
#[inline(always)]
fn too_big(context: &XdpContext, segment: &Segment) -> Option<u32> {
    let at = segment.transport as usize;
    if at > AT_MAX {
        return None;
    }
    let header: *const Icmp = place(context, at)?;
    // SAFETY: as above.
    let header = unsafe { header.read_unaligned() };
    let [a, b, c, d] = header.rest;
    match (segment.is_v6, header.kind, header.code) {
        (false, 3, 4) => Some(u32::from(u16::from_be_bytes([c, d]))),
        (true, 2, _) => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

/// A packet of a tunnel of ours was too big: clients whose packets are, are told from now on. Only of what has a flow through
/// that tunnel is it believed.
#[inline(always)]
fn learn_path_mtu(context: &XdpContext, segment: &Segment, outer: &Quoted, now_ns: u64) {
    let Some(mtu) = too_big(context, segment) else {
        return;
    };
    let as_inside = Segment {
        key: segment.key,
        is_v6: outer.protocol == IPV6_INSIDE,
        ..*segment
    };
    let at = outer.transport;
    let Some(inner) = quoted(context, &as_inside, at) else {
        return;
    };
    let way_there = FlowKey {
        source: inner.key.destination,
        destination: inner.key.source,
        ports: inner.key.ports.rotate_left(16),
        protocol: inner.key.protocol,
    };
    let Some(flow) = FLOWS.get_ptr_mut(&way_there) else {
        return;
    };
    // SAFETY: as in `balance`.
    let flow = unsafe { &mut *flow };
    let is_its = flow.kind == FlowKind::Tunnel as u8
        && flow.destination == outer.key.source
        && flow.source == outer.key.destination;
    if !is_its || mtu < PathMtu::LEAST || mtu >= u32::from(flow.hop_mtu) {
        return;
    }
    let learnt = PathMtu {
        since_ns: now_ns,
        mtu: u64::from(mtu),
    };
    let _ = PATH_MTUS.insert(&flow.destination, &learnt, BPF_ANY as u64);
    flow.hop_ns = 0;
}

/// The quoted packet as its sender sent it, the addresses of the error, and all checksums.
#[inline(always)]
fn translate(
    context: &XdpContext,
    segment: &Segment,
    quoted: &Quoted,
    flow: &Flow,
    leaves_here: bool,
) -> Option<()> {
    let mut delta = translate_quoted(context, segment, quoted, flow)?;
    // An error of the peer itself comes from where its packets seem to come from; a router is nobody else here.
    let source = if segment.key.source == quoted.key.source {
        flow.source
    } else {
        segment.key.source
    };
    let network = segment.network as usize;
    if network > rewrite::NETWORK_MAX || (leaves_here && segment.hops <= 1) {
        return None;
    }
    let hops = if leaves_here {
        segment.hops - 1
    } else {
        segment.hops
    };
    let addresses = checksum::change_address(&segment.key.source, &source)
        + checksum::change_address(&segment.key.destination, &flow.destination);
    if segment.is_v6 {
        let header: *mut Ipv6 = place(context, network)?;
        // SAFETY: `place` compared it with the packet's end; the struct is packed, so it has no alignment.
        let header = unsafe { &mut *header };
        header.hops = hops;
        header.source = source;
        header.destination = flow.destination;
        // The pseudo header is under ICMPv6's checksum.
        delta += u64::from(checksum::fold(addresses));
    } else {
        let header: *mut Ipv4 = place(context, network)?;
        // SAFETY: as above.
        let header = unsafe { &mut *header };
        let word = |hops| u32::from(u16::from_ne_bytes([hops, 0]));
        let sum = addresses + checksum::change(word(segment.hops), word(hops));
        header.hops = hops;
        header.checksum = checksum::update(header.checksum, checksum::fold(sum));
        header.source = source[3];
        header.destination = flow.destination[3];
    }
    let at = segment.transport as usize;
    if at > AT_MAX {
        return None;
    }
    let icmp: *mut Icmp = place(context, at)?;
    // SAFETY: as above.
    let icmp = unsafe { &mut *icmp };
    icmp.checksum = checksum::update(icmp.checksum, checksum::fold(delta));
    if leaves_here {
        rewrite::ethernet(context, flow).ok()?;
    }
    Some(())
}

/// What the quoted packet's changes add to the checksum of the error.
#[inline(always)]
fn translate_quoted(
    context: &XdpContext,
    segment: &Segment,
    quoted: &Quoted,
    flow: &Flow,
) -> Option<u64> {
    let network = quoted.network;
    let mut delta = u64::from(flow.address_delta);
    if quoted.is_v6 {
        let header: *mut Ipv6 = place(context, network)?;
        // SAFETY: as above.
        let header = unsafe { &mut *header };
        header.source = flow.destination;
        header.destination = flow.source;
    } else {
        let header: *mut Ipv4 = place(context, network)?;
        // SAFETY: as above.
        let header = unsafe { &mut *header };
        header.source = flow.destination[3];
        header.destination = flow.source[3];
        let old = header.checksum;
        header.checksum = checksum::update(old, flow.address_delta);
        delta += checksum::change(u32::from(old), u32::from(header.checksum));
    }
    let transport = quoted.transport;
    let ports: *mut u32 = place(context, transport)?;
    let new = flow.ports.rotate_left(16);
    // SAFETY: as above.
    unsafe { ports.write_unaligned(new) };
    delta += checksum::change(quoted.key.ports.rotate_left(16), new);
    let is_udp = quoted.protocol == protocol::UDP;
    let at = transport + if is_udp { 6 } else { 16 };
    let end = segment.network as usize + segment.packet_bytes as usize;
    if at + 2 <= end
        && let Some(sum) = place::<u16>(context, at)
    {
        // SAFETY: as above.
        let old = unsafe { sum.read_unaligned() };
        if !is_udp || old != 0 {
            let new = checksum::update(old, flow.delta);
            let new = if is_udp && new == 0 { 0xffff } else { new };
            // SAFETY: as above.
            unsafe { sum.write_unaligned(new) };
            delta += checksum::change(u32::from(old), u32::from(new));
        }
    }
    Some(delta)
}
