//! Which worker gets a new connection: the one with the least load among some, and none that drains.
//!
//! Runs once a SYN, when the listener with sockets of many workers (SO_REUSEPORT) is found. Where it chooses nobody, the
//! kernel's own hash does.
#![no_std]
#![no_main]
#![warn(missing_docs)]

use abi::steer::{GROUPS_MAX, Group, LOOKS, Listening, Load, WORKERS_MAX};
use aya_ebpf::bindings::{BPF_F_MMAPABLE, sk_action};
use aya_ebpf::helpers::generated::bpf_sk_select_reuseport;
use aya_ebpf::macros::{map, sk_reuseport};
use aya_ebpf::maps::{Array, HashMap, SockMap};
use aya_ebpf::programs::SkReuseportContext;

#[map]
static GROUPS: HashMap<Listening, Group> = HashMap::with_max_entries(GROUPS_MAX, 0);
/// Made larger by user space, which knows how many workers there are. Not an array for groups alone: a socket is in one of these
/// at most, and in none where it is in a map that `lookup` chooses from.
#[map]
static SOCKETS: SockMap = SockMap::with_max_entries(GROUPS_MAX, 0);
#[map]
static LOADS: Array<Load> = Array::with_max_entries(WORKERS_MAX, BPF_F_MMAPABLE);

/// AF_INET.
const INET: u32 = 2;

/// Never refuses: a connection without a choice goes where the kernel's hash says.
#[sk_reuseport]
fn steer(context: SkReuseportContext) -> u32 {
    if let Some((index, worker)) = choose(&context)
        && select(&context, index)
    {
        count(worker);
    }
    sk_action::SK_PASS
}

/// Lets the kernel take the socket at this index; says whether there is one.
#[inline(always)]
fn select(context: &SkReuseportContext, mut index: u32) -> bool {
    // SAFETY: the context is the kernel's; the map is named by the address of its definition, and the key is ours.
    let result = unsafe {
        bpf_sk_select_reuseport(
            context.md,
            (&raw const SOCKETS).cast_mut().cast(),
            (&raw mut index).cast(),
            0,
        )
    };
    result == 0
}

/// The index of a socket, and its worker.
#[inline(always)]
fn choose(context: &SkReuseportContext) -> Option<(u32, u32)> {
    let key = listening(context);
    // SAFETY: entries change as a whole; at worst a connection goes by the state of a moment ago.
    let group = unsafe { GROUPS.get(&key) }?;
    let workers = group.workers;
    if workers == 0 {
        return None;
    }
    let start = context.hash() % workers;
    let mut chosen = None;
    let mut least = u64::MAX;
    for step in 0..LOOKS {
        if step >= workers {
            break;
        }
        let worker = (start + step) % workers;
        // SAFETY: the pointer is into the map, whose memory user space shares: it is read at once, and any bytes are a load.
        let load = unsafe { LOADS.get_ptr(worker)?.read_volatile() };
        let score = load.score();
        if load.draining == 0 && score < least {
            least = score;
            chosen = Some(worker);
        }
    }
    chosen.map(|worker| (group.first + worker, worker))
}

/// The address that the socket listens on.
#[inline(always)]
fn listening(context: &SkReuseportContext) -> Listening {
    // Read field by field, each at its own offset: the verifier admits no arithmetic on the pointer to a socket, and that is
    // what the compiler would make of a choice between two fields.
    // SAFETY: the kernel passes the socket of the group with every call; it lives as long.
    let (family, port, v4, v6) = unsafe {
        let socket = (*context.md).__bindgen_anon_3.sk;
        let word = |word: usize| (&raw const (*socket).src_ip6[word]).read_volatile();
        (
            (&raw const (*socket).family).read_volatile(),
            (&raw const (*socket).src_port).read_volatile(),
            (&raw const (*socket).src_ip4).read_volatile(),
            [word(0), word(1), word(2), word(3)],
        )
    };
    let (address, version) = if family == INET {
        ([v4, 0, 0, 0], 4)
    } else {
        (v6, 6)
    };
    Listening {
        address,
        port,
        version,
    }
}

/// Until the worker says how many connections it has, this one counts.
#[inline(always)]
fn count(worker: u32) {
    if let Some(load) = LOADS.get_ptr_mut(worker) {
        // Not one step: of two connections that come on two CPUs at one moment one may go uncounted, which is no harm.
        // SAFETY: the pointer is into the map, whose memory user space shares; the field is read and written as a whole.
        unsafe {
            let pending = &raw mut (*load).pending;
            pending.write_volatile(pending.read_volatile().wrapping_add(1));
        }
    }
}

/// The helpers are open to every program; the string is that of all programs here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier admits no code that can panic.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
