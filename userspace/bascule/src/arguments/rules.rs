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
  bascule rules explain - --config site.yaml --policy own < request.txt

What has to be excluded to let the request pass is tried out before it is shown.";

const PROFILE_HELP: &str = "\
Each rule is measured by itself, without the filters that pass over most of them in service; what these save is told at the end.";

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
    /// Measure what rules cost, by rule and target, and name the dearest.
    #[command(after_help = PROFILE_HELP)]
    Profile {
        #[command(flatten)]
        rules: RuleFiles,
        /// Files with requests: raw, HAR, or JSON lines with `raw_b64`. Left out: a few samples of ordinary traffic.
        #[arg(long, num_args = 1.., value_name = "FILES")]
        requests: Vec<PathBuf>,
        /// How often each request is run.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        rounds: u32,
        /// How many rules are named.
        #[arg(long, default_value_t = 10)]
        top: usize,
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

const REPLAY_HELP: &str = "\
Logs are those of bascule or ModSecurity in JSON, one transaction a line; requests are made of their parts B and C. What stood
before is what --old says, or else what the log says was done.

Exit codes: 0 no verdict changes, 3 the rules are invalid, 5 verdicts change.";

/// Run the requests of an audit log against other rules.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_HELP)]
pub(crate) struct Replay {
    /// The audit log.
    #[arg(long)]
    pub(crate) log: PathBuf,
    /// The rules to try: files in the order in which they are loaded, or folders.
    #[arg(long = "rules", num_args = 1.., required = true, value_name = "NEW")]
    pub(crate) rules: Vec<PathBuf>,
    /// The rules to compare with. Left out: what the log says was done.
    #[arg(long, num_args = 1.., value_name = "RULES")]
    pub(crate) old: Vec<PathBuf>,
}

const CRS_HELP: &str = "\
Example:
  bascule crs install --from coreruleset-4.28.0-minimal.tar.gz --checksum 5a9c… --to /etc/bascule/crs

Files that are yours to change (crs-setup.conf, the exclusion rules) are kept where they exist. The checksum is of the archive,
SHA-256 in hex; a URL needs one.

Exit codes: 0 installed, 1 failed, 3 the rules that were installed are invalid.";

#[derive(Debug, Subcommand)]
pub(crate) enum Crs {
    /// Install a release of the OWASP Core Rule Set, check it, and show how to use it.
    #[command(after_help = CRS_HELP)]
    Install {
        /// A folder, a .zip or .tar.gz file, or an https URL of one.
        #[arg(long)]
        from: String,
        /// The SHA-256 of the archive, in hex.
        #[arg(long, value_name = "SHA256")]
        checksum: Option<String>,
        /// Where the files are put.
        #[arg(long)]
        to: PathBuf,
    },
}
