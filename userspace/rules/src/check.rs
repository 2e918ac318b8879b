//! `bascule rules check`: every error at once, what looks like a mistake, and what is looked for.

use crate::coverage::Coverage;
use crate::finding::{Finding, Severity, listed};
use crate::lint;
use crate::source::{Rules, sources};
use serde::Serialize;
use std::fmt::Write;
use waf::{CompileOptions, RuleSet};

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Errors and warnings, by file and place.
    pub findings: Vec<Finding>,
    /// How many of them are errors.
    pub errors: usize,
    /// How many of them are warnings.
    pub warnings: usize,
    /// Rules, a chain is one; of what compiles.
    pub rules: usize,
    /// What is looked for; nothing where there are errors.
    pub coverage: Coverage,
}

impl CheckReport {
    /// Whether the rules can be used.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors == 0
    }

    /// Takes findings out that nobody wants to hear of.
    pub fn leave_out(&mut self, unwanted: impl Fn(&Finding) -> bool) {
        self.findings.retain(|finding| !unwanted(finding));
        let errors = (self.findings.iter()).filter(|finding| finding.severity == Severity::Error);
        self.errors = errors.count();
        self.warnings = self.findings.len() - self.errors;
    }

    /// What people read: the findings.
    #[must_use]
    pub fn findings_text(&self) -> String {
        listed(&self.findings)
    }

    /// What people read at the end: counts and coverage.
    #[must_use]
    pub fn summary(&self) -> String {
        if !self.is_valid() {
            return format!(
                "invalid: {} errors, {} warnings\n",
                self.errors, self.warnings
            );
        }
        let mut text = format!("valid: {} rules, {} warnings\n", self.rules, self.warnings);
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", self.coverage.table());
        text
    }
}

/// Reads rules as a service would, and looks for mistakes that it would not mind.
#[must_use]
pub fn check(rules: &Rules) -> CheckReport {
    let (documents, mut findings) = rules.read_partly();
    let mut coverage = Coverage::default();
    let mut count = 0;
    // With gates: that tells which rules have to be asked about every value.
    match RuleSet::compile(&documents, &CompileOptions::default()) {
        Ok(rules) => {
            count = rules.rules().count();
            for notice in rules.notices() {
                findings.push(Finding::in_sources(
                    Severity::Warning,
                    "no-effect",
                    &notice.place,
                    sources(&documents),
                    notice.text.clone(),
                    "",
                ));
            }
            if findings
                .iter()
                .all(|finding| finding.severity != Severity::Error)
            {
                coverage = Coverage::of(&rules);
            }
            findings.extend(lint::lint(&documents, Some(&rules)));
        }
        Err(errors) => {
            for error in &errors {
                let finding = Finding::of_compile_error(error, sources(&documents));
                // What the parser has told of a rule need not be told twice.
                let known = findings.iter().any(|known| {
                    (known.name, &known.file, known.line)
                        == (finding.name, &finding.file, finding.line)
                        && finding.name == "duplicate-id"
                });
                if !known {
                    findings.push(finding);
                }
            }
            findings.extend(lint::lint(&documents, None));
        }
    }
    let order: Vec<&str> = sources(&documents).map(seclang::Source::name).collect();
    let place = |finding: &Finding| order.iter().position(|name| *name == finding.file);
    findings.sort_by_cached_key(|finding| (place(finding), finding.line, finding.column));
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    CheckReport {
        warnings: findings.len() - errors,
        errors,
        findings,
        rules: count,
        coverage,
    }
}
