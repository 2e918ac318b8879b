//! The L4 services on a wire: real clients and real servers of TCP and UDP, in namespaces of each test's own.

#[path = "../support/mod.rs"]
mod support;

use kernel::{
    EndpointState, Forwarding, Gate, PacketReason, Protocol, ServiceEndpoint, ServiceSpec,
};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};
use support::lan::{CLIENT, ENDPOINT, GATE, Lan, VIP_V4, VIP_V6, addresses};
use support::namespace::INTERFACE;
use support::{PinDir, bans, kernel_path_is_there};

const PORT: u16 = 80;
/// Longer than anything on this wire takes; the neighbours are found within a second.
const PATIENCE: Duration = Duration::from_secs(5);

struct Network {
    lan: Lan,
    gate: Gate,
    _pins: PinDir,
}

impl Network {
    /// A gate, a client and endpoints with servers that tell their numbers.
    fn new(endpoints: u8) -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        let lan = Lan::new(endpoints)?;
        let pins = PinDir::new();
        let gate = lan.at(GATE, || pins.attach(&[INTERFACE], &bans()));
        Some(Self {
            lan,
            gate: gate.expect("attached"),
            _pins: pins,
        })
    }

    fn serve(&self, endpoint: u8, port: u16) {
        let (tcp, udp) = self.lan.at(endpoint, || {
            let at = |address: &str| SocketAddr::new(address.parse().expect("an address"), port);
            let own = addresses(endpoint);
            let all = [own[0].as_str(), &own[1], VIP_V4, VIP_V6];
            // An answer comes from the address that was asked, where there is a socket for each that the host has.
            let udp: Vec<UdpSocket> = all
                .iter()
                .filter_map(|one| UdpSocket::bind(at(one)).ok())
                .collect();
            (TcpListener::bind(at("::")).expect("a listener"), udp)
        });
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                thread::spawn(move || echo(stream, endpoint));
            }
        });
        for udp in udp {
            thread::spawn(move || answer(&udp, endpoint));
        }
    }

    fn apply(&self, specs: &[ServiceSpec]) {
        let services = self.gate.services();
        services.apply(specs).expect("applied");
        self.lan.at(GATE, || services.keep_neighbours());
    }

    fn set_state(&self, host: u8, state: EndpointState) {
        for spec in ["v4", "v6"] {
            for address in addresses(host) {
                let address = SocketAddr::new(address.parse().expect("an address"), PORT);
                let services = self.gate.services();
                services.set_state(spec, address, state).expect("state");
            }
        }
    }

    fn connect(&self, vip: &str) -> io::Result<Connection> {
        let to = SocketAddr::new(vip.parse().expect("an address"), PORT);
        let stream = self
            .lan
            .at(CLIENT, || TcpStream::connect_timeout(&to, PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = Connection {
            stream,
            endpoint: 0,
        };
        connection.endpoint = connection.ask(b"hello")?;
        Ok(connection)
    }

    /// The endpoint that answers a datagram.
    fn ask_by_udp(&self, socket: &UdpSocket, vip: &str) -> u8 {
        let to = SocketAddr::new(vip.parse().expect("an address"), PORT);
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .expect("a timeout");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            socket.send_to(b"question", to).expect("sent");
            let mut answer = [0; 64];
            if let Ok((bytes, from)) = socket.recv_from(&mut answer) {
                assert_eq!(from, to, "the answer comes from the service");
                assert_eq!(&answer[1..bytes], b"question");
                return answer[0];
            }
        }
        panic!("no answer by UDP; {:?}", self.gate.counters().read());
    }

    fn udp_client(&self, vip: &str) -> UdpSocket {
        let [v4, v6] = addresses(CLIENT);
        let own = if vip.contains(':') { v6 } else { v4 };
        let own = SocketAddr::new(own.parse().expect("an address"), 0);
        self.lan
            .at(CLIENT, || UdpSocket::bind(own))
            .expect("a socket")
    }

    fn count(&self, reason: PacketReason) -> u64 {
        let counter = self.gate.counters().sum(reason);
        counter.expect("counters").packets
    }
}

/// A client's connection.
struct Connection {
    stream: TcpStream,
    endpoint: u8,
}

impl Connection {
    /// Sends something and reads it back, behind the number of the endpoint.
    fn ask(&mut self, bytes: &[u8]) -> io::Result<u8> {
        let length = (bytes.len() as u32).to_be_bytes();
        self.stream.write_all(&length)?;
        let mut sender = self.stream.try_clone()?;
        let mut answer = vec![0; bytes.len() + 1];
        thread::scope(|scope| {
            let sent = scope.spawn(move || sender.write_all(bytes));
            self.stream.read_exact(&mut answer)?;
            sent.join().expect("no panic")
        })?;
        assert_eq!(&answer[1..], bytes, "every byte comes back");
        Ok(answer[0])
    }
}

fn answer(socket: &UdpSocket, number: u8) {
    let mut buffer = [0; 2048];
    while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
        let answer = [&[number], &buffer[..bytes]].concat();
        let _ = socket.send_to(&answer, from);
    }
}

fn echo(mut stream: TcpStream, number: u8) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&[number])?;
        stream.write_all(&bytes)?;
    }
}

/// The service of both families over endpoints with these numbers.
fn services(
    forwarding: Forwarding,
    protocol: Protocol,
    hosts: &[u8],
    port: u16,
) -> Vec<ServiceSpec> {
    let families = [("v4", VIP_V4, 0), ("v6", VIP_V6, 1)];
    let spec = |(name, vip, family): (&str, &str, usize)| ServiceSpec {
        name: name.to_owned(),
        address: SocketAddr::new(vip.parse().expect("an address"), PORT),
        protocol,
        forwarding,
        affinity: balance::Affinity::Flow,
        idle: Duration::from_secs(60),
        endpoints: hosts
            .iter()
            .map(|host| addresses(*host)[family].parse().expect("an address"))
            .map(|ip| ServiceEndpoint::new(SocketAddr::new(ip, port)))
            .collect(),
    };
    families.map(spec).to_vec()
}

/// Large enough for many segments and for what a wrong checksum would break.
fn much() -> Vec<u8> {
    (0..2_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn nat_carries_tcp_and_udp_of_both_families() {
    let Some(network) = Network::new(2) else {
        return;
    };
    for host in [ENDPOINT, ENDPOINT + 1] {
        network.lan.answer_over_gate(host);
        network.serve(host, 8080);
    }
    let hosts = [ENDPOINT, ENDPOINT + 1];
    let mut specs = services(Forwarding::Nat, Protocol::Tcp, &hosts, 8080);
    specs.extend(services(Forwarding::Nat, Protocol::Udp, &hosts, 8080));
    network.apply(&specs);
    for vip in [VIP_V4, VIP_V6] {
        let mut seen = [0_u32; 2];
        for _ in 0..20 {
            let connection = network.connect(vip).expect("connected");
            seen[usize::from(connection.endpoint - ENDPOINT)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 0), "{vip}: {seen:?}");
        let mut connection = network.connect(vip).expect("connected");
        connection.ask(&much()).expect("all of it");

        let client = network.udp_client(vip);
        let first = network.ask_by_udp(&client, vip);
        for _ in 0..10 {
            assert_eq!(network.ask_by_udp(&client, vip), first);
        }
    }
    assert!(network.count(PacketReason::ForwardNat) > 1000);
    assert!(network.count(PacketReason::ForwardReply) > 1000);
}

#[test]
fn nat_with_an_address_of_ours_needs_no_route_back() {
    let Some(network) = Network::new(1) else {
        return;
    };
    network.serve(ENDPOINT, PORT);
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let mut specs = services(Forwarding::Nat, protocol, &[ENDPOINT], PORT);
        for (spec, ours) in specs.iter_mut().zip(addresses(GATE)) {
            spec.endpoints[0].source = Some(ours.parse().expect("an address"));
        }
        network.apply(&specs);
        for vip in [VIP_V4, VIP_V6] {
            if protocol == Protocol::Tcp {
                let mut connection = network.connect(vip).expect("connected");
                connection.ask(&much()).expect("all of it");
            } else {
                let client = network.udp_client(vip);
                assert_eq!(network.ask_by_udp(&client, vip), ENDPOINT);
            }
        }
    }
}

#[test]
fn l2_dsr_answers_go_to_the_client_directly() {
    let Some(network) = Network::new(2) else {
        return;
    };
    let hosts = [ENDPOINT, ENDPOINT + 1];
    for host in hosts {
        network.lan.answer_directly(host);
        network.serve(host, PORT);
    }
    let mut specs = services(Forwarding::L2Dsr, Protocol::Tcp, &hosts, PORT);
    specs.extend(services(Forwarding::L2Dsr, Protocol::Udp, &hosts, PORT));
    network.apply(&specs);
    for vip in [VIP_V4, VIP_V6] {
        let mut connection = network.connect(vip).expect("connected");
        connection.ask(&much()).expect("all of it");
        let client = network.udp_client(vip);
        network.ask_by_udp(&client, vip);
    }
    assert!(network.count(PacketReason::ForwardL2Dsr) > 100);
    assert_eq!(network.count(PacketReason::ForwardReply), 0);
    let status = network.gate.services().status().expect("status");
    let replies: u64 = status
        .iter()
        .flat_map(|one| &one.endpoints)
        .map(|one| one.reply_packets)
        .sum();
    assert_eq!(replies, 0);
}

#[test]
fn connections_outlive_a_drain_and_the_death_of_others() {
    let Some(network) = Network::new(3) else {
        return;
    };
    let hosts = [ENDPOINT, ENDPOINT + 1, ENDPOINT + 2];
    for host in hosts {
        network.lan.answer_over_gate(host);
        network.serve(host, PORT);
    }
    network.apply(&services(Forwarding::Nat, Protocol::Tcp, &hosts, PORT));
    let mut connections: Vec<Connection> = (0..30)
        .map(|number| {
            network
                .connect([VIP_V4, VIP_V6][number % 2])
                .expect("connected")
        })
        .collect();
    for host in hosts {
        assert!(
            connections.iter().any(|one| one.endpoint == host),
            "{host} has some"
        );
    }

    network.set_state(hosts[0], EndpointState::Draining);
    for number in 0..20 {
        let new = network
            .connect([VIP_V4, VIP_V6][number % 2])
            .expect("connected");
        assert_ne!(new.endpoint, hosts[0]);
    }
    for connection in &mut connections {
        let endpoint = connection
            .ask(b"still there")
            .expect("the connection holds");
        assert_eq!(endpoint, connection.endpoint);
    }

    // One dies without a word; the probes have noticed.
    network.lan.cut(hosts[1]);
    network.set_state(hosts[1], EndpointState::Down);
    for number in 0..20 {
        let new = network
            .connect([VIP_V4, VIP_V6][number % 2])
            .expect("connected");
        assert_eq!(new.endpoint, hosts[2]);
    }
    for connection in &mut connections {
        let answer = connection.ask(b"still there");
        if connection.endpoint == hosts[1] {
            // Its packets reach an endpoint that does not know it, which says so at once.
            let error = answer.expect_err("the connection is lost");
            assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        } else {
            assert_eq!(answer.expect("the connection holds"), connection.endpoint);
        }
    }
}
