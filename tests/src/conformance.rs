//! Runs the reference suites of malformed and smuggled requests: each case through the program to a strict endpoint.
//!
//! What a case expects:
//!
//! | expectation | it holds when |
//! | --- | --- |
//! | `accept` | the first answer is below 400 |
//! | `reject` | the first answer is 400 or above, or there is none, and the endpoint saw nothing |
//! | `reject_or_close` | at most one request was forwarded, and one answer given |
//! | `no_smuggle` | the endpoint saw `/smuggled` only if the client got an answer for every request that it saw |

use crate::bascule::Bascule;
use crate::client::Client;
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::setup::Setup;
use crate::wait::eventually;
use crate::{Io, wire::Wire};
use base64::Engine as _;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Names the folder of the reference data in the place of the one beside the workspace.
const VARIABLE: &str = "BASCULE_SHARED";
/// Programs that run side by side: cases mostly wait. Each has its own endpoint, so that what it saw belongs to one case.
const LANES: usize = 8;
/// How long an answer is waited for, to everything that the endpoint has seen.
const ANSWER: Duration = Duration::from_millis(2500);
/// How long the line has to be quiet when all answers are there.
const QUIET: Duration = Duration::from_millis(100);

/// One request, or what looks like some.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the suite.
    pub id: String,
    /// What it expects.
    pub expect: String,
    /// The client that it is about, where it is about one.
    pub source: Option<String>,
    /// What is sent.
    pub raw: Vec<u8>,
}

/// What became of a suite.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many cases there are, by expectation.
    pub cases: BTreeMap<String, usize>,
    /// What did not hold: the case's id and expectation, and what was seen.
    pub failed: BTreeMap<(String, String), String>,
}

impl Outcome {
    /// The ids of the cases that failed an expectation.
    #[must_use]
    pub fn failed(&self, expect: &str) -> BTreeSet<&str> {
        self.failed
            .keys()
            .filter(|(_, e)| e == expect)
            .map(|(id, _)| id.as_str())
            .collect()
    }
}

/// The folder of the reference data, which need not be there.
pub(crate) fn shared() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(beside), PathBuf::from)
}

/// A suite, where the reference data are there; otherwise says so in a line.
#[must_use]
pub fn load(name: &str) -> Option<Vec<Case>> {
    let Ok(text) = std::fs::read_to_string(shared().join("http").join(name)) else {
        println!("skipped: reference data not found");
        return None;
    };
    Some(text.lines().map(case).collect())
}

fn case(line: &str) -> Case {
    let case: Json = serde_json::from_str(line).unwrap();
    let field = |name: &str| case[name].as_str().unwrap().to_owned();
    let mut raw = base64::engine::general_purpose::STANDARD
        .decode(field("raw_b64"))
        .unwrap();
    let expect = field("expect");
    // One suite tests a parser that does not ask for Host; RFC 9112 does.
    if expect == "accept"
        && case["meta"]["host"] == false
        && let Some(at) = raw.windows(2).position(|window| window == b"\r\n")
    {
        raw.splice(at..at + 2, *b"\r\nHost: waf.test\r\n");
    }
    Case {
        id: field("id"),
        expect,
        source: case["meta"]["src"].as_str().map(str::to_owned),
        raw,
    }
}

/// Runs a suite.
#[must_use]
pub fn run(io: Io, cases: &[Case]) -> Outcome {
    let next = AtomicUsize::new(0);
    let mut outcome = Outcome::default();
    for case in cases {
        *outcome.cases.entry(case.expect.clone()).or_default() += 1;
    }
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|_| scope.spawn(|| lane(io, cases, &next)))
            .collect();
        for lane in lanes {
            outcome
                .failed
                .extend(lane.join().expect("a lane does not panic"));
        }
    });
    outcome
}

fn lane(io: Io, cases: &[Case], next: &AtomicUsize) -> BTreeMap<(String, String), String> {
    let mut lane = Lane::new(io);
    let mut failed = BTreeMap::new();
    while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
        if let Err(what) = lane.judge(case) {
            failed.insert((case.id.clone(), case.expect.clone()), what);
        }
    }
    failed
}

/// A program and an endpoint that serve one case after the other.
struct Lane {
    bascule: Bascule,
    admin: Client,
    origin: Origin,
    unfinished: Arc<AtomicUsize>,
}

/// An endpoint that logs a request as soon as its head is there, and counts those whose body never comes to its end.
fn strict(unfinished: Arc<AtomicUsize>) -> Origin {
    Origin::talk(move |conversation| {
        while let Some(mut seen) = conversation.head()? {
            conversation.log(&seen);
            if let Err(error) = seen.read_body(conversation.wire) {
                unfinished.fetch_add(1, Ordering::SeqCst);
                return match error.kind() {
                    ErrorKind::InvalidData => Err(error),
                    _ => Ok(()),
                };
            }
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    })
}

impl Lane {
    fn new(io: Io) -> Self {
        let unfinished = Arc::<AtomicUsize>::default();
        let origin = strict(Arc::clone(&unfinished));
        let setup = Setup::new().io(io).workers(1).with("app", origin.address());
        let bascule = setup.start(
            "
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
        Self {
            admin: bascule.admin(),
            bascule,
            origin,
            unfinished,
        }
    }

    fn judge(&mut self, case: &Case) -> Result<(), String> {
        let (before, faults) = (self.origin.count(), self.origin.faults().len());
        self.unfinished.store(0, Ordering::SeqCst);
        let (received, closed) = self.talk(&case.raw, before);
        self.wait_for_silence();
        let seen = self.origin.seen().split_off(before);
        let statuses = statuses(&received);
        let first = statuses.iter().find(|status| **status >= 200);
        let refused = first.is_none_or(|status| *status >= 400);
        let holds = match case.expect.as_str() {
            "accept" => !refused,
            "reject" => refused && seen.is_empty(),
            "reject_or_close" => seen.len() <= 1 && (refused || closed || statuses.len() <= 1),
            "no_smuggle" => {
                let whole = seen.len() - self.unfinished.load(Ordering::SeqCst);
                let smuggled = seen.iter().any(|seen| seen.line.contains("/smuggled"));
                !smuggled || finals(&received) >= whole
            }
            _ => true,
        };
        if holds && self.origin.faults().len() == faults {
            return Ok(());
        }
        let lines: Vec<&String> = seen.iter().map(|seen| &seen.line).collect();
        let raw = String::from_utf8_lossy(&case.raw[..case.raw.len().min(200)]).into_owned();
        Err(format!(
            "statuses {statuses:?}, closed {closed}, the endpoint saw {lines:?}, sent {raw:?}"
        ))
    }

    /// Sends the bytes of a case and gives what comes back until it is quiet, and whether the connection was closed.
    fn talk(&self, raw: &[u8], seen_before: usize) -> (Vec<u8>, bool) {
        let mut received = Vec::new();
        let socket = TcpStream::connect(self.bascule.address("web")).expect("the program listens");
        let mut wire = Wire::plain(socket).unwrap();
        if wire.send(raw).is_err() {
            return (received, true);
        }
        wire.patience(QUIET);
        let until = Instant::now() + ANSWER;
        loop {
            match wire.some() {
                Ok(piece) if piece.is_empty() => return (received, true),
                Ok(piece) => received.extend_from_slice(&piece),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let answered = finals(&received);
                    let is_complete = answered > 0 && answered >= self.origin.count() - seen_before;
                    if is_complete || Instant::now() >= until {
                        return (received, false);
                    }
                }
                Err(_) => return (received, true),
            }
        }
    }

    /// Waits until the program has done with the connection, so that what it forwards late belongs to its case.
    fn wait_for_silence(&mut self) {
        eventually("the connection has ended", || {
            let metrics = Metrics::parse(&self.admin.get("/metrics").text());
            metrics.sum("bascule_connections", &[]) == 0.0
        });
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many answers there are, interim ones aside.
fn finals(received: &[u8]) -> usize {
    let statuses = statuses(received);
    statuses.iter().filter(|status| **status >= 200).count()
}

/// The statuses of the answers, one after the other.
fn statuses(received: &[u8]) -> Vec<u16> {
    let starts = received
        .windows(7)
        .enumerate()
        .filter(|(_, window)| *window == b"HTTP/1.");
    starts
        .filter_map(|(at, _)| {
            let digits = received.get(at + 9..at + 12)?;
            (received.get(at + 8) == Some(&b' ')).then_some(())?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        })
        .collect()
}
