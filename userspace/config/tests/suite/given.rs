//! A small language for tests: `given("io: «rings").finds(kind).remedy("...")`. The mark `«` is not part of the file; it
//! says where the finding must be.

use config::{Config, Diagnostic, Diagnostics, Env, Kind, Pretend, Severity};

/// A file that was read, and what was found in it.
pub(crate) struct Given {
    text: String,
    mark: Option<(u32, u32)>,
    pub(crate) findings: Diagnostics,
    good: bool,
}

/// Reads a file in a world where every other file and every variable is there.
pub(crate) fn given(text: &str) -> Given {
    given_in(text, &Pretend)
}

/// Reads a file in a world of its own.
pub(crate) fn given_in(marked: &str, env: &dyn Env) -> Given {
    let number = |n: usize| u32::try_from(n).unwrap();
    let mark = marked.split_once('«').map(|(before, _)| {
        let line = before
            .lines()
            .last()
            .filter(|_| !before.ends_with('\n'))
            .unwrap_or_default();
        (
            number(before.matches('\n').count() + 1),
            number(line.chars().count() + 1),
        )
    });
    let text = marked.replace('«', "");
    let (findings, good) = match Config::parse("conf/bascule.yaml", &text, env) {
        Ok(loaded) => (loaded.warnings, true),
        Err(errors) => (errors, false),
    };
    Given {
        text,
        mark,
        findings,
        good,
    }
}

/// One finding.
pub(crate) struct Finding(Diagnostic);

impl Finding {
    /// The remedy has these words.
    pub(crate) fn remedy(self, words: &str) -> Self {
        assert!(self.0.remedy.contains(words), "{:?}", self.0);
        self
    }

    /// The finding has these words.
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.0.found.contains(words), "{:?}", self.0);
        self
    }
}

impl Given {
    /// There is an error of this kind at the mark.
    pub(crate) fn finds(&self, kind: Kind) -> Finding {
        assert!(!self.good, "accepted:\n{}", self.text);
        self.at_mark(Severity::Error, kind)
    }

    /// The same, and nothing else is wrong.
    pub(crate) fn finds_only(&self, kind: Kind) -> Finding {
        assert_eq!(self.errors().len(), 1, "{}", self.findings);
        self.finds(kind)
    }

    /// There is a warning of this kind at the mark, and no error.
    pub(crate) fn warns(&self, kind: Kind) -> Finding {
        assert!(self.good, "{}", self.findings);
        self.at_mark(Severity::Warning, kind)
    }

    /// Nothing was found.
    pub(crate) fn is_good(&self) {
        assert!(self.findings.is_empty(), "{}", self.findings);
    }

    /// The errors, in the order of the file.
    pub(crate) fn errors(&self) -> Vec<&Diagnostic> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect()
    }

    fn at_mark(&self, severity: Severity, kind: Kind) -> Finding {
        let here = |d: &Diagnostic| {
            self.mark
                .is_none_or(|mark| mark == (d.span.line, d.span.column))
        };
        let found = self
            .findings
            .iter()
            .find(|d| d.severity == severity && d.kind == kind && here(d));
        match found {
            Some(found) => Finding(found.clone()),
            None => panic!(
                "no {} {} at {:?} in\n{}\nbut\n{}",
                kind.name(),
                severity.name(),
                self.mark,
                self.text,
                self.findings
            ),
        }
    }
}
