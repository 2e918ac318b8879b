//! Simple types: what a text may be, and what it means.

use std::cmp::Ordering;
use std::sync::Arc;

use regex::Regex;

use super::builtin::Lexical;
use super::value::Value;
use super::{Type, TypeId, XmlSchema};
use crate::text::{collapse, is_blank, words};
use crate::work::{Finding, Work, invalid, shown};

/// What becomes of blanks before a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blanks {
    Preserve,
    Replace,
    Collapse,
}

impl Blanks {
    pub(super) fn apply(self, text: &str) -> std::borrow::Cow<'_, str> {
        match self {
            Blanks::Preserve => text.into(),
            Blanks::Replace if text.contains(['\t', '\n', '\r']) => {
                text.replace(is_blank, " ").into()
            }
            Blanks::Replace => text.into(),
            Blanks::Collapse => collapse(text),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Variety {
    Atomic(Lexical),
    List(TypeId),
    Union(Vec<TypeId>),
}

/// One step of a restriction.
#[derive(Clone, Debug, Default)]
pub(super) struct Facets {
    pub(super) length: Option<usize>,
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) total_digits: Option<usize>,
    pub(super) fraction_digits: Option<usize>,
    /// The bound, and the orders that a value may have to it.
    pub(super) bounds: Vec<(Value, &'static [Ordering], String)>,
    /// One of them has to match.
    pub(super) patterns: Vec<Regex>,
    /// One of them has to be it; empty where there is no enumeration.
    pub(super) values: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Simple {
    pub(super) variety: Variety,
    pub(super) blanks: Blanks,
    /// Of the type and of all that it restricts.
    pub(super) facets: Vec<Arc<Facets>>,
}

/// What a prefix stands for where a value stands.
pub(super) type Scope<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Lists and unions in lists and unions.
const DEPTH: usize = 16;

impl XmlSchema {
    /// The value that a text has as a simple type.
    pub(super) fn value(
        &self,
        of: TypeId,
        text: &str,
        scope: &Scope<'_>,
        work: &mut Work,
    ) -> Result<Value, Finding> {
        let Some(Type::Simple(simple)) = self.types.get(of as usize).map(|entry| &entry.kind)
        else {
            return invalid("the type is none of a text");
        };
        self.simple_value(simple, text, scope, 0, work)
    }

    pub(super) fn simple_value(
        &self,
        simple: &Simple,
        text: &str,
        scope: &Scope<'_>,
        depth: usize,
        work: &mut Work,
    ) -> Result<Value, Finding> {
        work.spend(text.len() + 8)?;
        if depth > DEPTH {
            return invalid("lists and unions are nested too deep");
        }
        let text = simple.blanks.apply(text);
        let value = match &simple.variety {
            Variety::Atomic(lexical) => match lexical.value(&text, scope) {
                Some(value) => value,
                None => {
                    return invalid(format!("`{}` is not {}", shown(&text), lexical.describe()));
                }
            },
            Variety::List(item) => {
                let mut values = Vec::new();
                for word in words(&text) {
                    values.push(self.nested(*item, word, scope, depth, work)?);
                }
                Value::List(values)
            }
            Variety::Union(members) => self.member(members, &text, scope, depth, work)?,
        };
        for facets in &simple.facets {
            facets.check(&text, &value, work)?;
        }
        Ok(value)
    }

    fn nested(
        &self,
        of: TypeId,
        text: &str,
        scope: &Scope<'_>,
        depth: usize,
        work: &mut Work,
    ) -> Result<Value, Finding> {
        match self.types.get(of as usize).map(|entry| &entry.kind) {
            Some(Type::Simple(simple)) => self.simple_value(simple, text, scope, depth + 1, work),
            _ => invalid("the type is none of a text"),
        }
    }

    fn member(
        &self,
        members: &[TypeId],
        text: &str,
        scope: &Scope<'_>,
        depth: usize,
        work: &mut Work,
    ) -> Result<Value, Finding> {
        for &member in members {
            match self.nested(member, text, scope, depth, work) {
                Ok(value) => return Ok(value),
                Err(Finding::Exhausted) => return Err(Finding::Exhausted),
                Err(Finding::Invalid(_)) => {}
            }
        }
        invalid(format!(
            "`{}` is of none of the types of a union",
            shown(text)
        ))
    }
}

impl Facets {
    fn check(&self, text: &str, value: &Value, work: &mut Work) -> Result<(), Finding> {
        let fails = |what: String| invalid(format!("`{}` {what}", shown(text)));
        if self
            .length
            .or(self.min_length)
            .or(self.max_length)
            .is_some()
        {
            let length = match value {
                // The length of a name means nothing.
                Value::Name(..) => None,
                Value::List(items) => Some(items.len()),
                Value::Bytes(bytes) => Some(bytes.len()),
                _ => Some(text.chars().count()),
            };
            if let Some(length) = length
                && (self.length.is_some_and(|wanted| wanted != length)
                    || self.min_length.is_some_and(|least| length < least)
                    || self.max_length.is_some_and(|most| length > most))
            {
                return fails(format!("has the wrong length, {length}"));
            }
        }
        if let Value::Number(number) = value
            && (self.total_digits.is_some_and(|most| number.digits() > most)
                || self
                    .fraction_digits
                    .is_some_and(|most| number.fraction_digits() > most))
        {
            return fails("has too many digits".to_owned());
        }
        for (bound, orders, written) in &self.bounds {
            let fits = value
                .compare(bound)
                .is_some_and(|order| orders.contains(&order));
            if !fits {
                return fails(format!("is beyond the bound {written}"));
            }
        }
        if !self.patterns.is_empty() {
            work.spend(text.len().saturating_mul(8 * self.patterns.len()))?;
            if !self.patterns.iter().any(|pattern| pattern.is_match(text)) {
                return fails("does not match the pattern".to_owned());
            }
        }
        if !self.values.is_empty() {
            work.spend(self.values.len())?;
            if !self.values.iter().any(|known| known.equals(value)) {
                return fails("is not one of the values of the enumeration".to_owned());
            }
        }
        Ok(())
    }
}
