//! Two fresh network namespaces with a cable between them: the gate in one, its clients in the other.
#![allow(unsafe_code, reason = "a thread enters a namespace with a system call")]

use super::unique;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

/// The interface at the gate's end of the cable.
pub(crate) const INTERFACE: &str = "veth0";
/// The gate's addresses; clients have any others of these networks.
pub(crate) const SERVER_V4: &str = "10.99.0.1";
pub(crate) const SERVER_V6: &str = "fd99::1";
/// Clients' addresses.
pub(crate) const CLIENTS: [&str; 4] = ["10.99.0.2", "10.99.0.3", "fd99::2", "fd99::3"];

/// How long a packet is waited for. On a cable within one host it takes microseconds.
const PATIENCE: Duration = Duration::from_millis(300);
/// Datagrams that are sent before a path counts as cut off.
const TRIES: u32 = 20;

/// The namespaces; removed at the end, whatever happens.
pub(crate) struct Cable {
    gate: String,
    clients: String,
}

impl Cable {
    /// Makes the namespaces and the cable. Says why not where the host (a container, say) does not allow it.
    pub(crate) fn new() -> Option<Self> {
        let name = unique("bsc-");
        let cable = Self {
            gate: format!("{name}-gate"),
            clients: format!("{name}-peer"),
        };
        for namespace in [&cable.gate, &cable.clients] {
            if !try_ip(&format!("netns add {namespace}"))
                || !try_ip(&format!("-n {namespace} link set lo up"))
            {
                println!("skipped: network namespaces cannot be made here");
                return None;
            }
        }
        cable.plug();
        Some(cable)
    }

    /// Makes both ends of the cable; those that were there before have to be unplugged.
    pub(crate) fn plug(&self) {
        let Self { gate, clients } = self;
        ip(&format!(
            "link add {INTERFACE} netns {gate} type veth peer name {INTERFACE} netns {clients}"
        ));
        for address in [SERVER_V4, SERVER_V6] {
            add_address(gate, address);
        }
        for address in CLIENTS {
            add_address(clients, address);
        }
        for namespace in [gate, clients] {
            ip(&format!("-n {namespace} link set {INTERFACE} up"));
        }
    }

    pub(crate) fn unplug(&self) {
        ip(&format!("-n {} link del {INTERFACE}", self.gate));
    }

    /// Lets the gate's end forward packets, as a router does.
    pub(crate) fn forward_packets(&self) {
        self.at_gate(|| {
            for key in ["ipv4/conf/all", "ipv6/conf/all"] {
                std::fs::write(format!("/proc/sys/net/{key}/forwarding"), "1").expect("forwarding");
            }
        });
    }

    /// Tells the gate's end the MAC address of a neighbour, which ends with this number.
    pub(crate) fn know_neighbour(&self, address: &str, number: u8) {
        ip(&format!(
            "-n {} neigh replace {address} lladdr 02:00:00:00:01:{number:02x} dev {INTERFACE}",
            self.gate
        ));
    }

    /// Runs something at the gate.
    pub(crate) fn at_gate<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.gate, work)
    }

    /// Runs something at the clients' end.
    pub(crate) fn at_clients<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.clients, work)
    }

    /// `ip` at the gate.
    pub(crate) fn ip_at_gate(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.gate));
    }

    /// A datagram from this client arrives. The first may be late: where a ban of its IPv6 address kept the client
    /// from finding its neighbours, it asks again only once a second.
    pub(crate) fn arrives_from(&self, client: &str) -> bool {
        let path = self.path_from(client);
        (0..TRIES).any(|_| path.carries_a_datagram())
    }

    /// A datagram from this client does not arrive.
    pub(crate) fn is_cut_off(&self, client: &str) -> bool {
        !self.path_from(client).carries_a_datagram()
    }

    fn path_from(&self, client: &str) -> UdpPath {
        let client: IpAddr = client.parse().expect("an address");
        let server = if client.is_ipv4() {
            SERVER_V4
        } else {
            SERVER_V6
        };
        let server: IpAddr = server.parse().expect("an address");
        let receiver = self.at_gate(|| UdpSocket::bind(SocketAddr::new(server, 0)));
        let sender = inside(&self.clients, || {
            UdpSocket::bind(SocketAddr::new(client, 0))
        });
        UdpPath {
            receiver: receiver.expect("a socket at the gate"),
            sender: sender.expect("a socket at the client"),
        }
    }
}

/// A client's socket and the one at the gate that it sends to.
struct UdpPath {
    sender: UdpSocket,
    receiver: UdpSocket,
}

impl UdpPath {
    fn carries_a_datagram(&self) -> bool {
        let to = self.receiver.local_addr().expect("an address");
        self.sender.send_to(b"hello", to).expect("sent");
        self.receiver
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout");
        loop {
            match self.receiver.recv_from(&mut [0; 16]) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.gate, &self.clients] {
            let _ = Command::new("ip")
                .args(["netns", "del", namespace])
                .status();
        }
    }
}

pub(crate) fn add_address(namespace: &str, address: &str) {
    // No duplicate detection: an address would not be usable for a second.
    let (length, flags) = if address.contains(':') {
        (64, "nodad")
    } else {
        (24, "")
    };
    ip(&format!(
        "-n {namespace} address add {address}/{length} dev {INTERFACE} {flags}"
    ));
}

pub(crate) fn ip(arguments: &str) {
    assert!(try_ip(arguments), "ip {arguments}");
}

pub(crate) fn try_ip(arguments: &str) -> bool {
    let status = Command::new("ip")
        .args(arguments.split_whitespace())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Runs something on a thread of its own in a namespace. What it opens there stays there.
pub(crate) fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let path = format!("/var/run/netns/{namespace}");
    let enter = move || {
        let namespace = File::open(path).expect("the namespace");
        // SAFETY: the descriptor is open; the call concerns this thread alone, which ends soon.
        let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "setns: {}", io::Error::last_os_error());
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join().expect("no panic inside"))
}
