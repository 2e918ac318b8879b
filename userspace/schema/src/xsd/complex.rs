//! Complex types: content and attributes, extended or restricted.

use std::collections::HashMap;
use std::sync::Arc;

use super::attributes::AttributeSet;
use super::compile::{Compiler, Outcome};
use super::particle::PARTICLES;
use super::set::Place;
use super::{Complex, Content, Methods, Model, Type, TypeEntry, TypeId};
use crate::automaton::{Automaton, Expression, Label, Shared};
use crate::limits;
use crate::names::Symbol;
use crate::problem::ProblemKind;

/// Everything, its content looked at where it is declared: wildcard 0 says so.
pub(super) fn any_type() -> Type {
    let any = Expression::One(Label::Any(0), 0);
    let model = Expression::Repeat(Box::new(any), 0, None);
    let content = Automaton::new(&model, None);
    Type::Complex(Complex {
        content: content.map_or(Content::Empty, |(automaton, _)| Content::Order(automaton)),
        is_mixed: true,
        attributes: HashMap::new(),
        any_attribute: Some(0),
        model: Some(Arc::new(Model::Order(model))),
    })
}

impl Compiler {
    pub(super) fn complex_type(&mut self, at: Place) -> Outcome<TypeEntry> {
        for word in ["assert", "openContent"] {
            if let Some(child) = self.set.child(at, &[word]) {
                return Err(self.problem(child, ProblemKind::Unsupported(format!("xs:{word}"))));
            }
        }
        let is_mixed = self.set.flag(at, "mixed")?;
        let (base, complex) = match self.set.child(at, &["simpleContent", "complexContent"]) {
            Some(content) if self.set.name(content) == "simpleContent" => {
                self.text_content(content)?
            }
            Some(content) => {
                let is_mixed = match self.set.attribute(content, "mixed") {
                    Some(_) => self.set.flag(content, "mixed")?,
                    None => is_mixed,
                };
                self.derived_content(content, is_mixed)?
            }
            None => {
                let own = self.own_model(at)?;
                let attributes = self.attribute_set(at)?;
                let complex = self.complex(at, own, is_mixed, attributes)?;
                ((0, Methods::RESTRICTION), complex)
            }
        };
        Ok(TypeEntry {
            name: String::new(),
            base: Some(base),
            is_abstract: self.set.flag(at, "abstract")?,
            block: self.block(at),
            kind: Type::Complex(complex),
        })
    }

    /// The model that a type, an extension or a restriction has of its own.
    fn own_model(&mut self, at: Place) -> Outcome<Option<Model>> {
        match self.set.child(at, PARTICLES) {
            Some(particle) => self.model(particle),
            None => Ok(None),
        }
    }

    fn complex(
        &mut self,
        at: Place,
        model: Option<Model>,
        is_mixed: bool,
        mut attributes: AttributeSet,
    ) -> Outcome<Complex> {
        let any_attribute = attributes.any.take().map(|any| {
            self.schema.wildcards.push(any);
            u32::try_from(self.schema.wildcards.len() - 1).unwrap_or(u32::MAX)
        });
        let content = match &model {
            None => Content::Empty,
            Some(Model::All(members, may_lack)) => {
                self.check_all(at, members)?;
                Content::All(members.clone(), *may_lack)
            }
            Some(Model::Order(expression)) => Content::Order(self.automaton(at, expression)?),
        };
        Ok(Complex {
            content,
            is_mixed,
            attributes: attributes.allowed(),
            any_attribute,
            model: model.map(Arc::new),
        })
    }

    fn check_all(&self, at: Place, members: &[super::AllMember]) -> Outcome<()> {
        let mut seen: HashMap<Symbol, ()> = HashMap::new();
        for (symbol, _) in members.iter().flat_map(|member| &member.names) {
            if seen.insert(*symbol, ()).is_some() {
                return Err(self.ambiguous(at, Shared::Name(*symbol)));
            }
        }
        Ok(())
    }

    fn ambiguous(&self, at: Place, shared: Shared) -> crate::Problem {
        let mut of = at;
        // The nearest name outwards.
        while self.set.attribute(of, "name").is_none() {
            match self.set.at(of) {
                Some((_, node)) if node.parent != of.1 => of.1 = node.parent,
                _ => break,
            }
        }
        let kind = ProblemKind::Ambiguous {
            of: self.set.attribute(of, "name").unwrap_or("").to_owned(),
            name: match shared {
                Shared::Name(symbol) => self.schema.names.show(symbol),
                Shared::Wildcards => "what two wildcards take".to_owned(),
            },
        };
        self.problem(at, kind)
    }

    fn automaton(&mut self, at: Place, model: &Expression) -> Outcome<Automaton> {
        let schema = &self.schema;
        let wildcard = |number: u32| schema.wildcards.get(number as usize);
        let overlap = |number: u32, other: Result<Symbol, u32>| match other {
            Ok(symbol) => wildcard(number)
                .is_some_and(|wildcard| wildcard.takes(schema.names.namespace(symbol))),
            Err(other) => wildcard(number)
                .zip(wildcard(other))
                .is_some_and(|(one, other)| one.overlaps(other)),
        };
        let (automaton, shared) =
            Automaton::new(model, Some(&overlap)).map_err(|kind| self.problem(at, kind))?;
        if let Some(shared) = shared {
            return Err(self.ambiguous(at, shared));
        }
        self.places += automaton.places();
        if self.places > limits::ALL_PLACES {
            return Err(self.problem(
                at,
                ProblemKind::Limit {
                    what: "places in all content models",
                    limit: limits::ALL_PLACES,
                },
            ));
        }
        Ok(automaton)
    }

    /// The extension or restriction inside of a content, and the type that it names.
    fn derivation(&mut self, content: Place) -> Outcome<(Place, Methods, TypeId)> {
        let Some(step) = self.set.child(content, &["extension", "restriction"]) else {
            return self.expected(content, "extension or restriction");
        };
        let method = match self.set.name(step) {
            "extension" => Methods::EXTENSION,
            _ => Methods::RESTRICTION,
        };
        let base = self.set.required(step, "base")?.to_owned();
        let base = self.type_named(step, &base)?;
        self.ensure(base, step)?;
        Ok((step, method, base))
    }

    fn text_content(&mut self, content: Place) -> Outcome<((TypeId, Methods), Complex)> {
        let (step, method, base) = self.derivation(content)?;
        let simple = match self.set.child(step, &["simpleType"]) {
            Some(inner) if method == Methods::RESTRICTION => {
                let number = self.type_at(inner)?;
                self.simple_of(number, step)?
            }
            _ => self.simple_of(base, step)?,
        };
        let simple = match method {
            Methods::RESTRICTION => self.restricted(simple, step)?,
            _ => simple,
        };
        let own = self.attribute_set(step)?;
        let attributes = self.inherited(base, own, method, step)?;
        let mut complex = self.complex(step, None, false, attributes)?;
        complex.content = Content::Text(simple);
        Ok(((base, method), complex))
    }

    fn derived_content(
        &mut self,
        content: Place,
        is_mixed: bool,
    ) -> Outcome<((TypeId, Methods), Complex)> {
        let (step, method, base) = self.derivation(content)?;
        let Some(Type::Complex(complex)) = self.kind(base) else {
            let (value, expected) = (self.type_name(base), "a complex type");
            return Err(self.problem(step, ProblemKind::Value { value, expected }));
        };
        let (before, base_mixed) = (complex.model.clone(), complex.is_mixed);
        let mut own = self.own_model(step)?;
        let mut is_mixed = is_mixed;
        if method == Methods::EXTENSION {
            is_mixed |= base_mixed && own.is_none();
            if base_mixed != is_mixed && before.is_some() && base != 0 {
                let (value, expected) = (self.type_name(base), "mixed like what extends it");
                return Err(self.problem(step, ProblemKind::Value { value, expected }));
            }
            own = match (before.as_deref(), own) {
                (None, own) => own,
                (Some(before), None) => Some(before.clone()),
                (Some(Model::Order(before)), Some(Model::Order(own))) => {
                    Some(Model::Order(Expression::Sequence(vec![
                        before.clone(),
                        own,
                    ])))
                }
                (Some(_), Some(_)) => {
                    let what = "an extension of or by xs:all, which XML Schema 1.0 has not;";
                    return Err(self.problem(step, ProblemKind::Unsupported(what.to_owned())));
                }
            };
        }
        let attributes = self.attribute_set(step)?;
        let attributes = self.inherited(base, attributes, method, step)?;
        let complex = self.complex(step, own, is_mixed, attributes)?;
        Ok(((base, method), complex))
    }

    /// Attributes with those of the base.
    fn inherited(
        &self,
        base: TypeId,
        mut own: AttributeSet,
        method: Methods,
        at: Place,
    ) -> Outcome<AttributeSet> {
        let Some(Type::Complex(base)) = self.kind(base) else {
            return Ok(own);
        };
        for (symbol, rule) in &base.attributes {
            own.rules
                .entry(*symbol)
                .or_insert_with(|| Some(rule.clone()));
        }
        let wildcard = base
            .any_attribute
            .and_then(|any| self.schema.wildcards.get(any as usize));
        if let (Methods::EXTENSION, Some(wildcard)) = (method, wildcard) {
            own.any = match own.any {
                None => Some(wildcard.clone()),
                Some(any) => match any.union(wildcard) {
                    Some(both) => Some(both),
                    None => {
                        let what = "the union of these wildcards".to_owned();
                        return Err(self.problem(at, ProblemKind::Unsupported(what)));
                    }
                },
            };
        }
        Ok(own)
    }
}
