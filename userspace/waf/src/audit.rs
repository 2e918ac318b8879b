//! The audit record: what happened to a transaction, as JSON in the shape of ModSecurity 3 with fields of our own.
//!
//! Values that are secrets by their name are masked before they enter a record.

use std::borrow::Cow;

use seclang::ast::{RuleId, Variable};
use serde::Serialize;

use crate::plan::{Place, Rule};
use crate::transaction::Mode;

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Bytes of a value that a record keeps; the rest is cut off and marked.
pub const VALUE_LIMIT_BYTES: usize = 512;

/// Fields whose values are masked.
const SECRET_FIELDS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
];

/// Parts of argument names whose values are masked.
const SECRET_NAMES: &[&str] = &[
    "passw",
    "passwd",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "credential",
    "card",
    "cvv",
    "ssn",
    "auth",
];

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleMatch {
    /// The rule's id.
    pub rule: RuleId,
    /// Where the rule stands.
    pub place: Place,
    /// The phase it ran in, 1 to 5.
    pub phase: u8,
    /// `msg`, macros expanded.
    pub message: String,
    /// `logdata`, macros expanded; bytes that do not print are written `\xHH`.
    pub data: String,
    /// 0 (EMERGENCY) to 7 (DEBUG).
    pub severity: Option<u8>,
    /// `tag`, macros expanded.
    pub tags: Vec<String>,
    /// `ver`
    pub ver: String,
    /// `rev`
    pub rev: String,
    /// `maturity`, 0 where the rule has none.
    pub maturity: u8,
    /// `accuracy`, 0 where the rule has none.
    pub accuracy: u8,
    /// The variable that matched last, such as `ARGS:id`.
    pub variable: String,
    /// Its value after the transformations, scrubbed and cut.
    pub value: String,
    /// The operator of the last link, as written.
    pub operator: String,
    /// Whether the rule decides: denies, drops or redirects.
    pub disruptive: bool,
    /// Whether the rule logs (`log`).
    pub log: bool,
    /// Whether the rule makes the transaction worth an audit record (`auditlog`).
    pub audit_log: bool,
}

/// The match of the last link.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) variable: Option<Variable>,
    pub(crate) name: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) operator: &'a str,
    pub(crate) negated: bool,
}

impl RuleMatch {
    pub(crate) fn new(
        rule: &Rule,
        phase: u8,
        disruptive: bool,
        found: Found<'_>,
        message: &[u8],
        data: &[u8],
        tags: &[Vec<u8>],
    ) -> RuleMatch {
        let secret = found
            .variable
            .is_some_and(|variable| is_secret(variable, found.key));
        let value = if secret {
            Cow::Borrowed(MASK)
        } else {
            Cow::Owned(printable(found.value))
        };
        let mut data = printable(data);
        if secret && !found.value.is_empty() {
            data = data.replace(&printable(found.value), MASK);
        }
        let negation = if found.negated { "!" } else { "" };
        RuleMatch {
            rule: rule.id,
            place: rule.place.clone(),
            phase,
            message: printable(message),
            data,
            severity: rule.meta.severity.map(seclang::ast::Severity::number),
            tags: tags.iter().map(|tag| printable(tag)).collect(),
            ver: rule.meta.ver.clone(),
            rev: rule.meta.rev.clone(),
            maturity: rule.meta.maturity,
            accuracy: rule.meta.accuracy,
            variable: printable(found.name),
            value: value.into_owned(),
            operator: format!("{negation}@{}", found.operator),
            disruptive,
            log: rule.log,
            audit_log: rule.audit_log,
        }
    }
}

/// The line that error logs of ModSecurity show for a match, and that tools read.
impl std::fmt::Display for RuleMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Matched \"Operator `{}' against variable `{}' (Value: `{}') ",
            self.operator, self.variable, self.value
        )?;
        write!(
            f,
            "[file \"{}\"] [line \"{}\"] [id \"{}\"]",
            self.place.file, self.place.line, self.rule
        )?;
        write!(
            f,
            " [rev \"{}\"] [msg \"{}\"] [data \"{}\"]",
            self.rev, self.message, self.data
        )?;
        if let Some(severity) = self.severity {
            write!(f, " [severity \"{severity}\"]")?;
        }
        write!(f, " [ver \"{}\"]", self.ver)?;
        self.tags
            .iter()
            .try_for_each(|tag| write!(f, " [tag \"{tag}\"]"))
    }
}

/// One transaction, one line of the audit log.
#[derive(Clone, Debug, Serialize)]
pub struct AuditRecord {
    /// Everything, in ModSecurity's shape.
    pub transaction: AuditTransaction,
}

/// The transaction of a record.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)] // The names are those of ModSecurity's format.
pub struct AuditTransaction {
    pub client_ip: String,
    pub time_stamp: String,
    pub server_id: String,
    pub client_port: u16,
    pub host_ip: String,
    pub host_port: u16,
    pub unique_id: String,
    pub request: AuditRequest,
    pub response: AuditResponse,
    pub producer: Producer,
    pub messages: Vec<Message>,
    /// What became of it.
    pub outcome: AuditOutcome,
}

/// The request of a record; the body is not kept.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct AuditRequest {
    pub method: String,
    pub http_version: String,
    pub uri: String,
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    pub body_bytes: usize,
}

/// The response of a record; the body is not kept.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct AuditResponse {
    pub http_code: u16,
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    pub body_bytes: usize,
}

/// Who wrote a record.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Producer {
    pub modsecurity: String,
    pub connector: String,
    pub secrules_engine: String,
    pub components: Vec<String>,
}

/// A rule that matched.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Message {
    pub message: String,
    pub details: Details,
}

/// What is known of a match. Numbers are text, as in ModSecurity's format.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Details {
    pub r#match: String,
    pub reference: String,
    pub rule_id: String,
    pub file: String,
    pub line_number: String,
    pub data: String,
    pub severity: String,
    pub ver: String,
    pub rev: String,
    pub tags: Vec<String>,
    pub maturity: String,
    pub accuracy: String,
    /// The variable, such as `ARGS:id`.
    pub variable: String,
    /// Its value, scrubbed.
    pub value: String,
    pub phase: u8,
    pub disruptive: bool,
}

/// What became of a transaction.
#[derive(Clone, Debug, Serialize)]
pub struct AuditOutcome {
    /// What the route asked for.
    pub mode: Mode,
    /// `pass`, `deny`, `drop`, `redirect` or `fail`: what was done.
    pub verdict: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// The rule that decided.
    pub rule: Option<RuleId>,
    /// In detection, the rule that would have decided.
    pub would_be_rule: Option<RuleId>,
    /// The anomaly score, where the rules keep one.
    pub score: Option<i64>,
    /// Why inspection ended early.
    pub error: Option<String>,
}

fn as_map<S: serde::Serializer>(
    fields: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // A repeated field is a repeated key, as ModSecurity writes it.
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

impl From<&RuleMatch> for Message {
    fn from(matched: &RuleMatch) -> Message {
        Message {
            message: matched.message.clone(),
            details: Details {
                r#match: format!(
                    "Matched \"Operator `{}' against variable `{}' (Value: `{}')",
                    matched.operator, matched.variable, matched.value
                ),
                reference: String::new(),
                rule_id: matched.rule.to_string(),
                file: matched.place.file.to_string(),
                line_number: matched.place.line.to_string(),
                data: matched.data.clone(),
                severity: matched
                    .severity
                    .map(|severity| severity.to_string())
                    .unwrap_or_default(),
                ver: matched.ver.clone(),
                rev: matched.rev.clone(),
                tags: matched.tags.clone(),
                maturity: matched.maturity.to_string(),
                accuracy: matched.accuracy.to_string(),
                variable: matched.variable.clone(),
                value: matched.value.clone(),
                phase: matched.phase,
                disruptive: matched.disruptive,
            },
        }
    }
}

/// Whether the value of a header field is a secret.
pub(crate) fn is_secret_field(name: &[u8]) -> bool {
    SECRET_FIELDS
        .iter()
        .any(|secret| secret.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether the value of an argument is a secret, by its name.
pub(crate) fn is_secret_argument(name: &[u8]) -> bool {
    SECRET_NAMES
        .iter()
        .any(|secret| crate::bytes::contains_ignore_case(name, secret.as_bytes()))
}

fn is_secret(variable: Variable, key: &[u8]) -> bool {
    match variable {
        Variable::RequestHeaders | Variable::ResponseHeaders => is_secret_field(key),
        Variable::RequestCookies => true,
        Variable::Args | Variable::ArgsGet | Variable::ArgsPost => is_secret_argument(key),
        _ => false,
    }
}

/// A request target whose secret arguments are masked.
pub(crate) fn scrub_target(target: &[u8]) -> String {
    let Some(mark) = memchr::memchr(b'?', target) else {
        return printable(target);
    };
    let mut out = printable(&target[..=mark]);
    for (index, piece) in target[mark + 1..].split(|&byte| byte == b'&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        match memchr::memchr(b'=', piece) {
            Some(equals) if is_secret_argument(&piece[..equals]) => {
                out.push_str(&printable(&piece[..=equals]));
                out.push_str(MASK);
            }
            _ => out.push_str(&printable(piece)),
        }
    }
    out
}

/// Bytes as text for a log: what does not print as ASCII is written `\xHH`, what is too long is cut.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().min(VALUE_LIMIT_BYTES));
    for &byte in bytes.iter().take(VALUE_LIMIT_BYTES) {
        if (0x20..0x7F).contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    if bytes.len() > VALUE_LIMIT_BYTES {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        assert_eq!(
            scrub_target(b"/a?user=x&password=hunter2&Access_Token=y"),
            "/a?user=x&password=***&Access_Token=***"
        );
        assert!(is_secret_field(b"Authorization"));
        assert!(!is_secret_field(b"Host"));
        assert_eq!(printable(b"a\n\xe9"), "a\\x0a\\xe9");
    }
}
