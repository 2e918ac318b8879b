//! What can be typed about rules.

use clap::{Args, Subcommand};
use std::path::PathBuf;

const CHECK_HELP: &str = "\
Warnings have names, and these are looked for:
  unreachable                an earlier rule always skips or ends the phase
  missing-marker             skipAfter names a SecMarker that does not follow
  never-matches-target       a variable that has no value yet in the rule's phase
  never-matches-pattern      a pattern that no text matches
  never-matches-transformed  bytes that the transformations take out of every value
  case-sensitive             a word in one case, looked for where a client chooses the case
  not-prefiltered            a pattern that has to be run against every value
  exponential                a pattern that takes exponential time in PCRE
  no-effect                  a directive that does nothing here

Exit codes: 0 valid, 3 invalid; warnings count only with --deny-warnings.";

const TEST_HELP: &str = "\
Test files are those of go-ftw, as the Core Rule Set has them, or the short form of the rules that ship:

  - rule: 1001
    match: [\"an attack in the argument q\", { uri: /admin }]
    no_match: [\"ordinary text\", { json: '{\"a\":1}' }]

Nothing is sent: requests run through the rules in this process, and a POST to /reflect is answered with what it asks for.

Exit codes: 0 all passed, 1 some failed, 3 the rules are invalid.";

const EXPLAIN_HELP: &str = "\
Examples:
  bascule rules explain \"curl 'https://shop.example.com/search?q=1%27%20or%201=1'\"
  bascule rules explain request.txt --rules /etc/crs
  pbpaste | bascule rules explain - --config site.yaml --policy own

What has to be excluded to let the request pass is tried out before it is shown.";

/// Which rules.
#[derive(Debug, Args)]
pub(crate) struct RuleFiles {
    /// Rule files, in the order in which they are loaded, or folders. Left out: the rules that come with bascule.
    #[arg(long, num_args = 1.., value_name = "FILES")]
    pub(crate) rules: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Find every error, and what looks like a mistake; tell what the rules look for.
    #[command(after_help = CHECK_HELP)]
    Check {
        /// Rule files, in the order in which they are loaded, or folders. Left out: the rules that come with bascule.
        #[arg(value_name = "FILES")]
        files: Vec<PathBuf>,
        /// Warnings are errors.
        #[arg(long)]
        deny_warnings: bool,
        /// A kind of warning that is not told; can be given several times.
        #[arg(long, value_name = "NAME")]
        allow: Vec<String>,
    },
    /// Run tests of rules, without a server.
    #[command(after_help = TEST_HELP)]
    Test {
        #[command(flatten)]
        rules: RuleFiles,
        /// Test files (*.yaml, *.yml) or folders of them. Left out: the tests of the rules that come with bascule.
        #[arg(value_name = "TESTS")]
        tests: Vec<PathBuf>,
    },
    /// Tell what rules make of a request, value by value, and what would let it pass.
    #[command(after_help = EXPLAIN_HELP)]
    Explain {
        /// A curl command in quotes, a file with one, with a raw HTTP request or with a HAR, or `-` for the standard input.
        request: String,
        #[command(flatten)]
        rules: RuleFiles,
        #[command(flatten)]
        policy: Policy,
        /// Which request of a file with several, from 1.
        #[arg(long, default_value_t = 1)]
        entry: usize,
        /// Also rules that had nothing to look at.
        #[arg(long)]
        verbose: bool,
    },
}

/// The rules of a configuration.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// A configuration file whose WAF policy is meant, in the place of --rules.
    #[arg(long, conflicts_with = "rules")]
    pub(crate) config: Option<PathBuf>,
    /// Which policy of it; only where it has several.
    #[arg(long, requires = "config")]
    pub(crate) policy: Option<String>,
}
