//! Packets of real clients reach real servers, by each mode.

use crate::ends::{Server, much};
use crate::network::{Answers, Network, VIPS, hosts, services};
use crate::support::lan::{CLIENT, ENDPOINT, GATE, VIP_V4, VIP_V6, addresses};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

const BOTH: [u8; 2] = [ENDPOINT, ENDPOINT + 1];

#[test]
fn nat_carries_tcp_and_udp_of_both_families_and_tells_what_it_carried() {
    let Some(mut network) = Network::new(2, Answers::OverGate) else {
        return;
    };
    network.start(&services(&["tcp", "udp"], &hosts(&BOTH), ""));
    for vip in VIPS {
        let mut seen = [0_u32; 2];
        for _ in 0..20 {
            let connection = network.connect(vip).expect("connected");
            seen[usize::from(connection.endpoint - ENDPOINT)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 0), "{vip}: {seen:?}");
        let mut connection = network.connect(vip).expect("connected");
        connection.ask(&much()).expect("all of it");
        let asker = network.asker(vip);
        let first = asker.ask();
        for _ in 0..10 {
            assert_eq!(asker.ask(), first);
        }
    }

    let (text, status) = network.status();
    for word in [
        "web4",
        "udp6",
        "10.99.0.100:80/tcp",
        "[fd99::100]:80/udp",
        "nat",
    ] {
        assert!(text.contains(word), "`{word}` is not in\n{text}");
    }
    let service = |name: &str| {
        let all = status["services"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    let sum = |name: &str, field: &str| -> u64 {
        let endpoints = service(name)["endpoints"].as_array().unwrap().clone();
        endpoints
            .iter()
            .map(|one| one[field].as_u64().unwrap())
            .sum()
    };
    for name in ["web4", "web6"] {
        assert_eq!(sum(name, "connections"), 21, "{name}");
        assert!(sum(name, "bytes") > 2_000_000, "{name}");
        assert!(sum(name, "reply_bytes") > 2_000_000, "{name}");
        assert_eq!(sum(name, "moved"), 0, "{name}");
    }
    assert_eq!(sum("udp4", "connections"), 1);

    let metrics = network.metrics();
    let web = [("service", "web4")];
    assert_eq!(metrics.sum("bascule_service_connections_total", &web), 21.0);
    assert!(metrics.sum("bascule_service_packets_total", &web) > 100.0);
    assert!(metrics.sum("bascule_service_reply_bytes_total", &web) > 2e6);
    assert_eq!(metrics.sum("bascule_service_endpoint_up", &web), 2.0);
}

#[test]
fn an_address_of_the_gate_can_stand_in_the_clients_place() {
    let Some(mut network) = Network::new(1, Answers::Directly) else {
        return;
    };
    // Without the virtual address, an answer that went to the client directly would be one from nobody.
    let own = addresses(GATE);
    let mut text = String::new();
    for (line, own) in services(&["tcp", "udp"], &hosts(&[ENDPOINT]), "source: \"OURS\",")
        .lines()
        .zip(own.iter().cycle())
    {
        text.push_str(&line.replace("OURS", own));
        text.push('\n');
    }
    network.start(&text);
    for vip in VIPS {
        let mut connection = network.connect(vip).expect("connected");
        connection.ask(&much()).expect("all of it");
        assert_eq!(network.asker(vip).ask(), ENDPOINT);
    }
    assert!(network.packets("forward_reply") > 100);
}

#[test]
fn endpoints_of_l2_dsr_answer_clients_directly() {
    let Some(mut network) = Network::new(2, Answers::Directly) else {
        return;
    };
    network.start(&services(&["tcp", "udp"], &hosts(&BOTH), "mode: l2_dsr,"));
    for vip in VIPS {
        let mut connection = network.connect(vip).expect("connected");
        connection.ask(&much()).expect("all of it");
        network.asker(vip).ask();
    }
    assert!(network.packets("forward_l2_dsr") > 100);
    assert_eq!(network.packets("forward_reply"), 0);

    // The kernel's knowledge of who is who on the wire comes back by itself.
    for host in BOTH {
        for address in addresses(host) {
            let forget = format!("neigh del {address} dev veth0");
            network.run(GATE, "ip", &forget);
        }
    }
    for vip in VIPS {
        let found = bascule_tests::within(std::time::Duration::from_secs(15), || {
            network.connect(vip).ok()
        });
        assert!(found.is_some(), "{vip} is served again");
    }
}

/// All four combinations of what is inside and outside. What is too big for the tunnel is sent smaller, once the client
/// was told.
#[test]
fn tunnels_reach_endpoints_that_take_packets_out() {
    let Some(mut network) = Network::new(2, Answers::Directly) else {
        return;
    };
    let gate = addresses(GATE);
    let running = BOTH.map(|host| Unwrapping::start(&network, host, &gate));
    let mut text = String::new();
    for (name, vip, port, outer) in [
        ("four", VIP_V4, 80, 0),
        ("six", VIP_V6, 80, 1),
        ("four_in_six", VIP_V4, 81, 1),
        ("six_in_four", VIP_V6, 81, 0),
    ] {
        let socket = |address: &str| SocketAddr::new(address.parse().unwrap(), port);
        let endpoints = BOTH.map(|host| format!("'{}'", socket(&addresses(host)[outer])));
        for protocol in ["tcp", "udp"] {
            text.push_str(&format!(
                "  {name}_{protocol}: {{ address: '{}/{protocol}', mode: ipip, source: '{}', endpoints: [{}] }}\n",
                socket(vip),
                gate[outer],
                endpoints.join(", ")
            ));
        }
    }
    let more: Vec<_> = BOTH
        .iter()
        .map(|host| {
            let start = || Server::start(&[VIP_V4, VIP_V6], 81, *host);
            network.lan.at(*host, start)
        })
        .collect();
    network.start(&text);
    for vip in VIPS {
        for port in [80, 81] {
            let mut connection = network.connect_to(vip, port).expect("connected");
            connection.ask(&much()).expect("all of it");
            network.asker_to(vip, port).ask();
        }
    }
    assert!(network.packets("forward_tunnel") > 1000);
    assert!(network.packets("answer_too_big") > 0);
    assert_eq!(network.packets("forward_reply"), 0);
    drop(more);
    let told = running.map(Unwrapping::end).concat();
    assert!(told.contains("packets taken out"), "{told}");
}

/// `bascule unwrap` on an endpoint.
struct Unwrapping(Child);

impl Unwrapping {
    fn start(network: &Network, host: u8, from: &[String; 2]) -> Self {
        let mut child = network.lan.at(host, || {
            Command::new(bascule_tests::program_path())
                .args(["unwrap", "veth0", "--from", &from[0], "--from", &from[1]])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        });
        let mut line = String::new();
        let stderr = child.stderr.as_mut().unwrap();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        assert!(line.contains("veth0"), "{line}");
        Self(child)
    }

    /// Ends it; what it tells then.
    fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut told = String::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut told).unwrap();
        told
    }
}

impl Drop for Unwrapping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both connections of iperf3, or its connection and its datagrams, reach one endpoint: its affinity is the source.
#[test]
fn iperf3_runs_through_nat() {
    let Some(mut network) = Network::new(2, Answers::OverGate) else {
        return;
    };
    if network.run(CLIENT, "iperf3", "--version").is_none() {
        println!("skipped: iperf3 is not installed");
        return;
    }
    let text = services(&["tcp", "udp"], &hosts(&BOTH), "affinity: source,");
    network.start(&text.replace(":80", ":5201"));
    for vip in VIPS {
        for (protocol, arguments) in [("tcp", "-n 20M"), ("udp", "-u -b 50M -n 2M -l 1200")] {
            let servers = BOTH.map(|host| Iperf::serve(&network, host));
            let arguments = format!("-c {vip} -J --connect-timeout 3000 {arguments}");
            let told = network.run(CLIENT, "iperf3", &arguments);
            let told = told.unwrap_or_else(|| panic!("iperf3 {arguments} succeeds"));
            drop(servers);
            let told: Value = serde_json::from_str(&told).unwrap();
            if protocol == "tcp" {
                // What is under way when the client has sent all of it is not waited for.
                let received = &told["end"]["sum_received"]["bytes"];
                assert!(received.as_u64().unwrap() > 5 << 20, "{received}");
            } else {
                let lost = &told["end"]["sum"]["lost_percent"];
                assert!(lost.as_f64().unwrap() < 5.0, "{lost} % lost");
            }
        }
    }
    // iperf3 connects twice.
    let (_, status) = network.status();
    let service = &status["services"][0];
    assert!(service["address"].as_str().unwrap().starts_with(VIP_V4));
    let used: Vec<_> = service["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["packets"].as_u64().unwrap() > 0)
        .collect();
    assert_eq!(used.len(), 1, "one client, one endpoint: {service}");
    assert!(used[0]["connections"].as_u64().unwrap() >= 3);
}

/// A server of iperf3, which ends with this.
struct Iperf(Child);

impl Iperf {
    fn serve(network: &Network, host: u8) -> Self {
        let child = network.lan.at(host, || {
            Command::new("iperf3")
                .args(["-s", "-1"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        });
        let listens = || {
            let sockets = network.run(host, "ss", "-Htln")?;
            sockets.contains(":5201").then_some(())
        };
        bascule_tests::within(crate::ends::PATIENCE, listens).expect("iperf3 listens");
        Self(child)
    }
}

impl Drop for Iperf {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
