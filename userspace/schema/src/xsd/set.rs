//! The files of a schema and the components that they declare.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::dom::{Tree, XSD};
use crate::document::split;
use crate::files::{Files, beside, is_remote};
use crate::limits;
use crate::problem::{Problem, ProblemKind};

/// Where a component stands: its file and its node there.
pub(super) type Place = (usize, usize);

/// What kind of component a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Element,
    Type,
    Attribute,
    AttributeGroup,
    Group,
    Constraint,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Element => "element",
            Kind::Type => "type",
            Kind::Attribute => "attribute",
            Kind::AttributeGroup => "attributeGroup",
            Kind::Group => "group",
            Kind::Constraint => "key or unique",
        }
    }
}

/// A file as it was included: another namespace makes another one of it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) tree: Tree,
    /// The namespace of what it declares; empty for none.
    pub(super) target: String,
    /// It has no namespace of its own, and took that of who includes it.
    takes_namespace: bool,
}

#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) sources: Vec<Source>,
    /// By kind, namespace and name, in the order of the files.
    pub(super) components: Vec<(Kind, String, String, Place)>,
    known: HashMap<(Kind, String, String), Place>,
    read: HashMap<(PathBuf, String), ()>,
    bytes: usize,
}

pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";

enum From<'a> {
    /// The file that the rule names.
    Rule,
    /// Included into a namespace.
    Include(&'a str),
    /// Imported as a namespace.
    Import(&'a str),
}

impl Set {
    pub(super) fn read(files: &Files, path: &Path) -> Result<Set, Problem> {
        let mut set = Set::default();
        let problem = |kind| Problem {
            file: path.display().to_string(),
            line: 1,
            kind,
        };
        set.add(files, path, &From::Rule, 0, &problem)?;
        Ok(set)
    }

    fn add(
        &mut self,
        files: &Files,
        path: &Path,
        from: &From<'_>,
        depth: usize,
        named: &dyn Fn(ProblemKind) -> Problem,
    ) -> Result<(), Problem> {
        let missing = || named(ProblemKind::Missing(path.display().to_string()));
        let bytes = files.get(path).ok_or_else(missing)?;
        self.bytes += bytes.len();
        let limit = |what, limit| Err(named(ProblemKind::Limit { what, limit }));
        if self.bytes > limits::GRAMMAR_BYTES {
            return limit("bytes in one grammar", limits::GRAMMAR_BYTES);
        }
        if self.sources.len() >= limits::FILES || depth > limits::DEPTH {
            return limit("files in one schema", limits::FILES);
        }
        let tree = Tree::read(path, bytes)?;
        let Some(root) = tree.nodes.first().filter(|root| root.name == "schema") else {
            let found = tree.nodes.first().map_or("", |root| &root.name);
            let kind = ProblemKind::Syntax {
                expected: "a schema of http://www.w3.org/2001/XMLSchema",
                found: format!("the element `{found}`"),
            };
            return Err(tree.problem(0, kind));
        };
        let written = root.attribute("targetNamespace").map(str::to_owned);
        let takes_namespace = written.is_none() && matches!(from, From::Include(_));
        let wrong = |expected| {
            let value = written.clone().unwrap_or_default();
            Err(tree.problem(0, ProblemKind::Value { value, expected }))
        };
        let target = match (from, &written) {
            (From::Include(namespace), None) => (*namespace).to_owned(),
            (From::Include(namespace), Some(written)) if namespace != written => {
                return wrong("the namespace of the schema that includes it");
            }
            (From::Import(namespace), written)
                if *namespace != written.as_deref().unwrap_or_default() =>
            {
                return wrong("the namespace that it is imported for");
            }
            (_, written) => written.clone().unwrap_or_default(),
        };
        let key = (path.to_owned(), target.clone());
        if self.read.insert(key, ()).is_some() {
            return Ok(());
        }
        let number = self.sources.len();
        let children = root.children.clone();
        self.sources.push(Source {
            tree,
            target: target.clone(),
            takes_namespace,
        });
        for child in children {
            self.take(files, (number, child), &target, depth)?;
        }
        Ok(())
    }

    /// What stands right in a schema.
    fn take(
        &mut self,
        files: &Files,
        at: Place,
        target: &str,
        depth: usize,
    ) -> Result<(), Problem> {
        let Some(source) = self.sources.get(at.0) else {
            return Ok(());
        };
        let Some(node) = source.tree.nodes.get(at.1) else {
            return Ok(());
        };
        let word = node.name.clone();
        let kind = match word.as_str() {
            "element" => Kind::Element,
            "complexType" | "simpleType" => Kind::Type,
            "attribute" => Kind::Attribute,
            "attributeGroup" => Kind::AttributeGroup,
            "group" => Kind::Group,
            "notation" => return Ok(()),
            word @ ("include" | "import") => return self.follow(files, at, word, target, depth),
            word @ ("redefine" | "override" | "defaultOpenContent") => {
                return Err(self.problem(at, ProblemKind::Unsupported(format!("xs:{word}"))));
            }
            other => {
                let kind = ProblemKind::Syntax {
                    expected: "a declaration",
                    found: format!("the element `{other}`"),
                };
                return Err(self.problem(at, kind));
            }
        };
        let name = self.required(at, "name")?.to_owned();
        self.declare(kind, target.to_owned(), name, at)
    }

    pub(super) fn declare(
        &mut self,
        kind: Kind,
        namespace: String,
        name: String,
        at: Place,
    ) -> Result<(), Problem> {
        let key = (kind, namespace.clone(), name.clone());
        if self.known.insert(key, at).is_some() {
            let what = kind.name();
            return Err(self.problem(at, ProblemKind::Twice { what, name }));
        }
        self.components.push((kind, namespace, name, at));
        Ok(())
    }

    fn follow(
        &mut self,
        files: &Files,
        at: Place,
        word: &str,
        target: &str,
        depth: usize,
    ) -> Result<(), Problem> {
        let Some((source, node)) = self.at(at) else {
            return Ok(());
        };
        let namespace = node.attribute("namespace").unwrap_or("").to_owned();
        let location = node
            .attribute("schemaLocation")
            .map(|place| place.trim().to_owned());
        let file = source.tree.file.clone();
        let line = node.line;
        let is_import = word == "import";
        let location = match location {
            // An import may say no more than that a namespace is used; and what is in that of XML is known.
            None if is_import => return Ok(()),
            Some(place) if is_import && namespace == XML && is_remote(&place) => return Ok(()),
            None => {
                self.required(at, "schemaLocation")?;
                return Ok(());
            }
            Some(place) if is_remote(&place) => {
                return Err(self.problem(
                    at,
                    ProblemKind::Unsupported(format!(
                        "the schema at `{place}`: nothing is fetched, so it has to be in a file; it"
                    )),
                ));
            }
            Some(place) => place,
        };
        let path = beside(&file, &location);
        let named = |kind| Problem {
            file: file.display().to_string(),
            line,
            kind,
        };
        let from = if is_import {
            From::Import(&namespace)
        } else {
            From::Include(target)
        };
        let key_target = if is_import { &namespace } else { target };
        if self
            .read
            .contains_key(&(path.clone(), key_target.to_owned()))
        {
            return Ok(());
        }
        self.add(files, &path, &from, depth + 1, &named)
    }

    pub(super) fn at(&self, at: Place) -> Option<(&Source, &super::dom::Node)> {
        let source = self.sources.get(at.0)?;
        Some((source, source.tree.nodes.get(at.1)?))
    }

    pub(super) fn problem(&self, at: Place, kind: ProblemKind) -> Problem {
        match self.sources.get(at.0) {
            Some(source) => source.tree.problem(at.1, kind),
            None => Problem {
                file: String::new(),
                line: 1,
                kind,
            },
        }
    }

    pub(super) fn attribute(&self, at: Place, name: &str) -> Option<&str> {
        self.at(at)?.1.attribute(name)
    }

    pub(super) fn required(&self, at: Place, name: &'static str) -> Result<&str, Problem> {
        self.attribute(at, name).ok_or_else(|| {
            let found = self.at(at).map_or("", |(_, node)| &node.name);
            let kind = ProblemKind::Syntax {
                expected: match name {
                    "name" => "the attribute `name`",
                    "base" => "the attribute `base`",
                    "value" => "the attribute `value`",
                    "xpath" => "the attribute `xpath`",
                    "refer" => "the attribute `refer`",
                    _ => "the attribute `schemaLocation`",
                },
                found: format!("`{found}` without it"),
            };
            self.problem(at, kind)
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, at: Place, name: &str) -> Result<bool, Problem> {
        match self.attribute(at, name).map(str::trim) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(value) => {
                let (value, expected) = (value.to_owned(), "true or false");
                Err(self.problem(at, ProblemKind::Value { value, expected }))
            }
        }
    }

    /// The attribute of the schema that a node stands in.
    pub(super) fn of_schema(&self, at: Place, name: &str) -> &str {
        self.attribute((at.0, 0), name).unwrap_or("")
    }

    pub(super) fn target(&self, at: Place) -> &str {
        self.sources.get(at.0).map_or("", |source| &source.target)
    }

    pub(super) fn name(&self, at: Place) -> &str {
        self.at(at).map_or("", |(_, node)| &node.name)
    }

    pub(super) fn children(&self, at: Place) -> Vec<Place> {
        let children = self.at(at).map(|(_, node)| node.children.as_slice());
        let children = children.unwrap_or_default().iter();
        children.map(|&child| (at.0, child)).collect()
    }

    /// The children with one of these names.
    pub(super) fn child(&self, at: Place, names: &[&str]) -> Option<Place> {
        let mut children = self.children(at).into_iter();
        children.find(|&child| names.contains(&self.name(child)))
    }

    /// Namespace and local part of a name that a value of a node mentions.
    pub(super) fn resolve(&self, at: Place, name: &str) -> Result<(String, String), Problem> {
        let name = name.trim();
        let (prefix, local) = split(name);
        let unknown = || {
            let (what, name) = ("prefix", prefix.to_owned());
            self.problem(at, ProblemKind::Unknown { what, name })
        };
        let (source, _) = self.at(at).ok_or_else(unknown)?;
        let namespace = source.tree.namespace(at.1, prefix).ok_or_else(unknown)?;
        let namespace = if namespace.is_empty() && source.takes_namespace {
            &source.target
        } else {
            namespace
        };
        Ok((namespace.to_owned(), local.to_owned()))
    }

    /// Where the component is that a value of a node names; `None` for what the language itself declares.
    pub(super) fn find(&self, kind: Kind, at: Place, name: &str) -> Result<Option<Place>, Problem> {
        let (namespace, local) = self.resolve(at, name)?;
        if let Some(&place) = self.known.get(&(kind, namespace.clone(), local)) {
            return Ok(Some(place));
        }
        let is_ours = match kind {
            Kind::Type => namespace == XSD,
            Kind::Attribute => namespace == XML,
            _ => false,
        };
        if is_ours {
            return Ok(None);
        }
        let (what, name) = (kind.name(), name.to_owned());
        Err(self.problem(at, ProblemKind::Unknown { what, name }))
    }
}
