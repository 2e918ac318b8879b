//! The bodies of the admin API, as both the server and the `bascule` command see them.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The longest ban that can be asked for, in seconds: a hundred years. A longer one is refused; a ban without end has
/// no time at all.
pub const MAX_TTL_SECONDS: u64 = 100 * 365 * 24 * 3600;

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    /// The workers do not serve yet.
    Starting,
    /// Everything runs.
    Serving,
    /// No new connections; what is under way is finished.
    Draining,
}

impl ProcessState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

/// What `bascule status` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The process id.
    pub pid: u32,
    /// How far it is.
    pub state: ProcessState,
    /// Whether it takes traffic: it serves and every worker runs.
    pub ready: bool,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// The number of the configuration in force; 1 is the first one of the process.
    pub generation: u64,
    /// The configuration file.
    pub config: String,
    /// How many workers there are.
    pub workers: usize,
    /// The I/O driver.
    pub io: String,
    /// The kernel path, and why.
    pub kernel_path: String,
    /// How connections find their worker, and why.
    pub steering: String,
    /// How bytes move that are not HTTP, and why not otherwise.
    pub splice: String,
    /// What each worker has to do, in their order.
    pub loads: Vec<WorkerStatus>,
    /// Bans in force.
    pub bans: usize,
    /// Where clients connect.
    pub listeners: Vec<ListenerStatus>,
    /// How many routes there are.
    pub routes: usize,
    /// The WAF policies.
    pub waf: Vec<PolicyStatus>,
    /// Where requests go.
    pub upstreams: Vec<UpstreamStatus>,
    /// L4 services.
    #[serde(default)]
    pub services: Vec<L4ServiceStatus>,
    /// What the XDP gate counted, by reason; empty without it.
    pub packets: Vec<PacketCount>,
}

/// What `bascule upgrade` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeRequest {
    /// The program to start; left out: the file that the running process was started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// How long it may take until it is able to serve; left out: two minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

/// An upgrade that took place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// The process that serves now.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The process that served before; it ends when what is under way has ended.
    pub previous_pid: u32,
    /// How long it may take for that.
    pub drain_seconds: u64,
}

/// What a worker has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Connections of clients that are open.
    pub connections: u32,
    /// How busy its thread was lately, in thousandths.
    pub busy: u32,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its name in logs and metrics.
    pub name: String,
    /// Its address and port.
    pub address: String,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// What became of attacks that a policy was tried with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTestStatus {
    /// How many were tried.
    pub attacks: usize,
    /// How many a rule matched.
    pub recognised: usize,
    /// How many were refused.
    pub blocked: usize,
    /// Those that no rule matched.
    pub missed: Vec<String>,
}

/// A WAF policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its name.
    pub name: String,
    /// Rules in it.
    pub rules: usize,
    /// Of these, rules that detect something.
    pub detection_rules: usize,
    /// Whether everything is compiled that makes them fast. Until then they serve on a slower path, with the same verdicts.
    #[serde(default)]
    pub complete: bool,
    /// Detection rules by category, each with the number of each paranoia level, 1 first.
    #[serde(default)]
    pub coverage: BTreeMap<String, Vec<usize>>,
    /// What became of the attacks that the policy was tried with; nothing until it was.
    #[serde(default)]
    pub self_test: Option<SelfTestStatus>,
}

/// An upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// How an endpoint is chosen.
    pub balance: String,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint. Counters start with the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// Where it listens.
    pub address: String,
    /// Its share of the requests, relative to the others.
    pub weight: u32,
    /// Whether active probes call it healthy; true where there are none.
    pub healthy: bool,
    /// Whether it takes no new requests.
    pub draining: bool,
    /// How long its ejection lasts yet, in milliseconds; 0 where one request may try it again; null where it is not
    /// ejected.
    pub ejected_for_ms: Option<u64>,
    /// Requests that were sent and are not finished.
    pub in_flight: u32,
    /// The moving average of its latency in microseconds; 0 before the first answer.
    pub latency_us: u64,
    /// Attempts that were sent to it, retries included.
    pub requests: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// How often it was ejected.
    pub ejections: u64,
}

impl EndpointStatus {
    /// Whether it gets requests.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.healthy && !self.draining && self.ejected_for_ms.is_none()
    }
}

/// An L4 service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L4ServiceStatus {
    /// Its name.
    pub name: String,
    /// Address, port and protocol.
    pub address: String,
    /// How packets reach endpoints: `nat`, `l2_dsr` or `ipip`.
    pub mode: String,
    /// Who balances it: `xdp`, or the `proxy` where there is no gate, which counts connections alone.
    #[serde(default)]
    pub by: String,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<L4EndpointStatus>,
}

/// An endpoint of an L4 service. Counters start when it first stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L4EndpointStatus {
    /// Where it is.
    pub address: String,
    /// Its share of the new connections, relative to the others.
    pub weight: u32,
    /// `up`, `draining` or `down`.
    pub state: String,
    /// Packets to it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets from it to clients; none where it answers them directly.
    pub reply_packets: u64,
    /// Their bytes.
    pub reply_bytes: u64,
    /// Connections, or addresses and ports of UDP clients, that were given to it.
    pub connections: u64,
    /// Of these, those that another endpoint had before.
    pub moved: u64,
}

/// A counter of the XDP gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketCount {
    /// Why the packets passed or were dropped.
    pub reason: String,
    /// Whether they were dropped.
    pub dropped: bool,
    /// How many.
    pub packets: u64,
    /// Their bytes from the Ethernet header on.
    pub bytes: u64,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The number of the configuration that is in force now.
    pub generation: u64,
    /// What changed: objects with `action`, `path`, `before` and `after`.
    pub changes: Vec<Json>,
    /// The same for people, a line each.
    pub changes_text: Vec<String>,
    /// What looks like a mistake: objects with `severity`, `file`, `line`, `column`, `found`, `expected` and `remedy`.
    pub warnings: Json,
    /// The same for people; empty where there is nothing.
    pub warnings_text: String,
}

/// Asks for a ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// The address or prefix.
    pub target: String,
    /// How long it holds, 1 to [`MAX_TTL_SECONDS`]; without end where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// Why; 36 bytes of it are kept.
    #[serde(default)]
    pub reason: String,
}

/// What asking for a ban did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanResult {
    /// A new ban.
    New,
    /// The target was banned already; time and reason are the new ones.
    Updated,
    /// A ban list bans the target without end. The ban is kept, for when the list does so no longer.
    InFile,
}

/// The answer to a [`BanRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanAdded {
    /// The target as it is kept.
    pub target: String,
    /// What happened.
    pub result: BanResult,
    /// Whether the kernel drops its packets; otherwise its connections are closed at accept.
    pub in_kernel: bool,
}

/// The answer to lifting a ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanLifted {
    /// The target as it was kept.
    pub target: String,
}

/// The answer to lifting all bans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanFlushed {
    /// How many were lifted.
    pub lifted: usize,
    /// How many stay, because a file names them.
    pub kept: usize,
}

/// Every ban in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanList {
    /// The bans, ordered by target.
    pub bans: Vec<BanEntry>,
    /// Whether the kernel drops their packets; otherwise their connections are closed at accept.
    pub in_kernel: bool,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanEntry {
    /// The address or prefix.
    pub target: String,
    /// Why.
    pub reason: String,
    /// How long it will hold, rounded up; null where it has no end.
    pub remaining_seconds: Option<u64>,
    /// How long ago it was made.
    pub age_seconds: u64,
    /// A ban list has it.
    pub from_file: bool,
    /// Which list: a file, a URL, or the name that it was loaded under. Null for other bans.
    #[serde(default)]
    pub source: Option<String>,
    /// Packets that it dropped in XDP; beyond 65,536 an estimate, good to about one in a hundred.
    #[serde(default)]
    pub packets: u64,
    /// The score of the target was too high.
    #[serde(default)]
    pub by_score: bool,
    /// Which ban by score it is: 1 is the first; 0 where it is none.
    #[serde(default)]
    pub repetition: u8,
    /// A trusted proxy names the client, so the proxy of this host alone carries the ban out.
    #[serde(default)]
    pub forwarded: bool,
}

/// What is known of an address or prefix from what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The address or prefix.
    pub target: String,
    /// Its score now.
    pub score: f64,
    /// The score at which it is banned; null: never.
    pub threshold: Option<u32>,
    /// Bans that are remembered, the one that holds included.
    pub bans: u16,
    /// How long its ban holds, in a dry run the one that it would have; null where there is none.
    pub banned_for_seconds: Option<u64>,
    /// The last things that it did, the newest first.
    pub offences: Vec<OffenceEntry>,
}

/// One thing that a client did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffenceEntry {
    /// What: a key of `auto_ban.weights`.
    pub cause: String,
    /// The WAF rule that found it; null where none did.
    pub rule: Option<u64>,
    /// How long ago it was.
    pub age_seconds: u64,
}

/// Scores: those with the highest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreList {
    /// `off`, `dry_run` or `on`.
    pub mode: String,
    /// Addresses with a score.
    pub addresses: usize,
    /// Prefixes with one.
    pub prefixes: usize,
    /// The highest ones.
    pub scores: Vec<Score>,
}

/// Where bans come from that lists make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanLists {
    /// The lists, in the order in which their reasons count.
    pub lists: Vec<BanListStatus>,
    /// Bans of all of them together.
    pub bans: usize,
}

/// A ban list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanListStatus {
    /// The file, the URL, or the name that it was loaded under.
    pub name: String,
    /// `file`, `url` or `loaded`.
    pub kind: String,
    /// How many bans it has.
    pub bans: usize,
    /// Seconds since it was read, fetched, found unchanged, or loaded; null before the first time.
    pub age_seconds: Option<u64>,
    /// Why it is not newer; null where nothing is wrong.
    pub error: Option<String>,
}

/// The answer to loading or unloading a ban list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanListLoaded {
    /// The name of the list.
    pub name: String,
    /// How many bans it has.
    pub bans: usize,
    /// Bans that are new, of all lists together.
    pub added: usize,
    /// Bans that no list has any more.
    pub removed: usize,
}

/// What concerns one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BanShown {
    /// The address.
    pub address: String,
    /// It is refused: a ban concerns it, and the allow list does not.
    pub banned: bool,
    /// The allow list has it, so bans do not concern it.
    pub allowed: bool,
    /// Bans of the address and of prefixes around it, the narrowest first.
    pub bans: Vec<BanEntry>,
    /// Bans drop packets in XDP; else connections are closed at accept.
    pub in_kernel: bool,
    /// What is known of the address and of the prefix around it from what they did.
    #[serde(default)]
    pub scores: Vec<Score>,
    /// Packets that were dropped lately: by these bans, and of the address by limits and other rules. The newest first.
    #[serde(default)]
    pub samples: Vec<SampleEntry>,
}

/// A packet that the gate dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleEntry {
    /// How long ago, in milliseconds.
    pub age_ms: u64,
    /// Why it was dropped: the name of its counter.
    pub reason: String,
    /// The ban that dropped it; null where a limit or another rule did.
    pub ban: Option<String>,
    /// Where it came from.
    pub source: String,
    /// The number of the interface that it came in by.
    pub interface: u32,
    /// Bytes of the frame.
    pub bytes: u32,
    /// Its headers in a line.
    pub headers: String,
    /// The same, byte by byte in hexadecimal.
    pub head: String,
}

/// An error (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The class of the error, from the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what to do, in a sentence.
    pub detail: String,
    /// What is wrong with a configuration, as in [`Reload::warnings`]; left out otherwise.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub diagnostics: Json,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diagnostics_text: String,
}
