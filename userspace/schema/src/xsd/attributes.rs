//! Attributes of complex types, and their groups.

use std::collections::{BTreeMap, HashMap};

use super::compile::{Compiler, Outcome};
use super::set::{Kind, Place};
use super::wildcard::Wildcard;
use super::{AttributeRule, TypeId};
use crate::limits;
use crate::names::Symbol;
use crate::problem::ProblemKind;

/// What a type says of its attributes.
#[derive(Debug, Default)]
pub(super) struct AttributeSet {
    /// By symbol; `None` where an attribute is prohibited.
    pub(super) rules: BTreeMap<Symbol, Option<AttributeRule>>,
    pub(super) any: Option<Wildcard>,
}

impl AttributeSet {
    pub(super) fn allowed(self) -> HashMap<Symbol, AttributeRule> {
        let rules = self.rules.into_iter();
        rules
            .filter_map(|(symbol, rule)| Some((symbol, rule?)))
            .collect()
    }
}

impl Compiler {
    /// The attributes that the children of a node declare.
    pub(super) fn attribute_set(&mut self, at: Place) -> Outcome<AttributeSet> {
        let mut set = AttributeSet::default();
        self.add_attributes(at, &mut set)?;
        Ok(set)
    }

    fn add_attributes(&mut self, at: Place, set: &mut AttributeSet) -> Outcome<()> {
        for child in self.set.children(at) {
            match self.set.name(child) {
                "attribute" => {
                    let (symbol, rule) = self.attribute_use(child)?;
                    if set.rules.insert(symbol, rule).is_some() {
                        let (what, name) = ("attribute", self.schema.names.show(symbol));
                        return Err(self.problem(child, ProblemKind::Twice { what, name }));
                    }
                }
                "attributeGroup" => self.attribute_group(child, set)?,
                "anyAttribute" => {
                    let wildcard = Wildcard::read(&self.set, child)?;
                    self.narrow(set, &wildcard, child)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Wildcards of a type and of its groups hold together.
    fn narrow(&self, set: &mut AttributeSet, wildcard: &Wildcard, at: Place) -> Outcome<()> {
        let both = match &set.any {
            None => Some(wildcard.clone()),
            Some(known) => known.intersection(wildcard),
        };
        let what = "an intersection of these wildcards";
        let kind = || ProblemKind::Unsupported(what.to_owned());
        set.any = Some(both.ok_or_else(|| self.problem(at, kind()))?);
        Ok(())
    }

    fn attribute_group(&mut self, at: Place, set: &mut AttributeSet) -> Outcome<()> {
        let Some(name) = self.set.attribute(at, "ref").map(str::to_owned) else {
            return self.expected(at, "the attribute `ref`");
        };
        if self.set.resolve(at, &name)? == (super::set::XML.to_owned(), "specialAttrs".to_owned()) {
            for name in ["lang", "space", "base", "id"] {
                let of = self.built_in_type("string").unwrap_or(0);
                let symbol = self.schema.names.number(super::set::XML, name);
                let rule = rule_of(of);
                set.rules.insert(symbol, Some(rule));
            }
            return Ok(());
        }
        let Some(place) = self.set.find(Kind::AttributeGroup, at, &name)? else {
            return Ok(());
        };
        self.begin_group(place, at, "attributeGroup", &name)?;
        let outcome = self.add_attributes(place, set);
        self.groups.pop();
        outcome
    }

    /// Groups must not hold themselves, and count like what they hold.
    pub(super) fn begin_group(
        &mut self,
        place: Place,
        at: Place,
        what: &'static str,
        name: &str,
    ) -> Outcome<()> {
        if self.groups.contains(&place) {
            let name = name.to_owned();
            return Err(self.problem(at, ProblemKind::Circular { what, name }));
        }
        self.count(at)?;
        if self.groups.len() >= limits::DEPTH {
            return Err(self.problem(
                at,
                ProblemKind::Limit {
                    what: "groups inside of groups",
                    limit: limits::DEPTH,
                },
            ));
        }
        self.groups.push(place);
        Ok(())
    }

    /// Counts a particle or an attribute, so that groups of groups cannot multiply without end.
    pub(super) fn count(&mut self, at: Place) -> Outcome<u32> {
        self.particles += 1;
        if self.particles as usize > limits::COMPONENTS * 4 {
            return Err(self.problem(
                at,
                ProblemKind::Limit {
                    what: "particles and attributes, those of groups counted wherever they are used",
                    limit: limits::COMPONENTS * 4,
                },
            ));
        }
        Ok(self.particles)
    }

    /// An attribute where a type or group uses it; `None` where it is prohibited.
    fn attribute_use(&mut self, at: Place) -> Outcome<(Symbol, Option<AttributeRule>)> {
        self.count(at)?;
        let word = self
            .set
            .attribute(at, "use")
            .map_or("optional", str::trim)
            .to_owned();
        let (symbol, mut rule) = match self.set.attribute(at, "ref").map(str::to_owned) {
            Some(name) => {
                let (namespace, local) = self.set.resolve(at, &name)?;
                let symbol = self.schema.names.number(&namespace, &local);
                let rule = match self.set.find(Kind::Attribute, at, &name)? {
                    Some(place) => self.attribute_rule(place)?,
                    None => rule_of(self.built_in_type("string").unwrap_or(0)),
                };
                (symbol, rule)
            }
            None => {
                let name = self.set.required(at, "name")?.to_owned();
                let form = self.set.attribute(at, "form");
                let form = form.unwrap_or_else(|| self.set.of_schema(at, "attributeFormDefault"));
                let namespace = match form {
                    "qualified" => self.set.target(at).to_owned(),
                    _ => String::new(),
                };
                let symbol = self.schema.names.number(&namespace, &name);
                (symbol, self.attribute_rule(at)?)
            }
        };
        if let Some(fixed) = self.set.attribute(at, "fixed") {
            rule.fixed = Some(fixed.to_owned());
        }
        rule.is_required = word == "required";
        match word.as_str() {
            "optional" | "required" => Ok((symbol, Some(rule))),
            "prohibited" => Ok((symbol, None)),
            _ => {
                let (value, expected) = (word, "optional, required or prohibited");
                Err(self.problem(at, ProblemKind::Value { value, expected }))
            }
        }
    }

    /// The type and the value of an attribute that is declared at a place.
    pub(super) fn attribute_rule(&mut self, at: Place) -> Outcome<AttributeRule> {
        let named = self.set.attribute(at, "type").map(str::to_owned);
        let inside = self.set.child(at, &["simpleType"]);
        let of = match (named, inside) {
            (Some(name), _) => self.type_named(at, &name)?,
            (None, Some(inside)) => self.type_at(inside)?,
            (None, None) => self.built_in_type(super::builtin::ANY).unwrap_or(0),
        };
        self.simple_of(of, at)?;
        let mut rule = rule_of(of);
        rule.fixed = self.set.attribute(at, "fixed").map(str::to_owned);
        Ok(rule)
    }
}

fn rule_of(of: TypeId) -> AttributeRule {
    AttributeRule {
        of,
        is_required: false,
        fixed: None,
    }
}
