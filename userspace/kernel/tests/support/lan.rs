//! A network of one wire: the gate, a client and endpoints, each in a fresh namespace, at a bridge in another.
#![allow(unsafe_code, reason = "offloads are set by an ioctl")]

use super::namespace::{INTERFACE, add_address, inside, ip, try_ip};
use super::{pass, unique};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

/// The hosts' last numbers: `10.99.0.1` and `fd99::1` is the gate.
pub(crate) const GATE: u8 = 1;
pub(crate) const CLIENT: u8 = 2;
/// Endpoints have these and those that follow.
pub(crate) const ENDPOINT: u8 = 11;

pub(crate) const VIP_V4: &str = "10.99.0.100";
pub(crate) const VIP_V6: &str = "fd99::100";

const ETHTOOL_SET_TX_CHECKSUM: u32 = 0x17;

/// The namespaces; removed at the end, whatever happens.
pub(crate) struct Lan {
    name: String,
    hosts: Vec<u8>,
    links: Vec<OwnedFd>,
}

impl Lan {
    /// The gate, the client and so many endpoints. Says why not where the host does not allow it.
    pub(crate) fn new(endpoints: u8) -> Option<Self> {
        let mut lan = Self {
            name: unique("bsl-"),
            hosts: Vec::new(),
            links: Vec::new(),
        };
        let bridge = lan.bridge();
        if !try_ip(&format!("netns add {bridge}"))
            || !try_ip(&format!("-n {bridge} link add br0 type bridge"))
        {
            println!("skipped: network namespaces with a bridge cannot be made here");
            return None;
        }
        ip(&format!("-n {bridge} link set br0 up"));
        for host in [GATE, CLIENT]
            .into_iter()
            .chain(ENDPOINT..ENDPOINT + endpoints)
        {
            lan.hosts.push(host);
            lan.add(host);
        }
        for vip in [VIP_V4, VIP_V6] {
            add_address(&lan.host(GATE), vip);
        }
        lan.at(GATE, || {
            for key in ["ipv4", "ipv6"] {
                set(&format!("{key}/conf/all/forwarding"), "1");
            }
        });
        Some(lan)
    }

    fn add(&mut self, host: u8) {
        let (bridge, namespace) = (self.bridge(), self.host(host));
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!(
            "link add port{host} netns {bridge} type veth peer name {INTERFACE} netns {namespace}"
        ));
        for address in addresses(host) {
            add_address(&namespace, &address);
        }
        // All are on one wire, and still some packets are to take the way over the gate.
        self.at(host, || {
            for conf in ["all", INTERFACE] {
                set(&format!("ipv4/conf/{conf}/send_redirects"), "0");
                set(&format!("ipv4/conf/{conf}/accept_redirects"), "0");
                set(&format!("ipv6/conf/{conf}/accept_redirects"), "0");
            }
        });
        // Frames that XDP sends have to be complete, and their receiver has to look for them.
        self.at(host, || offload(INTERFACE, ETHTOOL_SET_TX_CHECKSUM, 0));
        let port = format!("port{host}");
        let pass = inside(&bridge, || {
            offload(&port, ETHTOOL_SET_TX_CHECKSUM, 0);
            pass::attach(&port)
        });
        self.links.push(pass);
        ip(&format!("-n {bridge} link set {port} master br0"));
        ip(&format!("-n {bridge} link set {port} up"));
        ip(&format!("-n {namespace} link set {INTERFACE} up"));
    }

    /// What the endpoint sends to the client takes the way over the gate.
    pub(crate) fn answer_over_gate(&self, endpoint: u8) {
        let namespace = self.host(endpoint);
        let ([gate_v4, gate_v6], [v4, v6]) = (addresses(GATE), addresses(CLIENT));
        ip(&format!("-n {namespace} route add {v4}/32 via {gate_v4}"));
        ip(&format!(
            "-n {namespace} -6 route add {v6}/128 via {gate_v6}"
        ));
    }

    /// The endpoint has the virtual addresses and keeps still about them.
    pub(crate) fn answer_directly(&self, endpoint: u8) {
        let namespace = self.host(endpoint);
        self.at(endpoint, || {
            set("ipv4/conf/all/arp_ignore", "1");
            set("ipv4/conf/all/arp_announce", "2");
        });
        ip(&format!("-n {namespace} address add {VIP_V4}/32 dev lo"));
        ip(&format!(
            "-n {namespace} address add {VIP_V6}/128 dev lo nodad"
        ));
    }

    /// Takes the host off the wire.
    pub(crate) fn cut(&self, host: u8) {
        ip(&format!("-n {} link set port{host} down", self.bridge()));
    }

    /// Runs something on a host.
    pub(crate) fn at<T: Send>(&self, host: u8, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.host(host), work)
    }

    fn bridge(&self) -> String {
        format!("{}-br", self.name)
    }

    fn host(&self, host: u8) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let hosts = self.hosts.iter().map(|host| self.host(*host));
        for namespace in hosts.chain([self.bridge()]) {
            let _ = Command::new("ip")
                .args(["netns", "del", &namespace])
                .status();
        }
    }
}

/// The addresses of a host.
pub(crate) fn addresses(host: u8) -> [String; 2] {
    [format!("10.99.0.{host}"), format!("fd99::{host}")]
}

fn set(key: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{key}"), value).expect(key);
}

/// Switches an offload of an interface of this thread's namespace (linux/ethtool.h).
pub(crate) fn offload(interface: &str, command: u32, value: u32) {
    #[repr(C)]
    struct Value {
        command: u32,
        value: u32,
    }
    let mut value = Value { command, value };
    // SAFETY: all-zero bytes are a value of this struct of integers and pointers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // SAFETY: both structs are ours and outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
