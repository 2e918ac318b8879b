//! How long it is from a verdict to the first packet that is dropped: `cargo run --release -p bascule-proxy --example
//! ban_latency`, as root. `cargo xtask bench kernel` runs it with `--into FILE`: that puts the figures into the object in a file, as
//! `"ban_latency_us": {"rounds":…,"idle":{"p50":…,"p99":…,"max":…},"busy":{…}}`.
//!
//! Real packets on a cable between two namespaces, with the gate at one end. A thread does what a worker does: it reports a
//! refusal and goes on, here with a datagram of the same client every few microseconds. The first of them that does not
//! arrive tells the time; what it takes the keeper of scores to wake up, to judge and to write the kernel's map is all in it.
//! Once with idle cores, and once with as many threads that never rest as there are cores.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it is a tool for people"
)]

#[path = "../../kernel/tests/support/namespace.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod namespace;

use kernel::{BanLimits, Bans, Gate, GatePolicy, GateSpec, Mode};
use namespace::{CLIENTS, Cable, INTERFACE, SERVER_V4};
use penalty::{Cause, Guard, Policy};
use prometheus::Registry;
use proxy::{AutoBan, Metrics, Offences};
use serde_json::{Value, json};
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use types::Reason;

const ROUNDS: usize = 500;
/// How many datagrams may be sent until the ban must be there.
const DATAGRAMS: usize = 200_000;
/// So many in a row that do not arrive are a ban.
const LOST: usize = 20;
/// How long what is under way may take to arrive.
const ARRIVAL: Duration = Duration::from_millis(2);

/// What `namespace` asks of who includes it.
fn unique(prefix: &str) -> String {
    format!("{prefix}{}", std::process::id())
}

/// The maps' folder; removed at the end, with the program.
struct PinDir(PathBuf);

impl Drop for PinDir {
    fn drop(&mut self) {
        if let Err(error) = kernel::remove_pins(&self.0) {
            eprintln!("{error}");
        }
    }
}

fn main() {
    let into = file();
    let report = kernel::HostReport::probe(&[], Path::new(kernel::DEFAULT_PIN_DIR));
    if let Some(obstacle) = report.obstacles().first() {
        println!("skipped: {obstacle}");
        return;
    }
    let Some(cable) = Cable::new() else {
        return;
    };
    let pins = PinDir(Path::new("/sys/fs/bpf").join(unique("bascule-bench-")));
    let bans = Bans::new(BanLimits::default());
    let _gate = attach(&cable, &pins, &bans);
    let metrics = Metrics::register(&Registry::new()).expect("metrics");
    let offences = Offences::new(&metrics, bans.clone());
    offences.follow(Some(at_once())).expect("a keeper");

    let bench = Bench {
        path: Way::new(&cable),
        bans,
        offences,
    };
    // The client is another host: that nothing is sent while this thread waits for its turn is not the ban's delay.
    if let Err(error) = net::hurry() {
        eprintln!("datagrams may be late when cores are busy: {error}");
    }
    let idle = bench.rounds();
    let busy = while_busy(|| bench.rounds());
    println!("from a verdict to the first dropped packet, {ROUNDS} bans each, microseconds");
    for (name, times) in [("idle cores", &idle), ("busy cores", &busy)] {
        let (p50, p99, max) = (times.at(50), times.at(99), times.at(100));
        println!("  {name}  p50 {p50:>7.1}  p99 {p99:>7.1}  max {max:>7.1}");
    }
    if let Some(file) = into {
        let figures = json!({ "rounds": ROUNDS, "idle": idle.json(), "busy": busy.json() });
        enter(&file, figures);
    }
}

/// The file of `--into FILE`.
fn file() -> Option<PathBuf> {
    let mut arguments = std::env::args().skip(1);
    let expected = "expected nothing, or --into FILE";
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => None,
        (Some("--into"), Some(file)) => Some(file.into()),
        _ => panic!("{expected}"),
    }
}

/// Puts the figures into an object in a file, or makes one.
fn enter(file: &Path, figures: Value) {
    let mut all = match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).expect("a JSON object"),
        Err(_) => json!({}),
    };
    all["ban_latency_us"] = figures;
    std::fs::write(file, format!("{all:#}\n")).expect("written");
}

fn attach(cable: &Cable, pins: &PinDir, bans: &Bans) -> Gate {
    let spec = GateSpec {
        interfaces: vec![INTERFACE.to_owned()],
        mode: Mode::Auto,
        pin_dir: pins.0.clone(),
        policy: GatePolicy::default(),
    };
    cable.at_gate(|| Gate::attach(&spec, bans).expect("attached"))
}

/// One offence is a ban.
fn at_once() -> AutoBan {
    AutoBan {
        policy: Policy {
            weights: [100; Cause::COUNT],
            half_life: Duration::from_secs(300),
            threshold: 100,
            threshold_v4_prefix: None,
            threshold_v6_prefix: None,
            ttl: Duration::from_secs(600),
            escalation_percent: 100,
            max_ttl: Duration::from_secs(600),
            remember: Duration::ZERO,
            max_per_minute: u32::MAX,
            dry_run: false,
            clients: 65_536,
        },
        guard: Guard::default(),
        close_forwarded: false,
    }
}

/// A client's socket and the one behind the gate.
struct Way {
    client: IpAddr,
    sender: UdpSocket,
    receiver: UdpSocket,
}

impl Way {
    fn new(cable: &Cable) -> Self {
        let receiver = cable.at_gate(|| UdpSocket::bind((SERVER_V4, 0)).expect("a socket"));
        let sender = cable.at_clients(|| UdpSocket::bind((CLIENTS[0], 0)).expect("a socket"));
        let to = receiver.local_addr().expect("an address");
        sender.connect(to).expect("connected");
        receiver.set_nonblocking(true).expect("set");
        Self {
            client: CLIENTS[0].parse().expect("an address"),
            sender,
            receiver,
        }
    }

    fn send(&self, number: usize) {
        // What the socket has no room for is lost, and seen as such.
        let _ = self.sender.send(&number.to_ne_bytes());
    }

    /// The number of the next datagram that has arrived.
    fn arrived(&self) -> Option<usize> {
        let mut bytes = [0; size_of::<usize>()];
        let received = self.receiver.recv(&mut bytes).ok()?;
        (received == bytes.len()).then(|| usize::from_ne_bytes(bytes))
    }

    fn until_it_is_open(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            self.send(0);
            std::thread::sleep(Duration::from_micros(100));
            if self.arrived().is_some() {
                while self.arrived().is_some() {}
                return;
            }
        }
        panic!("datagrams do not arrive");
    }
}

struct Bench {
    path: Way,
    bans: Bans,
    offences: Offences,
}

impl Bench {
    fn rounds(&self) -> Times {
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| self.round()).collect();
        times.sort_unstable();
        Times(times)
    }

    fn round(&self) -> Duration {
        let path = &self.path;
        let target = path.client.into();
        self.bans.del(target).expect("lifted");
        self.offences.forget(&target);
        path.until_it_is_open();

        let mut sent = Vec::with_capacity(DATAGRAMS);
        let mut last = None;
        let verdict = Instant::now();
        self.offences
            .report(path.client, false, Reason::WafBlocked, 942_100);
        for number in 0..DATAGRAMS {
            sent.push(Instant::now());
            path.send(number);
            while let Some(number) = path.arrived() {
                last = Some(number);
            }
            if number > last.map_or(0, |last| last + 1) + LOST && self.bans.contains(path.client) {
                break;
            }
        }
        std::thread::sleep(ARRIVAL);
        while let Some(number) = path.arrived() {
            last = Some(number);
        }
        let first_lost = last.map_or(0, |last| last + 1);
        let dropped = sent.get(first_lost).expect("a ban follows");
        dropped.duration_since(verdict)
    }
}

/// In ascending order.
struct Times(Vec<Duration>);

impl Times {
    fn json(&self) -> Value {
        json!({ "p50": self.at(50), "p99": self.at(99), "max": self.at(100) })
    }

    /// In microseconds.
    fn at(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len() - 1);
        self.0
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

/// Does something while every core has a thread that never rests.
///
/// They do not inherit the hurry of this one.
fn while_busy<T>(work: impl FnOnce() -> T) -> T {
    let is_over = Arc::new(AtomicBool::new(false));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let spin = || {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || while !is_over.load(Ordering::Relaxed) {})
    };
    let threads: Vec<_> = (0..cores).map(|_| spin()).collect();
    let done = work();
    is_over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("it ends");
    }
    done
}
