//! Listeners that serve prefixes and ranges of ports, in namespaces of each test's own: real connections and datagrams.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use kernel::{Lookup, LookupRule, LookupSocket, Steering, Transport};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use support::namespace::{inside, ip, try_ip};
use support::{kernel_path_is_there, unique};

/// Prefixes that every namespace of a test takes for its own.
const LOCAL: [&str; 2] = ["203.0.113.0/24", "2001:db8:113::/64"];

/// A namespace to which the prefixes belong; removed at the end.
struct Host(String);

impl Host {
    fn new() -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        let host = Self(unique("bsk-"));
        if !try_ip(&format!("netns add {}", host.0)) {
            println!("skipped: network namespaces cannot be made here");
            return None;
        }
        ip(&format!("-n {} link set lo up", host.0));
        for net in LOCAL {
            ip(&format!("-n {} route add local {net} dev lo", host.0));
        }
        Some(host)
    }

    fn at<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.0, work)
    }

    fn lookup(&self) -> Lookup {
        self.at(|| Lookup::load().expect("the program loads"))
    }

    /// A listener with so many sockets, which answer with their number.
    fn listen(&self, address: &str, sockets: usize) -> Group {
        let mut at: SocketAddr = address.parse().unwrap();
        let sockets = self.at(|| {
            let open = |_| {
                let listener = reusing(at, socket2::Type::STREAM);
                listener.listen(1024).unwrap();
                at = listener.local_addr().unwrap().as_socket().unwrap();
                TcpListener::from(listener)
            };
            (0..sockets).map(open).collect()
        });
        Group { at, sockets }
    }

    /// Which of the groups takes a connection to this address; none where it is refused.
    fn served_by(&self, address: &str, groups: &[&Group]) -> Option<usize> {
        let address: SocketAddr = address.parse().unwrap();
        let client = self.at(|| TcpStream::connect(address));
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{address}");
                return None;
            }
        };
        let takes = |group: &Group| {
            let mut sockets = group.sockets.iter();
            sockets.any(|socket| {
                socket.set_nonblocking(true).unwrap();
                socket.accept().is_ok_and(|(accepted, peer)| {
                    assert_eq!(accepted.local_addr().unwrap(), address);
                    assert_eq!(peer, client.local_addr().unwrap());
                    true
                })
            })
        };
        // The client may know of the connection a moment before the listener.
        let position = (0..100).find_map(|_| {
            let position = groups.iter().position(|group| takes(group));
            if position.is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
            position
        });
        Some(position.expect("somebody has it"))
    }
}

impl Host {
    /// Nobody serves the address, as soon as the program is gone: a child that another test starts has it open for a moment.
    fn is_left_alone(&self, address: &str, groups: &[&Group]) {
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            self.served_by(address, groups).is_none()
        });
        assert!(gone, "{address}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

struct Group {
    at: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Group {
    fn socket(&self) -> LookupSocket<'_> {
        ((Transport::Tcp, self.at), self.sockets[0].as_fd())
    }
}

fn reusing(address: SocketAddr, kind: socket2::Type) -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

fn rule(net: &str, from: u16, to: u16, listener: usize) -> LookupRule {
    LookupRule {
        transport: Transport::Tcp,
        net: net.parse().unwrap(),
        ports: from..=to,
        listener: Some(listener),
    }
}

fn put_in_force(lookup: &mut Lookup, rules: &[LookupRule], groups: &[&Group]) {
    let sockets: Vec<_> = groups.iter().map(|group| group.socket()).collect();
    lookup.stage(rules, &sockets).unwrap();
    lookup.commit().unwrap();
}

#[test]
fn prefixes_and_ports_are_served_without_a_socket_for_each() {
    let Some(host) = Host::new() else { return };
    let v4 = host.listen("127.0.0.1:0", 1);
    let v6 = host.listen("[::1]:0", 1);
    let groups = [&v4, &v6];
    assert_eq!(host.served_by("203.0.113.7:80", &groups), None);
    let mut lookup = host.lookup();
    let rules = [
        rule("203.0.113.0/24", 80, 90, 0),
        rule("203.0.113.128/25", 443, 443, 0),
        rule("2001:db8:113::/64", 1000, 65535, 1),
    ];
    put_in_force(&mut lookup, &rules, &groups);
    assert_eq!(lookup.prefixes(), 3);
    for (address, served) in [
        ("203.0.113.7:79", None),
        ("203.0.113.7:80", Some(0)),
        ("203.0.113.255:85", Some(0)),
        ("203.0.113.200:90", Some(0)),
        ("203.0.113.7:91", None),
        ("203.0.113.7:443", None),
        ("203.0.113.130:443", Some(0)),
        ("[2001:db8:113::abcd]:999", None),
        ("[2001:db8:113::abcd]:1000", Some(1)),
        ("[2001:db8:113::]:65535", Some(1)),
    ] {
        assert_eq!(host.served_by(address, &groups), served, "{address}");
    }
    // UDP has ports of its own, and a bound socket keeps what no rule names.
    let bound = host.listen("203.0.113.7:8443", 1);
    assert_eq!(host.served_by("203.0.113.7:8443", &[&v4, &bound]), Some(1));
    drop(lookup);
    host.is_left_alone("203.0.113.7:80", &groups);
}

#[test]
fn the_longest_prefix_counts_and_exact_addresses_can_be_left_out() {
    let Some(host) = Host::new() else { return };
    let wide = host.listen("127.0.0.1:0", 1);
    let narrow = host.listen("127.0.0.1:0", 1);
    let exact = host.listen("203.0.113.9:80", 1);
    let groups = [&wide, &narrow, &exact];
    let mut lookup = host.lookup();
    let mut left_out = rule("203.0.113.9/32", 80, 80, 0);
    left_out.listener = None;
    let rules = [
        rule("0.0.0.0/0", 1, 1000, 0),
        rule("203.0.113.0/24", 80, 80, 1),
        left_out,
    ];
    put_in_force(&mut lookup, &rules, &groups);
    assert_eq!(host.served_by("203.0.113.8:80", &groups), Some(1));
    assert_eq!(host.served_by("203.0.113.8:81", &groups), Some(0));
    assert_eq!(host.served_by("203.0.113.9:80", &groups), Some(2));
    assert_eq!(host.served_by("203.0.113.9:81", &groups), Some(0));
    assert_eq!(host.served_by("127.0.0.5:7", &groups), Some(0));
}

/// The program names one socket of the group; who gets the connection is for the workers' load to say.
#[test]
fn connections_go_to_the_least_loaded_worker() {
    let Some(host) = Host::new() else { return };
    let group = host.listen("127.0.0.1:0", 4);
    let mut lookup = host.lookup();
    let (mut steering, loads) = Steering::load(4).unwrap();
    let listeners = vec![(
        group.at,
        group
            .sockets
            .iter()
            .map(|socket| socket.try_clone().unwrap())
            .collect(),
    )];
    // In either order: a socket can be in both maps.
    steering.follow(&listeners).unwrap();
    put_in_force(&mut lookup, &[rule("203.0.113.0/24", 80, 90, 0)], &[&group]);
    let spread = |connections: usize| -> Vec<usize> {
        let clients: Vec<_> = (0..connections)
            .map(|number| {
                let address: SocketAddr =
                    SocketAddr::new([203, 0, 113, number as u8].into(), 80 + number as u16 % 11);
                host.at(|| TcpStream::connect(address).unwrap())
            })
            .collect();
        let waiting = |socket: &TcpListener| {
            socket.set_nonblocking(true).unwrap();
            std::iter::from_fn(|| socket.accept().ok()).count()
        };
        let counts = group.sockets.iter().map(waiting).collect();
        drop(clients);
        counts
    };
    assert_eq!(spread(40), [10; 4]);
    for (worker, open) in [30, 30, 10, 30].into_iter().enumerate() {
        loads.of(worker).busy(0);
        loads.of(worker).connections(open);
    }
    assert_eq!(spread(20), [0, 0, 20, 0]);
    // Without steering the kernel's hash spreads them.
    steering.release();
    assert!(spread(200).iter().all(|&count| count > 20));
}

#[test]
fn datagrams_are_found_as_well() {
    let Some(host) = Host::new() else { return };
    let bound: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let socket = host.at(|| UdpSocket::from(reusing(bound, socket2::Type::DGRAM)));
    let at = socket.local_addr().unwrap();
    let mut lookup = host.lookup();
    let mut wanted = rule("203.0.113.0/24", 50, 60, 0);
    wanted.transport = Transport::Udp;
    let key = (Transport::Udp, at);
    lookup.stage(&[wanted], &[(key, socket.as_fd())]).unwrap();
    lookup.commit().unwrap();
    let client = host.at(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    for (port, arrives) in [(53, true), (60, true), (61, false)] {
        client.send_to(b"hello", ("203.0.113.77", port)).unwrap();
        let received = socket.recv_from(&mut [0; 16]);
        assert_eq!(received.is_ok(), arrives, "port {port}");
    }
}

/// Sets a flag when it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Prefixes come and go while clients connect: not one connection to what stays fails.
#[test]
fn changes_under_load_fail_no_connection() {
    let Some(host) = Host::new() else { return };
    let groups = [host.listen("127.0.0.1:0", 2), host.listen("127.0.0.1:0", 2)];
    let both = [&groups[0], &groups[1]];
    let mut lookup = host.lookup();
    let stays = rule("203.0.113.0/25", 80, 80, 0);
    put_in_force(&mut lookup, std::slice::from_ref(&stays), &both);
    let (over, unserved) = (AtomicBool::new(false), AtomicBool::new(false));
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Also where this thread panics. Those who serve stay until no client waits.
        let _served = Ends(&unserved);
        let end = Ends(&over);
        for group in &groups {
            for socket in &group.sockets {
                socket.set_nonblocking(true).unwrap();
                scope.spawn(|| {
                    while !unserved.load(Ordering::Relaxed) {
                        match socket.accept() {
                            Ok((mut stream, _)) => drop(stream.write_all(b"ok")),
                            Err(_) => std::thread::sleep(Duration::from_millis(1)),
                        }
                    }
                });
            }
        }
        let clients: Vec<_> = (0..2_u8)
            .map(|client| {
                let (over, served) = (&over, &served);
                let load = move || {
                    let mut number = client;
                    while !over.load(Ordering::Relaxed) {
                        number = (number + 2) % 128;
                        let address = IpAddr::from([203, 0, 113, number]);
                        let mut stream =
                            TcpStream::connect((address, 80)).map_err(|e| e.to_string())?;
                        let mut answer = String::new();
                        stream
                            .read_to_string(&mut answer)
                            .map_err(|e| e.to_string())?;
                        assert_eq!(answer, "ok");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), String>(())
                };
                let host = &host;
                scope.spawn(move || host.at(load))
            })
            .collect();
        for round in 0..200_u16 {
            let mut rules: Vec<_> = (0..round % 50)
                .map(|port| rule("203.0.113.128/25", 1000 + port, 1000 + port, 1))
                .collect();
            rules.push(stays.clone());
            // It moves to another listener and back as well.
            rules.push(rule("203.0.113.64/26", 80, 80, usize::from(round % 2)));
            let turn = usize::from(round) % rules.len();
            rules.rotate_left(turn);
            put_in_force(&mut lookup, &rules, &both);
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(end);
        for client in clients {
            assert_eq!(client.join().unwrap(), Ok(()));
        }
    });
    assert!(served.load(Ordering::Relaxed) > 100, "{served:?}");
}

/// As in an upgrade: the next process's program stands beside ours before ours goes.
#[test]
fn another_process_takes_over_without_a_gap() {
    let Some(host) = Host::new() else { return };
    let group = host.listen("127.0.0.1:0", 2);
    let rules = [rule("203.0.113.0/24", 80, 90, 0)];
    let mut old = host.lookup();
    put_in_force(&mut old, &rules, &[&group]);
    let mut new = host.lookup();
    assert_eq!(host.served_by("203.0.113.7:80", &[&group]), Some(0));
    put_in_force(&mut new, &rules, &[&group]);
    assert_eq!(host.served_by("203.0.113.7:80", &[&group]), Some(0));
    drop(old);
    assert_eq!(host.served_by("203.0.113.7:80", &[&group]), Some(0));
    drop(new);
    host.is_left_alone("203.0.113.7:80", &[&group]);
}

#[test]
fn what_is_not_put_in_force_changes_nothing() {
    let Some(host) = Host::new() else { return };
    let group = host.listen("127.0.0.1:0", 1);
    let mut lookup = host.lookup();
    put_in_force(&mut lookup, &[rule("203.0.113.0/24", 80, 80, 0)], &[&group]);
    lookup
        .stage(&[rule("203.0.113.0/24", 81, 81, 0)], &[group.socket()])
        .unwrap();
    lookup.unstage();
    lookup.commit().unwrap();
    let many: Vec<_> = (0..=kernel::PREFIXES_MAX)
        .map(|number| rule(&format!("{}/32", std::net::Ipv4Addr::from(number)), 1, 1, 0))
        .collect();
    let error = lookup.stage(&many, &[group.socket()]).unwrap_err();
    assert!(error.to_string().contains("16385 IPv4 prefixes"), "{error}");
    let error = lookup
        .stage(&[rule("10.0.0.0/8", 1, 1, 7)], &[])
        .unwrap_err();
    assert!(error.to_string().contains("listener 7"), "{error}");
    assert_eq!(host.served_by("203.0.113.7:80", &[&group]), Some(0));
    assert_eq!(host.served_by("203.0.113.7:81", &[&group]), None);
}
