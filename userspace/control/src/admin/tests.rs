use super::instance::Instance;
use super::server::{Admin, bind_to};
use super::*;
use crate::ban_lists::BanLists;
use crate::build::{self, Memory};
use crate::client::{Client, ClientError};
use crate::floods::GateFigures;
use crate::handover::{Handed, UpgradeError};
use crate::supervisor::Reloaded;
use config::{Config, Diagnostics, Host, Loaded};
use kernel::{BanLimits, Bans, CounterSample, Load, PacketReason};
use prometheus::{IntCounter, Registry};
use proxy::{Generation, Metrics, Offences};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::Semaphore;

mod bans;
mod http;
mod socket;

const CONFIG: &str = "
listeners: [{ name: web, address: 127.0.0.1:8080 }]
routes:    [{ path: /, upstream: app }]
upstreams: { app: { endpoints: [127.0.0.1:9001, 127.0.0.1:9002] } }
";

fn loaded() -> Loaded {
    Config::parse("bascule.yaml", CONFIG, &Host).unwrap()
}

/// An instance that does nothing but remember what it was asked for.
struct Pretended {
    state: Mutex<ProcessState>,
    workers_alive: AtomicBool,
    generation: Arc<Generation>,
    registry: Registry,
    bans: Bans,
    offences: Offences,
    ban_lists: BanLists,
    packets: Mutex<Vec<CounterSample>>,
    /// What the next reload finds.
    config: Mutex<&'static str>,
    /// One permit a reload that may end.
    reloads_may_end: Semaphore,
    reloads: AtomicU32,
    reopened: AtomicU32,
}

impl Pretended {
    fn new() -> Self {
        let built = build::build(&loaded(), &Memory::default(), true).unwrap();
        let registry = Registry::new();
        let counter = IntCounter::new("bascule_counted_total", "Counted.").unwrap();
        counter.inc_by(7);
        registry.register(Box::new(counter)).unwrap();
        let limits = BanLimits {
            addresses: 3,
            prefixes: 3,
        };
        let bans = Bans::new(limits);
        let metrics = Metrics::register(&Registry::new()).unwrap();
        Self {
            offences: Offences::new(&metrics, bans.clone()),
            state: Mutex::new(ProcessState::Serving),
            workers_alive: AtomicBool::new(true),
            generation: built.generation,
            registry,
            ban_lists: BanLists::new(bans.clone(), None),
            bans,
            packets: Mutex::default(),
            config: Mutex::new(CONFIG),
            reloads_may_end: Semaphore::new(100),
            reloads: AtomicU32::new(0),
            reopened: AtomicU32::new(0),
        }
    }

    fn is(&self, state: ProcessState) {
        *self.state.lock().unwrap() = state;
    }
}

impl Instance for Pretended {
    fn state(&self) -> ProcessState {
        *self.state.lock().unwrap()
    }

    fn workers_alive(&self) -> bool {
        self.workers_alive.load(Ordering::Relaxed)
    }

    fn workers(&self) -> usize {
        2
    }

    fn io_name(&self) -> &'static str {
        "epoll"
    }

    fn kernel_path(&self) -> String {
        "user space: a \"test\"".to_owned()
    }

    fn steering(&self) -> String {
        "kernel's hash: a test".to_owned()
    }

    fn splice(&self) -> String {
        "copy: a test".to_owned()
    }

    fn loads(&self) -> Vec<Load> {
        let busy = |connections, busy| Load {
            connections,
            busy,
            ..Load::default()
        };
        vec![busy(3, 250), busy(4, 0)]
    }

    fn config_path(&self) -> PathBuf {
        PathBuf::from("bascule.yaml")
    }

    fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.generation)
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        Vec::new()
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn bans(&self) -> &Bans {
        &self.bans
    }

    fn ban_lists(&self) -> &BanLists {
        &self.ban_lists
    }

    fn gate_figures(&self) -> Option<GateFigures> {
        let flood = kernel::FloodState { on: true, begun: 3 };
        let samples = kernel::SampleCounts { taken: 9, lost: 2 };
        // There is a gate where there are packets.
        let is_there = !self.packets.lock().unwrap().is_empty();
        is_there.then_some(GateFigures { flood, samples })
    }

    fn samples(&self) -> Option<kernel::Samples> {
        None
    }

    fn services(&self) -> Vec<(kernel::ServiceStatus, bool)> {
        Vec::new()
    }

    fn offences(&self) -> &Offences {
        &self.offences
    }

    fn packets(&self) -> Vec<CounterSample> {
        self.packets.lock().unwrap().clone()
    }

    fn collections(&self) -> Vec<(String, waf::CollectionStats)> {
        let stats = waf::CollectionStats {
            records: 7,
            bytes: 700,
            evicted: 5,
            refused: 6,
        };
        vec![("own".to_owned(), stats)]
    }

    fn audit_records_dropped(&self) -> Vec<(String, u64)> {
        vec![("audit.json".to_owned(), 4)]
    }

    fn access_lines_dropped(&self) -> u64 {
        3
    }

    async fn reload(self: Arc<Self>) -> Result<Reloaded, Diagnostics> {
        let text = *self.config.lock().unwrap();
        self.reloads_may_end.acquire().await.unwrap().forget();
        let after = Config::parse("bascule.yaml", text, &Host)?;
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Ok(Reloaded {
            number: 2,
            changes: config::diff(&loaded().config, &after.config),
            warnings: after.warnings,
        })
    }

    async fn upgrade(self: Arc<Self>, request: UpgradeRequest) -> Result<Upgraded, UpgradeError> {
        let state = self.state();
        if state != ProcessState::Serving {
            let state = state.name();
            return Err(UpgradeError::NotServing { state });
        }
        match request.program {
            Some(program) if program.as_os_str() == "wrong" => Err(UpgradeError::Refused {
                reason: "bascule.yaml:1:1: error".to_owned(),
                is_config: true,
            }),
            _ => Ok(Upgraded {
                pid: 2,
                version: "next".to_owned(),
                previous_pid: 1,
                drain_seconds: request.timeout_seconds.unwrap_or_default(),
            }),
        }
    }

    fn reopen_logs(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
    }

    fn drain(&self) {
        self.is(ProcessState::Draining);
    }
}

/// A pretended instance whose API is served, on a runtime of its own.
struct Given {
    instance: Arc<Pretended>,
    client: Client,
    address: SocketAddr,
    admin: Option<Admin<Pretended>>,
    runtime: tokio::runtime::Runtime,
    folder: TempDir,
}

fn given() -> Given {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/admin.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let instance = Arc::new(Pretended::new());
    let address = Some("127.0.0.1:0".parse().unwrap());
    let bound = runtime
        .block_on(bind_to(&socket, address, &mut Handed::default()))
        .unwrap();
    let address = bound.address().unwrap();
    let inside = runtime.enter();
    let admin = bound.serve();
    admin.speak_for(Arc::clone(&instance));
    drop(inside);
    Given {
        instance,
        client: Client::new(socket),
        address,
        admin: Some(admin),
        runtime,
        folder,
    }
}

impl Given {
    /// The answer to raw bytes over the socket. They should ask for the connection to be closed.
    fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.client.socket()).unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// The answer to a request over TCP.
    fn over_tcp(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// What the instance said when it refused.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Refused(problem)) => *problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_tells_what_runs() {
    let given = given();
    let status = given.client.status().unwrap();
    assert_eq!((status.state, status.ready), (ProcessState::Serving, true));
    assert_eq!(
        (status.generation, status.workers, status.routes),
        (1, 2, 1)
    );
    assert_eq!(status.pid, std::process::id());
    assert_eq!(status.listeners[0].name, "web");
    let upstream = &status.upstreams[0];
    assert_eq!(
        (upstream.name.as_str(), upstream.balance.as_str()),
        ("app", "round_robin")
    );
    assert_eq!(upstream.endpoints[1].address, "127.0.0.1:9002");
    assert!(upstream.endpoints.iter().all(EndpointStatus::is_available));
}

#[test]
fn readiness_follows_state_and_workers() {
    let given = given();
    let ready = || given.over_tcp("GET /readyz");
    assert!(ready().starts_with("HTTP/1.1 200 "));
    given.instance.workers_alive.store(false, Ordering::Relaxed);
    assert!(ready().contains("a worker has ended"), "{}", ready());
    given.instance.workers_alive.store(true, Ordering::Relaxed);
    for (state, word) in [
        (ProcessState::Starting, "starting"),
        (ProcessState::Draining, "draining"),
    ] {
        given.instance.is(state);
        let answer = ready();
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.contains(word),
            "{answer}"
        );
        assert!(given.over_tcp("GET /healthz").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn metrics_join_what_was_counted_and_what_is_looked_up() {
    let given = given();
    let text = given.client.metrics().unwrap();
    for line in [
        "bascule_counted_total 7",
        "bascule_generation 1",
        "bascule_ready 1",
        "bascule_bans 0",
        "bascule_access_lines_dropped_total 3",
        "bascule_audit_records_dropped_total{log=\"audit.json\"} 4",
        "bascule_waf_collection_records{policy=\"own\"} 7",
        "bascule_waf_collection_bytes{policy=\"own\"} 700",
        "bascule_waf_collection_evictions_total{policy=\"own\"} 5",
        "bascule_waf_collection_refused_total{policy=\"own\"} 6",
        r#"bascule_kernel_path_info{path="user space: a \"test\""} 1"#,
        r#"bascule_worker_connections{worker="1"} 4"#,
        r#"bascule_worker_busy_ratio{worker="0"} 0.25"#,
        r#"bascule_endpoint_healthy{endpoint="127.0.0.1:9001",upstream="app"} 1"#,
        r#"bascule_endpoint_in_flight{endpoint="127.0.0.1:9002",upstream="app"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(!text.contains("bascule_xdp"), "there is no gate");
    given.instance.packets.lock().unwrap().push(CounterSample {
        reason: PacketReason::DropExactV4,
        packets: 12,
        bytes: 720,
    });
    let text = given.over_tcp("GET /metrics");
    assert!(
        text.contains(r#"bascule_xdp_packets_total{reason="drop_ban_exact_v4"} 12"#),
        "{text}"
    );
    assert!(
        text.contains(r#"bascule_xdp_bytes_total{reason="drop_ban_exact_v4"} 720"#),
        "{text}"
    );
}

#[test]
fn a_reload_tells_what_changed() {
    let given = given();
    let reload = given.client.reload().unwrap();
    assert_eq!((reload.generation, reload.changes.len()), (2, 0));
    *given.instance.config.lock().unwrap() = "
listeners: [{ name: web, address: 127.0.0.1:8080 }]
routes:    [{ path: /, upstream: app }]
upstreams: { app: { endpoints: [127.0.0.1:9001] } }
";
    let reload = given.client.reload().unwrap();
    assert_eq!(reload.changes_text.len(), 1, "{reload:?}");
    assert!(
        reload.changes_text[0].contains("127.0.0.1:9002"),
        "{reload:?}"
    );
    assert_eq!(reload.changes[0]["action"], "removed");
}

#[test]
fn a_refused_reload_says_where_and_why() {
    let given = given();
    *given.instance.config.lock().unwrap() = "listeners: [{ adress: 127.0.0.1:8080 }]\n";
    let problem = refused(given.client.reload());
    assert_eq!(problem.status, 422);
    assert!(
        problem.diagnostics_text.contains("bascule.yaml:1:"),
        "{problem:?}"
    );
    let lines: Vec<_> = problem
        .diagnostics
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["line"])
        .collect();
    assert!(lines.contains(&&serde_json::json!(1)), "{problem:?}");
    assert_eq!(given.instance.reloads.load(Ordering::Relaxed), 0);
}

#[test]
fn a_reload_does_not_stop_half_way_when_the_client_hangs_up() {
    let given = given();
    given.instance.reloads_may_end.forget_permits(100);
    let mut stream = UnixStream::connect(given.client.socket()).unwrap();
    stream
        .write_all(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    // A second request on the same socket shows that the first one has arrived.
    given.client.status().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    drop(stream);
    given.client.status().unwrap();
    given.instance.reloads_may_end.add_permits(1);
    let done = || given.instance.reloads.load(Ordering::Relaxed) == 1;
    given.runtime.block_on(crate::testing::until(done));
}

#[test]
fn drains_and_opens_logs_again() {
    let given = given();
    given.client.reopen_logs().unwrap();
    assert_eq!(given.instance.reopened.load(Ordering::Relaxed), 1);
    given.client.drain().unwrap();
    assert_eq!(given.client.status().unwrap().state, ProcessState::Draining);
}
