//! What would have to be excluded to let a request pass, as narrow as possible, and tried out.

use crate::book::Book;
use crate::inspect::{Inspected, inspect};
use crate::request::Request;
use crate::source;
use crate::trace::{Outcome, RuleTrace, Trace};
use seclang::ast::{
    Action, Ctl, Document, IdRange, Operator, OperatorKind, Phase, RuleChoice, RuleId, Selector,
    Shape, Target, Template, Use, Variable,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use waf::Scratch;

/// How often what is left is looked at again: rules that were never reached may match once others do not.
const ROUNDS: usize = 8;

/// Where ids of suggested rules begin.
const FIRST_ID: RuleId = 1000;

/// Exclusions that let a request pass.
#[derive(Clone, Debug, Serialize)]
pub struct Exclusion {
    /// SecLang, to be loaded before the rules.
    pub text: String,
    /// What is taken out, such as `942100;ARGS:q`.
    pub parts: Vec<String>,
    /// The score with it.
    pub score_with_it: Option<i64>,
}

/// One thing that is taken out: a target of a rule, or the rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    rule: RuleId,
    target: Option<Target>,
}

impl Part {
    fn action(&self) -> Action {
        let rules = RuleChoice::Ids(IdRange {
            first: self.rule,
            last: self.rule,
        });
        Action::Ctl(match &self.target {
            Some(target) => Ctl::RuleRemoveTarget {
                rules,
                target: target.clone(),
            },
            None => Ctl::RuleRemove(rules),
        })
    }
}

/// Looks for exclusions. `None`: the request passes as it is, or nothing that is excluded lets it pass.
pub(crate) fn search(
    documents: &[Document],
    request: &Request,
    trace: &Trace,
    inspected: &Inspected,
) -> Option<Exclusion> {
    if !inspected.is_blocked() {
        return None;
    }
    let mut attempt = Attempt::new(documents, request);
    let mut parts: Vec<Part> = Vec::new();
    let mut trace = trace.clone();
    let mut widened = BTreeSet::new();
    let mut rounds = 0;
    loop {
        let mut found: Vec<Part> = Vec::new();
        for rule in trace.rules.iter().filter(|rule| attempt.counts(rule)) {
            for part in attempt.parts_of(rule) {
                if parts.contains(&part) {
                    // It was taken out and the rule matches still: then it is the rule that has to go.
                    widened.insert(rule.id);
                } else if !found.contains(&part) {
                    found.push(part);
                }
            }
        }
        for &rule in &widened {
            parts.retain(|part| part.rule != rule);
            found.retain(|part| part.rule != rule);
            found.push(Part { rule, target: None });
        }
        found.retain(|part| !parts.contains(part));
        if found.is_empty() {
            return None;
        }
        parts.extend(found);
        let (again, seen) = attempt.run(&parts)?;
        if !again.is_blocked() {
            break;
        }
        trace = seen;
        rounds += 1;
        if rounds > ROUNDS {
            return None;
        }
    }
    attempt.narrow(&mut parts);
    let (with_it, _) = attempt.run(&parts)?;
    (!with_it.is_blocked()).then(|| Exclusion {
        text: attempt.text(&parts),
        parts: parts
            .iter()
            .map(|part| match &part.target {
                Some(target) => format!("{};{target}", part.rule),
                None => part.rule.to_string(),
            })
            .collect(),
        score_with_it: with_it.score,
    })
}

struct Attempt<'a> {
    documents: &'a [Document],
    request: &'a Request,
    book: Book<'a>,
    scratch: Scratch,
}

impl<'a> Attempt<'a> {
    fn new(documents: &'a [Document], request: &'a Request) -> Self {
        Self {
            documents,
            request,
            book: Book::of(documents),
            scratch: Scratch::new(),
        }
    }

    /// Whether a match of the rule has to do with the verdict: it raises a score, or it decides, by what it saw of the request.
    fn counts(&self, rule: &RuleTrace) -> bool {
        let raises = rule
            .links
            .iter()
            .flat_map(|link| &link.set)
            .any(|(name, _)| name.contains("score"));
        rule.outcome == Outcome::Matched
            && (rule.decides || raises)
            && (rule.links.iter())
                .flat_map(|link| &link.values)
                .any(|value| value.is_matched() && is_of_request(value.variable))
    }

    /// The narrowest targets of a rule that matched: of a chain those of the link whose values have names.
    fn parts_of(&self, rule: &RuleTrace) -> Vec<Part> {
        let of_link = |link: usize| -> Vec<Part> {
            let values = rule.links.get(link).map(|link| link.values.as_slice());
            let matched = values
                .unwrap_or_default()
                .iter()
                .filter(|value| value.is_matched() && is_of_request(value.variable));
            let targets = matched.map(|value| target(value.variable, &value.key));
            let mut parts = Vec::new();
            for target in targets {
                // Without a name that SecLang can write, the rule as a whole has to go.
                let part = Part {
                    rule: rule.id,
                    target: target.filter(|_| !self.is_counted(rule.id, link)),
                };
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            parts
        };
        let width = |parts: &[Part]| {
            let widths = parts.iter().map(|part| match &part.target {
                Some(target) if target.selector != Selector::None => 1,
                Some(_) => 100,
                None => 10_000,
            });
            widths.sum::<usize>()
        };
        (0..rule.links.len())
            .map(of_link)
            .filter(|parts| !parts.is_empty())
            .min_by_key(|parts| width(parts))
            .unwrap_or_default()
    }

    /// Whether a link counts values: a count cannot be taken out by its name.
    fn is_counted(&self, rule: RuleId, link: usize) -> bool {
        let rule = self.book.rule(rule);
        let link = rule.and_then(|rule| rule.links().nth(link));
        let condition = link.and_then(|link| link.condition.as_ref());
        condition.is_some_and(|condition| {
            condition
                .targets
                .iter()
                .any(|target| target.usage == Use::Count)
        })
    }

    /// Leaves out what the request passes without.
    fn narrow(&mut self, parts: &mut Vec<Part>) {
        let mut index = 0;
        while parts.len() > 1 && index < parts.len() {
            let mut fewer = parts.clone();
            fewer.remove(index);
            let passes = self
                .run(&fewer)
                .is_some_and(|(inspected, _)| !inspected.is_blocked());
            if passes {
                *parts = fewer;
            } else {
                index += 1;
            }
        }
    }

    fn run(&mut self, parts: &[Part]) -> Option<(Inspected, Trace)> {
        let own = seclang::parse_str("exclusion.conf", &self.text(parts)).ok()?;
        let mut documents = vec![own];
        documents.extend_from_slice(self.documents);
        let rules = source::compile(&documents, &source::exact()).ok()?;
        let trace = Arc::new(Mutex::new(Trace::default()));
        let observer = Box::new(Arc::clone(&trace));
        let inspected = inspect(
            &rules,
            &mut self.scratch,
            self.request,
            None,
            Some(observer),
        );
        let trace = std::mem::take(
            &mut *trace
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        Some((inspected, trace))
    }

    /// A rule for the path of the request, as one would write it.
    fn text(&self, parts: &[Part]) -> String {
        let mut id = FIRST_ID;
        while self.book.contains(id) {
            id += 1;
        }
        let path = std::str::from_utf8(self.request.path()).unwrap_or("/");
        let plain = !path.contains(['"', '\\', '%', '\n']) && !path.is_empty();
        let operator = Operator {
            negated: false,
            kind: OperatorKind::Streq,
            argument: Template::literal(path),
        };
        let condition = if plain {
            format!("SecRule REQUEST_FILENAME \"{operator}\" \\\n")
        } else {
            // A path that a text cannot hold as it is: then for every path.
            "SecAction \\\n".to_owned()
        };
        let mut actions = vec![
            Action::Id(id).to_string(),
            Action::Phase(Phase::RequestHeaders).to_string(),
            "pass".to_owned(),
            "nolog".to_owned(),
        ];
        if plain {
            actions.push("t:none".to_owned());
        }
        actions.extend(parts.iter().map(|part| part.action().to_string()));
        let list = actions.join(",\\\n    ").replace('"', "\\\"");
        format!("{condition}    \"{list}\"\n")
    }
}

/// Whether a variable holds what the client sent.
fn is_of_request(variable: Variable) -> bool {
    use Variable as V;
    !matches!(
        variable,
        V::Tx
            | V::Env
            | V::Rule
            | V::MatchedVar
            | V::MatchedVarName
            | V::MatchedVars
            | V::MatchedVarsNames
            | V::Global
            | V::Ip
            | V::Session
            | V::User
            | V::Resource
            | V::RemoteAddr
            | V::HighestSeverity
    )
}

/// The target that means a value and as little else as can be; `None` where its key cannot be written.
fn target(variable: Variable, key: &[u8]) -> Option<Target> {
    let selector = match variable.shape() {
        _ if key.is_empty() && variable.shape() == Shape::Scalar => Selector::None,
        Shape::Scalar => Selector::None,
        Shape::Document => Selector::XPath(std::str::from_utf8(key).ok()?.to_owned()),
        Shape::Collection => {
            let key = std::str::from_utf8(key).ok()?;
            let plain = !key.is_empty() && !key.chars().any(char::is_control);
            if !plain || key.contains(['"', '\\', '%']) {
                return None;
            }
            Selector::Key(key.to_owned())
        }
    };
    Some(Target {
        usage: Use::Values,
        variable,
        selector,
    })
}
