//! Document type definitions: what elements hold, and which attributes they have.

mod input;
mod read;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::automaton::Automaton;
use crate::document::Document;
use crate::files::Files;
use crate::names::Names;
use crate::problem::Problem;
use crate::work::{Finding, Work};

pub use input::character;

/// A compiled DTD.
///
/// What is held against it: content models, attributes with their types, `ID` and `IDREF`, `#REQUIRED` and `#FIXED`. Any declared
/// element may be the root. Declarations of namespaces are attributes, as in XML 1.0. Entities play no part: who reads a document
/// resolves them or refuses it.
#[derive(Debug, Default)]
pub struct Dtd {
    elements: HashMap<String, Element>,
    names: Names,
    /// Unparsed entities, for attributes that name them.
    unparsed: HashSet<String>,
}

#[derive(Debug, Default)]
struct Element {
    /// `None` where only attributes are declared.
    content: Option<Content>,
    attributes: HashMap<String, AttributeRule>,
}

#[derive(Debug)]
enum Content {
    Empty,
    Any,
    Mixed(HashSet<String>),
    Children(Automaton),
}

#[derive(Debug)]
struct AttributeRule {
    kind: Kind,
    presence: Presence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Id,
    Reference,
    References,
    Entity,
    Entities,
    Token,
    Tokens,
    /// Enumerations and notations.
    OneOf(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Presence {
    Optional,
    Required,
    Fixed(String),
}

impl Dtd {
    /// Reads a DTD from `path`, and the files that its parameter entities name.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(files: &Files, path: impl AsRef<Path>) -> Result<Dtd, Problem> {
        read::read(files, path.as_ref())
    }

    /// Holds a document against it.
    ///
    /// # Errors
    /// What is wrong with the document, or that the budget is spent.
    pub fn check(&self, document: &Document, work: &mut Work) -> Result<(), Finding> {
        validate::check(self, document, work)
    }
}
