//! `bascule rules`

mod check;
mod explain;
mod profile;
mod test;

use crate::arguments::rules::{RuleFiles, Rules};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn rules(command: Rules, output: &Output) -> Result<(), Failure> {
    match command {
        Rules::Check {
            files,
            deny_warnings,
            allow,
        } => check::check(&files, deny_warnings, &allow, output),
        Rules::Test { rules, tests } => test::test(rules, tests, output),
        Rules::Explain {
            request,
            rules,
            policy,
            entry,
            verbose,
        } => explain::explain(&request, &rules, &policy, (entry, verbose), output),
        Rules::Profile {
            rules,
            requests,
            rounds,
            top,
        } => profile::profile(&rules, &requests, (rounds, top), output),
    }
}

impl RuleFiles {
    fn rules(&self) -> ::rules::Rules {
        ::rules::Rules::of(&self.rules)
    }
}
