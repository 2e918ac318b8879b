//! Holds the values of a document against `unique`, `key` and `keyref`, while it is walked through.

use std::collections::HashSet;

use super::selector::{Demand, Identity, NameTest, Path};
use super::value::Value;
use crate::names::Symbol;
use crate::work::{Finding, Work, invalid, shown};

/// The name of an open element: its namespace and its number.
pub(super) type Name<'a> = (&'a str, Option<Symbol>);

/// A constraint whose element is open.
struct Scope<'s> {
    number: u32,
    identity: &'s Identity,
    depth: usize,
    known: HashSet<String>,
    /// What has to be among the values of another constraint.
    wanted: Vec<String>,
    /// How many tables there were when it began.
    tables: usize,
}

/// A node that a selector found, while it is open.
struct Candidate {
    scope: usize,
    depth: usize,
    fields: Vec<Option<String>>,
}

/// All constraints of a document.
#[derive(Default)]
pub(super) struct Identities<'s> {
    scopes: Vec<Scope<'s>>,
    candidates: Vec<Candidate>,
    /// Values of keys whose elements have ended.
    tables: Vec<(u32, HashSet<String>)>,
}

impl Path {
    /// Whether the names below a node lead to a node this path means.
    fn takes(&self, below: &[Name<'_>]) -> bool {
        let Some(start) = below.len().checked_sub(self.steps.len()) else {
            return false;
        };
        let fits = |test: &NameTest, name: &Name<'_>| test.takes(name.0, name.1);
        (start == 0 || self.anywhere)
            && below
                .iter()
                .skip(start)
                .zip(&self.steps)
                .all(|(name, test)| fits(test, name))
    }
}

impl<'s> Identities<'s> {
    pub(super) fn is_idle(&self) -> bool {
        self.scopes.is_empty()
    }

    /// An element has begun; `open` are the names of all open ones, its own last.
    pub(super) fn enter(
        &mut self,
        own: impl Iterator<Item = (u32, &'s Identity)>,
        open: &[Name<'_>],
        work: &mut Work,
    ) -> Result<(), Finding> {
        for (number, identity) in own {
            self.scopes.push(Scope {
                number,
                identity,
                depth: open.len(),
                known: HashSet::new(),
                wanted: Vec::new(),
                tables: self.tables.len(),
            });
        }
        for (index, scope) in self.scopes.iter().enumerate() {
            let below = open.get(scope.depth..).unwrap_or_default();
            work.spend(1 + scope.identity.selector.len())?;
            if scope.identity.selector.iter().any(|path| path.takes(below)) {
                work.spend(scope.identity.fields.len())?;
                self.candidates.push(Candidate {
                    scope: index,
                    depth: open.len(),
                    fields: vec![None; scope.identity.fields.len()],
                });
            }
        }
        Ok(())
    }

    /// A value of the element that is open or, where it has a name, of one of its attributes.
    pub(super) fn value(
        &mut self,
        open: &[Name<'_>],
        attribute: Option<Name<'_>>,
        value: &Value,
        work: &mut Work,
    ) -> Result<(), Finding> {
        for candidate in &mut self.candidates {
            let Some(scope) = self.scopes.get(candidate.scope) else {
                continue;
            };
            let below = open.get(candidate.depth..).unwrap_or_default();
            for (slot, paths) in candidate.fields.iter_mut().zip(&scope.identity.fields) {
                work.spend(1 + paths.len())?;
                let found = paths.iter().any(|path| {
                    let fits = match (&path.attribute, attribute) {
                        (None, None) => true,
                        (Some(test), Some(name)) => test.takes(name.0, name.1),
                        _ => false,
                    };
                    fits && path.takes(below)
                });
                if !found {
                    continue;
                }
                if slot.is_some() {
                    let name = &scope.identity.name;
                    return invalid(format!("a field of `{name}` has two values"));
                }
                let mut key = String::new();
                write_key(value, &mut key);
                work.spend(key.len())?;
                *slot = Some(key);
            }
        }
        Ok(())
    }

    /// The innermost of `depth` open elements ends.
    pub(super) fn leave(&mut self, depth: usize, work: &mut Work) -> Result<(), Finding> {
        while let Some(candidate) = self.candidates.pop_if(|candidate| candidate.depth == depth) {
            if let Some(scope) = self.scopes.get_mut(candidate.scope) {
                scope.take(candidate.fields)?;
            }
        }
        let first = self.scopes.partition_point(|scope| scope.depth < depth);
        let ended = self.scopes.split_off(first);
        let mut references = Vec::new();
        for scope in ended {
            match scope.identity.demand {
                Demand::Among(key) => references.push((scope, key)),
                _ => self.tables.push((scope.number, scope.known)),
            }
        }
        for (scope, key) in references {
            let tables = self.tables.get(scope.tables..).unwrap_or_default();
            for wanted in &scope.wanted {
                work.spend(1 + tables.len())?;
                let mut of_key = tables.iter().filter(|(number, _)| *number == key);
                if !of_key.any(|(_, known)| known.contains(wanted)) {
                    let name = &scope.identity.name;
                    let value = shown(wanted);
                    return invalid(format!("`{name}` refers to {value}, which is not there"));
                }
            }
        }
        Ok(())
    }
}

impl Scope<'_> {
    fn take(&mut self, fields: Vec<Option<String>>) -> Result<(), Finding> {
        let name = &self.identity.name;
        let complete: Option<Vec<String>> = fields.into_iter().collect();
        let Some(fields) = complete else {
            if self.identity.demand == Demand::Key {
                return invalid(format!("a field of the key `{name}` has no value"));
            }
            return Ok(());
        };
        let key = fields.join("");
        if let Demand::Among(_) = self.identity.demand {
            self.wanted.push(key);
        } else if !self.known.insert(key.clone()) {
            return invalid(format!("`{name}` has the value {} twice", shown(&key)));
        }
        Ok(())
    }
}

/// A text that is the same for equal values, and for no others.
fn write_key(value: &Value, out: &mut String) {
    let text = match value {
        Value::Text(text) => format!("t{text}"),
        Value::Flag(flag) => format!("f{flag}"),
        Value::Number(number) => format!("n{number:?}"),
        Value::Float(number) => format!("d{}", number + 0.0),
        Value::Moment(moment) => format!("m{moment:?}"),
        Value::Span(span) => format!("s{span:?}"),
        Value::Bytes(bytes) => format!("b{bytes:?}"),
        Value::Name(namespace, local) => format!("q{{{namespace}}}{local}"),
        Value::List(items) => {
            let mut inner = String::from("l");
            items.iter().for_each(|item| write_key(item, &mut inner));
            inner
        }
    };
    out.push('[');
    out.push_str(&text.len().to_string());
    out.push(':');
    out.push_str(&text);
    out.push(']');
}
