//! CPU time of threads of the kernel and of processes, and which CPUs they run on.
#![allow(unsafe_code, reason = "affinity and priority are set by system calls")]

use std::fs;
use std::io;

/// Clients and servers run here.
pub(crate) const ENDS: usize = 0;
/// What is measured runs here.
pub(crate) const BOX: usize = 1;

/// Ahead of what else runs on the machine.
const AHEAD: libc::c_int = -15;

/// The threads of the kernel that take packets in from an interface in threaded mode.
pub(crate) struct Napi {
    threads: Vec<libc::pid_t>,
}

impl Napi {
    /// Those of an interface; its name has to be the only one of its kind on the host.
    pub(crate) fn of(interface: &str) -> Self {
        let prefix = format!("napi/{interface}-");
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let threads: Vec<libc::pid_t> = processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.starts_with(&prefix))
            })
            .collect();
        assert!(!threads.is_empty(), "{interface} has a thread of its own");
        Self { threads }
    }

    pub(crate) fn pin(&self, cpu: usize) {
        for thread in &self.threads {
            pin(*thread, cpu);
        }
    }

    /// They run whenever there is something to do, before all who have a lower number: so no queue runs over.
    pub(crate) fn run_at_once(&self, priority: libc::c_int) {
        for thread in &self.threads {
            let parameter = libc::sched_param {
                sched_priority: priority,
            };
            // SAFETY: the parameter outlives the call.
            let result = unsafe {
                libc::sched_setscheduler(*thread, libc::SCHED_FIFO, &raw const parameter)
            };
            if result != 0 {
                println!("SCHED_FIFO: {}", io::Error::last_os_error());
            }
        }
    }

    /// Seconds that they have run.
    pub(crate) fn seconds(&self) -> f64 {
        self.threads.iter().map(|thread| seconds(*thread)).sum()
    }
}

/// Seconds that a thread of the kernel has run; 0 where it is gone.
fn seconds(thread: libc::pid_t) -> f64 {
    let text = fs::read_to_string(format!("/proc/{thread}/schedstat")).unwrap_or_default();
    nanoseconds(&text).unwrap_or(0.0) / 1e9
}

/// Seconds that all threads of a process have run.
pub(crate) fn process_seconds(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(seconds)
        .sum()
}

/// The first number of a `schedstat` file.
fn nanoseconds(schedstat: &str) -> Option<f64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// Keeps this thread on a CPU.
pub(crate) fn pin_this_thread(cpu: usize) {
    pin(0, cpu);
}

/// Keeps a process of one thread on a CPU.
pub(crate) fn pin_process(pid: u32, cpu: usize) {
    pin(pid.cast_signed(), cpu);
}

/// Keeps a thread on a CPU and lets it go before others there. On a host with fewer CPUs it runs where it likes.
fn pin(thread: libc::pid_t, cpu: usize) {
    // SAFETY: all-zero bytes are a value of this set of bits, and it outlives the call.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::setpriority(libc::PRIO_PROCESS, thread.cast_unsigned(), AHEAD);
        libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result != 0 {
        println!("CPU {cpu}: {}", io::Error::last_os_error());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_time_is_the_first_number() {
        assert_eq!(nanoseconds("1500000000 20 3\n"), Some(1.5e9));
        assert_eq!(nanoseconds(""), None);
    }

    #[test]
    fn a_process_that_runs_uses_time() {
        let pid = std::process::id();
        let before = process_seconds(pid);
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() < 20 {
            std::hint::spin_loop();
        }
        // A busy machine gives less than all of that.
        assert!(process_seconds(pid) > before);
    }
}
