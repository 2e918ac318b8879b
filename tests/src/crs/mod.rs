//! Runs the regression tests of the OWASP Core Rule Set through the program: real requests on a socket, a reflecting
//! endpoint behind, and the audit log to tell which rules matched.

mod case;
mod judge;
mod records;
mod reflect;
mod site;

use crate::{Answer, Bascule, Wire};
use case::{Case, Stage};
use judge::Outcome;
use records::Records;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The header field that tells whose record is whose.
const MARKER: &str = "X-CRS-Test";
/// Connections at the same time: mostly they wait.
const LANES: usize = 4;
/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a record is waited for. Every request has one, so nearly nobody waits to the end.
const RECORD: Duration = Duration::from_secs(2);

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder with the rules.
    pub crs: PathBuf,
    /// Files of tests.
    pub tests: Vec<PathBuf>,
    /// A file of what this front has to give in the place of what the tests say.
    pub overrides: Option<PathBuf>,
    /// Runs the tests alone whose id this matches.
    pub only: Option<String>,
    /// Runs every so many tests alone; 0 and 1 are all.
    pub every: usize,
}

/// A test that was run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its id.
    pub id: String,
    /// What is wrong with it; nothing where it passed.
    pub complaints: Vec<String>,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// The rules that the last request matched.
    pub ids: Vec<u64>,
}

impl Verdict {
    /// Whether it passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.complaints.is_empty()
    }
}

/// Runs tests, and gives their verdicts in the order of the files.
///
/// # Errors
/// When a file cannot be read.
///
/// # Panics
/// When the program does not start.
pub fn run(options: &Options) -> Result<Vec<Verdict>, String> {
    let cases = cases(options)?;
    let origin = reflect::start();
    let bascule = site::start(&options.crs, &origin)?;
    let records = Records::of(site::audit_log(&bascule));
    let runner = Runner {
        bascule: &bascule,
        records: &records,
        sent: AtomicUsize::new(0),
    };
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::with_capacity(cases.len()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let verdict = runner.run(case);
                    verdicts.lock().unwrap().push(verdict);
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap();
    let place = |id: &str| cases.iter().position(|case| case.id == id);
    verdicts.sort_by_cached_key(|verdict| place(&verdict.id));
    Ok(verdicts)
}

fn cases(options: &Options) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for file in &options.tests {
        cases.extend(case::load(file)?);
    }
    if let Some(overrides) = &options.overrides {
        case::override_by(overrides, &mut cases)?;
    }
    if let Some(only) = &options.only {
        let only = regex::bytes::RegexBuilder::new(only)
            .unicode(false)
            .build()
            .map_err(|error| error.to_string())?;
        cases.retain(|case| only.is_match(case.id.as_bytes()));
    }
    Ok(cases.into_iter().step_by(options.every.max(1)).collect())
}

/// The tests of the Core Rule Set beside the workspace, if they are there; otherwise says so in a line.
#[must_use]
pub fn reference() -> Option<Options> {
    let waf = crate::conformance::shared().join("waf");
    let options = Options {
        crs: waf.join("crs"),
        tests: vec![waf.join("tests/crs-ftw-dev.jsonl")],
        ..Options::default()
    };
    let there = |path: &Path| path.exists();
    if there(&options.crs) && options.tests.iter().all(|path| there(path)) {
        return Some(options);
    }
    println!("skipped: reference data not found");
    None
}

struct Runner<'r> {
    bascule: &'r Bascule,
    records: &'r Records,
    sent: AtomicUsize,
}

impl Runner<'_> {
    fn run(&self, case: &Case) -> Verdict {
        let mut verdict = Verdict {
            id: case.id.clone(),
            complaints: Vec::new(),
            status: None,
            ids: Vec::new(),
        };
        for (number, stage) in case.stages.iter().enumerate() {
            self.judge(case, number, stage, &mut verdict);
            if stage.output.retry_once && !verdict.passed() {
                self.judge(case, number, stage, &mut verdict);
            }
            if !verdict.passed() {
                break;
            }
        }
        verdict
    }

    fn judge(&self, case: &Case, number: usize, stage: &Stage, verdict: &mut Verdict) {
        // Every request sent has a name of its own: a record is never taken for that of another try.
        let sent = self.sent.fetch_add(1, Ordering::SeqCst);
        let marker = format!("{}.{number}.{sent}", case.id);
        let answer = stage
            .bytes(&marker)
            .and_then(|bytes| self.ask(&bytes, &stage.input.method));
        let wanted = judge::asks_the_log(&stage.output) && answer.is_ok();
        let facts = wanted.then(|| self.records.take(&marker, RECORD)).flatten();
        let outcome = Outcome { answer, facts };
        verdict.complaints = judge::complaints(&stage.output, &outcome);
        verdict.status = outcome.status();
        verdict.ids = outcome
            .facts
            .map(|facts| facts.ids.into_iter().collect())
            .unwrap_or_default();
    }

    fn ask(&self, bytes: &[u8], method: &str) -> Result<Answer, String> {
        let ask = || {
            let socket = TcpStream::connect_timeout(&self.bascule.address("web"), ANSWER)?;
            let mut wire = Wire::plain(socket)?;
            wire.patience(ANSWER);
            // An early answer can be read even where not everything was taken.
            let sent = wire.send(bytes);
            match (Answer::read(&mut wire, method), sent) {
                (Err(_), Err(error)) => Err(error),
                (answer, _) => answer,
            }
        };
        ask().map_err(|error: std::io::Error| error.to_string())
    }
}
