//! `bascule rules test`

use crate::arguments::rules::RuleFiles;
use crate::failure::Failure;
use crate::output::Output;
use std::path::PathBuf;

/// The exit code of tests that fail.
const FAILED: u8 = 1;

pub(super) fn test(
    mut rules: RuleFiles,
    mut tests: Vec<PathBuf>,
    output: &Output,
) -> Result<(), Failure> {
    // `--rules` takes every word up to the next option; test files among them are tests.
    let is_test = |path: &PathBuf| {
        let kind = path.extension();
        kind.is_some_and(|kind| kind == "yaml" || kind == "yml")
    };
    tests.extend(rules.rules.extract_if(.., |path| is_test(path)));
    let report = ::rules::test(&rules.rules(), &tests)?;
    output.result(&report, || report.text())?;
    if report.failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::Told(FAILED))
    }
}
