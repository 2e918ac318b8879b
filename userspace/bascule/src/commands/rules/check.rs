//! `bascule rules check`

use crate::failure::Failure;
use crate::output::Output;
use ::rules::{Rules, Severity};
use std::path::PathBuf;

/// The exit code of rules that are invalid.
const INVALID: u8 = 3;

pub(super) fn check(
    files: &[PathBuf],
    deny_warnings: bool,
    allow: &[String],
    output: &Output,
) -> Result<(), Failure> {
    let mut report = ::rules::check(&Rules::of(files));
    report.leave_out(|finding| {
        finding.severity == Severity::Warning && allow.iter().any(|name| name == finding.name)
    });
    output.note(&report.findings_text());
    output.result(&report, || report.summary())?;
    if !report.is_valid() || (deny_warnings && report.warnings > 0) {
        return Err(Failure::Told(INVALID));
    }
    Ok(())
}
