//! The programs that run in the kernel, one module each, linked to one object.
//!
//! The verifier reads this code too: every loop has a constant bound, and every byte of a packet is compared with
//! the packet's end before it is read.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![warn(missing_docs)]

mod atomic;
mod bans;
mod flood;
mod maps;
mod packet;
mod samples;
mod services;
mod sources;
mod syn_cookie;
mod xdp_gate;

/// Helpers that read the clock are open to GPL-compatible programs only, which this string says of all programs here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier admits no code that can panic.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
