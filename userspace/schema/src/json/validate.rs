//! Holds a value against a JSON schema.

use serde_json::{Map, Value};

use super::{JsonSchema, Node, Types};
use crate::work::{Finding, Work, invalid, shown};

/// Schemas in schemas in values. `serde_json` reads values that are 128 deep, and a schema is as deep.
const DEPTH: usize = 512;

impl Types {
    const NULL: Types = Types(1);
    const FLAG: Types = Types(2);
    const OBJECT: Types = Types(4);
    const ARRAY: Types = Types(8);
    const NUMBER: Types = Types(16);
    const TEXT: Types = Types(32);
    const WHOLE: Types = Types(64);

    pub(super) fn named(name: &str) -> Option<Types> {
        Some(match name {
            "null" => Types::NULL,
            "boolean" => Types::FLAG,
            "object" => Types::OBJECT,
            "array" => Types::ARRAY,
            "number" => Types::NUMBER.with(Types::WHOLE),
            "string" => Types::TEXT,
            "integer" => Types::WHOLE,
            _ => return None,
        })
    }

    pub(super) fn with(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    fn of(value: &Value) -> Types {
        match value {
            Value::Null => Types::NULL,
            Value::Bool(_) => Types::FLAG,
            Value::Object(_) => Types::OBJECT,
            Value::Array(_) => Types::ARRAY,
            Value::String(_) => Types::TEXT,
            // 1.0 is a whole number too.
            Value::Number(number) => match number.as_f64() {
                Some(number) if number.fract() == 0.0 => Types::WHOLE,
                _ => Types::NUMBER,
            },
        }
    }
}

pub(super) fn check(schema: &JsonSchema, value: &Value, work: &mut Work) -> Result<(), Finding> {
    schema.node(0, value, 0, work)
}

impl JsonSchema {
    fn node(
        &self,
        number: usize,
        value: &Value,
        depth: usize,
        work: &mut Work,
    ) -> Result<(), Finding> {
        let Some(node) = self.nodes.get(number) else {
            return Ok(());
        };
        work.spend(16)?;
        if depth > DEPTH {
            return invalid("schemas refer to each other too deep");
        }
        if node.is_never {
            return invalid(format!("nothing may be there, found {}", show(value)));
        }
        node.types_and_values(value, work)?;
        match value {
            Value::Number(number) => node.number(number.as_f64().unwrap_or(f64::NAN))?,
            Value::String(text) => node.text(text, work)?,
            Value::Array(items) => self.array(node, items, depth, work)?,
            Value::Object(members) => self.object(node, members, value, depth, work)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(node, value, depth, work)
    }

    /// Whether a value is right, where it may be wrong.
    fn fits(
        &self,
        number: usize,
        value: &Value,
        depth: usize,
        work: &mut Work,
    ) -> Result<bool, Finding> {
        match self.node(number, value, depth + 1, work) {
            Ok(()) => Ok(true),
            Err(Finding::Invalid(_)) => Ok(false),
            Err(exhausted) => Err(exhausted),
        }
    }

    fn combined(
        &self,
        node: &Node,
        value: &Value,
        depth: usize,
        work: &mut Work,
    ) -> Result<(), Finding> {
        for &part in node.reference.iter().chain(&node.all_of) {
            self.node(part, value, depth + 1, work)?;
        }
        if !node.any_of.is_empty() {
            let mut any = false;
            for &part in &node.any_of {
                any = self.fits(part, value, depth, work)?;
                if any {
                    break;
                }
            }
            if !any {
                return invalid(format!("{} is nothing of anyOf", show(value)));
            }
        }
        if !node.one_of.is_empty() {
            let mut count = 0;
            for &part in &node.one_of {
                count += usize::from(self.fits(part, value, depth, work)?);
            }
            if count != 1 {
                return invalid(format!("{} is {count} of oneOf", show(value)));
            }
        }
        if let Some(part) = node.not
            && self.fits(part, value, depth, work)?
        {
            return invalid(format!("{} is what it must not be", show(value)));
        }
        if let Some((test, then, other)) = node.condition {
            let branch = match self.fits(test, value, depth, work)? {
                true => then,
                false => other,
            };
            if let Some(branch) = branch {
                self.node(branch, value, depth + 1, work)?;
            }
        }
        Ok(())
    }

    fn array(
        &self,
        node: &Node,
        items: &[Value],
        depth: usize,
        work: &mut Work,
    ) -> Result<(), Finding> {
        work.spend(items.len())?;
        if !node.items_count.hold(items.len()) {
            return invalid(format!("there are {} items", items.len()));
        }
        if node.is_unique {
            unique(items, work)?;
        }
        for (index, item) in items.iter().enumerate() {
            let schema = node.prefix_items.get(index).copied().or(node.items);
            if let Some(schema) = schema {
                self.node(schema, item, depth + 1, work)
                    .map_err(|finding| at(finding, index))?;
            }
        }
        if let Some((schema, bounds)) = node.contains {
            let mut count = 0;
            for item in items {
                count += usize::from(self.fits(schema, item, depth, work)?);
            }
            if !bounds.hold(count) {
                return invalid(format!("there are {count} items that should be contained"));
            }
        }
        Ok(())
    }

    fn object(
        &self,
        node: &Node,
        members: &Map<String, Value>,
        whole: &Value,
        depth: usize,
        work: &mut Work,
    ) -> Result<(), Finding> {
        work.spend(members.len() + node.required.len())?;
        if !node.properties_count.hold(members.len()) {
            return invalid(format!("there are {} members", members.len()));
        }
        let dependent = node
            .dependent_required
            .iter()
            .filter(|(name, _)| members.contains_key(name))
            .flat_map(|(_, names)| names);
        for name in node.required.iter().chain(dependent) {
            work.spend(1)?;
            if !members.contains_key(name) {
                return invalid(format!("there is no `{}`", shown(name)));
            }
        }
        for (name, schema) in &node.dependent_schemas {
            if members.contains_key(name) {
                self.node(*schema, whole, depth + 1, work)?;
            }
        }
        for (name, value) in members {
            work.spend(name.len() + 4)?;
            if let Some(schema) = node.property_names {
                self.node(schema, &Value::String(name.clone()), depth + 1, work)
                    .map_err(|finding| at(finding, name))?;
            }
            let own = node
                .properties
                .binary_search_by(|(known, _)| known.as_str().cmp(name));
            let own = own
                .ok()
                .and_then(|index| node.properties.get(index))
                .map(|(_, own)| *own);
            let mut schemas: Vec<usize> = own.into_iter().collect();
            for (pattern, schema) in &node.pattern_properties {
                work.spend(name.len().saturating_mul(8))?;
                if pattern.is_match(name) {
                    schemas.push(*schema);
                }
            }
            if schemas.is_empty() {
                schemas.extend(node.additional_properties);
            }
            for schema in schemas {
                self.node(schema, value, depth + 1, work)
                    .map_err(|finding| at(finding, name))?;
            }
        }
        Ok(())
    }
}

impl Node {
    fn types_and_values(&self, value: &Value, work: &mut Work) -> Result<(), Finding> {
        if self
            .types
            .is_some_and(|types| types.0 & Types::of(value).0 == 0)
        {
            return invalid(format!("{} is of another type", show(value)));
        }
        if let Some(values) = &self.values {
            for known in values {
                if equal(known, value, work)? {
                    return Ok(());
                }
            }
            return invalid(format!("{} is none of the values", show(value)));
        }
        Ok(())
    }

    fn number(&self, number: f64) -> Result<(), Finding> {
        let within = self.minimum.is_none_or(|least| number >= least)
            && self.maximum.is_none_or(|most| number <= most)
            && self.exclusive_minimum.is_none_or(|least| number > least)
            && self.exclusive_maximum.is_none_or(|most| number < most);
        let divides = self.multiple_of.is_none_or(|of| {
            // 0.3 is three times 0.1, whatever binary fractions say.
            let times = number / of;
            (times - times.round()).abs() <= times.abs().max(1.0) * 1e-12
        });
        if within && divides {
            return Ok(());
        }
        invalid(format!("{number} is out of its bounds"))
    }

    fn text(&self, text: &str, work: &mut Work) -> Result<(), Finding> {
        work.spend(text.len())?;
        if self.length.least.or(self.length.most).is_some()
            && !self.length.hold(text.chars().count())
        {
            return invalid(format!("`{}` has the wrong length", shown(text)));
        }
        if let Some(pattern) = &self.pattern {
            work.spend(text.len().saturating_mul(8))?;
            if !pattern.is_match(text) {
                return invalid(format!("`{}` does not match the pattern", shown(text)));
            }
        }
        Ok(())
    }
}

/// Values are equal as JSON says: numbers by what they are, objects in any order.
fn equal(one: &Value, other: &Value, work: &mut Work) -> Result<bool, Finding> {
    work.spend(2)?;
    Ok(match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (one, other) in one.iter().zip(other) {
                if !equal(one, other, work)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(one), Value::Object(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (name, one) in one {
                match other.get(name) {
                    Some(other) if equal(one, other, work)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::String(one), Value::String(other)) => {
            work.spend(one.len().min(other.len()) / 8)?;
            one == other
        }
        (one, other) => one == other,
    })
}

/// Each pair is looked at: the budget ends what takes too long.
fn unique(items: &[Value], work: &mut Work) -> Result<(), Finding> {
    for (index, one) in items.iter().enumerate() {
        for other in items.iter().take(index) {
            if equal(one, other, work)? {
                return invalid(format!("{} is there twice", show(one)));
            }
        }
    }
    Ok(())
}

fn at(finding: Finding, place: impl std::fmt::Display) -> Finding {
    match finding {
        // The innermost places are enough to find it.
        Finding::Invalid(what) if what.len() < 400 => {
            Finding::Invalid(format!("{}: {what}", shown(&place.to_string())))
        }
        finding => finding,
    }
}

/// A value as a message shows it; what is in an object or array is not shown.
fn show(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::String(text) => format!("`{}`", shown(text)),
        value => value.to_string(),
    }
}
