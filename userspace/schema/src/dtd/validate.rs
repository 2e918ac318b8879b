//! Holds a document against a DTD.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{AttributeRule, Content, Dtd, Element, Kind, Presence};
use crate::automaton::{Automaton, Run};
use crate::document::{Document, Step};
use crate::text::{collapse, is_blank, is_name, is_token, words};
use crate::work::{Finding, Work, invalid, shown};

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    content: &'a Content,
    run: Run,
}

/// What attributes say of each other.
#[derive(Default)]
struct Links<'a> {
    ids: HashSet<Cow<'a, str>>,
    references: Vec<Cow<'a, str>>,
}

pub(super) fn check(dtd: &Dtd, document: &Document, work: &mut Work) -> Result<(), Finding> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut links = Links::default();
    if document.elements.is_empty() {
        return invalid("there is no document");
    }
    for step in &document.steps {
        work.spend(4)?;
        match *step {
            Step::Enter(index) => {
                let Some(element) = document.element(index) else {
                    continue;
                };
                let name = element.name.as_str();
                work.spend(name.len())?;
                if let Some(parent) = open.last_mut() {
                    enter(dtd, parent, name, work)?;
                }
                let Some((rule, content)) = dtd
                    .elements
                    .get(name)
                    .and_then(|rule| Some((rule, rule.content.as_ref()?)))
                else {
                    return invalid(format!("the element `{}` is not declared", shown(name)));
                };
                attributes(dtd, document, index, rule, &mut links, work)?;
                let run = Automaton::start();
                open.push(Open { name, content, run });
            }
            Step::Text(start, end) => text(&open, document.text_of(start, end), work)?,
            Step::Markup => {
                if let Some(Open { name, content, .. }) = open.last()
                    && matches!(content, Content::Empty)
                {
                    return invalid(format!("`{name}` must be empty, and holds a comment"));
                }
            }
            Step::Leave => {
                if let Some(Open { name, content, run }) = open.pop()
                    && let Content::Children(model) = content
                    && !model.may_end(&run)
                {
                    let expected = expected(dtd, model, &run);
                    return invalid(format!("`{name}` ends too early{expected}"));
                }
            }
        }
    }
    for reference in &links.references {
        work.spend(reference.len())?;
        if !links.ids.contains(reference) {
            let reference = shown(reference);
            return invalid(format!("no element has the ID `{reference}`"));
        }
    }
    Ok(())
}

fn enter(dtd: &Dtd, parent: &mut Open<'_>, name: &str, work: &mut Work) -> Result<(), Finding> {
    let what = match parent.content {
        Content::Any => return Ok(()),
        Content::Mixed(names) if names.contains(name) => return Ok(()),
        Content::Mixed(_) => String::new(),
        Content::Empty => " which must be empty".to_owned(),
        Content::Children(model) => {
            let before = parent.run.clone();
            let symbol = dtd.names.find("", name);
            match model.step(&mut parent.run, symbol, &|_| false, work)? {
                Some(_) => return Ok(()),
                None => expected(dtd, model, &before),
            }
        }
    };
    let (name, parent) = (shown(name), parent.name);
    invalid(format!(
        "the element `{name}` may not stand here in `{parent}`{what}"
    ))
}

fn expected(dtd: &Dtd, model: &Automaton, run: &Run) -> String {
    let names: Vec<String> = model
        .expected(run, 8)
        .into_iter()
        .map(|symbol| dtd.names.show(symbol))
        .collect();
    match names.as_slice() {
        [] => ": nothing may follow".to_owned(),
        names => format!(": expected {}", names.join(", ")),
    }
}

fn text(open: &[Open<'_>], text: &str, work: &mut Work) -> Result<(), Finding> {
    let Some(Open { name, content, .. }) = open.last() else {
        return Ok(());
    };
    let found = match content {
        Content::Any | Content::Mixed(_) => return Ok(()),
        Content::Empty => !text.is_empty(),
        Content::Children(_) => {
            work.spend(text.len())?;
            !text.chars().all(is_blank)
        }
    };
    if found {
        return invalid(format!("`{name}` may not hold the text `{}`", shown(text)));
    }
    Ok(())
}

fn attributes<'a>(
    dtd: &Dtd,
    document: &'a Document,
    index: u32,
    rule: &Element,
    links: &mut Links<'a>,
    work: &mut Work,
) -> Result<(), Finding> {
    let Some(element) = document.element(index) else {
        return Ok(());
    };
    let present = document.attributes(element);
    for attribute in present {
        work.spend(4 + attribute.name.len() + attribute.value.len())?;
        let name = &attribute.name;
        let Some(known) = rule.attributes.get(name) else {
            return invalid(format!(
                "`{}` has no attribute `{}`",
                shown(&element.name),
                shown(name)
            ));
        };
        let value = match known.kind {
            Kind::Text => Cow::Borrowed(attribute.value.as_str()),
            _ => collapse(&attribute.value),
        };
        if !fits(dtd, known, &value) {
            return invalid(format!(
                "the attribute `{}` of `{}` may not be `{}`",
                shown(name),
                shown(&element.name),
                shown(&value)
            ));
        }
        match known.kind {
            Kind::Id if !links.ids.insert(value.clone()) => {
                let value = shown(&value);
                return invalid(format!("two elements have the ID `{value}`"));
            }
            Kind::Reference => links.references.push(value),
            Kind::References => {
                let each = words(&value).map(|word| Cow::Owned(word.to_owned()));
                links.references.extend(each);
            }
            _ => {}
        }
    }
    work.spend(rule.attributes.len())?;
    for (name, known) in &rule.attributes {
        if known.presence == Presence::Required {
            work.spend(present.len())?;
            if !present.iter().any(|attribute| attribute.name == *name) {
                let element = shown(&element.name);
                return invalid(format!("`{element}` lacks the attribute `{name}`"));
            }
        }
    }
    Ok(())
}

fn fits(dtd: &Dtd, rule: &AttributeRule, value: &str) -> bool {
    let all = |each: &dyn Fn(&str) -> bool| !value.is_empty() && words(value).all(each);
    let of_kind = match &rule.kind {
        Kind::Text => true,
        Kind::Id | Kind::Reference => is_name(value),
        Kind::References => all(&is_name),
        Kind::Token => is_token(value),
        Kind::Tokens => all(&is_token),
        Kind::Entity => dtd.unparsed.contains(value),
        Kind::Entities => all(&|word| dtd.unparsed.contains(word)),
        Kind::OneOf(values) => values.iter().any(|known| known == value),
    };
    of_kind
        && match &rule.presence {
            Presence::Fixed(fixed) => fixed == value,
            _ => true,
        }
}
