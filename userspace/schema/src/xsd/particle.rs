//! Particles: elements, wildcards and groups in their order.

use super::compile::{Compiler, Outcome};
use super::set::{Kind, Place};
use super::wildcard::Wildcard;
use super::{AllMember, ElementId, ElementRule, Methods, Model};
use crate::automaton::{Expression, Label};
use crate::names::Symbol;
use crate::problem::ProblemKind;

/// The names of elements that are particles or groups of them.
pub(super) const PARTICLES: &[&str] = &["element", "any", "group", "sequence", "choice", "all"];

impl Compiler {
    /// The model that a group is: of `sequence`, `choice`, `all` or a `group` that is named. `None` where it holds nothing.
    pub(super) fn model(&mut self, at: Place) -> Outcome<Option<Model>> {
        match self.set.name(at) {
            "all" => self.all_group(at).map(Some),
            "group" => {
                let (inner, place, name) = self.group_behind(at)?;
                if self.set.name(inner) != "all" {
                    return Ok(self.particle(at)?.map(Model::Order));
                }
                self.begin_group(place, at, "group", &name)?;
                let model = self.all_group(inner);
                self.groups.pop();
                let (min, _) = self.occurs(at)?;
                model.map(|model| match model {
                    Model::All(members, may_lack) => {
                        Some(Model::All(members, may_lack || min == 0))
                    }
                    order @ Model::Order(_) => Some(order),
                })
            }
            _ => Ok(self.particle(at)?.map(Model::Order)),
        }
    }

    /// `minOccurs` and `maxOccurs`.
    fn occurs(&self, at: Place) -> Outcome<(u32, Option<u32>)> {
        let read = |name: &str| match self.set.attribute(at, name).map(str::trim) {
            None => Ok(Some(1)),
            Some("unbounded") if name == "maxOccurs" => Ok(None),
            Some(number) => number.parse().map(Some).map_err(|_| {
                let (value, expected) = (number.to_owned(), "a number of occurrences");
                self.problem(at, ProblemKind::Value { value, expected })
            }),
        };
        let (min, max) = (read("minOccurs")?.unwrap_or(1), read("maxOccurs")?);
        if max.is_some_and(|max| max < min) {
            let value = self
                .set
                .attribute(at, "maxOccurs")
                .unwrap_or("1")
                .to_owned();
            let expected = "at least minOccurs";
            return Err(self.problem(at, ProblemKind::Value { value, expected }));
        }
        Ok((min, max))
    }

    fn particle(&mut self, at: Place) -> Outcome<Option<Expression>> {
        let number = self.count(at)?;
        let (min, max) = self.occurs(at)?;
        if max == Some(0) {
            return Ok(None);
        }
        let inner = match self.set.name(at) {
            "element" => Expression::One(Label::Named(self.element_names(at)?), number),
            "any" => {
                let wildcard = Wildcard::read(&self.set, at)?;
                let wildcards = &mut self.schema.wildcards;
                wildcards.push(wildcard);
                let index = u32::try_from(wildcards.len() - 1).unwrap_or(u32::MAX);
                Expression::One(Label::Any(index), number)
            }
            "sequence" => Expression::Sequence(self.particles(at)?),
            "choice" => Expression::Choice(self.particles(at)?),
            "group" => {
                let (inner, place, name) = self.group_behind(at)?;
                self.begin_group(place, at, "group", &name)?;
                let outcome = self.particle(inner);
                self.groups.pop();
                match outcome? {
                    Some(inner) => inner,
                    None => return Ok(None),
                }
            }
            "all" => {
                let what = "xs:all inside of another group, which XML Schema 1.0 has not;";
                return Err(self.problem(at, ProblemKind::Unsupported(what.to_owned())));
            }
            other => {
                let found = format!("`{other}`");
                let expected = "an element, a wildcard or a group";
                return Err(self.problem(at, ProblemKind::Syntax { expected, found }));
            }
        };
        Ok(Some(match (min, max) {
            (1, Some(1)) => inner,
            _ => Expression::Repeat(Box::new(inner), min, max),
        }))
    }

    fn particles(&mut self, at: Place) -> Outcome<Vec<Expression>> {
        let mut parts = Vec::new();
        for child in self.set.children(at) {
            parts.extend(self.particle(child)?);
        }
        Ok(parts)
    }

    /// What a reference to a group means: the group inside of it, its place and its name.
    fn group_behind(&self, at: Place) -> Outcome<(Place, Place, String)> {
        let Some(name) = self.set.attribute(at, "ref").map(str::to_owned) else {
            return self.expected(at, "the attribute `ref`");
        };
        let place = self.set.find(Kind::Group, at, &name)?.unwrap_or(at);
        match self.set.child(place, &["sequence", "choice", "all"]) {
            Some(inner) => Ok((inner, place, name)),
            None => self.expected(place, "sequence, choice or all"),
        }
    }

    /// A group that nothing uses has to be right too.
    pub(super) fn check_group(&mut self, at: Place) -> Outcome<()> {
        let Some(inner) = self.set.child(at, &["sequence", "choice", "all"]) else {
            return self.expected(at, "sequence, choice or all");
        };
        self.groups.push(at);
        let outcome = self.model(inner);
        self.groups.pop();
        outcome.map(|_| ())
    }

    fn all_group(&mut self, at: Place) -> Outcome<Model> {
        let mut members = Vec::new();
        for child in self.set.children(at) {
            self.count(child)?;
            if self.set.name(child) != "element" {
                return self.expected(at, "elements alone in xs:all");
            }
            let (min, max) = self.occurs(child)?;
            match max {
                Some(0) => continue,
                Some(1) => {}
                _ => {
                    let what = "maxOccurs over 1 in xs:all, which XML Schema 1.0 has not;";
                    return Err(self.problem(child, ProblemKind::Unsupported(what.to_owned())));
                }
            }
            members.push(AllMember {
                names: self.element_names(child)?,
                is_required: min > 0,
            });
        }
        let (min, _) = self.occurs(at)?;
        Ok(Model::All(members, min == 0))
    }

    /// The names that stand for an element of a model, each with its declaration.
    fn element_names(&mut self, at: Place) -> Outcome<Vec<(Symbol, ElementId)>> {
        let Some(name) = self.set.attribute(at, "ref").map(str::to_owned) else {
            return Ok(vec![self.local_element(at)?]);
        };
        let place = self.set.find(Kind::Element, at, &name)?;
        let Some(&head) = place.and_then(|place| self.element_ids.get(&place)) else {
            let what = "element";
            return Err(self.problem(at, ProblemKind::Unknown { what, name }));
        };
        let members = self.substitutes.get(&head);
        let mut all = vec![head];
        let blocks = |id: ElementId| self.roots.get(id as usize).map(|root| root.block);
        if !blocks(head).is_some_and(|block| block.overlaps(Methods::SUBSTITUTION)) {
            all.extend(members.into_iter().flatten());
        }
        let found = all.into_iter().filter_map(|id| {
            let root = self.roots.get(id as usize)?;
            (!root.is_abstract).then_some((root.symbol, id))
        });
        Ok(found.collect())
    }

    fn local_element(&mut self, at: Place) -> Outcome<(Symbol, ElementId)> {
        let name = self.set.required(at, "name")?.to_owned();
        let form = self.set.attribute(at, "form");
        let form = form.unwrap_or_else(|| self.set.of_schema(at, "elementFormDefault"));
        let namespace = match form {
            "qualified" => self.set.target(at).to_owned(),
            _ => String::new(),
        };
        let symbol = self.schema.names.number(&namespace, &name);
        // One declaration for each place, however often its group is used.
        if let Some(&known) = self.element_ids.get(&at) {
            return Ok((symbol, known));
        }
        let rule = self.element_rule(at)?;
        let number = u32::try_from(self.schema.elements.len()).unwrap_or(u32::MAX);
        self.schema.elements.push(rule);
        self.element_ids.insert(at, number);
        Ok((symbol, number))
    }

    pub(super) fn element_rule(&mut self, at: Place) -> Outcome<ElementRule> {
        for word in ["alternative", "assert"] {
            if let Some(child) = self.set.child(at, &[word]) {
                return Err(self.problem(child, ProblemKind::Unsupported(format!("xs:{word}"))));
            }
        }
        let named = self.set.attribute(at, "type").map(str::to_owned);
        let inside = self.set.child(at, &["simpleType", "complexType"]);
        let head = self
            .set
            .attribute(at, "substitutionGroup")
            .map(str::to_owned);
        let of = match (named, inside, head) {
            (Some(name), _, _) => self.type_named(at, &name)?,
            (None, Some(inside), _) => self.type_at(inside)?,
            // Who stands for another element has its type.
            (None, None, Some(head)) => match self.set.find(Kind::Element, at, &head)? {
                Some(head) => self.type_of_head(head, at, 0)?,
                None => 0,
            },
            (None, None, None) => 0,
        };
        Ok(ElementRule {
            of,
            is_nillable: self.set.flag(at, "nillable")?,
            is_abstract: self.set.flag(at, "abstract")?,
            fixed: self.set.attribute(at, "fixed").map(str::to_owned),
            has_default: self.set.attribute(at, "default").is_some(),
            block: self.block(at),
            identities: Vec::new(),
        })
    }

    fn type_of_head(&mut self, head: Place, at: Place, depth: usize) -> Outcome<u32> {
        if let Some(name) = self.set.attribute(head, "type").map(str::to_owned) {
            return self.type_named(head, &name);
        }
        if let Some(inside) = self.set.child(head, &["simpleType", "complexType"]) {
            return self.type_at(inside);
        }
        let Some(next) = self
            .set
            .attribute(head, "substitutionGroup")
            .map(str::to_owned)
        else {
            return Ok(0);
        };
        if depth > crate::limits::DEPTH {
            let (what, name) = ("substitution group", next);
            return Err(self.problem(at, ProblemKind::Circular { what, name }));
        }
        match self.set.find(Kind::Element, head, &next)? {
            Some(next) => self.type_of_head(next, at, depth + 1),
            None => Ok(0),
        }
    }
}
