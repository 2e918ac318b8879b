//! The clock that bans end by: the kernel's boot clock, which both sides read and which goes on in suspend.

use std::time::Duration;

/// Nanoseconds since boot.
#[allow(unsafe_code)]
pub(crate) fn boot_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of our own; the call writes nothing else.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    // Both are not negative: the clock starts at boot.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// The time since boot, by the clock that bans end by: it does not jump, and goes on in suspend.
#[must_use]
pub fn boot_time() -> Duration {
    Duration::from_nanos(boot_ns())
}

/// Seconds since boot; 136 years of uptime at most.
pub(crate) fn boot_s() -> u32 {
    u32::try_from(boot_ns() / 1_000_000_000).unwrap_or(u32::MAX)
}

/// A span in nanoseconds; more than 584 years count as that.
pub(crate) fn span_ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
