//! Which listener serves a connection or datagram for an address that no socket is bound to.
//!
//! Runs where the kernel looks for a listening socket, before it looks among the bound ones. Of a listener with a socket for
//! each worker it names one; the kernel, or `steer`, chooses among them then.
#![no_std]
#![no_main]
#![warn(missing_docs)]

use abi::lookup::{
    KEY_BITS, KeyV4, KeyV6, NOBODY, PREFIXES_MAX, Ports, RANGES_MAX, Range, SIDES, SOCKETS_MAX,
};
use aya_ebpf::bindings::sk_action;
use aya_ebpf::macros::{map, sk_lookup};
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::maps::{Array, LpmTrie, SockMap};
use aya_ebpf::programs::SkLookupContext;

#[map]
static SIDE: Array<u32> = Array::with_max_entries(1, 0);
#[map]
static PREFIXES_V4: LpmTrie<KeyV4, Ports> = LpmTrie::with_max_entries(SIDES * PREFIXES_MAX, 0);
#[map]
static PREFIXES_V6: LpmTrie<KeyV6, Ports> = LpmTrie::with_max_entries(SIDES * PREFIXES_MAX, 0);
#[map]
static RANGES: Array<Range> = Array::with_max_entries(SIDES * RANGES_MAX, 0);
#[map]
static SOCKETS: SockMap = SockMap::with_max_entries(SOCKETS_MAX, 0);

/// AF_INET.
const INET: u32 = 2;

/// Steps of a search in as many ranges as there can be.
const SEARCH_STEPS: u32 = RANGES_MAX.ilog2() + 1;

/// Never refuses: what it knows nothing of is left to bound sockets.
#[sk_lookup]
fn lookup(context: SkLookupContext) -> u32 {
    if let Some(socket) = socket(&context)
        && socket != NOBODY
    {
        // Where another program has chosen, or the socket has just been closed, this changes nothing.
        let _ = SOCKETS.redirect_sk_lookup(&context, socket, 0);
    }
    sk_action::SK_PASS
}

#[inline(always)]
fn socket(context: &SkLookupContext) -> Option<u32> {
    let side = *SIDE.get(0)? as u8;
    // Read field by field, each at its own offset and as a whole: the verifier admits nothing else.
    // SAFETY: the kernel passes the context with every call; it lives as long.
    let (family, protocol, port, v4, v6) = unsafe {
        let lookup = context.lookup;
        let word = |word: usize| (&raw const (*lookup).local_ip6[word]).read_volatile();
        (
            (&raw const (*lookup).family).read_volatile(),
            (&raw const (*lookup).protocol).read_volatile() as u8,
            (&raw const (*lookup).local_port).read_volatile() as u16,
            (&raw const (*lookup).local_ip4).read_volatile(),
            [word(0), word(1), word(2), word(3)],
        )
    };
    let ports = if family == INET {
        let key = KeyV4 {
            side,
            protocol,
            reserved: [0; 2],
            address: v4.to_ne_bytes(),
        };
        PREFIXES_V4.get(Key::new(KEY_BITS + 32, key))
    } else {
        let mut address = [0; 16];
        let (words, _) = address.as_chunks_mut();
        for (bytes, word) in words.iter_mut().zip(v6) {
            *bytes = word.to_ne_bytes();
        }
        let key = KeyV6 {
            side,
            protocol,
            reserved: [0; 2],
            address,
        };
        PREFIXES_V6.get(Key::new(KEY_BITS + 128, key))
    }?;
    among(*ports, port)
}

/// The socket of the range that a port is in.
#[inline(always)]
fn among(ports: Ports, port: u16) -> Option<u32> {
    let mut low = ports.first;
    let mut high = ports.first + ports.count;
    for _ in 0..SEARCH_STEPS {
        if low >= high {
            return None;
        }
        let middle = low + (high - low) / 2;
        let range = RANGES.get(middle)?;
        if port < range.from {
            high = middle;
        } else if port > range.to {
            low = middle + 1;
        } else {
            return Some(range.socket);
        }
    }
    None
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
