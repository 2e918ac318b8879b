//! Components become numbers.

use std::collections::HashMap;

use super::builtin::{ANY, ATOMIC, LISTS};
use super::complex::any_type;
use super::dom::XSD;
use super::set::{Kind, Place, Set};
use super::simple::{Blanks, Facets, Simple, Variety};
use super::wildcard::{Namespaces, Process, Wildcard};
use super::{AttributeRule, ElementId, ElementRule, Methods, Type, TypeEntry, TypeId, XmlSchema};
use crate::limits;
use crate::names::Symbol;
use crate::problem::{Problem, ProblemKind};

pub(super) type Outcome<T> = Result<T, Problem>;

/// An element that is declared for the whole schema, before it is compiled.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) symbol: Symbol,
    pub(super) is_abstract: bool,
    pub(super) block: Methods,
}

#[derive(Debug)]
pub(super) struct Compiler {
    pub(super) set: Set,
    pub(super) schema: XmlSchema,
    /// Types by their places.
    type_ids: HashMap<Place, TypeId>,
    /// Types that wait to be compiled.
    waiting: Vec<(TypeId, Place)>,
    /// Types that are being compiled, outermost first.
    active: Vec<TypeId>,
    pub(super) element_ids: HashMap<Place, ElementId>,
    pub(super) roots: Vec<Root>,
    /// Who stands for the element of that number.
    pub(super) substitutes: HashMap<ElementId, Vec<ElementId>>,
    pub(super) particles: u32,
    pub(super) places: usize,
    /// Groups that are being compiled.
    pub(super) groups: Vec<Place>,
}

pub(super) fn compile(set: Set) -> Outcome<XmlSchema> {
    let mut compiler = Compiler {
        set,
        schema: XmlSchema::default(),
        type_ids: HashMap::new(),
        waiting: Vec::new(),
        active: Vec::new(),
        element_ids: HashMap::new(),
        roots: Vec::new(),
        substitutes: HashMap::new(),
        particles: 0,
        places: 0,
        groups: Vec::new(),
    };
    compiler.built_in();
    compiler.all()?;
    Ok(compiler.schema)
}

impl Compiler {
    pub(super) fn problem(&self, at: Place, kind: ProblemKind) -> Problem {
        self.set.problem(at, kind)
    }

    fn built_in(&mut self) {
        // The wildcard of `anyType` is the first one.
        self.schema.wildcards.push(Wildcard {
            namespaces: Namespaces::Any,
            process: Process::Lax,
        });
        self.add_built_in("anyType", None, any_type());
        let simple = |variety, blanks, facets| {
            Type::Simple(Simple {
                variety,
                blanks,
                facets,
            })
        };
        let text = Variety::Atomic(super::builtin::Lexical::Text);
        self.add_built_in(
            ANY,
            Some("anyType"),
            simple(text, Blanks::Preserve, Vec::new()),
        );
        for &(name, base, lexical, blanks) in ATOMIC {
            let kind = simple(Variety::Atomic(lexical), blanks, Vec::new());
            self.add_built_in(name, Some(base), kind);
        }
        let some = Facets {
            min_length: Some(1),
            ..Facets::default()
        };
        for &(name, item) in LISTS {
            let item = self.built_in_type(item).unwrap_or(0);
            let facets = vec![some.clone().into()];
            let kind = simple(Variety::List(item), Blanks::Collapse, facets);
            self.add_built_in(name, Some(ANY), kind);
        }
    }

    fn add_built_in(&mut self, name: &str, base: Option<&str>, kind: Type) {
        let base = base
            .and_then(|base| self.built_in_type(base))
            .map(|base| (base, Methods::RESTRICTION));
        let symbol = self.schema.names.number(XSD, name);
        let number = u32::try_from(self.schema.types.len()).unwrap_or(u32::MAX);
        self.schema.types.push(TypeEntry {
            name: format!("xs:{name}"),
            base,
            is_abstract: false,
            block: Methods::NONE,
            kind,
        });
        self.schema.type_names.insert(symbol, number);
    }

    pub(super) fn built_in_type(&self, name: &str) -> Option<TypeId> {
        let symbol = self.schema.names.find(XSD, name)?;
        self.schema.type_names.get(&symbol).copied()
    }

    fn all(&mut self) -> Outcome<()> {
        let components = std::mem::take(&mut self.set.components);
        for (kind, namespace, name, place) in &components {
            let symbol = self.schema.names.number(namespace, name);
            match kind {
                Kind::Type => {
                    let number = self.type_at(*place)?;
                    self.schema.type_names.insert(symbol, number);
                }
                Kind::Element => self.root(symbol, *place)?,
                _ => {}
            }
        }
        self.substitution_groups(&components)?;
        for (kind, namespace, name, place) in &components {
            match kind {
                Kind::Element => self.compile_root(*place)?,
                Kind::Attribute => {
                    let symbol = self.schema.names.number(namespace, name);
                    let rule = self.attribute_rule(*place)?;
                    self.schema.attributes.insert(symbol, rule);
                }
                Kind::AttributeGroup => {
                    self.attribute_set(*place)?;
                }
                Kind::Group => self.check_group(*place)?,
                Kind::Type | Kind::Constraint => {}
            }
        }
        self.known_attributes();
        while let Some((number, place)) = self.waiting.pop() {
            self.compile_type(number, place)?;
        }
        self.check_fixed(&components)?;
        self.check_substitutes(&components)?;
        self.identities()
    }

    fn root(&mut self, symbol: Symbol, place: Place) -> Outcome<()> {
        let number = u32::try_from(self.roots.len()).unwrap_or(u32::MAX);
        let root = Root {
            symbol,
            is_abstract: self.set.flag(place, "abstract")?,
            block: self.block(place),
        };
        self.schema.elements.push(ElementRule {
            of: 0,
            is_nillable: false,
            is_abstract: root.is_abstract,
            fixed: None,
            has_default: false,
            block: root.block,
            identities: Vec::new(),
        });
        self.roots.push(root);
        self.element_ids.insert(place, number);
        self.schema.roots.insert(symbol, number);
        Ok(())
    }

    pub(super) fn block(&self, place: Place) -> Methods {
        let written = self.set.attribute(place, "block");
        Methods::read(written.unwrap_or_else(|| self.set.of_schema(place, "blockDefault")))
    }

    fn compile_root(&mut self, place: Place) -> Outcome<()> {
        let Some(&number) = self.element_ids.get(&place) else {
            return Ok(());
        };
        let rule = self.element_rule(place)?;
        if let Some(entry) = self.schema.elements.get_mut(number as usize) {
            *entry = rule;
        }
        Ok(())
    }

    /// Which elements stand for which.
    fn substitution_groups(&mut self, components: &[(Kind, String, String, Place)]) -> Outcome<()> {
        let mut direct: HashMap<ElementId, Vec<ElementId>> = HashMap::new();
        for (_, _, _, place) in components
            .iter()
            .filter(|(kind, ..)| *kind == Kind::Element)
        {
            let Some(head) = self.set.attribute(*place, "substitutionGroup") else {
                continue;
            };
            let head = self.set.find(Kind::Element, *place, head)?;
            let ids = head.and_then(|head| {
                Some((*self.element_ids.get(&head)?, *self.element_ids.get(place)?))
            });
            if let Some((head, member)) = ids {
                direct.entry(head).or_default().push(member);
            }
        }
        let mut looked = 0;
        for &head in direct.keys() {
            let mut all: Vec<ElementId> = Vec::new();
            let mut next = vec![head];
            while let Some(at) = next.pop() {
                for &member in direct.get(&at).map_or(&[][..], Vec::as_slice) {
                    looked += 1;
                    if member != head && !all.contains(&member) {
                        all.push(member);
                        next.push(member);
                    }
                }
                if looked > limits::COMPONENTS || all.len() > limits::PLACES / 10 {
                    let at = components.first().map_or((0, 0), |(.., place)| *place);
                    return Err(self.problem(
                        at,
                        ProblemKind::Limit {
                            what: "elements in substitution groups",
                            limit: limits::PLACES / 10,
                        },
                    ));
                }
            }
            self.substitutes.insert(head, all);
        }
        Ok(())
    }

    /// The number of the type that is declared at a place.
    pub(super) fn type_at(&mut self, place: Place) -> Outcome<TypeId> {
        if let Some(&known) = self.type_ids.get(&place) {
            return Ok(known);
        }
        if self.schema.types.len() + self.schema.elements.len() > limits::COMPONENTS {
            return Err(self.problem(
                place,
                ProblemKind::Limit {
                    what: "types and elements",
                    limit: limits::COMPONENTS,
                },
            ));
        }
        let number = u32::try_from(self.schema.types.len()).unwrap_or(u32::MAX);
        let name = self
            .set
            .attribute(place, "name")
            .unwrap_or("of its element");
        self.schema.types.push(TypeEntry {
            name: name.to_owned(),
            base: None,
            is_abstract: false,
            block: Methods::NONE,
            kind: Type::Pending,
        });
        self.type_ids.insert(place, number);
        self.waiting.push((number, place));
        Ok(number)
    }

    /// The number of the type that a value names.
    pub(super) fn type_named(&mut self, at: Place, name: &str) -> Outcome<TypeId> {
        if let Some(place) = self.set.find(Kind::Type, at, name)? {
            return self.type_at(place);
        }
        let (_, local) = self.set.resolve(at, name)?;
        self.built_in_type(&local).ok_or_else(|| {
            let (what, name) = ("type", name.to_owned());
            self.problem(at, ProblemKind::Unknown { what, name })
        })
    }

    /// Compiles the type of a place now: another one builds on it.
    pub(super) fn ensure(&mut self, number: TypeId, at: Place) -> Outcome<()> {
        if !matches!(self.kind(number), Some(Type::Pending)) {
            return Ok(());
        }
        let place = self.type_ids.iter().find(|(_, known)| **known == number);
        let Some(place) = place.map(|(place, _)| *place) else {
            return Ok(());
        };
        if self.active.contains(&number) {
            let name = self.type_name(number);
            return Err(self.problem(at, ProblemKind::Circular { what: "type", name }));
        }
        if self.active.len() >= limits::DEPTH {
            return Err(self.problem(
                at,
                ProblemKind::Limit {
                    what: "types that build on each other",
                    limit: limits::DEPTH,
                },
            ));
        }
        self.compile_type(number, place)
    }

    pub(super) fn kind(&self, number: TypeId) -> Option<&Type> {
        self.schema.type_entry(number).map(|entry| &entry.kind)
    }

    pub(super) fn type_name(&self, number: TypeId) -> String {
        let entry = self.schema.type_entry(number);
        entry.map_or_else(String::new, |entry| entry.name.clone())
    }

    fn compile_type(&mut self, number: TypeId, place: Place) -> Outcome<()> {
        if !matches!(self.kind(number), Some(Type::Pending)) {
            return Ok(());
        }
        self.active.push(number);
        let entry = match self.set.name(place) {
            "simpleType" => self.simple_type(place),
            _ => self.complex_type(place),
        };
        self.active.pop();
        let mut entry = entry?;
        if let Some(slot) = self.schema.types.get_mut(number as usize) {
            std::mem::swap(&mut entry.name, &mut slot.name);
            *slot = entry;
        }
        Ok(())
    }

    /// The attributes that XML itself has, where no schema declares them.
    fn known_attributes(&mut self) {
        for (name, of) in [
            ("lang", "string"),
            ("space", "NCName"),
            ("base", "anyURI"),
            ("id", "ID"),
        ] {
            let symbol = self.schema.names.number(super::set::XML, name);
            let of = self.built_in_type(of).unwrap_or(0);
            self.schema
                .attributes
                .entry(symbol)
                .or_insert(AttributeRule {
                    of,
                    is_required: false,
                    fixed: None,
                });
        }
    }

    /// Texts that are fixed have to be of their types.
    fn check_fixed(&self, components: &[(Kind, String, String, Place)]) -> Outcome<()> {
        let mut work = crate::work::Work::of(u64::MAX);
        let scope = |_: &str| Some(String::new());
        for (kind, namespace, name, place) in components {
            let symbol = self.schema.names.find(namespace, name);
            let rule = match kind {
                Kind::Element => {
                    let rule = self.element_ids.get(place);
                    let rule = rule.and_then(|&rule| self.schema.elements.get(rule as usize));
                    rule.map(|rule| (rule.of, rule.fixed.as_deref()))
                }
                Kind::Attribute => {
                    let rule = symbol.and_then(|symbol| self.schema.attributes.get(&symbol));
                    rule.map(|rule| (rule.of, rule.fixed.as_deref()))
                }
                _ => None,
            };
            if let Some((of, Some(fixed))) = rule
                && matches!(self.kind(of), Some(Type::Simple(_)))
                && self.schema.value(of, fixed, &scope, &mut work).is_err()
            {
                let (value, expected) = (fixed.to_owned(), "a value of its type");
                return Err(self.problem(*place, ProblemKind::Value { value, expected }));
            }
        }
        Ok(())
    }

    /// Who stands for an element has to be of its type.
    fn check_substitutes(&self, components: &[(Kind, String, String, Place)]) -> Outcome<()> {
        let of = |element: ElementId| {
            let rule = self.schema.elements.get(element as usize);
            rule.map_or(0, |rule| rule.of)
        };
        for (&head, members) in &self.substitutes {
            for &member in members {
                if self.schema.derivation(of(member), of(head)).is_none() {
                    let place = components
                        .iter()
                        .map(|(.., place)| *place)
                        .find(|place| self.element_ids.get(place) == Some(&member));
                    let value = self.type_name(of(member));
                    let expected = "derived from the type of the head of its substitution group";
                    let kind = ProblemKind::Value { value, expected };
                    return Err(self.problem(place.unwrap_or((0, 0)), kind));
                }
            }
        }
        Ok(())
    }
}
