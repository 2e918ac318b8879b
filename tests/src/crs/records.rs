//! The audit log while it is being written: which rules matched in which test.

use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// What the log says of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The rules that were logged.
    pub(super) ids: BTreeSet<u64>,
    /// A line for each, as an error log would have it.
    pub(super) lines: Vec<String>,
}

/// An audit log of JSON lines.
pub(super) struct Records {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reader: Option<BufReader<File>>,
    /// A line that is not complete yet.
    partial: Vec<u8>,
    found: HashMap<String, Facts>,
}

impl Records {
    /// The log in this file, which may not be there yet.
    #[must_use]
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    /// Waits for the record of a request and takes it; none comes in its time where the WAF did not see the request.
    pub(super) fn take(&self, marker: &str, patience: Duration) -> Option<Facts> {
        crate::within(patience, || {
            let mut state = self.state.lock().unwrap();
            state.read(&self.path);
            state.found.remove(marker)
        })
    }
}

impl State {
    fn read(&mut self, path: &PathBuf) {
        if self.reader.is_none() {
            self.reader = File::open(path).ok().map(BufReader::new);
        }
        let Some(reader) = &mut self.reader else {
            return;
        };
        while reader
            .read_until(b'\n', &mut self.partial)
            .is_ok_and(|read| read > 0)
        {
            if self.partial.last() != Some(&b'\n') {
                return;
            }
            if let Ok(record) = serde_json::from_slice::<Json>(&self.partial)
                && let Some((marker, facts)) = facts(&record)
            {
                self.found.insert(marker, facts);
            }
            self.partial.clear();
        }
    }
}

/// Whose record it is, and what it says.
fn facts(record: &Json) -> Option<(String, Facts)> {
    let transaction = &record["transaction"];
    let headers = transaction["request"]["headers"].as_object()?;
    let (_, marker) = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(super::MARKER))?;
    let mut facts = Facts::default();
    for message in transaction["messages"].as_array().into_iter().flatten() {
        let details = &message["details"];
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        };
        let id = text(&details["ruleId"]);
        facts.ids.extend(id.parse::<u64>());
        let line = format!(
            "{} [id \"{id}\"] [msg \"{}\"] [data \"{}\"]",
            text(&details["match"]),
            text(&message["message"]),
            text(&details["data"])
        );
        facts.lines.push(escaped(&line));
    }
    Some((marker.as_str()?.to_owned(), facts))
}

/// A line is one line: control characters are written out.
fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn records_are_found_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.json");
        let records = Records::of(path.clone());
        let brief = Duration::from_millis(20);
        assert_eq!(records.take("a", brief), None);
        let line = r#"{"transaction":{"request":{"headers":{"x-crs-test":"a"}},"messages":[{"message":"m","details":{"ruleId":"7","match":"Matched","data":"d\n"}}]}}"#;
        let mut file = File::create(&path).unwrap();
        write!(file, "no json\n{}", &line[..40]).unwrap();
        assert_eq!(records.take("a", brief), None);
        writeln!(file, "{}", &line[40..]).unwrap();
        let facts = records.take("a", brief).unwrap();
        assert_eq!(facts.ids, BTreeSet::from([7]));
        assert_eq!(
            facts.lines,
            [r#"Matched [id "7"] [msg "m"] [data "d\x0a"]"#]
        );
        assert_eq!(records.take("a", brief), None, "each is taken once");
    }
}
