//! What is wrong with a configuration, where, and what to do about it.

use crate::source::Source;
use std::fmt;

/// Most diagnostics that are kept; what comes after is counted, so that a file full of errors stays readable.
pub const MAX_DIAGNOSTICS: usize = 100;

/// A place in the configuration file. Lines and columns count from 1, columns and lengths in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The line; 0 means "the file as a whole".
    pub line: u32,
    /// The column of the first character.
    pub column: u32,
    /// How many characters of that line it covers; at least one is shown.
    pub length: u32,
}

/// A value together with the place where it was written, for the values in which a later stage can find an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Puts a value and its place together.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is used, but something in it looks like a mistake or a risk.
    Warning,
    /// The configuration is not used.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The file cannot be read, or is larger than [`crate::MAX_BYTES`].
    Unreadable,
    /// The file is not YAML, or uses a part of YAML that is not supported here.
    Syntax,
    /// The document is larger, or nested deeper, than its limit.
    Limit,
    /// A key that nothing knows.
    UnknownKey,
    /// A key that is written twice.
    DuplicateKey,
    /// A key that must be there is not.
    MissingKey,
    /// A list where a text belongs, and the like.
    WrongType,
    /// The right type, but not a value that can be used.
    BadValue,
    /// A number, a duration or a size outside its range.
    OutOfRange,
    /// A name that no block defines.
    UnknownName,
    /// Two things that exclude each other.
    Conflict,
    /// A file that is missing or cannot be used.
    File,
    /// A secret that is written out, missing or empty.
    Secret,
    /// Something that nothing uses.
    Unused,
    /// It works, but it weakens security.
    Risky,
}

impl Kind {
    /// The stable name, as JSON output shows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::Limit => "limit",
            Self::UnknownKey => "unknown_key",
            Self::DuplicateKey => "duplicate_key",
            Self::MissingKey => "missing_key",
            Self::WrongType => "wrong_type",
            Self::BadValue => "bad_value",
            Self::OutOfRange => "out_of_range",
            Self::UnknownName => "unknown_name",
            Self::Conflict => "conflict",
            Self::File => "file",
            Self::Secret => "secret",
            Self::Unused => "unused",
            Self::Risky => "risky",
        }
    }
}

/// One finding: what, where, what was expected, what was found, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What kind of mistake.
    pub kind: Kind,
    /// The key it is about, such as `routes[0].upstream`; empty for the file as a whole.
    pub path: String,
    /// Where in the file.
    pub span: Span,
    /// What was found, in one sentence without a full stop.
    pub found: String,
    /// What was expected there; empty where `found` says it all.
    pub expected: String,
    /// What to do about it; empty where that is obvious.
    pub remedy: String,
}

impl Diagnostic {
    /// An error; add the rest with [`Diagnostic::at`], [`Diagnostic::expected`] and [`Diagnostic::remedy`].
    #[must_use]
    pub fn error(kind: Kind, span: Span, found: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind,
            path: String::new(),
            span,
            found: found.into(),
            expected: String::new(),
            remedy: String::new(),
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(kind: Kind, span: Span, found: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(kind, span, found)
        }
    }

    /// Names the key.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Says what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// Everything that was found in one configuration, in the order of the file, errors and warnings together.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    source: Source,
    list: Vec<Diagnostic>,
    dropped: usize,
}

impl Diagnostics {
    /// Collects findings about a text. Of more than [`MAX_DIAGNOSTICS`] the rest is only counted, warnings first.
    #[must_use]
    pub fn new(source: Source, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|d| std::cmp::Reverse(d.severity));
        let dropped = list.len().saturating_sub(MAX_DIAGNOSTICS);
        list.truncate(MAX_DIAGNOSTICS);
        list.sort_by_key(|d| (d.span.line, d.span.column));
        Self {
            source,
            list,
            dropped,
        }
    }

    /// Counts findings that were not kept.
    pub(crate) fn and_dropped(mut self, dropped: usize) -> Self {
        self.dropped += dropped;
        self
    }

    /// The findings, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many findings there are, with those that are not kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// Whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// The text that they are about.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The same as JSON, for `--json`: a list of objects with `severity`, `kind`, `file`, `line`, `column`, `length`,
    /// `path`, `found`, `expected` and `remedy`.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let one = |d: &Diagnostic| {
            serde_json::json!({
                "severity": d.severity.name(), "kind": d.kind.name(), "file": self.source.name(),
                "line": d.span.line, "column": d.span.column, "length": d.span.length,
                "path": d.path, "found": d.found, "expected": d.expected, "remedy": d.remedy,
            })
        };
        self.list.iter().map(one).collect()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            self.source.write(f, diagnostic)?;
        }
        if self.dropped > 0 {
            writeln!(f, "\nand {} more", self.dropped)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
