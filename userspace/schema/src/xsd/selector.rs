//! `unique`, `key` and `keyref`: their paths, which are a small part of XPath.

use super::ElementId;
use super::compile::{Compiler, Outcome};
use super::set::{Kind, Place};
use crate::document::split;
use crate::limits;
use crate::names::Symbol;
use crate::problem::ProblemKind;
use crate::text::is_plain_name;

/// What a constraint demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// What is there is there once.
    Unique,
    /// It is there, once.
    Key,
    /// It is among the values of that constraint.
    Among(u32),
}

#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) demand: Demand,
    pub(super) selector: Vec<Path>,
    pub(super) fields: Vec<Vec<Path>>,
}

#[derive(Clone, Debug)]
pub(super) struct Path {
    /// Whether it begins at any depth: `.//`.
    pub(super) anywhere: bool,
    pub(super) steps: Vec<NameTest>,
    pub(super) attribute: Option<NameTest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameTest {
    Any,
    Namespace(String),
    Name(Symbol),
}

impl NameTest {
    pub(super) fn takes(&self, namespace: &str, symbol: Option<Symbol>) -> bool {
        match self {
            NameTest::Any => true,
            NameTest::Namespace(wanted) => wanted == namespace,
            NameTest::Name(wanted) => symbol == Some(*wanted),
        }
    }
}

impl Compiler {
    /// Compiles the constraints of all elements: a keyref may name one of any of them.
    pub(super) fn identities(&mut self) -> Outcome<()> {
        let mut elements: Vec<(Place, ElementId)> = self
            .element_ids
            .iter()
            .map(|(&place, &id)| (place, id))
            .collect();
        elements.sort_unstable();
        let mut found = Vec::new();
        for &(place, element) in &elements {
            for child in self.set.children(place) {
                if ["unique", "key", "keyref"].contains(&self.set.name(child)) {
                    let name = self.set.required(child, "name")?.to_owned();
                    let namespace = self.set.target(child).to_owned();
                    self.set.declare(Kind::Constraint, namespace, name, child)?;
                    found.push((child, element));
                }
            }
        }
        for &(place, element) in &found {
            let identity = self.identity(place, &found)?;
            let number = u32::try_from(self.schema.identities.len()).unwrap_or(u32::MAX);
            self.schema.identities.push(identity);
            if let Some(rule) = self.schema.elements.get_mut(element as usize) {
                rule.identities.push(number);
            }
        }
        Ok(())
    }

    fn identity(&mut self, at: Place, all: &[(Place, ElementId)]) -> Outcome<Identity> {
        let Some(selector) = self.set.child(at, &["selector"]) else {
            return self.expected(at, "selector");
        };
        let name = self.set.required(at, "name")?.to_owned();
        let selector = self.paths(selector, false)?;
        let mut fields = Vec::new();
        for child in self.set.children(at) {
            if self.set.name(child) == "field" {
                fields.push(self.paths(child, true)?);
            }
        }
        if fields.is_empty() {
            return self.expected(at, "selector and field");
        }
        let demand = match self.set.name(at) {
            "unique" => Demand::Unique,
            "key" => Demand::Key,
            _ => {
                let refer = self.set.required(at, "refer")?.to_owned();
                let place = self.set.find(Kind::Constraint, at, &refer)?;
                let number = all.iter().position(|(known, _)| Some(*known) == place);
                Demand::Among(
                    number
                        .and_then(|number| u32::try_from(number).ok())
                        .unwrap_or(0),
                )
            }
        };
        Ok(Identity {
            name,
            demand,
            selector,
            fields,
        })
    }

    fn paths(&mut self, at: Place, is_field: bool) -> Outcome<Vec<Path>> {
        let written = self.set.required(at, "xpath")?.to_owned();
        let mut paths = Vec::new();
        for path in written.split('|') {
            paths.push(self.path(path.trim(), is_field, at)?);
        }
        Ok(paths)
    }

    fn path(&mut self, written: &str, is_field: bool, at: Place) -> Outcome<Path> {
        let wrong = |this: &Self| {
            let value = written.to_owned();
            let expected = "a path of XML Schema, such as .//item/name or @id";
            Err(this.problem(at, ProblemKind::Value { value, expected }))
        };
        let (anywhere, rest) = match written.strip_prefix(".//") {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let mut path = Path {
            anywhere,
            steps: Vec::new(),
            attribute: None,
        };
        for step in rest.split('/').map(str::trim) {
            if path.attribute.is_some() || path.steps.len() >= limits::DEPTH {
                return wrong(self);
            }
            if step == "." {
                continue;
            }
            let attribute = step
                .strip_prefix('@')
                .or_else(|| step.strip_prefix("attribute::"));
            let name = attribute.unwrap_or_else(|| step.strip_prefix("child::").unwrap_or(step));
            let name = name.trim();
            let (prefix, local) = split(name);
            let test = match (prefix, local) {
                ("", "*") => NameTest::Any,
                (_, "*") if is_plain_name(prefix) => {
                    let (namespace, _) = self.set.resolve(at, &format!("{prefix}:x"))?;
                    NameTest::Namespace(namespace)
                }
                (_, local) if is_plain_name(local) => {
                    // A name without a prefix is in no namespace, whatever the default is.
                    let namespace = match prefix {
                        "" => String::new(),
                        _ => self.set.resolve(at, name)?.0,
                    };
                    NameTest::Name(self.schema.names.number(&namespace, local))
                }
                _ => return wrong(self),
            };
            match attribute {
                Some(_) if is_field => path.attribute = Some(test),
                Some(_) => return wrong(self),
                None => path.steps.push(test),
            }
        }
        Ok(path)
    }
}
