//! The tests of the Core Rule Set as data: one JSON object a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// One test.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Case {
    /// Rule and number: `920100-1`.
    pub(super) id: String,
    /// Requests in their order.
    pub(super) stages: Vec<Stage>,
}

/// One request of a test and what has to come of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stage {
    /// The request as its author wrote it; of it the method alone is asked for.
    pub(super) input: Input,
    /// What has to come of it.
    pub(super) output: Output,
    /// The exact bytes of the request, in base64.
    raw_b64: String,
}

/// What the runner asks of a request's description.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Input {
    /// The method, which decides whether an answer has a body.
    #[serde(default)]
    pub(super) method: String,
}

/// What has to come of a request. What is not there is not asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    /// The status of the answer.
    pub(super) status: Option<u16>,
    /// Rules that are logged.
    pub(super) expect_ids: Vec<u64>,
    /// Rules that are not.
    pub(super) no_expect_ids: Vec<u64>,
    /// Some line of the log matches it.
    pub(super) match_regex: Option<String>,
    /// No line of the log matches it.
    pub(super) no_match_regex: Option<String>,
    /// As `match_regex`, under its older name.
    pub(super) log_contains: Option<String>,
    /// As `no_match_regex`, under its older name.
    pub(super) no_log_contains: Option<String>,
    /// The answer matches it.
    pub(super) response_contains: Option<String>,
    /// There is no answer of HTTP/1.1.
    pub(super) expect_error: bool,
    /// It may be tried twice.
    pub(super) retry_once: bool,
    /// Exactly one rule is logged.
    pub(super) isolated: bool,
}

/// What a front of its own kind has to give in the place of what a test says.
#[derive(Clone, Debug, Deserialize)]
struct Override {
    id: String,
    output: Option<Output>,
    #[serde(default)]
    ignore: bool,
    #[serde(default)]
    stages: Vec<usize>,
}

impl Stage {
    /// The request's bytes with the field that names the test behind the request line.
    ///
    /// # Errors
    /// When the file has no base64 there.
    pub(super) fn bytes(&self, marker: &str) -> Result<Vec<u8>, String> {
        let raw = STANDARD
            .decode(&self.raw_b64)
            .map_err(|error| error.to_string())?;
        let end = raw.iter().position(|&byte| byte == b'\n');
        let (line, rest) = raw.split_at(end.map_or(raw.len(), |end| end + 1));
        let field = match end {
            Some(_) => format!("{}: {marker}\r\n", super::MARKER),
            None => String::new(),
        };
        Ok([line, field.as_bytes(), rest].concat())
    }
}

/// The tests of a file.
///
/// # Errors
/// Which file and line cannot be read.
pub(super) fn load(path: &Path) -> Result<Vec<Case>, String> {
    lines(path)
}

/// Applies a file of overrides; a test that it says to ignore is taken away.
///
/// # Errors
/// As [`load`].
pub(super) fn override_by(path: &Path, cases: &mut Vec<Case>) -> Result<(), String> {
    let overrides: HashMap<String, Override> = lines::<Override>(path)?
        .into_iter()
        .map(|one| (one.id.clone(), one))
        .collect();
    cases.retain(|case| !overrides.get(&case.id).is_some_and(|one| one.ignore));
    for case in cases {
        let Some(one) = overrides.get(&case.id) else {
            continue;
        };
        let Some(output) = &one.output else { continue };
        for (number, stage) in case.stages.iter_mut().enumerate() {
            if one.stages.is_empty() || one.stages.contains(&number) {
                stage.output = output.clone();
            }
        }
    }
    Ok(())
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty());
    lines
        .map(|(line, number)| {
            serde_json::from_str(line)
                .map_err(|error| format!("{}:{number}: {error}", path.display()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_test_is_read_and_its_request_marked() {
        let raw = STANDARD.encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let text = format!(
            r#"{{"id":"1-1","stages":[{{"input":{{"method":"GET","uri":"/"}},"output":{{"expect_ids":[7]}},"raw_b64":"{raw}"}}]}}"#
        );
        let mut cases = load(file(&text).path()).unwrap();
        let stage = &cases[0].stages[0];
        assert_eq!(stage.output.expect_ids, [7]);
        let bytes = stage.bytes("m").unwrap();
        assert_eq!(bytes, b"GET / HTTP/1.1\r\nX-CRS-Test: m\r\nHost: a\r\n\r\n");
        let other = file(
            "{\"id\":\"1-1\",\"output\":{\"status\":400},\"reason\":\"why\"}\n{\"id\":\"1-2\",\"ignore\":true}\n",
        );
        override_by(other.path(), &mut cases).unwrap();
        assert_eq!(cases[0].stages[0].output.status, Some(400));
        assert!(cases[0].stages[0].output.expect_ids.is_empty());
        let ignored = file("{\"id\":\"1-1\",\"ignore\":true}\n");
        override_by(ignored.path(), &mut cases).unwrap();
        assert!(cases.is_empty());
        assert!(load(file("\n{}").path()).unwrap_err().contains(":2: "));
    }
}
