//! Bytes of a connection on their way from socket to socket: what one side receives is handed to the other one, without a
//! worker that wakes up for it.
//!
//! Runs whenever a side has received something, one after the other for each side. No byte is ever dropped here: what is not
//! handed on is left to the worker.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![warn(missing_docs)]

mod atomic;

use abi::relay::{CALLS_BYTES, QUEUE_BYTES, Side};
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{BPF_F_MMAPABLE, sk_action};
use aya_ebpf::cty::c_void;
use aya_ebpf::helpers::{
    bpf_get_socket_cookie, bpf_map_lookup_elem, bpf_probe_read_kernel, bpf_sk_release,
    bpf_skc_to_tcp_sock,
};
use aya_ebpf::macros::{map, stream_verdict};
use aya_ebpf::maps::{Array, HashMap, RingBuf, SockMap};
use aya_ebpf::programs::SkBuffContext;

// The numbers of entries are those of user space.
#[map]
static PLACES: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);
#[map]
static SOCKETS: SockMap = SockMap::with_max_entries(1, 0);
#[map]
static SIDES: Array<Side> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static CALLS: RingBuf = RingBuf::with_byte_size(CALLS_BYTES, 0);

/// Where `write_seq` stands in the kernel's `struct tcp_sock`. Set before the program is loaded.
#[unsafe(no_mangle)]
static WRITE_SEQ: u32 = 0;

/// `BPF_RB_FORCE_WAKEUP`.
const WAKE: u64 = 2;

#[stream_verdict]
fn relay(context: SkBuffContext) -> u32 {
    if context.len() == 0 {
        // A FIN alone, which TCP has taken note of. Handed on, it would break the other side: the kernel takes a send of
        // nothing for a send that failed (sk_psock_backlog).
        return sk_action::SK_DROP;
    }
    let handed = hand_on(&context);
    match handed {
        Some(verdict) => verdict,
        None => sk_action::SK_PASS,
    }
}

/// `None` leaves the bytes to the worker, who knows of it already.
#[inline(always)]
fn hand_on(context: &SkBuffContext) -> Option<u32> {
    // SAFETY: the context is that of this call.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    // SAFETY: an entry stays as it is as long as its socket is in the map.
    let place = unsafe { *PLACES.get(&cookie)? };
    let side = SIDES.get_ptr_mut(place)?;
    // SAFETY: the pointer is into the map, whose memory the worker shares: fields are read and written as a whole, and each
    // has one writer.
    unsafe {
        let taken = (&raw const (*side).taken).read_volatile();
        if (&raw const (*side).passed).read_volatile() != taken {
            return leave(side, place);
        }
        let Some(written) = written(place ^ 1) else {
            return leave(side, place);
        };
        let handed = (*side).handed;
        if (*side).based_on != taken {
            // The worker has moved bytes by hand: what it wrote has not been handed on here.
            (*side).base = written.wrapping_sub(handed as u32);
            (*side).based_on = taken;
        }
        let waiting = (handed as u32).wrapping_sub(written.wrapping_sub((*side).base));
        if waiting > QUEUE_BYTES {
            return leave(side, place);
        }
        let verdict = SOCKETS.redirect_skb(context, place ^ 1, 0) as u32;
        if verdict != sk_action::SK_PASS {
            return leave(side, place);
        }
        (&raw mut (*side).handed).write_volatile(handed + u64::from(context.len()));
        Some(verdict)
    }
}

/// Leaves the bytes to the worker, and calls it where it believes that nothing is left.
///
/// # Safety
/// `side` is in the map.
#[inline(always)]
unsafe fn leave(side: *mut Side, place: u32) -> Option<u32> {
    // SAFETY: the word is aligned and in the map, as the caller vouches. The addition orders the two: either the worker sees
    // it after it has written `taken`, or what it wrote is seen here.
    unsafe {
        let before = atomic::add(&raw mut (*side).passed, 1);
        if (&raw const (*side).taken).read_volatile() == before {
            // Without room the call is lost; the worker looks at all sides now and then.
            let _ = CALLS.output::<u32>(place, WAKE);
        }
    }
    None
}

/// The sequence number that the socket in a place writes next. `None` without a socket: then nothing can be handed to it.
#[inline(always)]
fn written(place: u32) -> Option<u32> {
    // SAFETY: the map gives a socket that is held until it is released, on every way out of here; the kernel checks what is
    // read from it.
    unsafe {
        let socket = bpf_map_lookup_elem(
            (&raw const SOCKETS).cast_mut().cast(),
            (&raw const place).cast(),
        );
        if socket.is_null() {
            return None;
        }
        let tcp = bpf_skc_to_tcp_sock(socket).cast::<c_void>();
        let written = if tcp.is_null() {
            None
        } else {
            let at = (&raw const WRITE_SEQ).read_volatile() as usize;
            bpf_probe_read_kernel(tcp.byte_add(at).cast::<u32>()).ok()
        };
        bpf_sk_release(socket);
        written
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
