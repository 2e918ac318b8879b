//! Why a command did not do what it was asked for, and its exit code.

use ::rules::crs::CrsError;
use ::rules::{Finding, ReplayError, RequestError, TestError};
use config::Diagnostics;
use control::client::ClientError;
use control::key_store::KeyStoreError;
use control::{DownloadError, PolicyError, StartError};
use serde_json::{Value as Json, json};
use std::io;

/// The HTTP status by which an instance refuses a configuration.
const UNPROCESSABLE: u16 = 422;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration, or something that it names, is wrong.
    #[error("{0}")]
    Config(Diagnostics),
    /// The process did not start.
    #[error(transparent)]
    Start(StartError),
    /// BASCULE_LOG.
    #[error(
        "BASCULE_LOG: expected a level (error, warn, info, debug, trace) or directives such as `info,proxy=debug`: {0}"
    )]
    LogFilter(#[from] tracing_subscriber::filter::ParseError),
    /// The running instance.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The key store.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// Rule files are wrong.
    #[error("{}", ::rules::listed(.0))]
    Rules(Vec<Finding>),
    /// Tests of rules cannot be run.
    #[error(transparent)]
    Tests(TestError),
    /// Something is no request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A log cannot be replayed.
    #[error(transparent)]
    Replay(ReplayError),
    /// A release of the CRS was not installed.
    #[error(transparent)]
    Crs(#[from] CrsError),
    /// A file was not fetched.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A ban list cannot be read.
    #[error("cannot read the ban list `{file}`: {error}")]
    BanList {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A WAF policy of a configuration is not there.
    #[error(transparent)]
    Policy(PolicyError),
    /// Everything has been told; only the exit code remains.
    #[error("exit code {0}")]
    Told(u8),
    /// What was to be shown cannot be.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(diagnostics) => Self::Config(diagnostics),
            error => Self::Start(error),
        }
    }
}

impl From<TestError> for Failure {
    fn from(error: TestError) -> Self {
        match error {
            TestError::Rules(findings) => Self::Rules(findings),
            error => Self::Tests(error),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Rules(findings) => Self::Rules(findings),
            error => Self::Replay(error),
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Config(diagnostics) => Self::Config(diagnostics),
            PolicyError::Rules(findings) => Self::Rules(findings),
            error => Self::Policy(error),
        }
    }
}

impl Failure {
    /// The exit code, as `bascule --help` documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Rules(_) => 3,
            Self::Told(code) => *code,
            Self::Client(ClientError::Refused(problem)) if problem.status == UNPROCESSABLE => 3,
            Self::Client(ClientError::NotRunning { .. }) => 4,
            _ => 1,
        }
    }

    /// Whoever reads our output has had enough: no failure of ours.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What people read.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Config(diagnostics) => diagnostics.to_string(),
            Self::Rules(findings) => ::rules::listed(findings),
            Self::Client(ClientError::Refused(problem)) if !problem.diagnostics_text.is_empty() => {
                format!("{}\n{}", problem.diagnostics_text, problem.detail)
            }
            failure => format!("bascule: {failure}"),
        }
    }

    /// What programs read.
    pub(crate) fn json(&self) -> Json {
        let diagnostics = match self {
            Self::Config(diagnostics) => diagnostics.json(),
            Self::Rules(findings) => json!(findings),
            Self::Client(ClientError::Refused(problem)) => problem.diagnostics.clone(),
            _ => Json::Null,
        };
        let error = match self {
            Self::Config(_) => "the configuration is invalid".to_owned(),
            Self::Rules(_) => "the rules are invalid".to_owned(),
            failure => failure.to_string(),
        };
        let mut object = json!({ "error": error, "exit_code": self.exit_code() });
        if let (Some(object), false) = (object.as_object_mut(), diagnostics.is_null()) {
            object.insert("diagnostics".to_owned(), diagnostics);
        }
        object
    }
}
