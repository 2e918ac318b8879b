//! The program under test.

use crate::access_log::AccessLog;
use crate::client::{Client, request};
use crate::metrics::Metrics;
use crate::program::{self, Finished};
use crate::setup::{Setup, complete};
use crate::wait::within;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// How long a start may take: a debug build compiles the shipped rules in it.
const START: Duration = Duration::from_secs(120);

/// A running program. When it is dropped it is killed; what it logged is shown when the test has failed, and a panic in
/// it fails the test.
pub struct Bascule {
    child: Child,
    /// The processes that took its place, one after another.
    successors: Vec<Pid>,
    setup: Setup,
}

impl Bascule {
    #[track_caller]
    pub(crate) fn wait_until_ready(child: Child, setup: Setup) -> Self {
        let mut bascule = Self {
            child,
            successors: Vec::new(),
            setup,
        };
        let ready = within(START, || {
            if let Some(status) = bascule.child.try_wait().unwrap() {
                panic!("the program ended at its start: {status}");
            }
            // It answers from the beginning, and says 503 until the configuration is built.
            let mut client = Client::try_connect(bascule.address("admin")).ok()?;
            client
                .wire()
                .send(&request("GET", "/readyz", &[], b""))
                .ok()?;
            let answer = client.try_answer("GET").ok()?;
            (answer.status == 200).then_some(())
        });
        assert!(
            ready.is_some(),
            "the program was not ready within {START:?}"
        );
        bascule
    }

    /// What `$name` in the configuration stands for.
    #[track_caller]
    #[must_use]
    pub fn address(&self, name: &str) -> SocketAddr {
        let found = self.setup.places.address(name);
        found.unwrap_or_else(|| panic!("`${name}` is not in the configuration"))
    }

    /// A new connection to the listener `$web`.
    #[track_caller]
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address("web"))
    }

    /// A new connection to the admin address.
    #[track_caller]
    #[must_use]
    pub fn admin(&self) -> Client {
        Client::connect(self.address("admin"))
    }

    /// The folder of the configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.setup.folder()
    }

    /// A file in the folder of the configuration.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The metrics at this moment.
    #[track_caller]
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let answer = self.admin().get("/metrics");
        assert_eq!(answer.status, 200);
        Metrics::parse(&answer.text())
    }

    /// Waits until a metric has a value; workers hand over their counts a few times a second.
    #[track_caller]
    pub fn wait_for_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut last = 0.0;
        let found = within(Duration::from_secs(10), || {
            last = self.metrics().sum(name, labels);
            (last == value).then_some(())
        });
        assert!(
            found.is_some(),
            "{name}{labels:?} is {last}, expected {value}"
        );
    }

    /// The access log `access.json`.
    #[must_use]
    pub fn access_log(&self) -> AccessLog {
        AccessLog::new(self.path("access.json"))
    }

    /// The number of the generation in force.
    #[track_caller]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.metrics().sum("bascule_generation", &[]) as u64
    }

    /// Replaces the configuration file as a whole.
    pub fn rewrite(&mut self, yaml: &str) {
        let text = self.setup.places.fill(&complete(yaml));
        let beside = self.path("bascule.yaml.new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, self.path("bascule.yaml")).unwrap();
    }

    /// The process that serves: the one that was started, or the last one that took its place.
    #[must_use]
    pub fn pid(&self) -> Pid {
        let first = || Pid::from_child(&self.child);
        self.successors.last().copied().unwrap_or_else(first)
    }

    /// Calls `bascule upgrade` with further arguments.
    pub fn upgrade(&mut self, arguments: &[&str]) -> Finished {
        let verb = ["upgrade", "--json", "--socket", "admin.sock"];
        let told = self.command(&[&verb, arguments].concat());
        let upgraded: Option<serde_json::Value> = serde_json::from_str(&told.stdout).ok();
        let pid = upgraded.and_then(|upgraded| i32::try_from(upgraded["pid"].as_i64()?).ok());
        self.successors.extend(pid.and_then(Pid::from_raw));
        told
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the program takes signals");
    }

    /// Replaces the configuration, tells the program by SIGHUP, and waits until the new one is in force.
    #[track_caller]
    pub fn reload(&mut self, yaml: &str) {
        let before = self.generation();
        self.rewrite(yaml);
        self.signal(Signal::HUP);
        let after = within(Duration::from_secs(30), || {
            (self.generation() > before).then_some(())
        });
        assert!(after.is_some(), "no new generation within thirty seconds");
    }

    /// Calls a verb of the command on this instance.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Finished {
        program::run(self.folder(), arguments)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("stderr.log")).unwrap_or_default()
    }

    /// The most memory that it had, in bytes (`VmHWM`).
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.memory_line("VmHWM:")
    }

    /// The memory that it has, in bytes (`VmRSS`).
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory_line("VmRSS:")
    }

    fn memory_line(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
        kib * 1024
    }

    /// How many files and sockets it has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        files.count()
    }

    /// Whether the process that was started still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the process that was started has ended by itself.
    #[track_caller]
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let ended = within(patience, || self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("the program still runs after {patience:?}"))
    }
}

impl Drop for Bascule {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in &self.successors {
            // Only a process that works in our folder: the number may be somebody else's by now.
            let works_in = fs::read_link(format!("/proc/{pid}/cwd"));
            if works_in.is_ok_and(|folder| Some(folder) == self.folder().canonicalize().ok()) {
                let _ = kill_process(*pid, Signal::KILL);
            }
        }
        let log = self.log();
        if std::thread::panicking() {
            let config = fs::read_to_string(self.path("bascule.yaml")).unwrap_or_default();
            let tail = log.char_indices().rev().nth(20_000).map_or(0, |(at, _)| at);
            println!(
                "--- bascule.yaml\n{config}\n--- what the program logged\n{}",
                &log[tail..]
            );
        } else {
            assert!(!log.contains("panicked at"), "the program panicked:\n{log}");
        }
    }
}
