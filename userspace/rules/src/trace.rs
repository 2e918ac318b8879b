//! What the engine did with a request, rule by rule.

use seclang::ast::{RuleId, Variable};
use serde::Serialize;
use std::fmt::Write;
use waf::{Event, Observer};

/// Bytes of a value that are kept; the rest is cut off and marked.
const VALUE_LIMIT_BYTES: usize = 2048;

/// Values that are kept of one link. Of further ones, those that match are.
const VALUES_LIMIT: usize = 200;

/// Everything that was looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trace {
    /// The rules in the order in which they came up.
    pub rules: Vec<RuleTrace>,
    #[serde(skip)]
    phase: u8,
}

/// What happened to one rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleTrace {
    /// Its place in the rule set.
    #[serde(skip)]
    pub index: usize,
    /// Its id.
    pub id: RuleId,
    /// The phase, 1 to 5.
    pub phase: u8,
    /// What became of it.
    pub outcome: Outcome,
    /// The links of its chain that were looked at.
    pub links: Vec<LinkTrace>,
    /// Whether it decided about the request.
    pub decides: bool,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole chain matched.
    Matched,
    /// A link had no match.
    NotMatched,
    /// A `ctl` of the request took it away.
    Removed,
    /// `skip` or `skipAfter` of this rule passed over it.
    SkippedBy(RuleId),
}

/// One link of a chain.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LinkTrace {
    /// Whether a value matched.
    pub matched: bool,
    /// The values that it looked at.
    pub values: Vec<ValueTrace>,
    /// Values that were looked at and are not listed.
    pub further_values: usize,
    /// Values that exclusions took away, by name.
    pub excluded: Vec<String>,
    /// `TX` variables that it set: the name, and the value, `None` where it was unset.
    pub set: Vec<(String, Option<String>)>,
}

/// One value of a target.
#[derive(Clone, Debug, Serialize)]
pub struct ValueTrace {
    /// What it is called, such as `ARGS:q`.
    pub name: String,
    /// The variable, without key.
    #[serde(skip)]
    pub variable: Variable,
    /// The key.
    #[serde(skip)]
    pub key: Vec<u8>,
    /// The value as it came.
    pub before: String,
    /// Each transformation and what it gave; `None` where it changed nothing.
    pub steps: Vec<(String, Option<String>)>,
    /// What was asked.
    pub tests: Vec<TestTrace>,
    /// What was captured, by group.
    pub captured: Vec<String>,
}

impl ValueTrace {
    /// Whether the operator matched it.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        self.tests.iter().any(|test| test.matched)
    }
}

/// One question to an operator.
#[derive(Clone, Debug, Serialize)]
pub struct TestTrace {
    /// The value when it was asked.
    pub value: String,
    /// The operator's argument, macros expanded.
    pub argument: String,
    /// Whether the condition holds.
    pub matched: bool,
    /// Whether the pattern passed its match limit.
    pub exceeded: bool,
}

/// Bytes as text for people: what does not print is written `\xHH`, what is too long is cut.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let shown = bytes
        .get(..bytes.len().min(VALUE_LIMIT_BYTES))
        .unwrap_or(bytes);
    let mut out = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(letter));
            } else {
                out.push(letter);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    if bytes.len() > shown.len() {
        let _ = write!(out, "... ({} bytes)", bytes.len());
    }
    out
}

/// `COLLECTION:key`, or the variable alone.
pub(crate) fn full_name(variable: Variable, key: &[u8]) -> String {
    if key.is_empty() {
        variable.to_string()
    } else {
        format!("{variable}:{}", printable(key))
    }
}

impl Trace {
    fn push(&mut self, index: usize, id: RuleId, outcome: Outcome) {
        self.rules.push(RuleTrace {
            index,
            id,
            phase: self.phase,
            outcome,
            links: Vec::new(),
            decides: false,
        });
    }

    fn link(&mut self) -> Option<&mut LinkTrace> {
        self.rules.last_mut()?.links.last_mut()
    }

    fn value(&mut self) -> Option<&mut ValueTrace> {
        self.link()?.values.last_mut()
    }

    fn rule_over(&mut self, matched: bool, decided: bool) {
        let before = self.rules.iter().any(|rule| rule.decides);
        if let Some(rule) = self.rules.last_mut().filter(|_| matched) {
            rule.outcome = Outcome::Matched;
            rule.decides = decided && !before;
        }
    }

    fn value_over(&mut self) {
        let Some(link) = self.link() else { return };
        let is_matched = link.values.last().is_some_and(ValueTrace::is_matched);
        if link.values.len() > VALUES_LIMIT && !is_matched {
            link.values.pop();
            link.further_values += 1;
        }
    }
}

impl Observer for Trace {
    fn see(&mut self, event: &Event<'_>) {
        match *event {
            Event::Phase(phase) => self.phase = phase,
            Event::Rule { index, id } => self.push(index, id, Outcome::NotMatched),
            Event::Removed { index, id } => self.push(index, id, Outcome::Removed),
            Event::Skipped { index, id, by } => self.push(index, id, Outcome::SkippedBy(by)),
            Event::Link(_) => {
                if let Some(rule) = self.rules.last_mut() {
                    rule.links.push(LinkTrace::default());
                }
            }
            Event::Excluded { variable, key } => {
                if let Some(link) = self.link() {
                    link.excluded.push(full_name(variable, key));
                }
            }
            Event::Value {
                variable,
                key,
                bytes,
            } => {
                if let Some(link) = self.link() {
                    link.values.push(ValueTrace {
                        name: full_name(variable, key),
                        variable,
                        key: key.to_vec(),
                        before: printable(bytes),
                        steps: Vec::new(),
                        tests: Vec::new(),
                        captured: Vec::new(),
                    });
                }
            }
            Event::Transformed { by, bytes, changed } => {
                if let Some(value) = self.value() {
                    let after = changed.then(|| printable(bytes));
                    value.steps.push((by.to_string(), after));
                }
            }
            Event::Tested {
                bytes,
                argument,
                matched,
                exceeded,
            } => {
                if let Some(value) = self.value() {
                    value.tests.push(TestTrace {
                        value: printable(bytes),
                        argument: printable(argument),
                        matched,
                        exceeded,
                    });
                }
            }
            Event::Captured { bytes, .. } => {
                if let Some(value) = self.value() {
                    value.captured.push(printable(bytes));
                }
            }
            Event::Set { name, value } => {
                if let Some(link) = self.link() {
                    link.set.push((printable(name), value.map(printable)));
                }
            }
            Event::ValueOver => self.value_over(),
            Event::LinkOver { matched } => {
                if let Some(link) = self.link() {
                    link.matched = matched;
                }
            }
            Event::RuleOver {
                matched,
                intervention,
                would_be,
            } => self.rule_over(matched, !intervention.is_none() || !would_be.is_none()),
        }
    }
}
