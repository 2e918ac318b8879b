//! WAF policies.

use super::AuditLog;
use crate::block::{block, optional_block, words};
use crate::diagnostic::{Diagnostic, Kind, Span};
use crate::document::{Node, Value};
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use crate::values::{Files, OneOrMore, Percent, Size};

use serde_json::{Value as Json, json};

words! {
    /// What happens when a rule blocks.
    pub enum WafMode {
        /// The request is refused.
        Block = "block",
        /// The match is logged, the request goes on.
        Detect = "detect",
        /// No rule runs.
        Off = "off",
    }
}

words! {
    /// What happens when the engine cannot finish a request.
    pub enum WafFailure {
        /// The request is refused with 503.
        Closed = "closed",
        /// The request goes on uninspected; the log and the metrics say so.
        Open = "open",
    }
}

words! {
    /// What happens to a body that is larger than the engine inspects.
    pub enum OverLimit {
        /// It is refused with 413.
        Reject = "reject",
        /// Its beginning is inspected, the rest goes on uninspected.
        Partial = "partial",
    }
}

words! {
    /// What happens to a request body in a content coding.
    pub enum Compressed {
        /// Rules see it without gzip and deflate. Another coding is refused with 415, a damaged one with 400, a bomb with 413.
        Inspect = "inspect",
        /// It is refused with 415.
        Refuse = "refuse",
        /// Rules see it as it was sent, which is to say nothing of it.
        Pass = "pass",
    }
}

/// Where rules come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// The rule set that comes with the program.
    Shipped(Span),
    /// SecLang files.
    Files(Files),
}

impl RuleSource {
    /// Where it was written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Shipped(span) => *span,
            Self::Files(files) => files.span,
        }
    }
}

impl Setting for RuleSource {
    fn expects() -> String {
        format!(
            "`shipped` for the rules that come with bascule, or {}",
            Files::expects()
        )
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(&node.value, Value::Scalar { text, .. } if text == "shipped") {
            return Some(Self::Shipped(node.span));
        }
        let files = Files::read(node, reader)?;
        if files.found.is_empty() {
            let found = format!("no file matches `{}`", files.pattern.display());
            reader.report(
                Diagnostic::error(Kind::File, node.span, found).expected("at least one rule file"),
            );
            return None;
        }
        Some(Self::Files(files))
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn json(&self) -> Json {
        match self {
            Self::Shipped(_) => "shipped".into(),
            Self::Files(files) => files.json(),
        }
    }
}

block! {
    /// A set of rules and how it is used. Routes refer to it by its name.
    pub struct WafPolicy {
        /// The rules, in the order in which they are loaded: `shipped`, SecLang files, or patterns such as
        /// `/usr/share/modsecurity-crs/rules/*.conf`.
        rules: OneOrMore<RuleSource>;
        /// What happens when a rule blocks. A route can set its own.
        mode: WafMode = WafMode::Block;
        /// The paranoia level: higher finds more attacks and more false alarms. Left out: what the rules set, which is 1
        /// for the shipped ones and for the CRS.
        paranoia: Option<u8> = None, within 1..=4;
        /// The anomaly score from which a request is blocked. Left out: what the rules set, which is 5 for the shipped
        /// ones and for the CRS.
        threshold: Option<u16> = None, within 1..=10_000;
        /// Where matches are written, one record for each request that a rule matched: a path, or a block. Left out: where the
        /// rules say with SecAuditLog, or nowhere; the access log and the metrics name the rules in any case.
        audit_log: Option<AuditLog> = None;
        /// What happens when the engine cannot finish.
        fail: WafFailure = WafFailure::Closed;
        /// Largest body that is held back and inspected; `over_limit` says what happens to a larger one. Left out: what
        /// the rules set with SecRequestBodyLimit, or 12.5 MiB.
        body_limit: Option<Size> = None, within Size::kib(1)..=Size::mib(128);
        /// What happens to a body larger than `body_limit`. Left out: what the rules set with SecRequestBodyLimitAction,
        /// or `reject`.
        over_limit: Option<OverLimit> = None;
        /// What happens to a body in a content coding (`Content-Encoding: gzip`). The endpoint gets it as it was sent in any case; in
        /// detection nothing is refused.
        compressed: Compressed = Compressed::Inspect;
        /// What is not inspected.
        exclude: Exclude = Exclude::default();
        /// Another set of rules that looks on: to know what it would do before it is put in force.
        shadow: Option<Shadow> = None;
    }
}

block! {
    /// Rules beside those in force, on a share of the requests. What they say is logged and counted, and changes nothing: no answer,
    /// and no request fails because of them. Of bodies they see what the rules in force see.
    pub struct Shadow {
        /// The rules, in the order in which they are loaded.
        rules: OneOrMore<RuleSource>;
        /// The share of requests that they look at.
        share: Percent = Percent::new(100);
        /// The paranoia level. Left out: what the rules set.
        paranoia: Option<u8> = None, within 1..=4;
        /// The anomaly score from which a request would be blocked. Left out: what the rules set.
        threshold: Option<u16> = None, within 1..=10_000;
        /// What is not inspected.
        exclude: Exclude = Exclude::default();
    }
}

optional_block! {
    /// What a policy leaves out, to silence false alarms.
    pub struct Exclude {
        /// Rules that do not run, by id (`942100`) or range (`942100-942199`).
        ids: Vec<RuleIds> = Vec::new();
        /// Rules that do not run, by tag, such as `attack-sqli`.
        tags: Vec<String> = Vec::new();
        /// Parts of a request that certain rules do not look at.
        targets: Vec<TargetExclusion> = Vec::new();
    }
}

block! {
    /// A part of the request that certain rules do not look at.
    pub struct TargetExclusion {
        /// The rules, by id or range.
        rule: RuleIds;
        /// The part, as SecLang names it: `ARGS:comment`, `REQUEST_COOKIES:session`, `REQUEST_HEADERS:User-Agent`.
        target: String;
    }
}

/// Rules by their ids, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleIds {
    /// The lowest id.
    pub first: u32,
    /// The highest id, the same as `first` for one rule.
    pub last: u32,
    /// Where it was written: a later stage knows whether such a rule exists.
    pub span: Span,
}

impl Setting for RuleIds {
    fn expects() -> String {
        "the id of a rule, such as `942100`, or a range, such as `942100-942199`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let id = |text: &str| text.trim().parse::<u32>().ok().filter(|id| *id > 0);
            match (id(first), id(last)) {
                (Some(first), Some(last)) if first <= last => Ok(Self {
                    first,
                    last,
                    span: node.span,
                }),
                (Some(first), Some(last)) => Err(Bad::new(
                    format!("the range `{text}` runs backwards"),
                    format!("write `{last}-{first}`"),
                )),
                _ => Err(Bad::new(
                    format!("`{}` is not the id of a rule", shortened(text)),
                    "",
                )),
            }
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" }] })
    }

    fn json(&self) -> Json {
        if self.first == self.last {
            self.first.into()
        } else {
            format!("{}-{}", self.first, self.last).into()
        }
    }
}
