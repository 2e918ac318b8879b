//! The way out: which interface, which neighbour, how large a packet may be. The kernel's routing tables know.

use super::maps::{PATH_MTUS, PathMtu, WAYS_OUT};
use super::segment::Segment;
use abi::Reason;
use abi::service::{Flow, FlowKind, V4_MARK};
use aya_ebpf::bindings::{BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS, bpf_fib_lookup};
use aya_ebpf::helpers::generated;
use aya_ebpf::programs::XdpContext;
use core::mem::MaybeUninit;

/// How long a way is used before it is looked up again. So long a change of routes or neighbours takes to be followed.
const FRESH_NS: u64 = 1_000_000_000;
/// In the place of an interface: through the kernel's stack.
pub(super) const STACK: u32 = 0;
/// Where the IP header is without VLAN tags.
pub(super) const UNTAGGED: u32 = 14;
const AF_INET: u8 = 2;
const QUERY_WORDS: usize = size_of::<bpf_fib_lookup>() / 8;
const _: () = assert!(QUERY_WORDS * 8 == size_of::<bpf_fib_lookup>());
const AF_INET6: u8 = 10;

#[inline(always)]
pub(super) fn is_fresh(flow: &Flow, now_ns: u64) -> bool {
    flow.hop_ns != 0 && now_ns.wrapping_sub(flow.hop_ns) < FRESH_NS
}

/// Looks the way up and notes it in the flow.
///
/// Where the program cannot send the packet out itself (another device than those of the gate, a VLAN, a neighbour whose
/// MAC address is not known yet), packets of NAT take the way through the stack: they are ordinary packets by then.
#[inline(never)]
pub(super) fn find(
    context: &XdpContext,
    segment: &Segment,
    flow: &mut Flow,
    now_ns: u64,
) -> Result<(), Reason> {
    let mut words = MaybeUninit::uninit();
    let query = zeroed(&mut words);
    query.ifindex = context.ingress_ifindex() as u32;
    query.l4_protocol = segment.protocol;
    let is_v4 = is_v4(flow);
    if is_v4 {
        query.family = AF_INET;
        query.__bindgen_anon_3.ipv4_src = flow.source[3];
        query.__bindgen_anon_4.ipv4_dst = flow.destination[3];
    } else {
        query.family = AF_INET6;
        query.__bindgen_anon_3.ipv6_src = flow.source;
        query.__bindgen_anon_4.ipv6_dst = flow.destination;
    }
    // SAFETY: the context is the one that the kernel passed in, and the struct is ours.
    let answer = unsafe {
        generated::bpf_fib_lookup(
            context.ctx.cast(),
            query,
            size_of::<bpf_fib_lookup>() as i32,
            0,
        )
    };
    let is_rewritten = flow.kind == FlowKind::Nat as u8 || flow.kind == FlowKind::Reply as u8;
    // SAFETY: every bit pattern is a value of these integers.
    let mtu = unsafe { query.__bindgen_anon_1.mtu_result };
    if answer == i64::from(BPF_FIB_LKUP_RET_SUCCESS) {
        flow.hop_mtu = mtu;
        if flow.kind == FlowKind::Tunnel as u8
            // SAFETY: both values are copied; that they are of one moment does not matter.
            && let Some(learnt) = unsafe { PATH_MTUS.get(&flow.destination) }
            && now_ns.wrapping_sub(learnt.since_ns) < PathMtu::HOLDS_NS
            && learnt.mtu < u64::from(mtu)
        {
            flow.hop_mtu = learnt.mtu as u16;
        }
        // Read where it is: with a copy, this and its caller have more stack than Linux 6.1 gives them, which counts in steps
        // of 32 bytes.
        let destination = &raw const query.__bindgen_anon_4;
        // SAFETY: as above.
        let is_neighbour = unsafe {
            if is_v4 {
                (*destination).ipv4_dst == flow.destination[3]
            } else {
                let found = &(*destination).ipv6_dst;
                (0..4).all(|word| found[word] == flow.destination[word])
            }
        };
        if flow.kind == FlowKind::L2Dsr as u8 && !is_neighbour {
            return Err(Reason::DropServiceNoRoute);
        }
        let ours = segment.network == UNTAGGED
            && (query.ifindex == context.ingress_ifindex() as u32
                || WAYS_OUT.get_ifindex(query.ifindex).is_some());
        if ours {
            flow.hop_interface = query.ifindex;
            flow.hop_addresses[..6].copy_from_slice(&query.dmac);
            flow.hop_addresses[6..].copy_from_slice(&query.smac);
            flow.hop_ns = now_ns;
            return Ok(());
        }
    } else if answer != i64::from(BPF_FIB_LKUP_RET_NO_NEIGH) {
        return Err(Reason::DropServiceNoRoute);
    }
    if !is_rewritten {
        return Err(Reason::DropServiceNoRoute);
    }
    // Asked again with the next packet.
    flow.hop_ns = 0;
    flow.hop_mtu = u16::MAX;
    flow.hop_interface = STACK;
    Ok(())
}

/// A query of zeros, word by word and so that nobody makes a call of it: with one more frame Linux 6.1 says that the stack is too
/// large.
#[inline(always)]
fn zeroed(words: &mut MaybeUninit<[u64; QUERY_WORDS]>) -> &mut bpf_fib_lookup {
    for word in 0..QUERY_WORDS {
        // SAFETY: within the array, which is ours.
        unsafe { words.as_mut_ptr().cast::<u64>().add(word).write_volatile(0) };
    }
    // SAFETY: it is as large, and aligned more strictly; all-zero bytes are a value of this struct of integers.
    unsafe { &mut *words.as_mut_ptr().cast() }
}

/// Whether packets of the flow leave as IPv4: the outer packet counts.
#[inline(always)]
pub(super) fn is_v4(flow: &Flow) -> bool {
    flow.destination[0] == 0 && flow.destination[1] == 0 && flow.destination[2] == V4_MARK
}
