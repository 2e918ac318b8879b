//! L4 services: what the XDP program balances, where to, and what it remembers of each flow.
//!
//! Addresses are four 32-bit words as they stand in a packet; IPv4 is written as IPv4-mapped IPv6, so that one table
//! serves both families. Ports are two bytes as they stand in a packet.

/// An address as the maps have it: network byte order, IPv4 as `::ffff:a.b.c.d`.
pub type Address = [u32; 4];

/// The third word of every IPv4 address.
pub const V4_MARK: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

/// An IPv4 address, from the word of a packet.
#[inline(always)]
#[must_use]
pub const fn v4(word: u32) -> Address {
    [0, 0, V4_MARK, word]
}

/// Slots of a service's Maglev table. Prime.
pub const MAGLEV_SLOTS: u32 = 65_537;
/// Places in [`MaglevTable`]: the slots, rounded up to eight bytes.
const MAGLEV_PLACES: usize = 65_540;

/// The Maglev table of a service: for each slot the number of an endpoint, 0 where there is none.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct MaglevTable {
    /// The slots; those from [`MAGLEV_SLOTS`] on are not used.
    pub slots: [u16; MAGLEV_PLACES],
}

/// What a packet's destination is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ServiceKey {
    /// The virtual address.
    pub address: Address,
    /// The port; zeros in the entry that says that the address has services of the protocol ([`Service::mark`]).
    pub port: [u8; 2],
    /// The IP protocol.
    pub protocol: u8,
    /// Padding, always 0.
    pub reserved: u8,
}

/// How packets reach endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Forwarding {
    /// Addresses and ports are rewritten, in both directions.
    Nat = 0,
    /// The packet stays as it is and goes to the endpoint's MAC address; the endpoint answers the client directly.
    L2Dsr = 1,
    /// The packet travels in an IP packet to the endpoint; the endpoint answers the client directly.
    Tunnel = 2,
}

/// What the hash that chooses an endpoint is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Affinity {
    /// The client's address and port: each connection for itself.
    Flow = 0,
    /// The client's address: all of a client's connections go to one endpoint.
    Source = 1,
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Service {
    /// The place of its Maglev table, and of its counter.
    pub index: u32,
    /// Which service this is, over all that ever had the place.
    pub serial: u32,
    /// A flow without packets for so long is forgotten. TCP: once it is established.
    pub idle_s: u32,
    /// A [`Forwarding`].
    pub forwarding: u8,
    /// An [`Affinity`].
    pub affinity: u8,
    /// Padding, always 0.
    pub reserved: [u8; 2],
}

impl Service {
    /// The index of what is no service, but the mark of an address that has some.
    pub const MARK: u32 = u32::MAX;

    /// The mark of an address that has services. A packet that it is found for, to port 0, has no endpoint.
    #[must_use]
    pub const fn mark() -> Self {
        Self {
            index: Self::MARK,
            serial: 0,
            idle_s: 0,
            forwarding: Forwarding::Nat as u8,
            affinity: Affinity::Flow as u8,
            reserved: [0; 2],
        }
    }
}

/// Whether an endpoint takes flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndpointState {
    /// There is none at this place.
    #[default]
    Free = 0,
    /// It takes new flows.
    Up = 1,
    /// It keeps its flows and takes no new ones.
    Draining = 2,
    /// It takes nothing; its flows move to others.
    Down = 3,
}

/// An endpoint of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// Where it is.
    pub address: Address,
    /// The address that packets come from which we send to it: of the tunnel, or in the client's place. All zeros where
    /// the client's address stays.
    pub source: Address,
    /// Its port.
    pub port: [u8; 2],
    /// An [`EndpointState`].
    pub state: u8,
    /// Padding, always 0.
    pub reserved: u8,
    /// Which endpoint this is, over all that ever had the place.
    pub serial: u32,
    /// The serial of its service.
    pub service: u32,
    /// Padding, always 0.
    pub padding: u32,
}

/// What identifies the packets of one direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FlowKey {
    /// Where they come from.
    pub source: Address,
    /// Where they go to.
    pub destination: Address,
    /// The source port, then the destination port, as they stand in a packet.
    pub ports: u32,
    /// The IP protocol.
    pub protocol: u32,
}

/// Which way a flow's packets go, and what is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FlowKind {
    /// To an endpoint, with other addresses and ports.
    Nat = 0,
    /// To an endpoint, as they are.
    L2Dsr = 1,
    /// To an endpoint, inside another IP packet.
    Tunnel = 2,
    /// Back to the client, with the service's address and port.
    Reply = 3,
}

/// What is known of a TCP flow; bits of [`Flow::state`].
pub mod tcp_state {
    /// Both sides have spoken, or the client has gone on after its SYN.
    pub const ESTABLISHED: u8 = 1;
    /// The client has sent a FIN.
    pub const CLIENT_FIN: u8 = 2;
    /// The endpoint has sent a FIN.
    pub const ENDPOINT_FIN: u8 = 4;
    /// One of them has sent a RST.
    pub const RESET: u8 = 8;
    /// The flow is ending.
    pub const CLOSING: u8 = CLIENT_FIN | ENDPOINT_FIN | RESET;
}

/// What is remembered of one direction of a flow: the endpoint, what becomes of a packet, and the way that it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Flow {
    /// When the last packet came, in nanoseconds of the coarse monotonic clock.
    pub last_ns: u64,
    /// When the next hop was looked up, by the same clock; 0 where it was not.
    pub hop_ns: u64,
    /// The source address that packets get.
    pub source: Address,
    /// The destination address that packets get.
    pub destination: Address,
    /// The ports that packets get.
    pub ports: u32,
    /// The endpoint's place.
    pub endpoint: u32,
    /// The endpoint's serial.
    pub serial: u32,
    /// Copied from the service.
    pub idle_s: u32,
    /// What the new addresses add to the checksum of an IPv4 header.
    pub address_delta: u16,
    /// What the new addresses and ports add to the checksum of TCP and UDP.
    pub delta: u16,
    /// A [`FlowKind`].
    pub kind: u8,
    /// Bits of [`tcp_state`].
    pub state: u8,
    /// The largest IP packet that the way out takes, in bytes.
    pub hop_mtu: u16,
    /// The interface that packets leave by.
    pub hop_interface: u32,
    /// The Ethernet addresses that packets leave with: destination, then source.
    pub hop_addresses: [u8; 12],
}

/// What one endpoint got on one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct EndpointCounter {
    /// Packets to it.
    pub packets: u64,
    /// Their bytes from the Ethernet header on, as they came from the client.
    pub bytes: u64,
    /// Packets from it that were rewritten for the client.
    pub reply_packets: u64,
    /// Their bytes.
    pub reply_bytes: u64,
    /// Flows that were given to it.
    pub flows: u64,
    /// Of these, flows that were at another endpoint before, which is gone or down.
    pub moved: u64,
}

/// The switch that spares packets the look-ups while there is no service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ServiceSettings {
    /// How many services there are.
    pub services: u32,
    /// Padding, always 0.
    pub reserved: u32,
}

const _: () = {
    assert!(size_of::<ServiceKey>() == 20);
    assert!(size_of::<Service>() == 16);
    assert!(size_of::<Endpoint>() == 48);
    assert!(size_of::<FlowKey>() == 40);
    assert!(size_of::<Flow>() == 88);
    assert!(size_of::<MaglevTable>() == 131_080);
};

/// How long flows are remembered that are neither established TCP nor UDP, in seconds.
pub mod timeouts {
    /// A TCP flow whose handshake is not finished. Longer than the first five retransmissions of a SYN.
    pub const HANDSHAKE_S: u32 = 60;
    /// A TCP flow that one side has closed: as long as TIME_WAIT lasts in Linux.
    pub const CLOSING_S: u32 = 60;
}
