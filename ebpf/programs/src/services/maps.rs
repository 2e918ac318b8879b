//! The maps of services. Their names are those of `abi::maps`.

use super::segment::Segment;
use abi::limits;
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
/// What the gate read of the packet, for that program.
#[map(name = "PACKET")]
pub(super) static SEGMENT: PerCpuArray<Segment> = PerCpuArray::pinned(1, 0);
