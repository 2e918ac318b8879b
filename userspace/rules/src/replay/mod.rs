//! `bascule replay`: the requests of an audit log, run against other rules.

mod log;

#[cfg(test)]
mod tests;

use crate::book::Book;
use crate::files::FileError;
use crate::finding::Finding;
use crate::inspect::{Inspected, inspect};
use crate::source::{self, Rules};
use log::Record;
#[cfg(test)]
pub(crate) use log::read as read_record;
use seclang::ast::{Document, RuleId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use waf::{CompileOptions, RuleSet, Scratch};

/// Bytes of one line of a log; a longer one is passed over and counted.
const LINE_LIMIT_BYTES: u64 = 16 << 20;

/// Differences that are told apart; further ones are counted in the sums alone.
const DIFFERENCES_LIMIT: usize = 10_000;

/// What came of a replay.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// Requests that were run.
    pub requests: usize,
    /// Those that are blocked now and were not.
    pub newly_blocked: usize,
    /// Those that pass now and did not.
    pub newly_passed: usize,
    /// What changed, by path and rules, the most frequent first.
    pub differences: Vec<Difference>,
    /// Lines that hold no transaction.
    pub unreadable: usize,
    /// What is wrong with the first of them, and its line.
    pub first_unreadable: Option<(usize, String)>,
    /// Requests whose bodies the log does not have: part C was not logged.
    pub without_body: usize,
    /// Requests in which something was masked, so that rules see the mask.
    pub masked: usize,
}

/// Requests of one path whose verdict changed for the same rules.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Which way.
    pub change: Change,
    /// The method and the path.
    pub path: String,
    /// Newly blocked: rules that match now and did not. Newly passed: rules that matched and do not now.
    pub rules: Vec<ChangedRule>,
    /// How many.
    pub requests: usize,
    /// A line of the log with one of them, from 1.
    pub line: usize,
}

/// A rule that has to do with a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChangedRule {
    /// Its id.
    pub id: RuleId,
    /// `msg` as it is written.
    pub message: String,
}

/// Which way a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is blocked and was not.
    Blocked,
    /// It passes and did not.
    Passed,
}

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The rules cannot be used.
    #[error("{}", crate::finding::listed(.0))]
    Rules(Vec<Finding>),
    /// The log cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log has lines, and no transaction.
    #[error(
        "{file}: expected an audit log in JSON, one transaction a line; line {line} is none: {problem}"
    )]
    NoLog {
        /// The file.
        file: String,
        /// The first line that is wrong.
        line: usize,
        /// Why.
        problem: String,
    },
}

/// Runs the requests of a log against `new`, and compares with `old`, or with what the log says.
///
/// # Errors
/// Rules or a log that cannot be used.
pub fn replay(log: &Path, new: &Rules, old: Option<&Rules>) -> Result<Replay, ReplayError> {
    let mut run = Run::new(new, old)?;
    let unreadable = |error| FileError::Unreadable {
        path: log.to_owned(),
        error,
    };
    let mut reader = BufReader::new(File::open(log).map_err(unreadable)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut limited = (&mut reader).take(LINE_LIMIT_BYTES);
        if limited.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.len() as u64 == LINE_LIMIT_BYTES && !line.ends_with(b"\n") {
            run.pass_over(number, "the line is too long".to_owned());
            skip_line(&mut reader).map_err(unreadable)?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match log::read(&line) {
            Ok(Some(record)) => run.record(number, &record),
            Ok(None) => {}
            Err(problem) => run.pass_over(number, problem),
        }
    }
    let report = run.finish();
    match &report.first_unreadable {
        Some((line, problem)) if report.requests == 0 => Err(ReplayError::NoLog {
            file: log.display().to_string(),
            line: *line,
            problem: problem.clone(),
        }),
        _ => Ok(report),
    }
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

type Key = (Change, String, Vec<ChangedRule>);

struct Run {
    documents: Vec<Document>,
    old_documents: Vec<Document>,
    new: Arc<RuleSet>,
    old: Option<Arc<RuleSet>>,
    scratch: Scratch,
    report: Replay,
    differences: BTreeMap<Key, (usize, usize)>,
}

impl Run {
    fn new(new: &Rules, old: Option<&Rules>) -> Result<Self, ReplayError> {
        let options = CompileOptions::default();
        let documents = new.read().map_err(ReplayError::Rules)?;
        let compiled = source::compile(&documents, &options).map_err(ReplayError::Rules)?;
        let old_documents = match old {
            Some(old) => old.read().map_err(ReplayError::Rules)?,
            None => Vec::new(),
        };
        let old = match old {
            Some(_) => {
                let old = source::compile(&old_documents, &options);
                Some(old.map_err(ReplayError::Rules)?)
            }
            None => None,
        };
        Ok(Self {
            documents,
            old_documents,
            new: compiled,
            old,
            scratch: Scratch::new(),
            report: Replay::default(),
            differences: BTreeMap::new(),
        })
    }

    fn pass_over(&mut self, line: usize, problem: String) {
        self.report.unreadable += 1;
        self.report.first_unreadable.get_or_insert((line, problem));
    }

    fn record(&mut self, line: usize, record: &Record) {
        self.report.requests += 1;
        self.report.without_body += usize::from(record.lacks_body);
        self.report.masked += usize::from(record.is_masked);
        let ids = |inspected: &Inspected| -> BTreeSet<RuleId> {
            let matches = inspected.matches.iter();
            matches.map(|matched| matched.rule).collect()
        };
        let now = inspect(&self.new, &mut self.scratch, &record.request, None, None);
        let (was_blocked, before) = match &self.old {
            Some(old) => {
                let then = inspect(old, &mut self.scratch, &record.request, None, None);
                (then.is_blocked(), ids(&then))
            }
            None => (record.blocked, record.rules.clone()),
        };
        let after = ids(&now);
        let (change, rules) = match (was_blocked, now.is_blocked()) {
            (false, true) => (Change::Blocked, &after - &before),
            (true, false) => (Change::Passed, &before - &after),
            _ => return,
        };
        match change {
            Change::Blocked => self.report.newly_blocked += 1,
            Change::Passed => self.report.newly_passed += 1,
        }
        let path = format!(
            "{} {}",
            String::from_utf8_lossy(&record.request.method),
            String::from_utf8_lossy(record.request.path())
        );
        let rules = rules.into_iter().map(|id| ChangedRule {
            id,
            message: self.message(id),
        });
        let key = (change, path, rules.collect());
        if self.differences.len() < DIFFERENCES_LIMIT || self.differences.contains_key(&key) {
            let (count, _) = self.differences.entry(key).or_insert((0, line));
            *count += 1;
        }
    }

    fn message(&self, id: RuleId) -> String {
        let message = Book::of(&self.documents).message(id);
        if message.is_empty() {
            Book::of(&self.old_documents).message(id)
        } else {
            message
        }
    }

    fn finish(mut self) -> Replay {
        let differences = self.differences.into_iter();
        self.report.differences = differences
            .map(|((change, path, rules), (requests, line))| Difference {
                change,
                path,
                rules,
                requests,
                line,
            })
            .collect();
        let differences = &mut self.report.differences;
        differences
            .sort_by_key(|difference| (difference.change, std::cmp::Reverse(difference.requests)));
        self.report
    }
}

impl Replay {
    /// Whether any verdict changed.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.newly_blocked + self.newly_passed > 0
    }

    /// What people read.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (change, heading) in [
            (Change::Blocked, "newly blocked"),
            (Change::Passed, "newly passed"),
        ] {
            let mut of_change = self
                .differences
                .iter()
                .filter(|difference| difference.change == change)
                .peekable();
            if of_change.peek().is_some() {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "{heading}:");
            }
            for difference in of_change {
                let _ = writeln!(
                    out,
                    "{:>7}  {}  (line {})",
                    difference.requests, difference.path, difference.line
                );
                for rule in &difference.rules {
                    let _ = writeln!(out, "           {} {}", rule.id, rule.message);
                }
            }
        }
        let _ = writeln!(
            out,
            "{} requests: {} newly blocked, {} newly passed",
            self.requests, self.newly_blocked, self.newly_passed
        );
        for (count, what) in [
            (
                self.without_body,
                "had a body that the log does not have (log part C)",
            ),
            (
                self.masked,
                "hold secrets that the log has masked: rules saw the mask",
            ),
            (self.unreadable, "lines were no transaction"),
        ] {
            if count > 0 {
                let _ = writeln!(out, "{count:>7}  {what}");
            }
        }
        if let Some((line, problem)) = &self.first_unreadable {
            let _ = writeln!(out, "         the first is line {line}: {problem}");
        }
        out
    }
}
