//! Reads the declarations of a DTD.

use std::collections::HashMap;
use std::path::Path;

use super::input::{Entity, Input, character};
use super::{AttributeRule, Content, Dtd, Element, Kind, Presence};
use crate::automaton::{Automaton, Expression, Label};
use crate::files::Files;
use crate::limits;
use crate::problem::{Problem, ProblemKind};
use crate::text::collapse;

type Outcome<T> = Result<T, Problem>;

pub(super) fn read(files: &Files, path: &Path) -> Outcome<Dtd> {
    let mut reading = Reading {
        input: Input::new(files),
        dtd: Dtd::default(),
        texts: HashMap::new(),
        sections: 0,
        places: 0,
        declarations: 0,
    };
    reading.input.open(path, None)?;
    reading.declarations()?;
    Ok(reading.dtd)
}

struct Reading<'a> {
    input: Input<'a>,
    dtd: Dtd,
    /// General entities, for the values of attributes.
    texts: HashMap<String, String>,
    /// Included sections that are open.
    sections: usize,
    places: usize,
    declarations: usize,
}

impl Reading<'_> {
    fn declarations(&mut self) -> Outcome<()> {
        loop {
            self.input.blanks()?;
            let Some(next) = self.input.peek() else {
                break;
            };
            self.declarations += 1;
            if self.declarations > limits::COMPONENTS {
                return Err(self.input.problem(ProblemKind::Limit {
                    what: "declarations",
                    limit: limits::COMPONENTS,
                }));
            }
            if next == ']' && self.sections > 0 && self.input.takes("]]>") {
                self.sections -= 1;
            } else if self.input.takes("<!--") {
                self.pass("-->")?;
            } else if self.input.takes("<?") {
                self.pass("?>")?;
            } else if self.input.takes("<![") {
                self.section()?;
            } else if self.input.takes("<!ELEMENT") {
                self.element()?;
            } else if self.input.takes("<!ATTLIST") {
                self.attributes()?;
            } else if self.input.takes("<!ENTITY") {
                self.entity()?;
            } else if self.input.takes("<!NOTATION") {
                self.notation()?;
            } else {
                return self
                    .input
                    .expected("<!ELEMENT, <!ATTLIST, <!ENTITY, <!NOTATION or a comment");
            }
        }
        if self.sections > 0 {
            return self.input.expected("]]> that ends a section");
        }
        Ok(())
    }

    fn pass(&mut self, end: &'static str) -> Outcome<()> {
        while !self.input.takes(end) {
            if self.input.next().is_none() {
                return self.input.expected(end);
            }
        }
        Ok(())
    }

    /// `INCLUDE` and `IGNORE`.
    fn section(&mut self) -> Outcome<()> {
        self.input.blanks()?;
        let is_included = if self.input.takes("INCLUDE") {
            true
        } else if self.input.takes("IGNORE") {
            false
        } else {
            return self.input.expected("INCLUDE or IGNORE");
        };
        self.input.blanks()?;
        if !self.input.takes("[") {
            return self.input.expected("[");
        }
        if is_included {
            self.sections += 1;
            return Ok(());
        }
        let mut depth = 1;
        while depth > 0 {
            if self.input.takes("<![") {
                depth += 1;
            } else if self.input.takes("]]>") {
                depth -= 1;
            } else if self.input.next().is_none() {
                return self.input.expected("]]> that ends a section");
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Outcome<()> {
        self.input.blanks()?;
        if self.input.takes(">") {
            return Ok(());
        }
        self.input.expected(">")
    }

    fn element(&mut self) -> Outcome<()> {
        self.input.some_blanks()?;
        let name = self.input.name()?;
        self.input.some_blanks()?;
        let content = if self.input.takes("EMPTY") {
            Content::Empty
        } else if self.input.takes("ANY") {
            Content::Any
        } else if self.input.takes("(") {
            self.content()?
        } else {
            return self.input.expected("EMPTY, ANY or a content model");
        };
        self.end()?;
        let known = self.dtd.elements.entry(name.clone()).or_default();
        if known.content.is_some() {
            let what = "element";
            return Err(self.input.problem(ProblemKind::Twice { what, name }));
        }
        known.content = Some(content);
        Ok(())
    }

    /// Behind the first bracket.
    fn content(&mut self) -> Outcome<Content> {
        self.input.blanks()?;
        if self.input.takes("#PCDATA") {
            return self.mixed();
        }
        let model = self.group(0)?;
        let at = |kind| self.input.problem(kind);
        let (automaton, _) = Automaton::new(&model, None).map_err(at)?;
        self.places += automaton.places();
        if self.places > limits::ALL_PLACES {
            return Err(self.input.problem(ProblemKind::Limit {
                what: "places in all content models",
                limit: limits::ALL_PLACES,
            }));
        }
        Ok(Content::Children(automaton))
    }

    fn mixed(&mut self) -> Outcome<Content> {
        let mut names = std::collections::HashSet::new();
        loop {
            self.input.blanks()?;
            if self.input.takes(")") {
                break;
            }
            if !self.input.takes("|") {
                return self.input.expected("| or )");
            }
            self.input.blanks()?;
            let name = self.input.name()?;
            if !names.insert(name.clone()) {
                let what = "in one mixed content the element";
                return Err(self.input.problem(ProblemKind::Twice { what, name }));
            }
        }
        if !self.input.takes("*") && !names.is_empty() {
            return self.input.expected("* behind a mixed content with names");
        }
        Ok(Content::Mixed(names))
    }

    /// A group behind its bracket, with what may follow it.
    fn group(&mut self, depth: usize) -> Outcome<Expression> {
        if depth > limits::DEPTH {
            return Err(self.input.problem(ProblemKind::Limit {
                what: "groups inside of groups",
                limit: limits::DEPTH,
            }));
        }
        let mut parts = Vec::new();
        let mut separator = None;
        loop {
            self.input.blanks()?;
            let part = if self.input.takes("(") {
                self.group(depth + 1)?
            } else {
                let name = self.input.name()?;
                let symbol = self.dtd.names.number("", &name);
                let one = Expression::One(Label::Named(vec![(symbol, 0)]), 0);
                self.repeated(one)
            };
            parts.push(part);
            self.input.blanks()?;
            match (self.input.next(), separator) {
                (Some(')'), _) => break,
                (Some(mark @ (',' | '|')), None) => separator = Some(mark),
                (Some(mark), Some(known)) if mark == known => {}
                (_, Some('|')) => return self.input.expected("| or ) before this"),
                (_, Some(_)) => return self.input.expected(", or ) before this"),
                _ => return self.input.expected(", | or ) before this"),
            }
        }
        let group = if separator == Some('|') {
            Expression::Choice(parts)
        } else {
            Expression::Sequence(parts)
        };
        Ok(self.repeated(group))
    }

    fn repeated(&mut self, inner: Expression) -> Expression {
        let (min, max) = if self.input.takes("?") {
            (0, Some(1))
        } else if self.input.takes("*") {
            (0, None)
        } else if self.input.takes("+") {
            (1, None)
        } else {
            return inner;
        };
        Expression::Repeat(Box::new(inner), min, max)
    }

    fn attributes(&mut self) -> Outcome<()> {
        self.input.some_blanks()?;
        let element = self.input.name()?;
        loop {
            self.input.blanks()?;
            if self.input.takes(">") {
                return Ok(());
            }
            self.declarations += 1;
            let name = self.input.name()?;
            self.input.some_blanks()?;
            let kind = self.kind()?;
            self.input.some_blanks()?;
            let presence = self.presence(&kind)?;
            let element: &mut Element = self.dtd.elements.entry(element.clone()).or_default();
            // The first declaration holds.
            element
                .attributes
                .entry(name)
                .or_insert(AttributeRule { kind, presence });
        }
    }

    fn kind(&mut self) -> Outcome<Kind> {
        // Longer words first.
        let words = [
            ("CDATA", Kind::Text),
            ("IDREFS", Kind::References),
            ("IDREF", Kind::Reference),
            ("ID", Kind::Id),
            ("ENTITIES", Kind::Entities),
            ("ENTITY", Kind::Entity),
            ("NMTOKENS", Kind::Tokens),
            ("NMTOKEN", Kind::Token),
        ];
        for (word, kind) in words {
            if self.input.takes(word) {
                return Ok(kind);
            }
        }
        if self.input.takes("NOTATION") {
            self.input.some_blanks()?;
        }
        if !self.input.takes("(") {
            return self.input.expected("the type of an attribute");
        }
        let mut values = Vec::new();
        loop {
            self.input.blanks()?;
            values.push(self.input.token()?);
            self.input.blanks()?;
            if self.input.takes(")") {
                return Ok(Kind::OneOf(values));
            }
            if !self.input.takes("|") {
                return self.input.expected("| or )");
            }
        }
    }

    fn presence(&mut self, kind: &Kind) -> Outcome<Presence> {
        if self.input.takes("#REQUIRED") {
            return Ok(Presence::Required);
        }
        if self.input.takes("#IMPLIED") {
            return Ok(Presence::Optional);
        }
        let is_fixed = self.input.takes("#FIXED");
        if is_fixed {
            self.input.some_blanks()?;
        }
        let written = self.input.quoted()?;
        let mut value = String::new();
        self.resolve(&written, &mut value, 0)?;
        if *kind != Kind::Text {
            value = collapse(&value).into_owned();
        }
        Ok(if is_fixed {
            Presence::Fixed(value)
        } else {
            Presence::Optional
        })
    }

    /// The value of an attribute: what it refers to in its place.
    fn resolve(&self, written: &str, out: &mut String, depth: usize) -> Outcome<()> {
        if depth > limits::DEPTH || out.len() > limits::GRAMMAR_BYTES {
            return Err(self.input.problem(ProblemKind::Limit {
                what: "entities inside of entities",
                limit: limits::DEPTH,
            }));
        }
        let mut rest = written;
        while let Some((before, behind)) = rest.split_once('&') {
            out.push_str(before);
            let Some((name, behind)) = behind.split_once(';') else {
                return self.input.expected("; behind the name of an entity");
            };
            rest = behind;
            match name {
                "lt" => out.push('<'),
                "gt" => out.push('>'),
                "amp" => out.push('&'),
                "quot" => out.push('"'),
                "apos" => out.push('\''),
                _ => match name.strip_prefix('#').and_then(character) {
                    Some(letter) => out.push(letter),
                    None => {
                        let text = self.texts.get(name).ok_or_else(|| {
                            let (what, name) = ("entity", name.to_owned());
                            self.input.problem(ProblemKind::Unknown { what, name })
                        })?;
                        self.resolve(text, out, depth + 1)?;
                    }
                },
            }
        }
        out.push_str(rest);
        Ok(())
    }

    fn entity(&mut self) -> Outcome<()> {
        // A percent sign with a blank behind it is no reference.
        self.input.some_blanks()?;
        let is_parameter = self.input.takes("%");
        if is_parameter {
            self.input.some_blanks()?;
        }
        let name = self.input.name()?;
        self.input.some_blanks()?;
        let is_public = self.input.takes("PUBLIC");
        if is_public || self.input.takes("SYSTEM") {
            let entity = self.input.external(is_public, false)?;
            let blank = self.input.blanks()?;
            if blank && !is_parameter && self.input.takes("NDATA") {
                self.input.some_blanks()?;
                self.input.name()?;
                self.dtd.unparsed.insert(name);
            } else if let (true, Some(entity)) = (is_parameter, entity) {
                self.input.entities.entry(name).or_insert(entity);
            }
        } else {
            let value = self.input.entity_value()?;
            if is_parameter {
                let entity = Entity::Text(value);
                self.input.entities.entry(name).or_insert(entity);
            } else {
                self.texts.entry(name).or_insert(value);
            }
        }
        self.end()
    }

    fn notation(&mut self) -> Outcome<()> {
        self.input.some_blanks()?;
        self.input.name()?;
        self.input.some_blanks()?;
        let is_public = self.input.takes("PUBLIC");
        if !is_public && !self.input.takes("SYSTEM") {
            return self.input.expected("SYSTEM or PUBLIC");
        }
        self.input.external(is_public, is_public)?;
        self.end()
    }
}
