//! The maps of services. Their names are those of `abi::maps`.

use super::fragments::Whole;
use super::segment::Segment;
use abi::limits;
use abi::service::Address;
use abi::service::{
    Endpoint, EndpointCounter, Flow, FlowKey, MaglevTable, Service, ServiceKey, ServiceSettings,
};
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::{Array as BtfArray, ArrayOfMaps};
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, DevMapHash, HashMap, LruHashMap, PerCpuArray, ProgramArray};

#[map(name = "SVC_SETTINGS")]
pub(super) static SETTINGS: Array<ServiceSettings> = Array::pinned(1, 0);
#[map]
pub(super) static SERVICES: HashMap<ServiceKey, Service> =
    HashMap::pinned(limits::SERVICES * 2, BPF_F_NO_PREALLOC);
#[btf_map]
pub(super) static MAGLEV: ArrayOfMaps<BtfArray<MaglevTable, 1>, { limits::SERVICES as usize }> =
    ArrayOfMaps::new();
#[map]
pub(super) static ENDPOINTS: Array<Endpoint> = Array::pinned(limits::ENDPOINTS, 0);
#[map(name = "ENDPOINT_STATS")]
pub(super) static ENDPOINT_COUNTERS: PerCpuArray<EndpointCounter> =
    PerCpuArray::pinned(limits::ENDPOINTS, 0);
#[map]
pub(super) static FLOWS: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(limits::FLOWS, 0);
#[map]
pub(super) static WAYS_OUT: DevMapHash = DevMapHash::pinned(limits::WAYS_OUT, 0);

/// The program that goes on behind the gate. Pinned, so that it does when our process is gone.
#[map(name = "NEXT_PROGRAM")]
pub(super) static PROGRAMS: ProgramArray = ProgramArray::pinned(1, 0);
/// The one for ICMP errors.
#[map(name = "ERROR_PROGRAM")]
pub(super) static ERROR_PROGRAMS: ProgramArray = ProgramArray::pinned(1, 0);
/// What the gate read of the packet, for that program.
#[map(name = "PACKET")]
pub(super) static SEGMENT: PerCpuArray<Segment> = PerCpuArray::pinned(1, 0);

/// The ports of packets that come in fragments, one after the other as [`u16`]s in host byte order.
#[map]
pub(super) static FRAGMENTS: LruHashMap<Whole, u32> =
    LruHashMap::with_max_entries(limits::FRAGMENTED, 0);

/// What routers said of the ways to endpoints of tunnels.
#[map]
pub(super) static PATH_MTUS: LruHashMap<Address, PathMtu> =
    LruHashMap::with_max_entries(limits::PATH_MTUS, 0);

/// The largest packet of a way that is smaller than its first hop.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct PathMtu {
    /// By the coarse monotonic clock.
    pub(super) since_ns: u64,
    /// In bytes.
    pub(super) mtu: u64,
}

impl PathMtu {
    /// What every network carries (RFC 791). Less is not believed.
    pub(super) const LEAST: u32 = 68;
    /// How long it is believed (RFC 1191, 6.3).
    pub(super) const HOLDS_NS: u64 = 600 * 1_000_000_000;
}

/// How many answers were given.
#[map(name = "ANSWER_PACE")]
pub(super) static PACE: PerCpuArray<Pace> = PerCpuArray::with_max_entries(1, 0);

/// Answers of this CPU in this second.
#[repr(C)]
pub(super) struct Pace {
    pub(super) second: u64,
    pub(super) answers: u64,
}
