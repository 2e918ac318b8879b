//! How a task fails, in words that say what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a task or a step of it gives back.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a task ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no task of this name; the list was printed.
    UnknownTask,
    /// An argument that the task does not know.
    Argument {
        /// The argument as it was typed.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A program could not be started.
    Start {
        /// The command line.
        command: String,
        /// Why.
        error: io::Error,
    },
    /// A program ran and did not succeed; it said why itself.
    Exit {
        /// The command line.
        command: String,
        /// Its exit code, or none where a signal ended it.
        code: Option<i32>,
    },
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something that the task cannot do without is missing on this host.
    Missing {
        /// What.
        what: String,
        /// The command that brings it.
        remedy: String,
    },
    /// A program that should serve does not.
    NotReady {
        /// Its name.
        program: String,
        /// The end of its log.
        said: String,
    },
    /// A program was asked for something and gave another answer than it should.
    Unexpected {
        /// Who.
        program: String,
        /// What it should have given.
        expected: String,
        /// What it gave.
        found: String,
    },
    /// Steps of the demo did not come out as expected; each was printed.
    Unmet(usize),
    /// Checks found something; each finding was printed.
    Findings(usize),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTask => f.write_str("no such task; the list is above"),
            Self::Argument { found, expected } => {
                write!(f, "unknown argument `{found}`; expected {expected}")
            }
            Self::Start { command, error } => write!(f, "cannot start `{command}`: {error}"),
            Self::Exit {
                command,
                code: Some(code),
            } => write!(f, "`{command}` ended with {code}"),
            Self::Exit {
                command,
                code: None,
            } => write!(f, "`{command}` was ended by a signal"),
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Missing { what, remedy } => write!(f, "{what} is missing; run\n    {remedy}"),
            Self::NotReady { program, said } => {
                write!(f, "{program} does not serve; its log ends with\n{said}")
            }
            Self::Unexpected {
                program,
                expected,
                found,
            } => write!(f, "{program}: expected {expected}, found {found}"),
            Self::Unmet(1) => f.write_str("1 step did not come out as expected"),
            Self::Unmet(count) => write!(f, "{count} steps did not come out as expected"),
            Self::Findings(1) => f.write_str("1 finding"),
            Self::Findings(count) => write!(f, "{count} findings"),
        }
    }
}

impl std::error::Error for Failure {}

/// Turns a file error into a failure that names the file.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
    let path = path.into();
    move |error| Failure::File { path, error }
}
