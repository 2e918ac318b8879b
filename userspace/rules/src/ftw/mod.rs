//! `bascule rules test`: tests of rules, run without a server.

mod judge;
mod model;
mod wire;

#[cfg(test)]
mod tests;

use crate::book::Book;
use crate::explain::lines_about;
use crate::files;
use crate::finding::Finding;
use crate::inspect::inspect;
use crate::reflect;
use crate::shipped;
use crate::source::{self, Rules};
use crate::trace::Trace;
use judge::{Seen, Want};
#[cfg(test)]
pub(crate) use model::read as read_tests;
use model::{Stage, Test};
use seclang::ast::{Document, RuleId};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use waf::{CompileOptions, RuleSet, Scratch};

/// Bytes of a test file; a larger one is refused.
const FILE_LIMIT_BYTES: u64 = 64 << 20;

/// Failures whose whole story is told; further ones are only named.
const TOLD: usize = 20;

/// What came of all tests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TestReport {
    /// How many passed.
    pub passed: usize,
    /// Those that did not.
    pub failures: Vec<TestFailure>,
}

/// A test that did not give what it expects.
#[derive(Clone, Debug, Serialize)]
pub struct TestFailure {
    /// Such as `942100-1`.
    pub id: String,
    /// The file.
    pub file: String,
    /// What the test says of itself.
    pub description: String,
    /// The stage, from 1.
    pub stage: usize,
    /// Method and target.
    pub request: String,
    /// What is missing or too much.
    pub problems: Vec<String>,
    /// Ids that were to be logged.
    pub expected: Vec<RuleId>,
    /// Ids that were.
    pub actual: Vec<RuleId>,
    /// What becomes of the request.
    pub verdict: String,
    /// How the rules that the problems are about looked at the request.
    pub trace: String,
}

/// Why tests were not run.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The rules cannot be used.
    #[error("{}", crate::finding::listed(.0))]
    Rules(Vec<Finding>),
    /// A test file cannot be read.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// A test file is none.
    #[error("{file}: {problem}")]
    Form {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to run.
    #[error("{}: expected test files (*.yaml, *.yml), found none", .0.display())]
    NoTests(PathBuf),
}

/// Runs the tests of files and folders against rules; without any, those that come with the program.
///
/// # Errors
/// Rules or tests that cannot be used.
pub fn test(rules: &Rules, tests: &[PathBuf]) -> Result<TestReport, TestError> {
    let mut documents = rules.read().map_err(TestError::Rules)?;
    if !tests.is_empty() {
        return run(&documents, &read_files(tests)?);
    }
    let mut report = run(&documents, &embedded(shipped::TESTS))?;
    documents.insert(0, strict()?);
    let strict = run(&documents, &embedded(shipped::STRICT_TESTS))?;
    report.passed += strict.passed;
    report.failures.extend(strict.failures);
    Ok(report)
}

fn embedded(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    files.iter().map(owned).collect()
}

fn strict() -> Result<Document, TestError> {
    seclang::parse_str("paranoia level", shipped::STRICT).map_err(|problems| {
        let findings = problems.iter().map(Finding::of_diagnostic);
        TestError::Rules(findings.collect())
    })
}

fn run(documents: &[Document], files: &[(String, String)]) -> Result<TestReport, TestError> {
    let compiled =
        source::compile(documents, &CompileOptions::default()).map_err(TestError::Rules)?;
    let mut run = Run {
        compiled,
        exact: None,
        documents,
        scratch: Scratch::new(),
        report: TestReport::default(),
    };
    for (file, text) in files {
        let name = Path::new(file)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let tests = model::read(&name, text).map_err(|problem| TestError::Form {
            file: file.clone(),
            problem,
        })?;
        for test in &tests {
            run.test(file, test)?;
        }
    }
    Ok(run.report)
}

struct Run<'a> {
    compiled: Arc<RuleSet>,
    /// The same for telling what happened; made when it is first needed.
    exact: Option<Arc<RuleSet>>,
    documents: &'a [Document],
    scratch: Scratch,
    report: TestReport,
}

impl Run<'_> {
    fn test(&mut self, file: &str, test: &Test) -> Result<(), TestError> {
        for (stage, number) in test.stages.iter().zip(1..) {
            if let Some(mut failure) = self.stage(stage)? {
                failure.id.clone_from(&test.id);
                file.clone_into(&mut failure.file);
                failure.description.clone_from(&test.description);
                failure.stage = number;
                self.report.failures.push(failure);
                return Ok(());
            }
        }
        self.report.passed += 1;
        Ok(())
    }

    fn stage(&mut self, stage: &Stage) -> Result<Option<TestFailure>, TestError> {
        let Some(request) = &stage.request else {
            // Nothing that a server would take for a request: an error, and no rule sees it.
            let seen = Seen::default();
            let wants = judge::judge(&stage.output, &seen);
            return Ok(failure(stage, String::new(), "is no request", &seen, wants));
        };
        let answer = reflect::answer(request);
        let inspected = inspect(
            &self.compiled,
            &mut self.scratch,
            request,
            Some(&answer),
            None,
        );
        let mut status = inspected.status(answer.status);
        // Without a decision of the rules, the proxy's own counts.
        if inspected.intervention.is_none() && request.refused_by_front().is_some() {
            status = Some(400);
        }
        let seen = Seen {
            status,
            ids: inspected.logged(),
            log: inspected
                .matches
                .iter()
                .filter(|matched| matched.log)
                .map(ToString::to_string)
                .collect(),
            response: judge::response(status, &answer),
            blocked: inspected.is_blocked(),
        };
        let wants = judge::judge(&stage.output, &seen);
        let about: Vec<RuleId> = wants.iter().flat_map(|want| want.rules.clone()).collect();
        let mut failure = failure(stage, request.line(), &inspected.verdict(), &seen, wants);
        if let Some(failure) = failure
            .as_mut()
            .filter(|_| self.report.failures.len() < TOLD)
        {
            failure.trace = self.story(stage, &about)?;
        }
        Ok(failure)
    }

    /// What the rules did with the request, told in full.
    fn story(&mut self, stage: &Stage, about: &[RuleId]) -> Result<String, TestError> {
        let Some(request) = &stage.request else {
            return Ok(String::new());
        };
        let exact = match &self.exact {
            Some(exact) => Arc::clone(exact),
            None => {
                let exact =
                    source::compile(self.documents, &source::exact()).map_err(TestError::Rules)?;
                self.exact = Some(Arc::clone(&exact));
                exact
            }
        };
        let shared = Arc::new(Mutex::new(Trace::default()));
        let answer = reflect::answer(request);
        let observer = Box::new(Arc::clone(&shared));
        inspect(
            &exact,
            &mut self.scratch,
            request,
            Some(&answer),
            Some(observer),
        );
        let trace = std::mem::take(
            &mut *shared
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        let book = Book::of(self.documents);
        let mut text = lines_about(&trace, &book, about);
        for id in about {
            if trace.rules.iter().any(|rule| rule.id == *id) {
                continue;
            }
            let why = if book.contains(*id) {
                "was not reached: an earlier decision or `allow` ended its phase, or the phase did not run"
            } else {
                "is not in the rules"
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  rule {id} {why}");
        }
        Ok(text)
    }
}

fn failure(
    stage: &Stage,
    request: String,
    verdict: &str,
    seen: &Seen,
    wants: Vec<Want>,
) -> Option<TestFailure> {
    (!wants.is_empty()).then(|| TestFailure {
        id: String::new(),
        file: String::new(),
        description: String::new(),
        stage: 0,
        request,
        problems: wants.into_iter().map(|want| want.problem).collect(),
        expected: stage.output.log.expect_ids.clone(),
        actual: seen.ids.clone(),
        verdict: verdict.to_owned(),
        trace: String::new(),
    })
}

/// Files, and those below folders, sorted by name.
fn read_files(tests: &[PathBuf]) -> Result<Vec<(String, String)>, TestError> {
    let mut found = Vec::new();
    for path in tests {
        let before = found.len();
        if path.is_dir() {
            below(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
        if found.len() == before {
            return Err(TestError::NoTests(path.clone()));
        }
    }
    let read = found.into_iter().map(|path| {
        let bytes = files::read(&path, FILE_LIMIT_BYTES)?;
        let file = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Ok((file, text)),
            Err(_) => Err(TestError::Form {
                file,
                problem: "expected UTF-8".to_owned(),
            }),
        }
    });
    read.collect()
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), TestError> {
    let unreadable = |error| files::FileError::Unreadable {
        path: folder.to_owned(),
        error,
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() {
            below(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|kind| kind == "yaml" || kind == "yml")
        {
            found.push(path);
        }
    }
    Ok(())
}

impl TestReport {
    /// What people read.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for failure in &self.failures {
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{}: test {} fails in stage {}{}",
                failure.file,
                failure.id,
                failure.stage,
                if failure.description.is_empty() {
                    String::new()
                } else {
                    format!(": {}", failure.description.trim())
                }
            );
            let _ = writeln!(out, "  {}", failure.request);
            for problem in &failure.problems {
                let _ = writeln!(out, "  {problem}");
            }
            let _ = writeln!(
                out,
                "  expected {:?}, logged {:?}; {}",
                failure.expected, failure.actual, failure.verdict
            );
            out.push_str(&failure.trace);
        }
        let _ = writeln!(
            out,
            "{} passed, {} failed",
            self.passed,
            self.failures.len()
        );
        out
    }
}
