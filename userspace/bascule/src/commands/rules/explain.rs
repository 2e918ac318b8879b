//! `bascule rules explain`

use crate::arguments::rules::{Policy, RuleFiles};
use crate::failure::Failure;
use crate::output::Output;
use ::rules::{Request, RequestError, Rules, request};
use std::io::{self, Read};
use std::path::Path;

pub(super) fn explain(
    given: &str,
    files: &RuleFiles,
    policy: &Policy,
    (entry, verbose): (usize, bool),
    output: &Output,
) -> Result<(), Failure> {
    let requests = read(given)?;
    let count = requests.len();
    let request = entry
        .checked_sub(1)
        .and_then(|index| requests.into_iter().nth(index))
        .ok_or_else(|| RequestError {
            found: format!("--entry {entry}"),
            expected: format!("a number from 1 to {count}: so many requests there are"),
        })?;
    let rules = match &policy.config {
        Some(config) => Rules::Documents(control::policy_rules(config, policy.policy.as_deref())?),
        None => files.rules(),
    };
    let explanation = ::rules::explain(&rules, &request).map_err(Failure::Rules)?;
    output.result(&explanation, || explanation.text(verbose))
}

/// The requests that a word of the command line means.
fn read(given: &str) -> Result<Vec<Request>, Failure> {
    if given == "-" {
        let mut text = Vec::new();
        let limit = request::FILE_LIMIT_BYTES;
        io::stdin().lock().take(limit).read_to_end(&mut text)?;
        return Ok(request::read("standard input", &text)?);
    }
    let path = Path::new(given);
    let is_command = given.trim_start().starts_with("curl ");
    if is_command && !path.exists() {
        return Ok(request::read("the command line", given.as_bytes())?);
    }
    Ok(request::read_file(path)?)
}
