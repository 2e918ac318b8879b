//! The access log's file: opened, pointed at, closed.

use config::{AccessTarget, Diagnostic, Diagnostics, Kind, Loaded};
use proxy::LineWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a log that is not written to any more stays open: workers hand over their last lines at their next tick.
const MOVE_ON: Duration = Duration::from_secs(2);

/// An open access log, with its path.
pub(crate) type AccessLog = (PathBuf, LineWriter);

pub(crate) fn path(loaded: &Loaded) -> Option<PathBuf> {
    match &loaded.config.log.access.path {
        AccessTarget::Off => None,
        AccessTarget::Stdout => Some(PathBuf::from("/dev/stdout")),
        AccessTarget::File(file) => Some(file.path.clone()),
    }
}

pub(crate) fn open(loaded: &Loaded, open: Option<&Path>) -> Result<Option<AccessLog>, Diagnostics> {
    let Some(path) = path(loaded).filter(|path| Some(path.as_path()) != open) else {
        return Ok(None);
    };
    match LineWriter::open(&path) {
        Ok(writer) => Ok(Some((path, writer))),
        Err(error) => {
            let span = match &loaded.config.log.access.path {
                AccessTarget::File(file) => file.span,
                _ => config::Span::default(),
            };
            let found = format!("access log `{}` cannot be written: {error}", path.display());
            let remedy = "check the folder and who may write to it";
            let diagnostic = Diagnostic::error(Kind::File, span, found).remedy(remedy);
            Err(loaded.report(vec![diagnostic]))
        }
    }
}

/// Closes a log when the workers have moved on from it.
pub(crate) fn retire(log: Option<AccessLog>) {
    if log.is_some() {
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(MOVE_ON);
            drop(log);
        });
    }
}

pub(crate) fn target(loaded: &Loaded, log: Option<&AccessLog>) -> Option<proxy::AccessTarget> {
    log.map(|(_, writer)| proxy::AccessTarget {
        sink: writer.sink(),
        sample: loaded.config.log.access.sample.hundredths,
    })
}
