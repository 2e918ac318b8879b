//! Without a gate the proxy balances what NAT would, and as NAT would. This needs no network of its own.

use crate::ends::{Asker, Connection, Server};
use balance::Affinity;
use bascule_tests::{Bascule, Port, Setup, eventually};
use kernel::{EndpointState, Forwarding, Protocol, ServiceEndpoint, ServiceSpec};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

const REST: &str =
    "routes: [{ path: /, upstream: app }]\nupstreams: { app: { endpoints: [127.0.0.1:9] } }\n";

/// Endpoints on this host; the number of each is its index.
struct Endpoints {
    ports: Vec<Port>,
    servers: Vec<Option<Server>>,
}

impl Endpoints {
    fn new(count: u8) -> Self {
        let ports: Vec<Port> = (0..count).map(|_| Port::reserve()).collect();
        let serve = |(number, port): (u8, &Port)| {
            Some(Server::start(&["127.0.0.1"], port.address().port(), number))
        };
        let servers = (0..).zip(&ports).map(serve).collect();
        Self { ports, servers }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(Port::address).collect()
    }

    /// Services of TCP and UDP over them, of these weights.
    fn services(&self, weights: &[u32], extra: &str) -> String {
        let endpoints: Vec<String> = self
            .addresses()
            .iter()
            .zip(weights)
            .map(|(address, weight)| format!("{{ address: '{address}', weight: {weight} }}"))
            .collect();
        let endpoints = endpoints.join(", ");
        let service = |protocol| {
            format!(
                "  {protocol}: {{ address: $vip/{protocol}, {extra} endpoints: [{endpoints}] }}\n"
            )
        };
        format!("services:\n{}{}", service("tcp"), service("udp"))
    }

    /// Which of them a gate with these states would give a client.
    fn chosen(
        &self,
        weights: &[u32],
        down: &[usize],
        client: SocketAddr,
        affinity: Affinity,
    ) -> u8 {
        let endpoint = |(index, (address, weight)): (usize, (SocketAddr, &u32))| ServiceEndpoint {
            weight: *weight,
            state: if down.contains(&index) {
                EndpointState::Down
            } else {
                EndpointState::Up
            },
            ..ServiceEndpoint::new(address)
        };
        let all = self.addresses().into_iter().zip(weights);
        let spec = ServiceSpec {
            name: String::new(),
            address: client,
            protocol: Protocol::Tcp,
            forwarding: Forwarding::Nat,
            affinity,
            idle: Duration::from_secs(1),
            endpoints: all.enumerate().map(endpoint).collect(),
        };
        let slots = spec.slots().unwrap();
        let hash = balance::hash_client(client, affinity);
        let slot = usize::try_from(hash % slots.len() as u64).unwrap();
        u8::try_from(slots[slot]).unwrap()
    }
}

/// Connects from a port that is known before.
fn connect(bascule: &Bascule) -> (SocketAddr, u8) {
    let connection = Connection::open(bascule.address("vip")).expect("connected");
    (connection.client(), connection.endpoint)
}

fn status(bascule: &Bascule) -> Value {
    let told = bascule.command(&["status", "--socket", "admin.sock", "--json"]);
    serde_json::from_str(&told.stdout).unwrap()
}

#[test]
fn the_proxy_chooses_what_the_gate_would() {
    let mut endpoints = Endpoints::new(4);
    let weights = [1, 3, 0, 1];
    let health = "health: { tcp: true, interval: 100ms, timeout: 100ms, unhealthy: 1 },";
    let config = format!("{}{REST}", endpoints.services(&weights, health));
    let bascule = Setup::new().start(&config);
    let mut seen = [0; 4];
    for _ in 0..60 {
        let (client, endpoint) = connect(&bascule);
        assert_eq!(
            endpoint,
            endpoints.chosen(&weights, &[], client, Affinity::Flow)
        );
        seen[usize::from(endpoint)] += 1;
    }
    assert!(seen[0] > 0 && seen[3] > 0 && seen[1] > seen[3], "{seen:?}");
    assert_eq!(seen[2], 0, "a weight of 0 takes nothing");
    for _ in 0..20 {
        let asker = Asker::new("127.0.0.1", bascule.address("vip"));
        let client = asker.client();
        assert_eq!(
            asker.ask(),
            endpoints.chosen(&weights, &[], client, Affinity::Flow)
        );
    }
    let services = status(&bascule)["services"].clone();
    for service in services.as_array().unwrap() {
        assert_eq!(service["by"], "proxy");
        assert_eq!(service["mode"], "nat");
        assert_eq!(service["endpoints"][2]["state"], "draining");
    }
    let connections = |index: usize| services[0]["endpoints"][index]["connections"].as_u64();
    assert_eq!(connections(1), Some(seen[1]));

    // One dies: the others are chosen as from the gate's table without it.
    endpoints.servers[1] = None;
    eventually("the dead one is down", || {
        status(&bascule)["services"][0]["endpoints"][1]["state"] == "down"
    });
    std::thread::sleep(Duration::from_millis(250));
    for _ in 0..30 {
        let (client, endpoint) = connect(&bascule);
        assert_eq!(
            endpoint,
            endpoints.chosen(&weights, &[1], client, Affinity::Flow)
        );
    }
}

#[test]
fn a_gate_that_cannot_be_attached_is_stood_in_for() {
    let endpoints = Endpoints::new(3);
    let weights = [1, 1, 1];
    let services = endpoints.services(&weights, "affinity: source,");
    let config = format!("kernel: {{ interfaces: [nowhere0] }}\n{services}{REST}");
    let mut bascule = Setup::new().start(&config);
    let (client, endpoint) = connect(&bascule);
    assert_eq!(
        endpoint,
        endpoints.chosen(&weights, &[], client, Affinity::Source)
    );
    for _ in 0..10 {
        assert_eq!(connect(&bascule).1, endpoint, "one client, one endpoint");
        let asker = Asker::new("127.0.0.1", bascule.address("vip"));
        assert_eq!(asker.ask(), endpoint);
    }

    // By a reload they come and go.
    bascule.reload(&format!("kernel: {{ interfaces: [nowhere0] }}\n{REST}"));
    eventually("nobody listens", || {
        std::net::TcpStream::connect(bascule.address("vip")).is_err()
    });
    bascule.reload(&config);
    assert_eq!(connect(&bascule).1, endpoint);
    let upgraded = bascule.upgrade(&[]);
    assert_eq!(upgraded.code, Some(0), "{}", upgraded.stderr);
    assert_eq!(connect(&bascule).1, endpoint);
}

#[test]
fn what_only_the_gate_can_do_is_refused_with_the_reason() {
    let service = |address: &str, mode: &str| {
        format!(
            "services: {{ web: {{ address: '{address}', mode: {mode}, endpoints: ['192.0.2.9:80'] }} }}\n{REST}"
        )
    };
    let gate = "kernel: { interfaces: [nowhere0] }\n";
    for (mode, words) in [("l2_dsr", "l2_dsr"), ("ipip, source: 192.0.2.8", "ipip")] {
        // No gate is configured; there is none on this host; none sees these packets.
        for (config, reason) in [
            (service("192.0.2.1:80/tcp", mode), "not configured"),
            (format!("{gate}{}", service("192.0.2.1:80/tcp", mode)), ""),
            (
                format!("{gate}{}", service("127.0.0.1:80/tcp", mode)),
                "127.0.0.1",
            ),
        ] {
            let refused = Setup::new().refused(&config);
            assert_ne!(refused.code, Some(0));
            for word in [words, "needs the XDP gate", reason] {
                assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
            }
        }
    }
}
