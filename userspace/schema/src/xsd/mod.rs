//! XML Schema 1.0.
//!
//! A schema is read into trees ([`dom`]), its files and their components are gathered ([`set`]), and components are compiled
//! (`compile`) to numbers: elements, types, automata. A document is then held against these (`validate`).
//!
//! Not checked of a schema: that a type that is derived by restriction allows nothing that its base forbids, and `final`. Values of
//! `schemaLocation` in a document are passed over: nothing is read on behalf of one.

mod attributes;
mod blocks;
mod builtin;
mod compile;
mod complex;
mod dom;
mod facets;
mod identity;
mod instance;
mod particle;
mod pattern;
mod selector;
mod set;
mod simple;
#[cfg(test)]
mod tests;
mod time;
mod validate;
mod value;
mod wildcard;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::automaton::{Automaton, Expression};
use crate::document::Document;
use crate::files::Files;
use crate::names::{Names, Symbol};
use crate::problem::Problem;
use crate::work::{Finding, Work};
use selector::Identity;
use simple::Simple;
use wildcard::Wildcard;

/// The number of a type.
type TypeId = u32;
/// The number of an element's declaration.
type ElementId = u32;

/// A compiled schema.
///
/// What is held against it: the order and number of elements, wildcards, substitution groups, attributes, all built-in types with
/// their facets, lists and unions, `xsi:type` and `xsi:nil`, `fixed`, `ID` and `IDREF`, `unique`, `key` and `keyref`.
#[derive(Debug, Default)]
pub struct XmlSchema {
    names: Names,
    elements: Vec<ElementRule>,
    /// Elements that are declared for the whole schema.
    roots: HashMap<Symbol, ElementId>,
    attributes: HashMap<Symbol, AttributeRule>,
    types: Vec<TypeEntry>,
    type_names: HashMap<Symbol, TypeId>,
    wildcards: Vec<Wildcard>,
    identities: Vec<Identity>,
}

#[derive(Clone, Debug)]
struct ElementRule {
    of: TypeId,
    is_nillable: bool,
    is_abstract: bool,
    /// The text that it has to have.
    fixed: Option<String>,
    /// Whether nothing stands for a text.
    has_default: bool,
    block: Methods,
    identities: Vec<u32>,
}

#[derive(Clone, Debug)]
struct AttributeRule {
    of: TypeId,
    is_required: bool,
    fixed: Option<String>,
}

/// A type with what it is derived from.
#[derive(Debug)]
struct TypeEntry {
    name: String,
    base: Option<(TypeId, Methods)>,
    is_abstract: bool,
    block: Methods,
    kind: Type,
}

#[derive(Debug)]
enum Type {
    Simple(Simple),
    Complex(Complex),
    /// Not compiled yet.
    Pending,
}

#[derive(Debug)]
struct Complex {
    content: Content,
    is_mixed: bool,
    attributes: HashMap<Symbol, AttributeRule>,
    any_attribute: Option<u32>,
    /// What types that extend it begin with.
    model: Option<Arc<Model>>,
}

#[derive(Clone, Debug)]
enum Model {
    Order(Expression),
    All(Vec<AllMember>, bool),
}

#[derive(Debug)]
enum Content {
    Empty,
    Text(Simple),
    Order(Automaton),
    /// Each of them at most once, in any order; all of them may lack where the second says so.
    All(Vec<AllMember>, bool),
}

#[derive(Clone, Debug)]
struct AllMember {
    names: Vec<(Symbol, ElementId)>,
    is_required: bool,
}

/// Ways of deriving a type, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Methods(u8);

impl Methods {
    const NONE: Methods = Methods(0);
    const EXTENSION: Methods = Methods(1);
    const RESTRICTION: Methods = Methods(2);
    const SUBSTITUTION: Methods = Methods(4);

    fn with(self, other: Methods) -> Methods {
        Methods(self.0 | other.0)
    }

    fn overlaps(self, other: Methods) -> bool {
        self.0 & other.0 != 0
    }

    /// The value of `block`.
    fn read(words: &str) -> Methods {
        crate::text::words(words).fold(Methods::NONE, |all, word| {
            all.with(match word {
                "#all" => Methods(7),
                "extension" => Methods::EXTENSION,
                "restriction" => Methods::RESTRICTION,
                "substitution" => Methods::SUBSTITUTION,
                _ => Methods::NONE,
            })
        })
    }
}

impl XmlSchema {
    /// Reads a schema from `path`, and what it includes and imports.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(files: &Files, path: impl AsRef<Path>) -> Result<XmlSchema, Problem> {
        compile::compile(set::Set::read(files, path.as_ref())?)
    }

    /// Holds a document against it.
    ///
    /// # Errors
    /// What is wrong with the document, or that the budget is spent.
    pub fn check(&self, document: &Document, work: &mut Work) -> Result<(), Finding> {
        validate::check(self, document, work)
    }

    fn type_entry(&self, of: TypeId) -> Option<&TypeEntry> {
        self.types.get(of as usize)
    }

    /// How `of` is derived from `base`, if it is.
    fn derivation(&self, of: TypeId, base: TypeId) -> Option<Methods> {
        let mut at = of;
        let mut methods = Methods::NONE;
        loop {
            if at == base {
                return Some(methods);
            }
            if let Some(Type::Simple(Simple {
                variety: simple::Variety::Union(members),
                ..
            })) = self.type_entry(base).map(|entry| &entry.kind)
                && members.contains(&at)
            {
                return Some(methods.with(Methods::RESTRICTION));
            }
            let (next, method) = self.type_entry(at)?.base?;
            methods = methods.with(method);
            at = next;
        }
    }
}
