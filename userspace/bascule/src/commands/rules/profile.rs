//! `bascule rules profile`

use crate::arguments::rules::RuleFiles;
use crate::failure::Failure;
use crate::output::Output;
use ::rules::request;
use std::path::PathBuf;

pub(super) fn profile(
    rules: &RuleFiles,
    files: &[PathBuf],
    (rounds, top): (u32, usize),
    output: &Output,
) -> Result<(), Failure> {
    let mut requests = Vec::new();
    for file in files {
        requests.extend(request::read_file(file)?);
    }
    if files.is_empty() {
        requests = request::samples();
    }
    let profile = ::rules::profile(&rules.rules(), &requests, rounds).map_err(Failure::Rules)?;
    output.result(&profile, || profile.text(top))
}
