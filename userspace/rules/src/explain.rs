//! `bascule rules explain`: what rules make of a request, and what would have to be excluded to let it pass.

use crate::book::{Book, clipped};
use crate::exclude::{self, Exclusion};
use crate::finding::Finding;
use crate::inspect::{Inspected, inspect};
use crate::request::Request;
use crate::source::{self, Rules};
use crate::trace::{LinkTrace, Outcome, RuleTrace, Trace, ValueTrace};
use seclang::ast::RuleId;
use serde::Serialize;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use waf::Scratch;

/// Characters of a message that people are shown.
const MESSAGE_SHOWN: usize = 120;

/// Everything about one request.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Method and target.
    pub request: String,
    /// What becomes of it.
    pub verdict: String,
    /// Whether it does not pass.
    pub blocked: bool,
    /// The rule that decides.
    pub decided_by: Option<RuleId>,
    /// The anomaly score, where the rules keep one.
    pub score: Option<i64>,
    /// Why a proxy refuses the request by itself, whatever the rules say.
    pub refused_by_front: Option<String>,
    /// The rules in order, with what they saw.
    pub rules: Vec<Story>,
    /// What lets it pass; `None` where it passes, or where no exclusion does.
    pub exclusion: Option<Exclusion>,
}

/// One rule.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// `msg` as it is written.
    pub message: String,
    /// `FILE:LINE`.
    pub place: String,
    /// What each link asks.
    pub conditions: Vec<String>,
    /// What it did.
    #[serde(flatten)]
    pub trace: RuleTrace,
}

/// Explains one request.
///
/// # Errors
/// Everything that is wrong with the rules.
pub fn explain(rules: &Rules, request: &Request) -> Result<Explanation, Vec<Finding>> {
    let documents = rules.read()?;
    let compiled = source::compile(&documents, &source::exact())?;
    let shared = Arc::new(Mutex::new(Trace::default()));
    let inspected = inspect(
        &compiled,
        &mut Scratch::new(),
        request,
        None,
        Some(Box::new(Arc::clone(&shared))),
    );
    let trace = std::mem::take(
        &mut *shared
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
    );
    let exclusion = exclude::search(&documents, request, &trace, &inspected);
    let book = Book::of(&documents);
    let stories = trace.rules.into_iter().map(|trace| Story {
        message: book.message(trace.id),
        place: book.place(trace.id),
        conditions: (0..trace.links.len())
            .map(|link| book.condition(trace.id, link))
            .collect(),
        trace,
    });
    Ok(Explanation {
        request: request.line(),
        verdict: inspected.verdict(),
        blocked: inspected.is_blocked(),
        decided_by: inspected.deciding_rule(),
        score: inspected.score,
        refused_by_front: request.refused_by_front(),
        rules: stories.collect(),
        exclusion,
    })
}

impl Explanation {
    /// What people read. Without `verbose`, rules that had nothing to look at are left out.
    #[must_use]
    pub fn text(&self, verbose: bool) -> String {
        let mut out = format!("{}\n", self.request);
        let mut phase = 0;
        for story in &self.rules {
            let looked = story
                .trace
                .links
                .iter()
                .any(|link| !link.values.is_empty() || !link.excluded.is_empty());
            if !verbose && !looked && story.trace.outcome != Outcome::Matched {
                continue;
            }
            if story.trace.phase != phase {
                phase = story.trace.phase;
                // Writing to a String cannot fail.
                let _ = writeln!(out, "\nphase {phase}");
            }
            tell(&mut out, story);
        }
        out.push('\n');
        if let Some(front) = &self.refused_by_front {
            let _ = writeln!(out, "the proxy refuses it by itself: {front}");
        }
        let score = self
            .score
            .map_or_else(String::new, |score| format!(", score {score}"));
        let _ = writeln!(out, "verdict: {}{score}", self.verdict);
        match &self.exclusion {
            Some(exclusion) => {
                let score = exclusion
                    .score_with_it
                    .map_or_else(String::new, |score| format!(" (score {score})"));
                let _ = write!(
                    out,
                    "\nto let it pass, load this before the rules; tried out, it passes{score}:\n\n{}",
                    exclusion.text
                );
            }
            None if self.blocked => {
                out.push_str("\nno exclusion of a rule or target lets it pass\n");
            }
            None => {}
        }
        out
    }
}

/// How the rules of a request looked at it, as lines for a test that fails.
pub(crate) fn lines_about(trace: &Trace, book: &Book<'_>, ids: &[RuleId]) -> String {
    let mut out = String::new();
    for rule in trace.rules.iter().filter(|rule| ids.contains(&rule.id)) {
        let story = Story {
            message: book.message(rule.id),
            place: book.place(rule.id),
            conditions: (0..rule.links.len())
                .map(|link| book.condition(rule.id, link))
                .collect(),
            trace: rule.clone(),
        };
        tell(&mut out, &story);
    }
    out
}

fn tell(out: &mut String, story: &Story) {
    let did = match story.trace.outcome {
        Outcome::Matched if story.trace.decides => "matches and decides".to_owned(),
        Outcome::Matched => "matches".to_owned(),
        Outcome::NotMatched => "does not match".to_owned(),
        Outcome::Removed => "is removed by a ctl".to_owned(),
        Outcome::SkippedBy(by) => format!("is skipped by rule {by}"),
    };
    let message = if story.message.is_empty() {
        String::new()
    } else {
        format!(": {}", clipped(&story.message, MESSAGE_SHOWN))
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  rule {} {did}{message}  ({})",
        story.trace.id, story.place
    );
    for (link, condition) in story.trace.links.iter().zip(&story.conditions) {
        tell_link(out, link, condition);
    }
}

fn tell_link(out: &mut String, link: &LinkTrace, condition: &str) {
    let _ = writeln!(out, "    {condition}");
    for name in &link.excluded {
        let _ = writeln!(out, "      {name} is excluded");
    }
    if link.values.is_empty() && link.excluded.is_empty() && condition != "SecAction" {
        let _ = writeln!(out, "      none of its targets has a value");
    }
    for value in &link.values {
        tell_value(out, value);
    }
    if link.further_values > 0 {
        let _ = writeln!(
            out,
            "      and {} further values without a match",
            link.further_values
        );
    }
    for (name, value) in &link.set {
        let _ = match value {
            Some(value) => writeln!(out, "      sets tx.{name} to {value}"),
            None => writeln!(out, "      unsets tx.{name}"),
        };
    }
}

fn tell_value(out: &mut String, value: &ValueTrace) {
    let _ = writeln!(out, "      {} is `{}`", value.name, value.before);
    for (transformation, after) in &value.steps {
        if let Some(after) = after {
            let _ = writeln!(out, "        t:{transformation} gives `{after}`");
        }
    }
    let idle: Vec<&str> = value
        .steps
        .iter()
        .filter(|(_, after)| after.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if value.is_matched() && !idle.is_empty() {
        let _ = writeln!(out, "        without effect: t:{}", idle.join(", t:"));
    }
    for test in &value.tests {
        if test.exceeded {
            let _ = writeln!(out, "        the pattern passes its match limit");
        } else if test.matched {
            let _ = writeln!(out, "        matches `{}`", test.value);
        }
    }
    for (group, captured) in value.captured.iter().enumerate() {
        let _ = writeln!(out, "        tx.{group} is `{captured}`");
    }
}

impl Inspected {
    /// The ids of the rules that matched and are logged.
    pub(crate) fn logged(&self) -> Vec<RuleId> {
        let logged = self.matches.iter().filter(|matched| matched.log);
        logged.map(|matched| matched.rule).collect()
    }
}
