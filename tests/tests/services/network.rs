//! The network of a test: the program at the gate, a client, endpoints with servers.

use crate::ends::{Asker, Connection, PATIENCE, Server};
use crate::support::lan::{CLIENT, ENDPOINT, GATE, Lan, VIP_V4, VIP_V6, addresses};
use crate::support::{PinDir, kernel_path_is_there};
use bascule_tests::{Bascule, Finished, Metrics, Setup, within};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// The port of services, and of endpoints unless a test says otherwise.
pub(crate) const PORT: u16 = 80;
pub(crate) const VIPS: [&str; 2] = [VIP_V4, VIP_V6];

pub(crate) struct Network {
    pub(crate) lan: Lan,
    pins: PinDir,
    pub(crate) servers: BTreeMap<u8, Server>,
    bascule: Option<Bascule>,
}

/// How answers travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    OverGate,
    Directly,
}

impl Network {
    /// So many endpoints, each with a server. Nothing where this host cannot have such a network; it says why.
    pub(crate) fn new(endpoints: u8, answers: Answers) -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        let lan = Lan::new(endpoints)?;
        let mut network = Self {
            lan,
            pins: PinDir::new(),
            servers: BTreeMap::new(),
            bascule: None,
        };
        for host in ENDPOINT..ENDPOINT + endpoints {
            match answers {
                Answers::OverGate => network.lan.answer_over_gate(host),
                Answers::Directly => network.lan.answer_directly(host),
            }
            network.serve(host);
        }
        Some(network)
    }

    /// Starts the server of an endpoint.
    pub(crate) fn serve(&mut self, host: u8) {
        let own = addresses(host);
        let start = || Server::start(&[&own[0], &own[1], VIP_V4, VIP_V6], PORT, host);
        let server = self.lan.at(host, start);
        self.servers.insert(host, server);
    }

    /// The configuration with these services.
    pub(crate) fn config(&self, services: &str) -> String {
        format!(
            "kernel: {{ interfaces: [veth0], pin: {} }}\nservices:\n{services}\
             routes: [{{ path: /, upstream: app }}]\n\
             upstreams: {{ app: {{ endpoints: [127.0.0.1:9] }} }}\n",
            self.pins.0.display()
        )
    }

    /// Starts the program at the gate.
    pub(crate) fn start(&mut self, services: &str) {
        let config = self.config(services);
        let bascule = self.lan.at(GATE, || Setup::new().start(&config));
        self.bascule = Some(bascule);
    }

    pub(crate) fn reload(&mut self, services: &str) {
        let config = self.config(services);
        let Self { lan, bascule, .. } = self;
        lan.at(GATE, || bascule.as_mut().unwrap().reload(&config));
    }

    /// The program, which is spoken to on its host alone.
    pub(crate) fn bascule<T: Send>(&mut self, work: impl FnOnce(&mut Bascule) -> T + Send) -> T {
        let Self { lan, bascule, .. } = self;
        lan.at(GATE, || work(bascule.as_mut().unwrap()))
    }

    pub(crate) fn metrics(&mut self) -> Metrics {
        self.bascule(|bascule| bascule.metrics())
    }

    /// `bascule status`, as text and as JSON.
    pub(crate) fn status(&mut self) -> (String, Value) {
        let verb = ["status", "--socket", "admin.sock"];
        let text: Finished = self.bascule(|bascule| bascule.command(&verb));
        let json = [&verb[..], &["--json"]].concat();
        let json: Finished = self.bascule(|bascule| bascule.command(&json));
        assert_eq!(text.code, Some(0), "{}", text.stderr);
        (text.stdout, serde_json::from_str(&json.stdout).unwrap())
    }

    /// The state of an endpoint of a service.
    pub(crate) fn state(&mut self, service: &str, host: u8) -> String {
        let own = addresses(host);
        let (_, status) = self.status();
        let services = status["services"].as_array().unwrap().iter();
        let endpoints = services
            .filter(|one| one["name"] == service)
            .flat_map(|one| one["endpoints"].as_array().unwrap());
        let is_ours = |one: &&Value| {
            let address: SocketAddr = one["address"].as_str().unwrap().parse().unwrap();
            own.contains(&address.ip().to_string())
        };
        let endpoint = endpoints.into_iter().find(is_ours);
        endpoint
            .map_or("absent", |one| one["state"].as_str().unwrap())
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn wait_for_state(&mut self, service: &str, host: u8, state: &str) {
        let mut last = String::new();
        let seen = within(Duration::from_secs(10), || {
            last = self.state(service, host);
            (last == state).then_some(())
        });
        assert!(seen.is_some(), "{host} of {service} is {last}, not {state}");
    }

    pub(crate) fn connect(&self, vip: &str) -> io::Result<Connection> {
        self.connect_to(vip, PORT)
    }

    pub(crate) fn connect_to(&self, vip: &str, port: u16) -> io::Result<Connection> {
        let to = SocketAddr::new(vip.parse().unwrap(), port);
        self.lan.at(CLIENT, || Connection::open(to))
    }

    pub(crate) fn asker(&self, vip: &str) -> Asker {
        self.asker_to(vip, PORT)
    }

    pub(crate) fn asker_to(&self, vip: &str, port: u16) -> Asker {
        let [v4, v6] = addresses(CLIENT);
        let own = if vip.contains(':') { v6 } else { v4 };
        let to = SocketAddr::new(vip.parse().unwrap(), port);
        self.lan.at(CLIENT, || Asker::new(&own, to))
    }

    /// So many connections, in turn of both families.
    pub(crate) fn connections(&self, count: usize) -> Vec<Connection> {
        (0..count)
            .map(|number| self.connect(VIPS[number % 2]).expect("connected"))
            .collect()
    }

    /// Runs a command of a host; its output, where it succeeds.
    pub(crate) fn run(&self, host: u8, program: &str, arguments: &str) -> Option<String> {
        let output = self.lan.at(host, || {
            Command::new(program)
                .args(arguments.split_whitespace())
                .output()
        });
        let output = output.ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    /// How many packets the gate counted under a reason.
    pub(crate) fn packets(&mut self, reason: &str) -> u64 {
        let labels = [("reason", reason)];
        self.metrics().sum("bascule_xdp_packets_total", &labels) as u64
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.bascule.take());
        // A process that was killed has the pins a moment longer.
        let _ = within(PATIENCE, || kernel::remove_pins(&self.pins.0).ok());
    }
}

/// Services of both families and these protocols over hosts, `extra` among their settings:
/// `web4`, `web6`, `udp4`, `udp6`.
pub(crate) fn services(protocols: &[&str], hosts: &[(u8, u16)], extra: &str) -> String {
    let mut text = String::new();
    for protocol in protocols {
        let name = if *protocol == "tcp" { "web" } else { "udp" };
        for (index, (family, vip)) in [("4", VIP_V4.to_owned()), ("6", format!("[{VIP_V6}]"))]
            .into_iter()
            .enumerate()
        {
            let endpoints: Vec<String> = hosts
                .iter()
                .map(|(host, weight)| {
                    let own = &addresses(*host)[index];
                    let own = if index == 1 {
                        format!("[{own}]")
                    } else {
                        own.clone()
                    };
                    format!("{{ address: \"{own}:{PORT}\", weight: {weight} }}")
                })
                .collect();
            text.push_str(&format!(
                "  {name}{family}: {{ address: \"{vip}:{PORT}/{protocol}\", {extra} endpoints: [{}] }}\n",
                endpoints.join(", ")
            ));
        }
    }
    text
}

/// These hosts, with a weight of 1.
pub(crate) fn hosts(numbers: &[u8]) -> Vec<(u8, u16)> {
    numbers.iter().map(|number| (*number, 1)).collect()
}
