//! Simple types are compiled: restrictions with their facets, lists, unions.

use std::cmp::Ordering;
use std::sync::Arc;

use super::builtin::Lexical;
use super::compile::{Compiler, Outcome};
use super::pattern;
use super::set::Place;
use super::simple::{Blanks, Facets, Simple, Variety};
use super::value::Value;
use super::{Content, Methods, Type, TypeEntry, TypeId};
use crate::problem::ProblemKind;
use crate::text::words;
use crate::work::Work;

/// Values of one enumeration and members of one union.
const VALUES: usize = 20_000;

impl Compiler {
    pub(super) fn simple_type(&mut self, place: Place) -> Outcome<TypeEntry> {
        let entry = |base, simple| TypeEntry {
            name: String::new(),
            base: Some((base, Methods::RESTRICTION)),
            is_abstract: false,
            block: Methods::NONE,
            kind: Type::Simple(simple),
        };
        let any = self.built_in_type(super::builtin::ANY).unwrap_or(0);
        let Some(child) = self.set.child(place, &["restriction", "list", "union"]) else {
            return self.expected(place, "restriction, list or union");
        };
        match self.set.name(child) {
            "restriction" => {
                let base = self.named_or_inside(child, "base")?;
                let simple = self.simple_of(base, child)?;
                let simple = self.restricted(simple, child)?;
                Ok(entry(base, simple))
            }
            "list" => {
                let item = self.named_or_inside(child, "itemType")?;
                self.simple_of(item, child)?;
                let simple = Simple {
                    variety: Variety::List(item),
                    blanks: Blanks::Collapse,
                    facets: Vec::new(),
                };
                Ok(entry(any, simple))
            }
            _ => {
                let mut members = Vec::new();
                let named = self
                    .set
                    .attribute(child, "memberTypes")
                    .unwrap_or("")
                    .to_owned();
                for name in words(&named) {
                    members.push(self.type_named(child, name)?);
                }
                for inner in self.set.children(child) {
                    members.push(self.type_at(inner)?);
                }
                if members.is_empty() || members.len() > VALUES {
                    return self.expected(child, "the types of a union");
                }
                for &member in &members {
                    self.simple_of(member, child)?;
                }
                let simple = Simple {
                    variety: Variety::Union(members),
                    blanks: Blanks::Preserve,
                    facets: Vec::new(),
                };
                Ok(entry(any, simple))
            }
        }
    }

    pub(super) fn expected<T>(&self, at: Place, expected: &'static str) -> Outcome<T> {
        let found = self.set.children(at).first().map_or_else(
            || format!("`{}` without it", self.set.name(at)),
            |&child| format!("`{}`", self.set.name(child)),
        );
        Err(self.problem(at, ProblemKind::Syntax { expected, found }))
    }

    /// The type that an attribute names, or that is declared inside.
    fn named_or_inside(&mut self, at: Place, attribute: &str) -> Outcome<TypeId> {
        if let Some(name) = self.set.attribute(at, attribute).map(str::to_owned) {
            return self.type_named(at, &name);
        }
        match self.set.child(at, &["simpleType"]) {
            Some(inner) => self.type_at(inner),
            None => self.expected(at, "a type"),
        }
    }

    /// The simple type of that number.
    pub(super) fn simple_of(&mut self, number: TypeId, at: Place) -> Outcome<Simple> {
        self.ensure(number, at)?;
        match self.kind(number) {
            Some(Type::Simple(simple)) => Ok(simple.clone()),
            Some(Type::Complex(complex)) if let Content::Text(simple) = &complex.content => {
                Ok(simple.clone())
            }
            _ => {
                let (value, expected) = (self.type_name(number), "a simple type");
                Err(self.problem(at, ProblemKind::Value { value, expected }))
            }
        }
    }

    /// A simple type with the facets of a restriction.
    pub(super) fn restricted(&mut self, mut simple: Simple, at: Place) -> Outcome<Simple> {
        let mut facets = Facets::default();
        let mut any = false;
        for child in self.set.children(at) {
            let word = self.set.name(child).to_owned();
            match word.as_str() {
                "simpleType" | "attribute" | "attributeGroup" | "anyAttribute" => continue,
                _ => {}
            }
            let value = self.set.required(child, "value")?.to_owned();
            self.facet(&simple, &mut facets, &word, &value, child)?;
            if word == "whiteSpace" {
                let blanks = match value.trim() {
                    "preserve" => Blanks::Preserve,
                    "replace" => Blanks::Replace,
                    "collapse" => Blanks::Collapse,
                    _ => return self.wrong(child, value, "preserve, replace or collapse"),
                };
                if blanks < simple.blanks {
                    return self.wrong(child, value, "at least what the base does with blanks");
                }
                simple.blanks = blanks;
            }
            any = true;
        }
        if any {
            simple.facets.push(Arc::new(facets));
        }
        Ok(simple)
    }

    fn wrong<T>(&self, at: Place, value: String, expected: &'static str) -> Outcome<T> {
        Err(self.problem(at, ProblemKind::Value { value, expected }))
    }

    fn facet(
        &mut self,
        simple: &Simple,
        facets: &mut Facets,
        word: &str,
        value: &str,
        at: Place,
    ) -> Outcome<()> {
        let lexical = match simple.variety {
            Variety::Atomic(lexical) => Some(lexical),
            _ => None,
        };
        let is_union = matches!(simple.variety, Variety::Union(_));
        let fits = match word {
            "length" | "minLength" | "maxLength" => {
                !is_union && lexical.is_none_or(Lexical::has_length)
            }
            "totalDigits" | "fractionDigits" => lexical.is_some_and(Lexical::has_digits),
            "minInclusive" | "minExclusive" | "maxInclusive" | "maxExclusive" => {
                lexical.is_some_and(Lexical::is_ordered)
            }
            "whiteSpace" => !is_union,
            "pattern" | "enumeration" => true,
            "assertion" | "explicitTimezone" => {
                return Err(self.problem(at, ProblemKind::Unsupported(format!("xs:{word}"))));
            }
            _ => return self.wrong(at, word.to_owned(), "a facet"),
        };
        if !fits {
            return self.wrong(at, word.to_owned(), "a facet that this type has");
        }
        let number = || value.trim().parse::<usize>();
        match word {
            "length" | "minLength" | "maxLength" | "totalDigits" | "fractionDigits" => {
                let Ok(number) = number() else {
                    return self.wrong(at, value.to_owned(), "a number");
                };
                let slot = match word {
                    "length" => &mut facets.length,
                    "minLength" => &mut facets.min_length,
                    "maxLength" => &mut facets.max_length,
                    "totalDigits" => &mut facets.total_digits,
                    _ => &mut facets.fraction_digits,
                };
                *slot = Some(number);
            }
            "pattern" => {
                let regex = pattern::compile(value).map_err(|kind| self.problem(at, kind))?;
                facets.patterns.push(regex);
            }
            "enumeration" => {
                if facets.values.len() >= VALUES {
                    let (what, limit) = ("values of an enumeration", VALUES);
                    return Err(self.problem(at, ProblemKind::Limit { what, limit }));
                }
                let value = self.facet_value(simple, value, at)?;
                facets.values.push(value);
            }
            "whiteSpace" => {}
            bound => {
                let orders: &'static [Ordering] = match bound {
                    "minInclusive" => &[Ordering::Greater, Ordering::Equal],
                    "minExclusive" => &[Ordering::Greater],
                    "maxInclusive" => &[Ordering::Less, Ordering::Equal],
                    _ => &[Ordering::Less],
                };
                let read = self.facet_value(simple, value, at)?;
                facets.bounds.push((read, orders, value.to_owned()));
            }
        }
        Ok(())
    }

    /// The value of a facet, which is one of the base.
    fn facet_value(&self, simple: &Simple, value: &str, at: Place) -> Outcome<Value> {
        let scope = |prefix: &str| {
            let name = if prefix.is_empty() {
                "x".to_owned()
            } else {
                format!("{prefix}:x")
            };
            self.set
                .resolve(at, &name)
                .ok()
                .map(|(namespace, _)| namespace)
        };
        let mut work = Work::of(u64::MAX);
        // An exclusive bound of the base may be named again.
        let mut free = simple.clone();
        free.facets.clear();
        self.schema
            .simple_value(&free, value, &scope, 0, &mut work)
            .or_else(|_| self.wrong(at, value.to_owned(), "a value of the base type"))
    }
}
