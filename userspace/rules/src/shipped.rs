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
    "bascule-40-sqli.conf",
    "bascule-50-xss.conf",
    "bascule-60-command.conf",
    "bascule-90-verdict.conf",
];

/// Their tests: requests that each rule must match and must not, and requests that none may match.
pub(crate) const TESTS: &[(&str, &str)] = files![
    "tests/bascule-20-protocol.yaml",
    "tests/bascule-30-traversal.yaml",
    "tests/bascule-40-sqli.yaml",
    "tests/bascule-50-xss.yaml",
    "tests/bascule-60-command.yaml",
    "tests/bascule-90-verdict.yaml",
    "tests/benign.yaml",
];

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
