//! What is wrong with rule files, or looks like a mistake.

use seclang::ast::RuleId;
use seclang::{Diagnostic, Excerpt, Source};
use serde::Serialize;
use std::fmt;
use waf::{CompileError, Place};

/// What to do where the message itself says what is expected.
const ELSE: &str = "write what is expected there, or take the line out";

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rules cannot be used.
    Error,
    /// They can, and do not do what their author expects.
    Warning,
}

/// One finding with its place and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// What kind it is, such as `never-matches`; what people switch off or search for.
    pub name: &'static str,
    /// The rule, where it is about one.
    pub rule: Option<RuleId>,
    /// The file, as it was given.
    pub file: String,
    /// From 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// From 1, in characters; 0 when the line or file as a whole is meant.
    pub column: u32,
    /// The line, of a long one the part round the place.
    pub line_text: String,
    /// The characters of `line_text`, from 0, that are meant: the first, and the one behind the last.
    pub caret: (usize, usize),
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl Finding {
    /// A finding at a place that is known with its line.
    pub(crate) fn at(
        severity: Severity,
        name: &'static str,
        file: &str,
        excerpt: Excerpt,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            name,
            rule: None,
            file: file.to_owned(),
            line: excerpt.line,
            column: excerpt.column,
            line_text: excerpt.line_text,
            caret: (excerpt.caret.start, excerpt.caret.end),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A finding at a place that the engine names; the line is taken from the files that were read.
    pub(crate) fn in_sources<'a>(
        severity: Severity,
        name: &'static str,
        place: &Place,
        mut sources: impl Iterator<Item = &'a Source>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let source = sources.find(|source| source.name() == &*place.file);
        let line = source.map_or("", |source| source.line(place.line));
        let excerpt = Excerpt::at(line, place.line, place.column, place.length);
        Self::at(severity, name, &place.file, excerpt, message, remedy)
    }

    /// An error of the parser.
    pub(crate) fn of_diagnostic(diagnostic: &Diagnostic) -> Self {
        let name = match diagnostic.problem {
            seclang::Problem::DuplicateId { .. } => "duplicate-id",
            seclang::Problem::Unreadable { .. } | seclang::Problem::NoSuchFile(_) => "file",
            _ => "syntax",
        };
        Self::at(
            Severity::Error,
            name,
            &diagnostic.file,
            diagnostic.excerpt(),
            diagnostic.message(),
            diagnostic.remedy().unwrap_or_else(|| ELSE.to_owned()),
        )
    }

    /// An error of the engine.
    pub(crate) fn of_compile_error<'a>(
        error: &CompileError,
        sources: impl Iterator<Item = &'a Source>,
    ) -> Self {
        let name = match error.kind {
            waf::CompileErrorKind::DuplicateId(..) => "duplicate-id",
            waf::CompileErrorKind::Unsupported(_) => "unsupported",
            waf::CompileErrorKind::Pattern(_) => "pattern",
            _ => "compile",
        };
        let message = error.kind.to_string();
        let remedy = error.kind.remedy();
        let mut finding = Self::in_sources(
            Severity::Error,
            name,
            &error.place,
            sources,
            message,
            remedy,
        );
        finding.rule = error.rule;
        finding
    }

    pub(crate) fn of_rule(mut self, rule: RuleId) -> Self {
        self.rule = Some(rule);
        self
    }
}

/// `FILE:LINE:COLUMN: error: rule 1: message [name]`, the line with the place underlined, the remedy.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        f.write_str(match self.severity {
            Severity::Error => ": error: ",
            Severity::Warning => ": warning: ",
        })?;
        if let Some(rule) = self.rule {
            write!(f, "rule {rule}: ")?;
        }
        write!(f, "{} [{}]", self.message, self.name)?;
        if self.line > 0 && !self.line_text.is_empty() {
            let excerpt = Excerpt {
                line: self.line,
                column: self.column,
                line_text: self.line_text.clone(),
                caret: self.caret.0..self.caret.1,
            };
            write!(f, "\n{excerpt}")?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n  = {}", self.remedy)?;
        }
        Ok(())
    }
}

/// All of them, one after the other.
#[must_use]
pub fn listed(findings: &[Finding]) -> String {
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    shown.join("\n")
}
