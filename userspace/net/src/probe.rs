//! Why a driver cannot be used here.

use std::fmt;

/// Entries of a ring that is only tried.
const PROBE_ENTRIES: u32 = 2;

/// Why io_uring is refused on this host, and what an operator can do. The epoll driver takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeError {
    /// The kernel has no io_uring (ENOSYS): built without it, or older than 5.1.
    Missing,
    /// `kernel.io_uring_disabled` is 1 or 2.
    Disabled {
        /// The value of the sysctl.
        level: u8,
    },
    /// The call is filtered (EPERM while the sysctl allows it): seccomp, as in Docker's default profile, or a security
    /// module.
    Filtered,
    /// The locked-memory limit is too small for a ring (ENOMEM; kernels before 5.12 count it).
    LockedMemory,
    /// The kernel lacks an operation that the driver needs.
    Operation {
        /// The operation.
        name: &'static str,
    },
    /// Another error.
    Other {
        /// The error number (errno(3)).
        errno: i32,
    },
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("this kernel has no io_uring (ENOSYS); Linux 5.13 or later has what is needed"),
            Self::Disabled { level } => write!(
                f,
                "io_uring is switched off by kernel.io_uring_disabled={level}; `sysctl kernel.io_uring_disabled=0` allows it"
            ),
            Self::Filtered => f.write_str(
                "io_uring_setup is filtered (EPERM); in a container, allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile",
            ),
            Self::LockedMemory => {
                f.write_str("the locked-memory limit is too small for a ring (ENOMEM); raise `ulimit -l` or LimitMEMLOCK")
            }
            Self::Operation { name } => write!(f, "this kernel's io_uring lacks {name}; Linux 5.13 or later has it"),
            Self::Other { errno } => {
                write!(f, "io_uring_setup failed: {}", std::io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for ProbeError {}

/// Whether a ring can be set up and has the operations that the driver uses.
pub(crate) fn io_uring() -> Result<(), ProbeError> {
    let ring = io_uring::IoUring::new(PROBE_ENTRIES).map_err(|error| refusal(&error))?;
    let mut probe = io_uring::Probe::new();
    if let Err(error) = ring.submitter().register_probe(&mut probe) {
        return Err(refusal(&error));
    }
    if !probe.is_supported(io_uring::opcode::PollAdd::CODE) {
        return Err(ProbeError::Operation { name: "POLL_ADD" });
    }
    Ok(())
}

fn refusal(error: &std::io::Error) -> ProbeError {
    let errno = error.raw_os_error().unwrap_or_default();
    match errno {
        libc::ENOSYS => ProbeError::Missing,
        libc::EPERM => match sysctl_disabled() {
            0 => ProbeError::Filtered,
            level => ProbeError::Disabled { level },
        },
        libc::ENOMEM => ProbeError::LockedMemory,
        errno => ProbeError::Other { errno },
    }
}

/// `kernel.io_uring_disabled`; 0 where the kernel does not have the sysctl.
fn sysctl_disabled() -> u8 {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Adds the flags that this kernel takes: completions without interrupts (5.19), one thread that submits (6.0).
pub(crate) fn add_flags(ring: &mut io_uring::Builder) {
    let mut candidate = ring.clone();
    candidate.setup_coop_taskrun();
    if candidate.build(PROBE_ENTRIES).is_err() {
        return;
    }
    *ring = candidate.clone();
    candidate.setup_single_issuer();
    if candidate.build(PROBE_ENTRIES).is_ok() {
        *ring = candidate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_their_cause_and_the_remedy() {
        for (errno, words) in [
            (libc::ENOSYS, "Linux 5.13"),
            (libc::ENOMEM, "ulimit -l"),
            (libc::EIO, "failed"),
        ] {
            let text = refusal(&std::io::Error::from_raw_os_error(errno)).to_string();
            assert!(text.contains(words), "{text}");
        }
        assert!(ProbeError::Filtered.to_string().contains("seccomp"));
        let disabled = ProbeError::Disabled { level: 2 }.to_string();
        assert!(disabled.contains("kernel.io_uring_disabled=2"));
    }
}
