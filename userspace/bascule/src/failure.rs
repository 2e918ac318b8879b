//! Why a command did not do what it was asked for, and its exit code.

use config::Diagnostics;
use control::StartError;
use control::client::ClientError;
use control::key_store::KeyStoreError;
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

impl Failure {
    /// The exit code, as `bascule --help` documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 3,
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
            Self::Client(ClientError::Refused(problem)) => problem.diagnostics.clone(),
            _ => Json::Null,
        };
        let error = match self {
            Self::Config(_) => "the configuration is invalid".to_owned(),
            failure => failure.to_string(),
        };
        let mut object = json!({ "error": error, "exit_code": self.exit_code() });
        if let (Some(object), false) = (object.as_object_mut(), diagnostics.is_null()) {
            object.insert("diagnostics".to_owned(), diagnostics);
        }
        object
    }
}
