//! SYN cookies: a SYN is answered without keeping anything of it, and the ACK to the answer proves the client's address.
//!
//! The kernel makes and checks them for a listener of its own, with the secret that its stack knows too. So the ACK
//! opens the connection there, as if the stack had answered. Options of the client but its MSS are lost in a flood.

use crate::maps::SEGMENT;
use crate::packet::{Family, Headers, tcp};
use aya_ebpf::bindings::{BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_tuple, tcphdr};
use aya_ebpf::helpers::generated::{
    bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_check_syncookie, bpf_tcp_gen_syncookie,
    bpf_xdp_adjust_tail, bpf_xdp_load_bytes, bpf_xdp_store_bytes,
};
use aya_ebpf::programs::XdpContext;

const ETHERNET_ADDRESSES_BYTES: usize = 12;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const TCP_BYTES: usize = 20;
const TCP_MAX_BYTES: usize = 60;
/// The state of a listening socket (include/net/tcp_states.h).
const TCP_LISTEN: u32 = 10;
const HOPS: u8 = 64;
/// A full window of the usual segments; without the option it cannot be scaled.
const WINDOW: u16 = 64_240;

/// What an ACK in a flood is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Ack {
    /// It belongs to a connection, or to no socket of this host.
    Other = 0,
    /// It answers a cookie of ours.
    Valid = 1,
    /// It is for a listener, and answers nothing that we sent.
    Forged = 2,
}

/// The two headers of a segment, copied out of the packet as the kernel's helpers want them. They lie in a map: the
/// stack is small.
#[repr(C)]
pub(crate) struct Segment {
    network: [u32; IPV6_BYTES / 4],
    transport: [u32; TCP_MAX_BYTES / 4],
}

impl Segment {
    /// Reads them, and gives the length of the TCP header. None where the IP header has options, or the segment cannot
    /// be read.
    #[inline(always)]
    fn read(&mut self, context: &XdpContext, headers: &Headers) -> Option<u32> {
        let network_bytes = match headers.family {
            Family::V4 => IPV4_BYTES,
            Family::V6 => IPV6_BYTES,
        };
        if headers.l4 - headers.l3 != network_bytes {
            return None;
        }
        let (l3, l4) = (headers.l3 as u32, headers.l4 as u32);
        let network = self.network.as_mut_ptr().cast();
        let transport = self.transport.as_mut_ptr();
        // What is behind an IPv4 header in the buffer is not looked at. A packet that is shorter than an IPv6 header and
        // a TCP header can be read in part only, and fails; there is no room for a SYN in it anyway.
        // SAFETY: the buffers are as long as what the helper is asked to write.
        unsafe {
            if bpf_xdp_load_bytes(context.ctx, l3, network, IPV6_BYTES as u32) != 0
                || bpf_xdp_load_bytes(context.ctx, l4, transport.cast(), TCP_BYTES as u32) != 0
            {
                return None;
            }
        }
        let bytes = (u32::from_be(self.transport[3]) >> 28) * 4;
        if bytes < TCP_BYTES as u32 || bytes > TCP_MAX_BYTES as u32 {
            return None;
        }
        // SAFETY: as above.
        let read = unsafe { bpf_xdp_load_bytes(context.ctx, l4, transport.cast(), bytes) };
        (read == 0).then_some(bytes)
    }

    #[inline(always)]
    fn sequence(&self) -> u32 {
        u32::from_be(self.transport[1])
    }
}

#[inline(always)]
fn scratch() -> Option<&'static mut Segment> {
    // SAFETY: the slot is this CPU's own, and a program is not interrupted by itself on one CPU. It is asked for once in
    // a run.
    SEGMENT
        .get_ptr_mut(0)
        .map(|segment| unsafe { &mut *segment })
}

/// The socket that the segment belongs to; the caller releases it.
#[inline(always)]
fn socket(context: &XdpContext, headers: &Headers) -> *mut bpf_sock {
    // SAFETY: all zeros are a value of it: integers alone.
    let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
    let (source, destination) = (headers.source.0, headers.destination.0);
    let ports = (
        headers.source_port.to_be(),
        headers.destination_port.to_be(),
    );
    // SAFETY: a union of integers. The size says which of its members the helper reads.
    let size = unsafe {
        match headers.family {
            Family::V4 => {
                let tuple = &mut tuple.__bindgen_anon_1.ipv4;
                (tuple.saddr, tuple.daddr) = (source[3], destination[3]);
                (tuple.sport, tuple.dport) = ports;
                size_of_val(tuple)
            }
            Family::V6 => {
                let tuple = &mut tuple.__bindgen_anon_1.ipv6;
                (tuple.saddr, tuple.daddr) = (source, destination);
                (tuple.sport, tuple.dport) = ports;
                size_of_val(tuple)
            }
        }
    };
    // SAFETY: the context is the kernel's, the tuple ours and as long as it says.
    unsafe {
        bpf_skc_lookup_tcp(
            context.ctx.cast(),
            &raw mut tuple,
            size as u32,
            BPF_F_CURRENT_NETNS as i64 as u64,
            0,
        )
    }
}

/// Makes an answer of a SYN to a listener of this host. 1: it is to be sent; 0: the packet is as it was.
///
/// A function of its own for the verifier's sake: it has a stack of its own.
#[inline(never)]
pub(crate) fn answer(context: &XdpContext, headers: &Headers) -> u32 {
    let Some(segment) = scratch() else {
        return 0;
    };
    let Some(transport_bytes) = segment.read(context, headers) else {
        return 0;
    };
    let listener = socket(context, headers);
    if listener.is_null() {
        return 0;
    }
    // SAFETY: the listener is held, the buffers are as long as it is said; it is released once.
    let cookie = unsafe {
        let cookie = bpf_tcp_gen_syncookie(
            listener.cast(),
            segment.network.as_mut_ptr().cast(),
            IPV6_BYTES as u32,
            segment.transport.as_mut_ptr().cast::<tcphdr>(),
            transport_bytes,
        );
        bpf_sk_release(listener.cast());
        cookie
    };
    // Negative: no listener but a connection, or the host has SYN cookies turned off.
    if cookie < 0 {
        return 0;
    }
    u32::from(reply(context, headers, cookie as u64, segment.sequence()))
}

/// What an ACK is worth; the number of an [`Ack`].
#[inline(never)]
pub(crate) fn check(context: &XdpContext, headers: &Headers) -> u32 {
    let Some(segment) = scratch() else {
        return Ack::Other as u32;
    };
    let Some(transport_bytes) = segment.read(context, headers) else {
        return Ack::Other as u32;
    };
    let found = socket(context, headers);
    if found.is_null() {
        return Ack::Other as u32;
    }
    let mut ack = Ack::Other;
    // SAFETY: as in `answer`.
    unsafe {
        if (*found).state == TCP_LISTEN {
            let valid = bpf_tcp_check_syncookie(
                found.cast(),
                segment.network.as_mut_ptr().cast(),
                IPV6_BYTES as u32,
                segment.transport.as_mut_ptr().cast::<tcphdr>(),
                transport_bytes,
            );
            ack = if valid == 0 { Ack::Valid } else { Ack::Forged };
        }
        bpf_sk_release(found.cast());
    }
    ack as u32
}

/// A TCP header with an MSS.
#[repr(C)]
struct Tcp {
    source: u16,
    destination: u16,
    sequence: [u16; 2],
    acknowledgement: [u16; 2],
    /// Length in the first byte, flags in the second.
    flags: u16,
    window: u16,
    checksum: u16,
    urgent: u16,
    mss: [u16; 2],
}

const TCP_WORDS: usize = size_of::<Tcp>() / 2;

/// Turns the SYN into the answer.
#[inline(always)]
fn reply(context: &XdpContext, headers: &Headers, cookie: u64, sequence: u32) -> bool {
    let network_bytes = headers.l4 - headers.l3;
    let wanted = headers.l4 + size_of::<Tcp>();
    let more = wanted as i32 - headers.bytes as i32;
    // SAFETY: the context is the kernel's. Pointers into the packet are not used after this.
    if more != 0 && unsafe { bpf_xdp_adjust_tail(context.ctx, more) } != 0 {
        return false;
    }
    let mut tcp = Tcp {
        source: headers.destination_port.to_be(),
        destination: headers.source_port.to_be(),
        sequence: halves(cookie as u32),
        acknowledgement: halves(sequence.wrapping_add(1)),
        flags: u16::from_be_bytes([(TCP_WORDS as u8 / 2) << 4, tcp::SYN | tcp::ACK]).to_be(),
        window: WINDOW.to_be(),
        checksum: 0,
        urgent: 0,
        mss: [0x0204_u16.to_be(), ((cookie >> 32) as u16).to_be()],
    };
    // SAFETY: `repr(C)` of 16-bit words alone.
    let words: &[u16; TCP_WORDS] = unsafe { &*(&raw const tcp).cast() };
    let fixed = u32::from((size_of::<Tcp>() as u16).to_be())
        + u32::from(u16::from(crate::packet::protocol::TCP).to_be());
    tcp.checksum = !fold(sum(words) + address_sum(headers) + fixed);
    let written = match headers.family {
        Family::V4 => write_v4(context, headers),
        Family::V6 => write_v6(context, headers),
    };
    written
        && store(context, headers.l3 + network_bytes, &mut tcp)
        && swap_ethernet_addresses(context)
}

#[inline(always)]
fn write_v4(context: &XdpContext, headers: &Headers) -> bool {
    let total = (IPV4_BYTES + size_of::<Tcp>()) as u16;
    let source = words_of(headers.destination.0[3]);
    let destination = words_of(headers.source.0[3]);
    let mut header = [
        0x4500_u16.to_be(),
        total.to_be(),
        0,
        // Do not fragment.
        0x4000_u16.to_be(),
        u16::from_be_bytes([HOPS, crate::packet::protocol::TCP]).to_be(),
        0,
        source[0],
        source[1],
        destination[0],
        destination[1],
    ];
    header[5] = !fold(sum(&header));
    store(context, headers.l3, &mut header)
}

#[inline(always)]
fn write_v6(context: &XdpContext, headers: &Headers) -> bool {
    let length = size_of::<Tcp>() as u32;
    let rest = length << 16 | u32::from(crate::packet::protocol::TCP) << 8 | u32::from(HOPS);
    let (to, from) = (headers.source.0, headers.destination.0);
    let mut header = [
        0x6000_0000_u32.to_be(),
        rest.to_be(),
        from[0],
        from[1],
        from[2],
        from[3],
        to[0],
        to[1],
        to[2],
        to[3],
    ];
    store(context, headers.l3, &mut header)
}

#[inline(always)]
fn swap_ethernet_addresses(context: &XdpContext) -> bool {
    let mut addresses = [0_u16; ETHERNET_ADDRESSES_BYTES / 2];
    let bytes = ETHERNET_ADDRESSES_BYTES as u32;
    // SAFETY: the buffer is as long as what is asked for.
    if unsafe { bpf_xdp_load_bytes(context.ctx, 0, addresses.as_mut_ptr().cast(), bytes) } != 0 {
        return false;
    }
    let [a, b, c, d, e, f] = addresses;
    store(context, 0, &mut [d, e, f, a, b, c])
}

#[inline(always)]
fn store<T>(context: &XdpContext, offset: usize, value: &mut T) -> bool {
    let value = core::ptr::from_mut(value).cast();
    // SAFETY: the value is as long as its type; the helper reads it alone.
    unsafe { bpf_xdp_store_bytes(context.ctx, offset as u32, value, size_of::<T>() as u32) == 0 }
}

/// A number in network byte order, in two words.
#[inline(always)]
fn halves(value: u32) -> [u16; 2] {
    [((value >> 16) as u16).to_be(), (value as u16).to_be()]
}

/// The words of what is in network byte order already.
#[inline(always)]
fn words_of(value: u32) -> [u16; 2] {
    let [a, b, c, d] = value.to_ne_bytes();
    [u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])]
}

/// The sum of words in ones' complement, which is the same in either byte order (RFC 1071).
#[inline(always)]
fn sum<const WORDS: usize>(words: &[u16; WORDS]) -> u32 {
    let mut sum = 0;
    for word in words {
        sum += u32::from(*word);
    }
    sum
}

/// The addresses' part of the pseudo header; of IPv4 the mapped form's fixed part does not count.
#[inline(always)]
fn address_sum(headers: &Headers) -> u32 {
    let halved = |value: u32| (value & 0xffff) + (value >> 16);
    let all = |address: [u32; 4]| match headers.family {
        Family::V4 => halved(address[3]),
        Family::V6 => {
            halved(address[0]) + halved(address[1]) + halved(address[2]) + halved(address[3])
        }
    };
    all(headers.source.0) + all(headers.destination.0)
}

#[inline(always)]
fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}
