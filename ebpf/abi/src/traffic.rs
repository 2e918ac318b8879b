//! What the benches tell the program that makes their traffic. Its maps belong to one process and are not pinned, so they
//! have no version.

/// The name of the program that makes each packet another one.
pub const PROGRAM: &str = "traffic";
/// The name of the program that drops what it gets: what the traffic itself costs, and the end of a cable.
pub const SINK: &str = "sink";

/// Names of the maps.
pub mod maps {
    /// Array of one [`Plan`](super::Plan).
    pub const PLAN: &str = "PLAN";
    /// Per-CPU array of one `u64`: packets so far.
    pub const COUNT: &str = "COUNT";
    /// Program array of one: who gets the packet.
    pub const TARGET: &str = "TARGET";
}

/// One frame, and what differs from packet to packet. Addresses are in the order of the packet, numbers in that of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Plan {
    /// Source of the first flow; IPv4 in the last word.
    pub source: [u32; 4],
    /// The first destination; IPv4 in the last word.
    pub destination: [u32; 4],
    /// How many flows take turns, in an order that jumps about; at least one.
    pub flows: u32,
    /// Flows of one address differ in their ports: so many bits of a flow's number count ports.
    pub port_bits: u32,
    /// What a flow's number adds to a word of the source, times the number of its address.
    pub source_step: u32,
    /// The word that it is added to, 0 to 3.
    pub source_word: u32,
    /// How many destinations take turns, one behind the other in the last word; at least one.
    pub destinations: u32,
    /// The interface that packets are sent by; 0: the program in `TARGET` gets them.
    pub interface: u32,
    /// Bytes of the frame. What a program has put in front of it is taken off.
    pub bytes: u32,
    /// The source port of the first flow.
    pub source_port: u16,
    /// The destination port.
    pub destination_port: u16,
    /// The hops that a packet may take.
    pub hops: u8,
    /// 0 IPv4, 1 IPv6: neither options nor extension headers, no VLAN tag, TCP or UDP.
    pub is_v6: u8,
    /// Length and flags of the TCP header, as they stand in the packet; 0: they stay as the last program left them.
    pub tcp: u16,
    /// The type of the frame, as it stands in the packet.
    pub ether_type: u16,
    /// The MAC address of the receiver, as it stands in the packet: who forwards a frame writes over it.
    pub receiver: [u16; 3],
}

impl Plan {
    /// The flow that has its turn: over `flows` turns about each comes once, neighbours far from each other.
    #[inline(always)]
    #[must_use]
    pub const fn flow(&self, turn: u32) -> u32 {
        /// 2^32 divided by the golden ratio.
        const GOLDEN: u32 = 0x9e37_79b1;
        ((turn.wrapping_mul(GOLDEN) as u64 * self.flows as u64) >> 32) as u32
    }
}

const _: () = assert!(size_of::<Plan>() == 76);
