//! The rules that come with the program, compiled into it.

use seclang::Diagnostic;
use seclang::Loader;
use seclang::ast::Document;
use std::io;
use std::path::{Path, PathBuf};

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../../rules/", $name)))),*]
    };
}

/// In the order in which they apply.
const FILES: &[(&str, &str)] = files![
    "bascule-10-setup.conf",
    "bascule-20-protocol.conf",
    "bascule-30-traversal.conf",
    "bascule-35-address.conf",
    "bascule-40-sqli.conf",
    "bascule-50-xss.conf",
    "bascule-60-command.conf",
    "bascule-70-strict.conf",
    "bascule-90-verdict.conf",
];

/// Their tests: requests that each rule must match and must not, and requests that none may match.
pub(crate) const TESTS: &[(&str, &str)] = files![
    "tests/bascule-20-protocol.yaml",
    "tests/bascule-30-traversal.yaml",
    "tests/bascule-35-address.yaml",
    "tests/bascule-40-sqli.yaml",
    "tests/bascule-50-xss.yaml",
    "tests/bascule-60-command.yaml",
    "tests/bascule-90-verdict.yaml",
    "tests/benign.yaml",
];

/// Tests of the rules that count from paranoia level 2 on; they run at that level.
pub(crate) const STRICT_TESTS: &[(&str, &str)] = files!["tests/bascule-70-strict.yaml",];

/// What puts the rules at the level of [`STRICT_TESTS`] when it stands before them.
pub(crate) const STRICT: &str =
    "SecAction \"id:9599998,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=2\"\n";

/// Parses them.
///
/// # Errors
/// None in a program that passed its tests.
pub fn load() -> Result<Document, Vec<Diagnostic>> {
    let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    seclang::load(&names, &Embedded)
}

struct Embedded;

impl Loader for Embedded {
    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        FILES
            .iter()
            .find(|(name, _)| Path::new(name) == path)
            .map(|(_, text)| text.as_bytes().to_vec())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use crate::check::check;
    use crate::ftw::test;
    use crate::source::Rules;

    #[test]
    fn they_have_no_finding() {
        let report = check(&Rules::Shipped);
        assert!(report.findings.is_empty(), "{}", report.findings_text());
    }

    #[test]
    fn they_pass_their_own_tests() {
        let report = test(&Rules::Shipped, &[]).expect("they compile");
        let failed: Vec<String> = report
            .failures
            .iter()
            .map(|failure| format!("{} {}: {:?}", failure.id, failure.request, failure.problems))
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(report.passed > 0);
    }
}
