//! Which cores the process may use, and pinning a thread to one.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::time::Duration;

/// The cores that this process may run on, in order: what `taskset`, cgroups and the machine leave.
///
/// # Errors
/// The kernel does not tell.
pub fn cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&core| set.is_set(core))
        .collect())
}

/// The processor time that the calling thread has used.
#[must_use]
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Pins the calling thread to a core.
///
/// # Errors
/// The core does not exist or is not ours ([`cores`]).
pub fn pin_to_core(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets the calling thread run as soon as it wants to, before all that share the processor by fairness. For a thread that sleeps
/// nearly always and whose work is short and bounded: nobody else runs on its core until it sleeps again.
///
/// # Errors
/// `EPERM` without CAP_SYS_NICE, where RLIMIT_RTPRIO does not allow it either.
pub fn hurry() -> io::Result<()> {
    crate::sys::schedule_at_once()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_has_one_core() {
        let first = cores().unwrap()[0];
        let seen = std::thread::spawn(move || {
            pin_to_core(first).unwrap();
            cores().unwrap()
        });
        assert_eq!(seen.join().unwrap(), [first]);
        assert!(pin_to_core(usize::MAX).is_err());
    }
}
