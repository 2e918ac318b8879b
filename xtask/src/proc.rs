//! Processes as /proc tells them.

use crate::failure::Outcome;
use std::fs;
use std::process::Command;

/// One process at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// Clock ticks from boot to its start.
    pub(crate) started: u64,
    /// Clock ticks that its threads spent in user space.
    pub(crate) user: u64,
    /// Clock ticks that its threads spent in the kernel.
    pub(crate) system: u64,
    /// Pages in memory.
    pub(crate) resident: u64,
    /// It ended, and nobody asked for its exit code yet.
    pub(crate) has_ended: bool,
}

impl Process {
    /// Reads one; none where there is no such process.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: u32, stat: &str) -> Option<Self> {
        // The name stands in parentheses and may itself have some.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            pid,
            parent: u32::try_from(number(1)?).ok()?,
            started: number(19)?,
            user: number(11)?,
            system: number(12)?,
            resident: number(21)?,
            has_ended: matches!(fields.first(), Some(&("Z" | "X"))),
        })
    }

    /// A process and all that descend from it.
    pub(crate) fn family(pid: u32) -> Vec<Self> {
        let all: Vec<Self> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Self::read)
            .collect();
        let mut family: Vec<Self> = all.iter().copied().filter(|it| it.pid == pid).collect();
        let mut next = 0;
        while let Some(parent) = family.get(next).map(|it| it.pid) {
            family.extend(all.iter().filter(|it| it.parent == parent));
            next += 1;
        }
        family
    }
}

/// Sends a signal. The shell has `kill` built in; the program of that name is not on every host.
pub(crate) fn signal(pid: u32, signal: &str) -> Outcome {
    crate::run::run(
        Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{signal} {pid}")),
    )
}

/// How many ticks there are in a second.
pub(crate) fn ticks_per_second() -> f64 {
    value_of("CLK_TCK").unwrap_or(100.0)
}

/// How many bytes there are in a page.
pub(crate) fn page_bytes() -> f64 {
    value_of("PAGE_SIZE").unwrap_or(4096.0)
}

fn value_of(name: &str) -> Option<f64> {
    crate::run::output(Command::new("getconf").arg(name))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_parentheses_and_spaces() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 50 60 1 2 20 0 1 0 9000 1000 42 18446744073709551615 1";
        let process = Process::parse(7, stat).expect("a process");
        assert_eq!((process.parent, process.started), (3, 9000));
        assert_eq!((process.user, process.system), (50, 60));
        assert_eq!((process.resident, process.has_ended), (42, false));
        assert_eq!(Process::parse(7, "7 (a) S 3"), None);
    }

    #[test]
    fn the_family_begins_with_the_process() {
        let family = Process::family(std::process::id());
        assert_eq!(family.first().map(|it| it.pid), Some(std::process::id()));
    }
}
