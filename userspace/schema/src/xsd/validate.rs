//! Holds a document against a schema, in one walk through it.

use std::collections::HashSet;

use super::identity::{Identities, Name};
use super::wildcard::Process;
use super::{Complex, Content, ElementId, ElementRule, Methods, Type, TypeId, XmlSchema};
use crate::automaton::{Automaton, Met, Run};
use crate::document::{Document, Step, split};
use crate::names::Symbol;
use crate::text::is_blank;
use crate::work::{Finding, Work, invalid, shown};

/// Names that a message says could stand somewhere.
const EXPECTED: usize = 8;

/// An element that is open.
struct Open {
    index: u32,
    rule: Option<ElementId>,
    /// `None`: nobody looks at what is inside.
    of: Option<TypeId>,
    run: Run,
    /// Members of an `all` that were there.
    seen: Vec<bool>,
    text: String,
    is_nil: bool,
    has_children: bool,
}

pub(super) struct Walk<'s, 'd> {
    pub(super) schema: &'s XmlSchema,
    pub(super) document: &'d Document,
    open: Vec<Open>,
    pub(super) names: Vec<Name<'d>>,
    pub(super) ids: HashSet<String>,
    pub(super) references: Vec<String>,
    pub(super) identities: Identities<'s>,
}

pub(super) fn check(
    schema: &XmlSchema,
    document: &Document,
    work: &mut Work,
) -> Result<(), Finding> {
    let mut walk = Walk {
        schema,
        document,
        open: Vec::new(),
        names: Vec::new(),
        ids: HashSet::new(),
        references: Vec::new(),
        identities: Identities::default(),
    };
    if document.elements.is_empty() {
        return invalid("there is no document");
    }
    for step in &document.steps {
        work.spend(4)?;
        match *step {
            Step::Enter(index) => walk.enter(index, work)?,
            Step::Text(start, end) => walk.text(document.text_of(start, end), work)?,
            Step::Markup => {}
            Step::Leave => walk.leave(work)?,
        }
    }
    for reference in &walk.references {
        work.spend(reference.len())?;
        if !walk.ids.contains(reference) {
            return invalid(format!("nothing has the ID `{}`", shown(reference)));
        }
    }
    Ok(())
}

/// Who is responsible for an element.
enum Found {
    Declared(ElementId),
    /// A wildcard took it.
    Wild(Process),
}

impl<'s, 'd> Walk<'s, 'd> {
    /// Namespace and number of a name. One whose prefix nobody declares is in none, prefix and all.
    pub(super) fn name(
        &self,
        index: u32,
        written: &'d str,
        is_attribute: bool,
        work: &mut Work,
    ) -> Result<(Name<'d>, &'d str), Finding> {
        let (prefix, local) = split(written);
        if is_attribute && prefix.is_empty() {
            return Ok((("", self.schema.names.find("", local)), local));
        }
        let (namespace, looked) = self.document.namespace(index, prefix);
        work.spend(looked + written.len())?;
        Ok(match namespace {
            Some(namespace) => ((namespace, self.schema.names.find(namespace, local)), local),
            None => (("", None), written),
        })
    }

    pub(super) fn scope(&self, index: u32) -> impl Fn(&str) -> Option<String> + use<'d> {
        let document = self.document;
        move |prefix| document.namespace(index, prefix).0.map(str::to_owned)
    }

    pub(super) fn written(&self, index: u32) -> String {
        shown(
            self.document
                .element(index)
                .map_or("", |element| &element.name),
        )
    }

    fn enter(&mut self, index: u32, work: &mut Work) -> Result<(), Finding> {
        let Some(element) = self.document.element(index) else {
            return Ok(());
        };
        let (name, _) = self.name(index, &element.name, false, work)?;
        let found = self.place(index, name, work)?;
        let mut open = Open {
            index,
            rule: None,
            of: None,
            run: Automaton::start(),
            seen: Vec::new(),
            text: String::new(),
            is_nil: false,
            has_children: false,
        };
        self.names.push(name);
        let (rule, process) = match found {
            Found::Declared(rule) => (Some(rule), Process::Strict),
            Found::Wild(Process::Skip) => {
                self.open.push(open);
                return Ok(());
            }
            Found::Wild(process) => {
                let root = name.1.and_then(|symbol| self.schema.roots.get(&symbol));
                (root.copied(), process)
            }
        };
        let declared = rule.and_then(|rule| self.schema.elements.get(rule as usize));
        let said = self.said_type(index, work)?;
        let of = match (declared, said) {
            (Some(declared), said) => {
                if declared.is_abstract {
                    let name = self.written(index);
                    return invalid(format!("`{name}` is abstract: another has to stand for it"));
                }
                let of = said.unwrap_or(declared.of);
                self.check_said(index, declared, of)?;
                of
            }
            (None, Some(said)) => said,
            (None, None) if process == Process::Lax => 0,
            (None, None) => {
                let name = self.written(index);
                return invalid(format!("the element `{name}` is not declared"));
            }
        };
        if self
            .schema
            .type_entry(of)
            .is_some_and(|entry| entry.is_abstract)
        {
            let name = self.written(index);
            return invalid(format!("the type of `{name}` is abstract"));
        }
        open.rule = rule;
        open.of = Some(of);
        open.is_nil = self.is_nil(index, declared, work)?;
        if let Some(Type::Complex(Complex {
            content: Content::All(members, _),
            ..
        })) = self.kind(of)
        {
            open.seen = vec![false; members.len()];
        }
        self.open.push(open);
        let schema = self.schema;
        let own = declared.into_iter().flat_map(|rule| &rule.identities);
        let own = own.filter_map(|&number| Some((number, schema.identities.get(number as usize)?)));
        self.identities.enter(own, &self.names, work)?;
        self.attributes(index, of, work)
    }

    pub(super) fn kind(&self, of: TypeId) -> Option<&'s Type> {
        self.schema.type_entry(of).map(|entry| &entry.kind)
    }

    /// Whether an element may stand where it stands, and who says so.
    fn place(&mut self, index: u32, name: Name<'d>, work: &mut Work) -> Result<Found, Finding> {
        let schema = self.schema;
        let Some(parent) = self.open.last_mut() else {
            return match name.1.and_then(|symbol| schema.roots.get(&symbol)) {
                Some(&root) => Ok(Found::Declared(root)),
                None => Ok(Found::Wild(Process::Strict)),
            };
        };
        parent.has_children = true;
        let Some(of) = parent.of else {
            return Ok(Found::Wild(Process::Skip));
        };
        let mut expected = String::new();
        let complex = match schema.type_entry(of).map(|entry| &entry.kind) {
            Some(Type::Complex(complex)) if !parent.is_nil => Some(complex),
            _ => None,
        };
        let met = match complex.map(|complex| &complex.content) {
            Some(Content::Order(model)) => {
                let before = parent.run.clone();
                let takes = |number: u32| {
                    let wildcard = schema.wildcards.get(number as usize);
                    wildcard.is_some_and(|wildcard| wildcard.takes(name.0))
                };
                let met = model.step(&mut parent.run, name.1, &takes, work)?;
                if met.is_none() {
                    expected = expected_at(schema, model, &before);
                }
                met
            }
            Some(Content::All(members, _)) => {
                work.spend(members.len())?;
                all_member(members, &mut parent.seen, name.1)
            }
            _ => None,
        };
        match met {
            Some(Met::Declared(rule)) => Ok(Found::Declared(rule)),
            Some(Met::Any(number)) => {
                let wildcard = schema.wildcards.get(number as usize);
                Ok(Found::Wild(
                    wildcard.map_or(Process::Strict, |wildcard| wildcard.process),
                ))
            }
            None => {
                let parent = parent.index;
                let (name, parent) = (self.written(index), self.written(parent));
                invalid(format!(
                    "the element `{name}` may not stand here in `{parent}`{expected}"
                ))
            }
        }
    }

    /// Whether a type may stand for that of a declaration.
    fn check_said(&self, index: u32, declared: &ElementRule, of: TypeId) -> Result<(), Finding> {
        if of == declared.of {
            return Ok(());
        }
        let block = self
            .schema
            .type_entry(declared.of)
            .map_or(Methods::NONE, |entry| entry.block);
        match self.schema.derivation(of, declared.of) {
            Some(methods) if !methods.overlaps(block.with(declared.block)) => Ok(()),
            _ => invalid(format!(
                "xsi:type of `{}` may not stand for its type",
                self.written(index)
            )),
        }
    }

    fn text(&mut self, text: &str, work: &mut Work) -> Result<(), Finding> {
        let schema = self.schema;
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        let Some(of) = open.of else {
            return Ok(());
        };
        work.spend(text.len())?;
        let blank = text.chars().all(is_blank);
        let index = open.index;
        let refused = match schema.type_entry(of).map(|entry| &entry.kind) {
            _ if open.is_nil => true,
            Some(Type::Complex(complex)) => match complex.content {
                Content::Text(_) => false,
                _ => !complex.is_mixed && !blank,
            },
            _ => false,
        };
        if refused {
            let (name, text) = (self.written(index), shown(text));
            return invalid(format!("`{name}` may not hold the text `{text}`"));
        }
        open.text.push_str(text);
        Ok(())
    }

    fn leave(&mut self, work: &mut Work) -> Result<(), Finding> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let outcome = match open.of {
            Some(of) => self.end(&open, of, work),
            None => Ok(()),
        };
        if !self.identities.is_idle() {
            outcome?;
            self.identities.leave(self.names.len(), work)?;
            self.names.pop();
            return Ok(());
        }
        self.names.pop();
        outcome
    }

    /// What an element holds is complete.
    fn end(&mut self, open: &Open, of: TypeId, work: &mut Work) -> Result<(), Finding> {
        let rule = open
            .rule
            .and_then(|rule| self.schema.elements.get(rule as usize));
        if open.is_nil {
            return Ok(());
        }
        let simple = match self.kind(of) {
            Some(Type::Simple(simple)) => simple,
            Some(Type::Complex(complex)) => match &complex.content {
                Content::Text(simple) => simple,
                content => {
                    self.check_end(open, content)?;
                    let fixed = rule.and_then(|rule| rule.fixed.as_ref());
                    let differs = fixed.is_some_and(|fixed| {
                        open.has_children || (*fixed != open.text && !open.text.is_empty())
                    });
                    if differs {
                        let name = self.written(open.index);
                        return invalid(format!("`{name}` has another text than it has to"));
                    }
                    return Ok(());
                }
            },
            _ => return Ok(()),
        };
        // What is empty has its default or fixed text, which was checked when the schema was read.
        let is_given = rule.is_some_and(|rule| rule.has_default || rule.fixed.is_some());
        if open.text.is_empty() && is_given {
            return Ok(());
        }
        let scope = self.scope(open.index);
        let value = self
            .schema
            .simple_value(simple, &open.text, &scope, 0, work);
        let value = value.map_err(|finding| match finding {
            Finding::Invalid(what) => {
                Finding::Invalid(format!("`{}`: {what}", self.written(open.index)))
            }
            finding @ Finding::Exhausted => finding,
        })?;
        if let Some(fixed) = rule.and_then(|rule| rule.fixed.as_ref()) {
            let fixed = self.schema.simple_value(simple, fixed, &scope, 0, work)?;
            if !fixed.equals(&value) {
                let name = self.written(open.index);
                return invalid(format!("`{name}` has another text than it has to"));
            }
        }
        self.link(simple, &value)?;
        if !self.identities.is_idle() {
            self.identities.value(&self.names, None, &value, work)?;
        }
        Ok(())
    }

    fn check_end(&self, open: &Open, content: &Content) -> Result<(), Finding> {
        let missing = match content {
            Content::Order(model) if !model.may_end(&open.run) => {
                expected_at(self.schema, model, &open.run)
            }
            Content::All(members, may_lack) => {
                let lacks = members
                    .iter()
                    .zip(&open.seen)
                    .find(|(member, seen)| member.is_required && !**seen);
                match lacks {
                    Some((member, _)) if open.has_children || !may_lack => {
                        let name = member.names.first().map(|(symbol, _)| *symbol);
                        let name = name.map(|name| self.schema.names.show(name));
                        format!(": expected {}", name.unwrap_or_default())
                    }
                    _ => return Ok(()),
                }
            }
            _ => return Ok(()),
        };
        invalid(format!(
            "`{}` ends too early{missing}",
            self.written(open.index)
        ))
    }
}

/// The member of an `all` that a name is, where it was not there before.
fn all_member(
    members: &[super::AllMember],
    seen: &mut [bool],
    symbol: Option<Symbol>,
) -> Option<Met> {
    let symbol = symbol?;
    for (member, seen) in members.iter().zip(seen) {
        if let Some((_, rule)) = member.names.iter().find(|(known, _)| *known == symbol) {
            return (!std::mem::replace(seen, true)).then_some(Met::Declared(*rule));
        }
    }
    None
}

fn expected_at(schema: &XmlSchema, model: &Automaton, run: &Run) -> String {
    let names: Vec<String> = model
        .expected(run, EXPECTED)
        .into_iter()
        .map(|symbol| schema.names.show(symbol))
        .collect();
    match names.as_slice() {
        [] => ": nothing may follow".to_owned(),
        names => format!(": expected {}", names.join(", ")),
    }
}
