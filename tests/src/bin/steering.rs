//! `steering [--rounds N] [--workers N] [--connections N] [--out FILE]`: how connections spread over workers and how long new ones
//! wait for their answer under uneven load, by the least load and by the kernel's hash, in turns. Started by
//! `cargo xtask bench steering`.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it tells whoever typed it"
)]

use bascule_tests::{Bascule, Client, Origin, Reply, Setup, within};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The body of a request that keeps a worker busy: the WAF looks at all of it at once.
const HEAVY_BYTES: usize = 64 * 1024;
/// Threads that connect anew for each request.
const CONNECTING: usize = 2;

struct Options {
    rounds: usize,
    workers: usize,
    connections: usize,
    out: Option<String>,
}

/// What one contestant came to in one round.
struct Sample {
    /// The most connections of a worker, by those of a fair share.
    unevenness: f64,
    p50: Duration,
    p99: Duration,
}

fn main() -> ExitCode {
    match options() {
        Ok(options) => measure(&options),
        Err(error) => {
            eprintln!("steering: {error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        workers: std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)),
        connections: 400,
        out: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("{name} expects a value behind it"))?;
        let number = || {
            let number = value.parse().ok().filter(|&number| number > 0);
            number.ok_or(format!("{name} expects a number above 0, found `{value}`"))
        };
        match name.as_str() {
            "--rounds" => options.rounds = number()?,
            "--workers" => options.workers = number()?,
            "--connections" => options.connections = number()?,
            "--out" => options.out = Some(value),
            _ => {
                return Err(format!(
                    "expected --rounds, --workers, --connections or --out, found `{name}`"
                ));
            }
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> ExitCode {
    let origin = Origin::serve(|_| Reply::ok("small"));
    let contestants: Vec<(&str, Bascule)> = ["auto", "hash"]
        .map(|steering| (steering, start(options, &origin, steering)))
        .into();
    let steering = status(&contestants[0].1)["steering"].clone();
    println!("auto is: {steering}");
    let mut samples: Vec<Vec<Sample>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for turn in 0..contestants.len() {
            let index = (turn + round) % contestants.len();
            let (name, bascule) = &contestants[index];
            let sample = Sample::take(options, bascule);
            println!(
                "round {}  {name}  most connections {:.2} of a fair share  new connections p50 {:?} p99 {:?}",
                round + 1,
                sample.unevenness,
                sample.p50,
                sample.p99
            );
            samples[index].push(sample);
        }
    }
    println!("\nmedians          most connections  p50         p99");
    let mut figures = serde_json::Map::new();
    for ((name, _), samples) in contestants.iter().zip(&samples) {
        let unevenness = median(samples.iter().map(|one| (one.unevenness * 1000.0) as u128));
        let p50 = median(samples.iter().map(|one| one.p50.as_micros()));
        let p99 = median(samples.iter().map(|one| one.p99.as_micros()));
        println!(
            "{name:<16} {:>16.2}  {p50:>7} µs  {p99:>7} µs",
            unevenness as f64 / 1000.0
        );
        let figure = json!({ "most_connections_permille": unevenness as u64, "p50_us": p50 as u64, "p99_us": p99 as u64 });
        figures.insert((*name).to_owned(), figure);
    }
    if let Some(out) = &options.out {
        let all = json!({
            "steering": steering, "workers": options.workers, "rounds": options.rounds,
            "connections": options.connections, "medians": figures,
        });
        std::fs::write(out, all.to_string()).unwrap();
    }
    ExitCode::SUCCESS
}

fn start(options: &Options, origin: &Origin, steering: &str) -> Bascule {
    Setup::new()
        .workers(options.workers)
        .with("app", origin.address())
        .start(&format!(
            "
            steering: {steering}
            log: {{ level: warn }}
            waf: {{ own: {{ rules: shipped }} }}
            routes:
              - {{ name: app, path: /, upstream: app }}
              - {{ name: heavy, path: /heavy, upstream: app, waf: own }}
            upstreams: {{ app: {{ endpoints: [$app] }} }}
            "
        ))
}

fn status(bascule: &Bascule) -> Value {
    let told = bascule.command(&["status", "--json", "--socket", "admin.sock"]);
    serde_json::from_str(&told.stdout).unwrap()
}

fn connections(bascule: &Bascule) -> Vec<u64> {
    let status = status(bascule);
    let loads = status["loads"].as_array().unwrap().clone();
    let each = loads.iter().map(|load| load["connections"].as_u64());
    each.map(Option::unwrap_or_default).collect()
}

impl Sample {
    fn take(options: &Options, bascule: &Bascule) -> Self {
        let unevenness = unevenness(options, bascule);
        let address = bascule.address("web");
        let is_over = AtomicBool::new(false);
        let mut took = std::thread::scope(|scope| {
            for client in 0..options.workers / 2 {
                let is_over = &is_over;
                scope.spawn(move || heavy(address, client, is_over));
            }
            // Until the load shows.
            std::thread::sleep(Duration::from_secs(1));
            let took = ask_anew(options, address);
            is_over.store(true, Ordering::SeqCst);
            took
        });
        took.sort_unstable();
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        Self {
            unevenness,
            p50: at(50),
            p99: at(99),
        }
    }
}

/// Asks for much work on one connection without a pause. Each body is new, so that nothing is remembered of it.
fn heavy(address: SocketAddr, number: usize, is_over: &AtomicBool) {
    let mut client = Client::connect(address);
    let mut count = 0;
    while !is_over.load(Ordering::SeqCst) {
        count += 1;
        let mut body = String::from("[\"begin");
        while body.len() < HEAVY_BYTES {
            // A long value here and there: rules have a say about too many.
            let comma = if body.len() % 4096 < 40 { "\",\"" } else { " " };
            body.push_str(&format!(
                "{comma}word {} of text {count} of client {number}",
                body.len()
            ));
        }
        body.push_str("\"]");
        let kind = [("Content-Type", "application/json")];
        let answer = client.ask("POST", "/heavy", &kind, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        if answer.says_close() {
            client = Client::connect(address);
        }
    }
}

/// Connects anew for each request, and tells how long each took from the connection to the answer.
fn ask_anew(options: &Options, address: SocketAddr) -> Vec<Duration> {
    let asking: Vec<_> = (0..CONNECTING)
        .map(|_| {
            let count = options.connections / CONNECTING;
            std::thread::spawn(move || {
                let ask = |_| {
                    let began = Instant::now();
                    assert_eq!(Client::connect(address).get("/").status, 200);
                    let took = began.elapsed();
                    std::thread::sleep(Duration::from_millis(2));
                    took
                };
                (0..count).map(ask).collect::<Vec<_>>()
            })
        })
        .collect();
    let took = asking.into_iter().map(|thread| thread.join().unwrap());
    took.flatten().collect()
}

/// Opens connections one after another and looks how many each worker has.
fn unevenness(options: &Options, bascule: &Bascule) -> f64 {
    const EACH: usize = 25;
    let count = EACH * options.workers;
    let open: Vec<Client> = (0..count)
        .map(|_| {
            let mut client = bascule.client();
            assert_eq!(client.get("/").status, 200);
            client
        })
        .collect();
    let most = connections(bascule).into_iter().max().unwrap_or_default();
    drop(open);
    within(Duration::from_secs(10), || {
        (connections(bascule).iter().sum::<u64>() == 0).then_some(())
    });
    most as f64 / EACH as f64
}

fn median(values: impl Iterator<Item = u128>) -> u128 {
    let mut values: Vec<u128> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
