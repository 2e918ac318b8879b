//! Attributes of a document's elements, those of `xsi` among them.

use std::collections::HashSet;

use super::builtin::Lexical;
use super::identity::Name;
use super::simple::{Simple, Variety};
use super::validate::Walk;
use super::value::Value;
use super::wildcard::Process;
use super::{AttributeRule, Complex, ElementRule, Type, TypeId};
use crate::document::{Attribute, split};
use crate::names::Symbol;
use crate::text::is_blank;
use crate::work::{Finding, Work, invalid, shown};

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

impl<'s, 'd> Walk<'s, 'd> {
    /// The attribute of that name in the namespace of instances.
    fn said(
        &self,
        index: u32,
        wanted: &str,
        work: &mut Work,
    ) -> Result<Option<&'d Attribute>, Finding> {
        let Some(element) = self.document.element(index) else {
            return Ok(None);
        };
        for attribute in self.document.plain_attributes(element) {
            work.spend(1)?;
            if split(&attribute.name).1 != wanted {
                continue;
            }
            let ((namespace, _), _) = self.name(index, &attribute.name, true, work)?;
            if namespace == INSTANCE {
                return Ok(Some(attribute));
            }
        }
        Ok(None)
    }

    /// The type that `xsi:type` names.
    pub(super) fn said_type(&self, index: u32, work: &mut Work) -> Result<Option<TypeId>, Finding> {
        let Some(attribute) = self.said(index, "type", work)? else {
            return Ok(None);
        };
        let (name, _) = self.name(index, attribute.value.trim_matches(is_blank), false, work)?;
        match name
            .1
            .and_then(|symbol| self.schema.type_names.get(&symbol))
        {
            Some(&of) => Ok(Some(of)),
            None => invalid(format!(
                "xsi:type `{}` of `{}` is not declared",
                shown(&attribute.value),
                self.written(index)
            )),
        }
    }

    pub(super) fn is_nil(
        &self,
        index: u32,
        declared: Option<&ElementRule>,
        work: &mut Work,
    ) -> Result<bool, Finding> {
        let Some(attribute) = self.said(index, "nil", work)? else {
            return Ok(false);
        };
        let value = match attribute.value.trim_matches(is_blank) {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                return invalid(format!(
                    "xsi:nil of `{}` is neither true nor false",
                    self.written(index)
                ));
            }
        };
        if declared
            .is_some_and(|declared| !declared.is_nillable || (value && declared.fixed.is_some()))
        {
            return invalid(format!("`{}` may not be nil", self.written(index)));
        }
        Ok(value)
    }

    pub(super) fn attributes(
        &mut self,
        index: u32,
        of: TypeId,
        work: &mut Work,
    ) -> Result<(), Finding> {
        let Some(element) = self.document.element(index) else {
            return Ok(());
        };
        let complex = match self.kind(of) {
            Some(Type::Complex(complex)) => Some(complex),
            _ => None,
        };
        let mut present: HashSet<Symbol> = HashSet::new();
        for attribute in self.document.plain_attributes(element) {
            work.spend(4 + attribute.name.len())?;
            let (name, local) = self.name(index, &attribute.name, true, work)?;
            let of_instances = ["type", "nil", "schemaLocation", "noNamespaceSchemaLocation"];
            if name.0 == INSTANCE && of_instances.contains(&local) {
                continue;
            }
            let own = complex
                .zip(name.1)
                .and_then(|(complex, symbol)| complex.attributes.get(&symbol));
            let rule = match own {
                Some(rule) => Some(rule),
                None => self.wild_attribute(index, complex, name, attribute)?,
            };
            present.extend(name.1);
            if let Some(rule) = rule {
                self.attribute(index, name, rule, attribute, work)?;
            }
        }
        let rules = complex.into_iter().flat_map(|complex| &complex.attributes);
        for (symbol, rule) in rules {
            work.spend(1)?;
            if rule.is_required && !present.contains(symbol) {
                return invalid(format!(
                    "`{}` lacks the attribute `{}`",
                    self.written(index),
                    self.schema.names.show(*symbol)
                ));
            }
        }
        Ok(())
    }

    /// What a wildcard has to say of an attribute: its rule, or that there is none.
    fn wild_attribute(
        &self,
        index: u32,
        complex: Option<&Complex>,
        name: Name<'_>,
        attribute: &Attribute,
    ) -> Result<Option<&'s AttributeRule>, Finding> {
        let schema = self.schema;
        let any = complex.and_then(|complex| complex.any_attribute);
        let any = any.and_then(|any| schema.wildcards.get(any as usize));
        let process = any.filter(|any| any.takes(name.0)).map(|any| any.process);
        let known = name.1.and_then(|symbol| schema.attributes.get(&symbol));
        match (process, known) {
            (Some(Process::Skip), _) => Ok(None),
            (Some(_), Some(rule)) => Ok(Some(rule)),
            (Some(Process::Lax), None) => Ok(None),
            _ => invalid(format!(
                "`{}` may not have the attribute `{}`",
                self.written(index),
                shown(&attribute.name)
            )),
        }
    }

    fn attribute(
        &mut self,
        index: u32,
        name: Name<'_>,
        rule: &AttributeRule,
        attribute: &Attribute,
        work: &mut Work,
    ) -> Result<(), Finding> {
        let within = |finding, this: &Self| match finding {
            Finding::Invalid(what) => Finding::Invalid(format!(
                "the attribute `{}` of `{}`: {what}",
                shown(&attribute.name),
                this.written(index)
            )),
            finding @ Finding::Exhausted => finding,
        };
        let scope = self.scope(index);
        let value = self
            .schema
            .value(rule.of, &attribute.value, &scope, work)
            .map_err(|finding| within(finding, self))?;
        if let Some(fixed) = &rule.fixed {
            let fixed = self.schema.value(rule.of, fixed, &scope, work)?;
            if !fixed.equals(&value) {
                return Err(within(
                    Finding::Invalid("it has another value".to_owned()),
                    self,
                ));
            }
        }
        if let Some(Type::Simple(simple)) = self.kind(rule.of) {
            self.link(simple, &value)?;
        }
        if !self.identities.is_idle() {
            self.identities
                .value(&self.names, Some(name), &value, work)?;
        }
        Ok(())
    }

    /// Remembers names and what refers to them.
    pub(super) fn link(&mut self, simple: &Simple, value: &Value) -> Result<(), Finding> {
        match (&simple.variety, value) {
            (Variety::Atomic(Lexical::Id), Value::Text(id)) if !self.ids.insert(id.clone()) => {
                return invalid(format!("two nodes have the ID `{}`", shown(id)));
            }
            (Variety::Atomic(Lexical::Reference), Value::Text(id)) => {
                self.references.push(id.clone());
            }
            (Variety::List(item), Value::List(values)) => {
                if let Some(Type::Simple(item)) = self.kind(*item) {
                    for value in values {
                        self.link(item, value)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
