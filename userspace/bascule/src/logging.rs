//! The log of the program, on the standard error.

use crate::failure::Failure;
use config::{Log, LogFormat};
use std::io;
use tracing_subscriber::EnvFilter;

/// What is logged, in the place of the configuration's level.
const VARIABLE: &str = "BASCULE_LOG";

/// Begins to log as the configuration says. Called once.
///
/// # Errors
/// Where BASCULE_LOG cannot be read.
pub(crate) fn begin(log: &Log) -> Result<(), Failure> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::builder().parse(text)?,
        _ => EnvFilter::new(log.level.name()),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match log.format {
        LogFormat::Text => subscriber
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}
