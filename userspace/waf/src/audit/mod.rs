//! The audit record: what happened to a transaction, as JSON in the shape of ModSecurity 3 with fields of our own.
//!
//! Values that are secrets are masked before they enter a record ([`Scrub`]).

mod hide;
mod native;
mod scrub;

use seclang::ast::{AuditLogParts, RuleId, Variable};
use serde::Serialize;

pub(crate) use hide::Hidden;
pub use scrub::{MASK, Scrub};

use crate::plan::{Place, Rule};
use crate::transaction::Mode;

/// Bytes of a value that a record keeps; the rest is cut off and marked.
pub const VALUE_LIMIT_BYTES: usize = 512;

/// Bytes of a body that a record keeps, where one is asked for; the rest is cut off and marked.
pub const BODY_LIMIT_BYTES: usize = 64 << 10;

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
pub(crate) struct Found<'a> {
    pub(crate) variable: Option<Variable>,
    pub(crate) name: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Values of the chain that are secret as a whole.
    pub(crate) secrets: Vec<&'a [u8]>,
    /// What the whole pattern matched, where the rule captures.
    pub(crate) captured: &'a [u8],
    pub(crate) operator: &'a str,
    pub(crate) negated: bool,
    /// What the rule says, macros expanded.
    pub(crate) message: &'a [u8],
    pub(crate) data: &'a [u8],
    pub(crate) tags: &'a [Vec<u8>],
}

impl RuleMatch {
    pub(crate) fn new(
        rule: &Rule,
        phase: u8,
        disruptive: bool,
        found: &Found<'_>,
        scrub: &Scrub,
    ) -> RuleMatch {
        let secret = found
            .variable
            .is_some_and(|variable| scrub.is_secret(variable, found.key));
        let name = printable(found.name);
        let value = if secret {
            MASK.to_owned()
        } else {
            scrub.value(found.variable, found.value)
        };
        // What a rule says of secrets may hold them, or any part of them.
        let say = |text: &[u8]| {
            let mut said = scrub.value(found.variable, text);
            for secret in found.secrets.iter().filter(|secret| !secret.is_empty()) {
                said = said.replace(&printable(secret), MASK);
            }
            said
        };
        let (message, mut data) = (say(found.message), say(found.data));
        let part = printable(found.captured);
        if !found.secrets.is_empty() && !part.is_empty() && data.contains(&part) {
            data = format!("{MASK} in {name}");
        }
        let negation = if found.negated { "!" } else { "" };
        RuleMatch {
            rule: rule.id,
            place: rule.place.clone(),
            phase,
            message,
            data,
            severity: rule.meta.severity.map(seclang::ast::Severity::number),
            tags: found.tags.iter().map(|tag| printable(tag)).collect(),
            ver: rule.meta.ver.clone(),
            rev: rule.meta.rev.clone(),
            maturity: rule.meta.maturity,
            accuracy: rule.meta.accuracy,
            variable: name,
            value,
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
    /// The parts that were asked for.
    #[serde(skip)]
    pub(crate) parts: AuditLogParts,
    /// Which part the request body is: `C`, or `I` where files were left out.
    #[serde(skip)]
    pub(crate) body_part: char,
    /// Uploaded files, for part J.
    #[serde(skip)]
    pub(crate) files: Vec<AuditFile>,
    /// The time as part A has it.
    #[serde(skip)]
    pub(crate) native_time: String,
}

/// An uploaded file.
#[derive(Clone, Debug)]
pub(crate) struct AuditFile {
    pub(crate) field: String,
    pub(crate) name: String,
    pub(crate) size: usize,
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

/// The request of a record.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct AuditRequest {
    pub method: String,
    #[serde(serialize_with = "as_number")]
    pub http_version: String,
    pub uri: String,
    /// With part B.
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    /// With part C, or I, which leaves out files; scrubbed, and at most [`BODY_LIMIT_BYTES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    pub body_bytes: usize,
}

/// The response of a record.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct AuditResponse {
    pub http_code: u16,
    /// With part F.
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    /// With part E, as far as it was inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
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
    /// The time in RFC 3339, to the microsecond.
    pub time: String,
    /// The route, where the caller knows one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// The policy, where the caller knows one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// Whether the rules only looked on, beside those that decided.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
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
    /// The rule that was at hand then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rule: Option<RuleId>,
}

fn as_map<S: serde::Serializer>(
    fields: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // A repeated field is a repeated key, as ModSecurity writes it.
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

/// `1.1` is a number in ModSecurity's shape; what is none stays text.
fn as_number<S: serde::Serializer>(version: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match version.parse::<f64>() {
        Ok(number) if number.is_finite() => serializer.serialize_f64(number),
        _ => serializer.serialize_str(version),
    }
}

impl Message {
    /// The line that error logs of ModSecurity show for a match.
    fn as_line(&self) -> String {
        let details = &self.details;
        let mut line = if details.disruptive {
            format!("Access denied (phase {}). ", details.phase)
        } else {
            "Warning. ".to_owned()
        };
        line += &details.r#match;
        for (name, value) in [
            ("file", &details.file),
            ("line", &details.line_number),
            ("id", &details.rule_id),
            ("rev", &details.rev),
            ("msg", &self.message),
            ("data", &details.data),
            ("severity", &details.severity),
            ("ver", &details.ver),
            ("maturity", &details.maturity),
            ("accuracy", &details.accuracy),
        ] {
            line += &format!(" [{name} \"{value}\"]");
        }
        for tag in &details.tags {
            line += &format!(" [tag \"{tag}\"]");
        }
        line
    }
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

/// Bytes of a body as text: lines and tabs stay, what else does not print as ASCII is written `\xHH`.
pub(crate) fn legible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if (0x20..0x7F).contains(&byte) || matches!(byte, b'\t' | b'\r' | b'\n') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_is_written_out() {
        assert_eq!(printable(b"a\n\xe9"), "a\\x0a\\xe9");
        assert_eq!(legible(b"a\n\xe9"), "a\n\\xe9");
        assert_eq!(printable(&[b'a'; 600]).len(), VALUE_LIMIT_BYTES + 3);
    }
}
