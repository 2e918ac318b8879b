//! Additions that CPUs make to one word together. `core` has none for this target, the instruction set has.

use core::arch::asm;

/// Adds to a word, and gives what was in it before.
///
/// # Safety
/// The word is aligned and lies in a map's value that lives.
#[inline(always)]
pub(crate) unsafe fn add(word: *mut u64, more: u64) -> u64 {
    let mut value = more;
    // SAFETY: one instruction on a word that the caller vouches for.
    unsafe {
        asm!("{value} = atomic_fetch_add((u64 *)({word} + 0), {value})",
            word = in(reg) word, value = inout(reg) value);
    }
    value
}
