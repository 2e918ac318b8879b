//! The maps. Their names are those of `abi::maps`: aya takes them from the statics.

use crate::packet::Headers;
use crate::syn_cookie::Segment;
use abi::{Ban, Counter, Flood, Reason, Settings, Source, limits};
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf};

/// Which abi the maps beside it follow; user space writes it.
#[map]
static ABI_VERSION: Array<u32> = Array::pinned(1, 0);

#[map]
static SETTINGS: Array<Settings> = Array::pinned(1, 0);

// Entries are allocated when a ban is made, so that a generous limit costs no memory before it is used.
#[map]
pub(crate) static BANS_V4: HashMap<[u8; 4], Ban> =
    HashMap::pinned(limits::ADDRESSES, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static BANS_V6: HashMap<[u8; 16], Ban> =
    HashMap::pinned(limits::ADDRESSES, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static PREFIX_BANS_V4: LpmTrie<[u8; 4], Ban> = LpmTrie::pinned(limits::PREFIXES, 0);
#[map]
pub(crate) static PREFIX_BANS_V6: LpmTrie<[u8; 16], Ban> = LpmTrie::pinned(limits::PREFIXES, 0);

#[map]
pub(crate) static ALLOW_V4: LpmTrie<[u8; 4], u32> = LpmTrie::pinned(limits::ALLOWED, 0);
#[map]
pub(crate) static ALLOW_V6: LpmTrie<[u8; 16], u32> = LpmTrie::pinned(limits::ALLOWED, 0);

#[map]
pub(crate) static SOURCES: LruHashMap<[u8; 16], Source> = LruHashMap::pinned(limits::SOURCES, 0);
#[map]
pub(crate) static SOURCE_PREFIXES: LruHashMap<[u8; 16], Source> =
    LruHashMap::pinned(limits::SOURCES, 0);

#[map]
pub(crate) static FLOOD: Array<Flood> = Array::pinned(1, 0);

#[map]
pub(crate) static SAMPLES: RingBuf = RingBuf::with_byte_size(limits::SAMPLES_BYTES, 0);
/// Packets that were dropped since the last sample.
#[map]
pub(crate) static UNSAMPLED: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);
/// Samples that found no room in the ring.
#[map]
pub(crate) static SAMPLES_LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The headers of the packet that this CPU looks at.
#[map]
static HEADERS: PerCpuArray<Headers> = PerCpuArray::with_max_entries(1, 0);

/// Where SYN cookies are worked out.
#[map]
pub(crate) static SEGMENT: PerCpuArray<Segment> = PerCpuArray::with_max_entries(1, 0);

#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::pinned(Reason::COUNT, 0);

/// The settings. User space writes them at any time, also between two reads.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// The place for the headers of a packet. What is in it is that of the packet before.
#[inline(always)]
pub(crate) fn headers() -> Option<&'static mut Headers> {
    // SAFETY: the slot is this CPU's own, and a program is not interrupted by itself on one CPU. It is asked for once in
    // a run. User space does not write to it; zeros, which it begins with, are a value of it.
    HEADERS
        .get_ptr_mut(0)
        .map(|headers| unsafe { &mut *headers })
}

/// Counts a packet of `bytes` bytes on this CPU.
#[inline(always)]
pub(crate) fn count(reason: Reason, bytes: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(reason as u32) {
        // SAFETY: the pointer is into this CPU's own slot, and a program is not interrupted by itself on one CPU.
        unsafe {
            (*counter).packets = (*counter).packets.wrapping_add(1);
            (*counter).bytes = (*counter).bytes.wrapping_add(bytes);
        }
    }
}
