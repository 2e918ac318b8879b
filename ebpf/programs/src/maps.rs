//! The maps. Their names are those of `abi::maps`: aya takes them from the statics.

use abi::{Ban, Counter, Reason, limits};
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, PerCpuArray};

/// Which abi the maps beside it follow; user space writes it.
#[map]
static ABI_VERSION: Array<u32> = Array::pinned(1, 0);

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
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::pinned(Reason::COUNT, 0);

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
