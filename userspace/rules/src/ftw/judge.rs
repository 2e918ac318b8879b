//! Whether what happened is what a test expects, as go-ftw decides it.

use super::model::Output;
use crate::reflect::Answer;
use regex::bytes::RegexBuilder;
use seclang::ast::RuleId;

/// What happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// `None` where the client gets no answer.
    pub(super) status: Option<u16>,
    /// Logged ids, in order.
    pub(super) ids: Vec<RuleId>,
    /// The lines of the log.
    pub(super) log: Vec<String>,
    /// The answer as it goes over the wire.
    pub(super) response: Vec<u8>,
    pub(super) blocked: bool,
}

/// Something that is not as expected.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) problem: String,
    /// The rules that it is about.
    pub(super) rules: Vec<RuleId>,
}

/// What the client gets where the rules let the answer pass.
pub(super) fn response(status: Option<u16>, answer: &Answer) -> Vec<u8> {
    let Some(status) = status else {
        return Vec::new();
    };
    let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
    if status == answer.status {
        for (name, value) in &answer.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&answer.body);
    }
    out
}

/// Everything that is not as expected.
pub(super) fn judge(output: &Output, seen: &Seen) -> Vec<Want> {
    let mut wants = Vec::new();
    let mut want = |problem: String, rules: Vec<RuleId>| wants.push(Want { problem, rules });
    match (output.expect_error, seen.status) {
        (Some(true), None) => return wants,
        (Some(true), Some(status)) => {
            want(
                format!("expected no answer, found status {status}"),
                Vec::new(),
            );
            return wants;
        }
        (_, None) => want("expected an answer, found none".to_owned(), Vec::new()),
        (_, Some(status)) => {
            if !output.status.0.is_empty() && !output.status.0.contains(&status) {
                let expected: Vec<String> = output.status.0.iter().map(u16::to_string).collect();
                want(
                    format!("expected status {}, found {status}", expected.join(" or ")),
                    Vec::new(),
                );
            }
        }
    }
    judge_ids(output, seen, &mut want);
    let in_log = |pattern: &str| holds(pattern, seen.log.iter().map(String::as_bytes));
    for pattern in [&output.log.match_regex, &output.log_contains] {
        match in_log(pattern) {
            _ if pattern.is_empty() => {}
            Ok(true) => {}
            Ok(false) => want(
                format!("expected a line of the log to match `{pattern}`, none does"),
                ids_in(pattern),
            ),
            Err(problem) => want(problem, Vec::new()),
        }
    }
    for pattern in [&output.log.no_match_regex, &output.no_log_contains] {
        match in_log(pattern) {
            _ if pattern.is_empty() => {}
            Ok(false) => {}
            Ok(true) => want(
                format!("expected no line of the log to match `{pattern}`, one does"),
                ids_in(pattern),
            ),
            Err(problem) => want(problem, Vec::new()),
        }
    }
    if !output.response_contains.is_empty() {
        match holds(
            &output.response_contains,
            std::iter::once(&seen.response[..]),
        ) {
            Ok(true) => {}
            Ok(false) => want(
                format!(
                    "expected the answer to match `{}`, it does not",
                    output.response_contains
                ),
                Vec::new(),
            ),
            Err(problem) => want(problem, Vec::new()),
        }
    }
    wants
}

fn judge_ids(output: &Output, seen: &Seen, want: &mut impl FnMut(String, Vec<RuleId>)) {
    for &id in &output.log.expect_ids {
        if !seen.ids.contains(&id) {
            want(
                format!("expected rule {id} to match, it does not"),
                vec![id],
            );
        }
    }
    for &id in &output.log.no_expect_ids {
        if seen.ids.contains(&id) {
            want(
                format!("expected rule {id} not to match, it does"),
                vec![id],
            );
        }
    }
    if output.passes && (seen.blocked || !seen.ids.is_empty()) {
        want(
            "expected no rule to match and the request to pass".to_owned(),
            seen.ids.clone(),
        );
    }
}

fn holds<'a>(pattern: &str, mut texts: impl Iterator<Item = &'a [u8]>) -> Result<bool, String> {
    let regex = RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .map_err(|error| format!("the pattern of the test cannot be read: {error}"))?;
    Ok(texts.any(|text| regex.is_match(text)))
}

/// Ids that a pattern such as `id "942100"` names.
fn ids_in(pattern: &str) -> Vec<RuleId> {
    let words = pattern.split(|letter: char| !letter.is_ascii_digit());
    let ids = words.filter(|word| (4..=10).contains(&word.len()));
    ids.filter_map(|word| word.parse().ok()).collect()
}
