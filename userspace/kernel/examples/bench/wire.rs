//! Cables between network namespaces: from a sender to a box, and from the box to a server. Each end takes its packets in on
//! a thread of its own, so that the box's CPU time can be told from that of the others.

use crate::cpu::{self, Napi};
use crate::support::lan::offload;
use crate::support::namespace::{inside, ip, try_ip};
use crate::support::unique;
use crate::traffic::{Packets, Traffic};
use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Addresses: the box is `.1` of both networks, the sender and the server are `.2` of theirs.
pub(crate) const BOX_TO_SENDER: &str = "10.97.0.1";
pub(crate) const SENDER: &str = "10.97.0.2";
pub(crate) const BOX_TO_SERVER: &str = "10.96.0.1";
pub(crate) const SERVER: &str = "10.96.0.2";

/// Where frames of [`Packet`](crate::support::packet::Packet) go.
const BOX_MAC: &str = "02:00:00:00:00:01";

/// Commands of `SIOCETHTOOL` (linux/ethtool.h).
pub(crate) const TX_CHECKSUM: u32 = 0x17;
pub(crate) const SEGMENTATION: [u32; 2] = [0x1f, 0x24];
const RECEIVE_OFFLOAD: u32 = 0x2c;

const MODERATION_NS: &str = "50000";
const REST: Duration = Duration::from_millis(20);
/// How often frames are sent before there are enough, or as many as there will be.
const SENDS_MAX: u32 = 20;

/// What the box has taken in.
pub(crate) struct Flood {
    pub(crate) packets: u64,
    /// CPU time.
    pub(crate) seconds: f64,
}

/// Where one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Sender,
    Box,
    Server,
}

/// An interface: the first two are the cable between sender and box, the others that between box and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Sender,
    BoxIn,
    BoxOut,
    Server,
}

impl End {
    const ALL: [Self; 4] = [Self::Sender, Self::BoxIn, Self::BoxOut, Self::Server];

    const fn at(self) -> At {
        match self {
            Self::Sender => At::Sender,
            Self::BoxIn | Self::BoxOut => At::Box,
            Self::Server => At::Server,
        }
    }

    const fn address(self) -> &'static str {
        match self {
            Self::Sender => SENDER,
            Self::BoxIn => BOX_TO_SENDER,
            Self::BoxOut => BOX_TO_SERVER,
            Self::Server => SERVER,
        }
    }
}

/// The namespaces; removed at the end, whatever happens.
pub(crate) struct Wire {
    name: String,
}

impl Wire {
    /// Says why not where the host does not allow it.
    pub(crate) fn new() -> Result<Self, String> {
        let wire = Self { name: unique("bw") };
        for at in [At::Sender, At::Box, At::Server] {
            let namespace = wire.namespace(at);
            if !try_ip(&format!("netns add {namespace}"))
                || !try_ip(&format!("-n {namespace} link set lo up"))
            {
                return Err("network namespaces cannot be made here".to_owned());
            }
        }
        for [one, other] in [[End::Sender, End::BoxIn], [End::BoxOut, End::Server]] {
            ip(&format!(
                "link add {} netns {} type veth peer name {} netns {}",
                wire.interface(one),
                wire.namespace(one.at()),
                wire.interface(other),
                wire.namespace(other.at())
            ));
        }
        for end in End::ALL {
            wire.set_up(end)?;
        }
        for (at, gateway) in [(At::Sender, BOX_TO_SENDER), (At::Server, BOX_TO_SERVER)] {
            ip(&format!(
                "-n {} route add default via {gateway}",
                wire.namespace(at)
            ));
        }
        wire.inside(At::Box, || {
            fs::write("/proc/sys/net/ipv4/conf/all/forwarding", "1").expect("forwarding");
        });
        Ok(wire)
    }

    fn set_up(&self, end: End) -> Result<(), String> {
        let (namespace, interface) = (self.namespace(end.at()), self.interface(end));
        // Frames of the tests' packets are for it.
        if end == End::BoxIn {
            ip(&format!(
                "-n {namespace} link set {interface} address {BOX_MAC}"
            ));
        }
        ip(&format!("-n {namespace} link set {interface} up"));
        ip(&format!(
            "-n {namespace} address add {}/24 dev {interface}",
            end.address()
        ));
        // With receive offload, as drivers have it, an end has a queue of its own.
        self.inside(end.at(), || offload(&interface, RECEIVE_OFFLOAD, 1));
        self.set(end, "threaded", "1")?;
        if end.at() != At::Box {
            // What comes without a queue of its own (from a peer with segmentation offload) is taken in there as well.
            self.set(
                end,
                "queues/rx-0/rps_cpus",
                &format!("{:x}", 1 << cpu::ENDS),
            )?;
        }
        let cpu = if end.at() == At::Box {
            cpu::BOX
        } else {
            cpu::ENDS
        };
        self.napi(end).pin(cpu);
        Ok(())
    }

    /// Writes to a file of the interface in sysfs.
    fn set(&self, end: End, file: &str, value: &str) -> Result<(), String> {
        let line = format!(
            "echo {value} > /sys/class/net/{}/{file}",
            self.interface(end)
        );
        let mut shell = self.command(end.at(), "sh");
        let done = shell.args(["-c", &line]).status();
        if done.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        Err(format!("the kernel has no {file} for interfaces"))
    }

    /// What comes within some time is taken in together, as drivers moderate interrupts.
    pub(crate) fn moderate(&self) -> Result<(), String> {
        for end in End::ALL {
            self.set(end, "napi_defer_hard_irqs", "1")?;
            self.set(end, "gro_flush_timeout", MODERATION_NS)?;
        }
        Ok(())
    }

    pub(crate) fn napi(&self, end: End) -> Napi {
        Napi::of(&self.interface(end))
    }

    /// The MAC address of an end, which its neighbour gets to know for good.
    pub(crate) fn introduce(&self, end: End, to: End, address: &str) {
        let (interface, namespace) = (self.interface(end), self.namespace(end.at()));
        let text = Command::new("ip")
            .args(["-n", &namespace, "-o", "link", "show", &interface])
            .output()
            .expect("ip");
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        let mut words = text
            .split_whitespace()
            .skip_while(|word| *word != "link/ether");
        let mac = words.nth(1).expect("a MAC address");
        ip(&format!(
            "-n {} neigh replace {address} lladdr {mac} dev {}",
            self.namespace(to.at()),
            self.interface(to)
        ));
    }

    /// Lets the box know that more addresses are behind the sender.
    pub(crate) fn route_to_sender(&self, prefix: &str) {
        ip(&format!(
            "-n {} route add {prefix} via {SENDER}",
            self.namespace(At::Box)
        ));
    }

    /// What the ends of sender and server leave to an interface in life: checksums, and cutting a stream into packets.
    pub(crate) fn set_offload(&self, command: u32, value: u32) {
        for end in [End::Sender, End::Server] {
            let interface = self.interface(end);
            self.inside(end.at(), || offload(&interface, command, value));
        }
    }

    /// Lets all of the box and the server happen on one CPU, at once, one after the other. So frames are in its cache, where
    /// drivers fetch them to before XDP runs, and are not lost in queues.
    pub(crate) fn gather(&self) {
        for end in [End::BoxIn, End::BoxOut] {
            self.napi(end).pin(cpu::BOX);
        }
        for end in End::ALL {
            self.napi(end).run_at_once(1);
        }
    }

    /// Sends frames until the box has taken in so many. Gives how many it took in, and the CPU time that it took.
    pub(crate) fn flood(&self, traffic: &mut Traffic, packets: &Packets, wanted: u32) -> Flood {
        let napi = self.napi(End::BoxIn);
        let interface = self.index(End::Sender);
        // The kernel accounts for what has run when it stops to run.
        let rest = || std::thread::sleep(REST);
        rest();
        let (packets_before, seconds_before) = (self.received(End::BoxIn), napi.seconds());
        let taken = || self.received(End::BoxIn) - packets_before;
        for _ in 0..SENDS_MAX {
            self.inside(At::Sender, || {
                cpu::pin_this_thread(cpu::BOX);
                traffic.send(packets, interface, wanted / 2);
            });
            if taken() >= u64::from(wanted) {
                break;
            }
        }
        rest();
        Flood {
            packets: taken(),
            seconds: napi.seconds() - seconds_before,
        }
    }

    /// Packets that an end has taken in.
    pub(crate) fn received(&self, end: End) -> u64 {
        let table = self.inside(end.at(), || {
            fs::read_to_string("/proc/thread-self/net/dev").expect("counters")
        });
        received(&table, &self.interface(end)).expect("a line for the interface")
    }

    /// The number of an end in its namespace.
    pub(crate) fn index(&self, end: End) -> u32 {
        let name = CString::new(self.interface(end)).expect("a name");
        self.inside(end.at(), || index(&name))
    }

    pub(crate) fn inside<T: Send>(&self, at: At, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace(at), work)
    }

    /// Gives a script to nft.
    pub(crate) fn nft(&self, script: &str) -> Result<(), String> {
        let mut nft = self.command(At::Box, "nft");
        let nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn();
        let mut nft = nft.map_err(|error| format!("nft: {error}"))?;
        let mut stdin = nft.stdin.take().expect("a pipe");
        let written = stdin.write_all(script.as_bytes());
        drop(stdin);
        let status = nft.wait().map_err(|error| format!("nft: {error}"))?;
        if status.success() && written.is_ok() {
            return Ok(());
        }
        let begin: String = script.chars().take(200).collect();
        Err(format!("nft refuses {begin}"))
    }

    /// A program in one of the namespaces.
    pub(crate) fn command(&self, at: At, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(at), program]);
        command
    }

    pub(crate) fn interface(&self, end: End) -> String {
        let letter = match end {
            End::Sender => 's',
            End::BoxIn => 'i',
            End::BoxOut => 'o',
            End::Server => 't',
        };
        format!("{}{letter}", self.name)
    }

    fn namespace(&self, at: At) -> String {
        format!("{}-{at:?}", self.name)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for at in [At::Sender, At::Box, At::Server] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.namespace(at)])
                .status();
        }
    }
}

#[allow(unsafe_code, reason = "the C library knows the numbers of interfaces")]
fn index(name: &CString) -> u32 {
    // SAFETY: the string ends with NUL and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert_ne!(index, 0, "{name:?} is there");
    index
}

/// The received packets of an interface in the table of `/proc/net/dev`.
fn received(table: &str, interface: &str) -> Option<u64> {
    let of_interface = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        (name.trim() == interface).then(|| counters.split_whitespace().nth(1)?.parse().ok())?
    };
    table.lines().find_map(of_interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_interfaces_is_read() {
        let table = "Inter-|   Receive  | Transmit\n face |bytes packets errs\n    lo: 10 2 0 0\n  bw1-0i: 600 17 0 0\n";
        assert_eq!(received(table, "bw1-0i"), Some(17));
        assert_eq!(received(table, "bw1-0"), None);
    }
}
