//! Whether a request came out as its test asks.

use super::case::Output;
use super::records::Facts;
use crate::Answer;
use regex::bytes::{Regex, RegexBuilder};

/// What came of a request.
pub(super) struct Outcome {
    /// The answer, or why there was none.
    pub(super) answer: Result<Answer, String>,
    /// What the audit log says; nothing where the request has no record.
    pub(super) facts: Option<Facts>,
}

impl Outcome {
    /// The status of the answer.
    #[must_use]
    pub(super) fn status(&self) -> Option<u16> {
        self.answer.as_ref().ok().map(|answer| answer.status)
    }
}

/// Whether the log has to be asked.
#[must_use]
pub(super) fn asks_the_log(output: &Output) -> bool {
    !output.expect_error
        && (!output.expect_ids.is_empty()
            || !output.no_expect_ids.is_empty()
            || patterns(output).next().is_some()
            || output.isolated)
}

/// What is wrong; nothing where the test passes.
#[must_use]
pub(super) fn complaints(output: &Output, outcome: &Outcome) -> Vec<String> {
    let answer = match (&outcome.answer, output.expect_error) {
        (Ok(answer), true) => {
            return vec![format!("expected no answer, got status {}", answer.status)];
        }
        (Err(_), true) => return Vec::new(),
        (Err(error), false) => return vec![format!("no answer: {error}")],
        (Ok(answer), false) => answer,
    };
    let mut complaints = Vec::new();
    if let Some(status) = output.status
        && status != answer.status
    {
        complaints.push(format!("status {}, expected {status}", answer.status));
    }
    if let Some(pattern) = &output.response_contains
        && !finds(pattern, [whole(answer)].iter())
    {
        complaints.push(format!("the answer does not match `{pattern}`"));
    }
    if asks_the_log(output) {
        judge_log(output, outcome.facts.as_ref(), &mut complaints);
    }
    complaints
}

fn judge_log(output: &Output, facts: Option<&Facts>, complaints: &mut Vec<String>) {
    let none = Facts::default();
    let known = facts.unwrap_or(&none);
    let ids = &known.ids;
    let missing: Vec<_> = output
        .expect_ids
        .iter()
        .filter(|id| !ids.contains(id))
        .collect();
    if !missing.is_empty() {
        let unseen = if facts.is_none() {
            " (no audit record)"
        } else {
            ""
        };
        complaints.push(format!("missing {missing:?}{unseen}"));
    }
    let unexpected: Vec<_> = output
        .no_expect_ids
        .iter()
        .filter(|id| ids.contains(id))
        .collect();
    if !unexpected.is_empty() {
        complaints.push(format!("unexpected {unexpected:?}"));
    }
    if output.isolated && ids.len() != 1 {
        complaints.push("not the only rule".to_owned());
    }
    for (pattern, wanted) in patterns(output) {
        if finds(pattern, known.lines.iter()) != wanted {
            let what = if wanted { "no line" } else { "a line" };
            complaints.push(format!("{what} matches `{pattern}`"));
        }
    }
}

/// The patterns on log lines, and whether some line has to match.
fn patterns(output: &Output) -> impl Iterator<Item = (&String, bool)> {
    [
        (&output.match_regex, true),
        (&output.log_contains, true),
        (&output.no_match_regex, false),
        (&output.no_log_contains, false),
    ]
    .into_iter()
    .filter_map(|(pattern, wanted)| Some((pattern.as_ref()?, wanted)))
}

fn finds<'t>(pattern: &str, mut texts: impl Iterator<Item = &'t String>) -> bool {
    texts.any(|text| regex(pattern).is_match(text.as_bytes()))
}

/// The patterns are Go's: RE2 as far as they go.
fn regex(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .unwrap_or_else(|error| panic!("a test has a pattern that cannot be read: {error}"))
}

fn whole(answer: &Answer) -> String {
    let mut text = format!("HTTP/1.1 {}\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n" + &answer.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Framing};

    fn outcome(status: u16, ids: &[u64], lines: &[&str]) -> Outcome {
        let content = Body {
            framing: Framing::None,
            bytes: b"body".to_vec(),
            length: 4,
            digest: String::new(),
            trailers: Vec::new(),
        };
        Outcome {
            answer: Ok(Answer {
                status,
                headers: Vec::new(),
                content,
                interim: Vec::new(),
            }),
            facts: Some(Facts {
                ids: ids.iter().copied().collect(),
                lines: lines.iter().map(|&line| line.to_owned()).collect(),
            }),
        }
    }

    fn count(json: &str, outcome: &Outcome) -> usize {
        complaints(&serde_json::from_str(json).unwrap(), outcome).len()
    }

    #[test]
    fn what_is_asked_for_decides() {
        let good = outcome(200, &[1, 2], &["one line", "[id \"2\"]"]);
        for (asked, wrong) in [
            ("{}", 0),
            (
                r#"{"status":200,"expect_ids":[1,2],"no_expect_ids":[3]}"#,
                0,
            ),
            (r#"{"status":403,"expect_ids":[3],"no_expect_ids":[1]}"#, 3),
            (r#"{"match_regex":"id .\\d","no_match_regex":"^line"}"#, 0),
            (r#"{"match_regex":"three","no_match_regex":"line$"}"#, 2),
            (r#"{"log_contains":"one","no_log_contains":"one"}"#, 1),
            (r#"{"isolated":true}"#, 1),
            (r#"{"response_contains":"^HTTP/1.1 200"}"#, 0),
            (r#"{"response_contains":"other"}"#, 1),
            (r#"{"expect_error":true}"#, 1),
        ] {
            assert_eq!(count(asked, &good), wrong, "{asked}");
        }
    }

    #[test]
    fn without_an_answer_nothing_else_is_looked_at() {
        let mut none = outcome(200, &[], &[]);
        none.answer = Err("closed".to_owned());
        assert_eq!(count(r#"{"expect_error":true,"expect_ids":[9]}"#, &none), 0);
        assert_eq!(count("{}", &none), 1);
    }
}
