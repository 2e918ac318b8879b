//! What is wrong with a grammar.

/// A place in a grammar that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {kind}")]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong at a place of a grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// A file that was not read.
    #[error("the file `{0}` was not loaded")]
    Missing(String),
    /// The text is not of the form that it should have.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A file that is not well-formed XML or JSON.
    #[error("the file is not well-formed: {0}")]
    Malformed(String),
    /// A name that nothing declares.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A name that is declared twice.
    #[error("{what} `{name}` is declared twice")]
    Twice {
        /// What is declared.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something that is defined by itself.
    #[error("{what} `{name}` is defined by itself")]
    Circular {
        /// What is defined.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A value that does not mean anything here.
    #[error("`{value}` is not {expected}")]
    Value {
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A content model in which one element may stand for two places.
    #[error(
        "the content model of `{of}` is ambiguous: `{name}` may stand for two of its particles"
    )]
    Ambiguous {
        /// The type or element.
        of: String,
        /// The name that can be read in two ways.
        name: String,
    },
    /// A legitimate construct that is not carried out.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// Over a limit of [`crate::limits`].
    #[error("there are more than {limit} {what}")]
    Limit {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

impl ProblemKind {
    /// Whether other validators would take the grammar: it is sound, and this one does not carry it out.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::Limit { .. })
    }
}
