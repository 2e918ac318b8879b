//! Which rules are meant, and how they are read and compiled.

use crate::finding::Finding;
use crate::shipped;
use seclang::ast::Document;
use seclang::{FsLoader, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waf::{CompileOptions, RuleSet};

/// Rules that a command is about.
#[derive(Clone, Debug, Default)]
pub enum Rules {
    /// Those that come with the program.
    #[default]
    Shipped,
    /// Files, in the order in which they are loaded.
    Files(Vec<PathBuf>),
    /// Documents that somebody else has read, such as those of a policy.
    Documents(Vec<Document>),
}

impl Rules {
    /// The shipped rules where no file is named. A folder stands for its `*.conf`, or, where it holds a release of the CRS, for
    /// `crs-setup.conf`, `engine.conf` and `rules/*.conf`.
    #[must_use]
    pub fn of(files: &[PathBuf]) -> Self {
        if files.is_empty() {
            Self::Shipped
        } else {
            Self::Files(files.iter().flat_map(|file| expanded(file)).collect())
        }
    }

    /// The documents of a text that stands in no file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Vec<Document>, Vec<Finding>> {
        match seclang::parse_str(name, text) {
            Ok(document) => Ok(vec![document]),
            Err(problems) => Err(problems.iter().map(Finding::of_diagnostic).collect()),
        }
    }

    /// Everything that can be read of them, and everything that is wrong with the rest.
    #[must_use]
    pub fn read_partly(&self) -> (Vec<Document>, Vec<Finding>) {
        let (document, problems) = match self {
            Self::Shipped => match shipped::load() {
                Ok(document) => (document, Vec::new()),
                Err(problems) => (Document::default(), problems),
            },
            Self::Files(files) => seclang::load_partly(files, &FsLoader),
            Self::Documents(documents) => return (documents.clone(), Vec::new()),
        };
        let findings = problems.iter().map(Finding::of_diagnostic).collect();
        (vec![document], findings)
    }

    /// The documents.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn read(&self) -> Result<Vec<Document>, Vec<Finding>> {
        let (documents, findings) = self.read_partly();
        if findings.is_empty() {
            Ok(documents)
        } else {
            Err(findings)
        }
    }

    /// The rules, ready to run.
    ///
    /// # Errors
    /// Everything that is wrong with the files, or that the engine does not carry out.
    pub fn compile(&self, options: &CompileOptions) -> Result<Arc<RuleSet>, Vec<Finding>> {
        compile(&self.read()?, options)
    }
}

/// Compiles documents.
///
/// # Errors
/// Everything that the engine does not carry out.
pub(crate) fn compile(
    documents: &[Document],
    options: &CompileOptions,
) -> Result<Arc<RuleSet>, Vec<Finding>> {
    match RuleSet::compile(documents, options) {
        Ok(rules) => Ok(Arc::new(rules)),
        Err(errors) => {
            let found = errors
                .iter()
                .map(|error| Finding::of_compile_error(error, sources(documents)));
            Err(found.collect())
        }
    }
}

/// Options for running each rule by itself, as for a trace or a measurement.
pub(crate) fn exact() -> CompileOptions {
    CompileOptions {
        gates: false,
        ..CompileOptions::default()
    }
}

/// Every file of these documents.
pub(crate) fn sources(documents: &[Document]) -> impl Iterator<Item = &Source> {
    documents
        .iter()
        .flat_map(|document| document.sources.iter())
}

fn expanded(file: &Path) -> Vec<PathBuf> {
    if !file.is_dir() {
        return vec![file.to_owned()];
    }
    let release = file.join("rules");
    let setup = file.join("crs-setup.conf");
    if !release.is_dir() || !setup.is_file() {
        return vec![file.join("*.conf")];
    }
    let engine = file.join("engine.conf");
    let before = Some(engine).filter(|engine| engine.is_file());
    before
        .into_iter()
        .chain([setup, release.join("*.conf")])
        .collect()
}
