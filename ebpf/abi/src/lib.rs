//! Keys and values of the BPF maps, as both sides of the kernel boundary see them.
//!
//! Every value is `repr(C)` with its padding spelled out, so that no byte of it is undefined. A change of anything
//! in here that an older program would misread raises [`VERSION`].
#![no_std]

mod ban;
pub mod hash;
pub mod lookup;
mod reason;
pub mod relay;
mod sample;
pub mod service;
mod settings;
pub mod steer;
pub mod traffic;
pub mod unwrap;
#[cfg(feature = "user")]
mod user;

pub use ban::{Ban, Lists, Origin, REASON_MAX_BYTES};
pub use reason::{Counter, Reason};
pub use sample::{SAMPLE_HEAD_BYTES, Sample};
pub use settings::{Flood, Limits, Rate, Settings, Source, flags};

/// The version of keys, values and map names. Pinned maps of another version are not adopted.
pub const VERSION: u32 = 3;

/// Versions whose bans are read over into new maps: theirs have the layout that [`Ban::from_old`] reads.
pub const VERSIONS_OF_OLD_BANS: [u32; 2] = [1, 2];

/// The name of the program that stands at the gate.
pub const XDP_GATE: &str = "xdp_gate";
/// The name of the program that balances L4 services behind it.
pub const XDP_SERVICES: &str = "xdp_services";
/// The name of the program that sends on ICMP errors about packets of L4 services.
pub const XDP_SERVICE_ERRORS: &str = "xdp_service_errors";

/// Names of the maps: in the object, of the pins, and as `bpftool map` shows them (which cuts at 15 bytes).
pub mod maps {
    /// Array of one `u32`: the [`VERSION`](crate::VERSION) of the maps beside it.
    pub const VERSION: &str = "ABI_VERSION";
    /// Hash from an IPv4 address (network byte order) to its [`Ban`](crate::Ban).
    pub const BANS_V4: &str = "BANS_V4";
    /// Hash from an IPv6 address (network byte order) to its [`Ban`](crate::Ban).
    pub const BANS_V6: &str = "BANS_V6";
    /// Longest-prefix trie from an IPv4 prefix to its [`Ban`](crate::Ban).
    pub const PREFIX_BANS_V4: &str = "PREFIX_BANS_V4";
    /// Longest-prefix trie from an IPv6 prefix to its [`Ban`](crate::Ban).
    pub const PREFIX_BANS_V6: &str = "PREFIX_BANS_V6";
    /// Per-CPU array from a [`Reason`](crate::Reason) to its [`Counter`](crate::Counter).
    pub const COUNTERS: &str = "COUNTERS";
    /// Array of one [`ServiceSettings`](crate::service::ServiceSettings).
    pub const SERVICE_SETTINGS: &str = "SVC_SETTINGS";
    /// Hash from a [`ServiceKey`](crate::service::ServiceKey) to its [`Service`](crate::service::Service).
    pub const SERVICES: &str = "SERVICES";
    /// Array of arrays: the [`MaglevTable`](crate::service::MaglevTable) of each service.
    pub const MAGLEV: &str = "MAGLEV";
    /// Array of [`Endpoint`](crate::service::Endpoint)s; the first place is never used.
    pub const ENDPOINTS: &str = "ENDPOINTS";
    /// Per-CPU array of [`EndpointCounter`](crate::service::EndpointCounter)s, by the endpoint's place.
    pub const ENDPOINT_COUNTERS: &str = "ENDPOINT_STATS";
    /// LRU hash from a [`FlowKey`](crate::service::FlowKey) to its [`Flow`](crate::service::Flow).
    pub const FLOWS: &str = "FLOWS";
    /// Device map from an interface's index to itself: where packets can leave without the kernel's stack.
    pub const WAYS_OUT: &str = "WAYS_OUT";
    /// Program array of one: [`XDP_SERVICES`](crate::XDP_SERVICES), which the gate hands packets to.
    pub const NEXT_PROGRAM: &str = "NEXT_PROGRAM";
    /// Program array of one: [`XDP_SERVICE_ERRORS`](crate::XDP_SERVICE_ERRORS), which the gate hands ICMP errors to.
    pub const ERROR_PROGRAM: &str = "ERROR_PROGRAM";
    /// Per-CPU array of one: what the gate tells that program of a packet.
    pub const PACKET: &str = "PACKET";

    /// Array of one [`Settings`](crate::Settings).
    pub const SETTINGS: &str = "SETTINGS";
    /// Longest-prefix trie from an IPv4 prefix that is allowed to a `u32`, which is 1.
    pub const ALLOW_V4: &str = "ALLOW_V4";
    /// Longest-prefix trie from an IPv6 prefix that is allowed to a `u32`, which is 1.
    pub const ALLOW_V6: &str = "ALLOW_V6";
    /// LRU hash from an address (IPv4 mapped) to its [`Source`](crate::Source).
    pub const SOURCES: &str = "SOURCES";
    /// LRU hash from a /24 or /64 (its first address) to its [`Source`](crate::Source).
    pub const SOURCE_PREFIXES: &str = "SOURCE_PREFIXES";
    /// Array of one [`Flood`](crate::Flood).
    pub const FLOOD: &str = "FLOOD";
    /// Ring of [`Sample`](crate::Sample)s. Not pinned: each process has one of its own.
    pub const SAMPLES: &str = "SAMPLES";
    /// Per-CPU array of one `u64`: samples that found no room in the ring. Not pinned either.
    pub const SAMPLES_LOST: &str = "SAMPLES_LOST";

    /// The maps of bans, which the operator's limits size.
    pub const BANS: [&str; 4] = [BANS_V4, BANS_V6, PREFIX_BANS_V4, PREFIX_BANS_V6];

    /// Every map that is pinned.
    pub const ALL: [&str; 22] = [
        VERSION,
        BANS_V4,
        BANS_V6,
        PREFIX_BANS_V4,
        PREFIX_BANS_V6,
        COUNTERS,
        SERVICE_SETTINGS,
        SERVICES,
        MAGLEV,
        ENDPOINTS,
        ENDPOINT_COUNTERS,
        FLOWS,
        WAYS_OUT,
        NEXT_PROGRAM,
        ERROR_PROGRAM,
        PACKET,
        SETTINGS,
        ALLOW_V4,
        ALLOW_V6,
        SOURCES,
        SOURCE_PREFIXES,
        FLOOD,
    ];
}

/// Bounds of the maps and of the work on one packet.
pub mod limits {
    /// Addresses that can be banned at one time, for each IP version, unless the operator says otherwise.
    /// A further ban is refused and counted.
    pub const ADDRESSES: u32 = 1_048_576;
    /// Prefixes that can be banned at one time, for each IP version, unless the operator says otherwise.
    /// A further ban is refused and counted.
    pub const PREFIXES: u32 = 1_048_576;
    /// VLAN tags that are looked through. A packet with more passes and is counted.
    pub const VLAN_TAGS: u32 = 2;
    /// IPv6 extension headers that are walked. A packet with more is malformed.
    pub const IPV6_EXTENSIONS: u32 = 8;
    /// Expired prefix bans that are looked past, from the longest to the shortest, to find one that still holds.
    /// Behind as many the packet passes; the user-space sweep removes them within seconds.
    pub const EXPIRED_PREFIXES: u32 = 4;
    /// Virtual addresses with port and protocol, and as many virtual addresses. More are refused by the configuration.
    pub const SERVICES: u32 = 1024;
    /// Endpoints of all services together, the unused first place included. More are refused by the configuration.
    pub const ENDPOINTS: u32 = 8192;
    /// Directions of flows that are remembered, unless the operator says otherwise; a flow of NAT has two. Beyond it
    /// the least recently used ones are forgotten: their packets are balanced anew.
    pub const FLOWS: u32 = 131_072;
    /// As [`FLOWS`], while there is no service.
    pub const FLOWS_IDLE: u32 = 64;
    /// Interfaces that packets leave by without the kernel's stack. Packets for others go through the stack.
    pub const WAYS_OUT: u32 = 64;
    /// Source ports that are tried for a flow whose client is hidden behind an address of ours. Where all are taken,
    /// the packet is dropped and counted; the client sends it again and gets other tries.
    pub const PORT_TRIES: u32 = 16;
    /// The first of these ports. They end below those that Linux gives to connections of its own.
    pub const PORTS_FIRST: u32 = 1024;
    /// How many of these ports there are.
    pub const PORTS: u32 = 32_768 - PORTS_FIRST;
    /// Prefixes of the allow list, for each IP version. More are refused with the configuration.
    pub const ALLOWED: u32 = 65_536;
    /// Sources whose rates are kept, addresses and prefixes each, unless the operator says otherwise. A further one
    /// takes the place of the one that was silent longest.
    pub const SOURCES: u32 = 65_536;
    /// Packets in fragments whose ports are remembered. One more takes the place of the oldest, whose fragments are strays.
    pub const FRAGMENTED: u32 = 4096;
    /// Endpoints of tunnels whose path MTU is remembered.
    pub const PATH_MTUS: u32 = 1024;
    /// Packets a second and CPU whose senders are told that they are too big. More are dropped.
    pub const ANSWERS_A_SECOND: u64 = 1000;
    /// Bytes of the ring of samples. A sample that finds no room is lost.
    pub const SAMPLES_BYTES: u32 = 1 << 18;
    /// How long a flood lasts after the last second that was beyond its limit.
    pub const FLOOD_HOLD_NS: u64 = 3_000_000_000;
    /// Packets of a ban that are counted one by one. Beyond, one in [`BAN_COUNT_STEP`] counts for as many, so that CPUs
    /// do not fight over one counter in a flood.
    pub const BAN_COUNT_EXACT: u64 = 1 << 16;
    /// See [`BAN_COUNT_EXACT`]; a power of two.
    pub const BAN_COUNT_STEP: u32 = 64;
}
