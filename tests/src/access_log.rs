//! The access log, line by line.

use crate::wait::within;
use serde_json::Value as Json;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// An access log that is being written.
pub struct AccessLog {
    path: PathBuf,
}

impl AccessLog {
    /// At this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The lines so far. One that is not a JSON object fails the test.
    #[track_caller]
    #[must_use]
    pub fn lines(&self) -> Vec<Json> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        // A line that is just being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| {
                let line: Json =
                    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}"));
                assert!(line.is_object(), "{line}");
                line
            })
            .collect()
    }

    /// Waits for so many lines; workers hand them over a few times a second.
    #[track_caller]
    #[must_use]
    pub fn wait_for(&self, count: usize) -> Vec<Json> {
        let found = within(Duration::from_secs(10), || {
            let lines = self.lines();
            (lines.len() >= count).then_some(lines)
        });
        found.unwrap_or_else(|| panic!("{count} lines expected, found {:#?}", self.lines()))
    }

    /// Waits for the first line that a condition fits.
    #[track_caller]
    #[must_use]
    pub fn find(&self, fits: impl Fn(&Json) -> bool) -> Json {
        let found = within(Duration::from_secs(10), || {
            self.lines().into_iter().find(&fits)
        });
        found.unwrap_or_else(|| panic!("no line fits among {:#?}", self.lines()))
    }

    /// Waits for a line with this reason.
    #[track_caller]
    #[must_use]
    pub fn with_reason(&self, reason: &str) -> Json {
        self.find(|line| line["reason"] == reason)
    }
}
