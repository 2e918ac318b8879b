//! What balancing needs to know of a packet.

use crate::packet::{Family, Fragment, Headers};
use abi::service::FlowKey;

/// A packet with ports. Offsets are from the start of the frame.
#[repr(C)]
pub(super) struct Segment {
    /// Addresses, ports, protocol.
    pub(super) key: FlowKey,
    /// Bytes of the frame.
    pub(super) frame_bytes: u32,
    /// Bytes of the IP packet, its header included.
    pub(super) packet_bytes: u32,
    /// Where the IP header is.
    pub(super) network: u32,
    /// Where the TCP, UDP or ICMP header is; 0 in a later fragment, which has none.
    pub(super) transport: u32,
    pub(super) is_v6: bool,
    /// 0 for UDP.
    pub(super) tcp_flags: u8,
    pub(super) protocol: u8,
    /// Hops that it may live.
    pub(super) hops: u8,
}

impl Segment {
    #[inline(always)]
    pub(super) fn new(headers: &Headers) -> Self {
        let [a, b] = headers.source_port.to_be_bytes();
        let [c, d] = headers.destination_port.to_be_bytes();
        Self {
            key: FlowKey {
                source: headers.source.0,
                destination: headers.destination.0,
                ports: u32::from_ne_bytes([a, b, c, d]),
                protocol: u32::from(headers.protocol),
            },
            frame_bytes: headers.bytes as u32,
            packet_bytes: (headers.end - headers.l3) as u32,
            network: headers.l3 as u32,
            transport: if headers.fragment == Fragment::Later {
                0
            } else {
                headers.l4 as u32
            },
            is_v6: headers.family == Family::V6,
            tcp_flags: headers.tcp_flags,
            protocol: headers.protocol,
            hops: headers.hops,
        }
    }
}
