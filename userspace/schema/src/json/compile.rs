//! Reads a JSON schema.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::{Bounds, JsonSchema, Node, Types};
use crate::limits;
use crate::problem::ProblemKind;
use crate::work::shown;

type Outcome<T> = Result<T, ProblemKind>;

/// Words that say nothing of what is right.
const SILENT: &[&str] = &[
    "$schema",
    "$id",
    "id",
    "$comment",
    "$defs",
    "definitions",
    "$anchor",
    "$vocabulary",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    // An annotation, unless a vocabulary that nobody has to know says otherwise.
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    // Read with their neighbours.
    "exclusiveMinimum",
    "exclusiveMaximum",
    "additionalItems",
    "minContains",
    "maxContains",
    "then",
    "else",
];

struct Compiler<'a> {
    whole: &'a Value,
    nodes: Vec<Node>,
    /// Schemas that have numbers, by where they stand in the file.
    numbers: HashMap<String, usize>,
    depth: usize,
}

pub(super) fn compile(whole: &Value) -> Outcome<JsonSchema> {
    let mut compiler = Compiler {
        whole,
        nodes: Vec::new(),
        numbers: HashMap::new(),
        depth: 0,
    };
    compiler.schema(whole, "#")?;
    let schema = JsonSchema {
        nodes: compiler.nodes,
    };
    match schema.endless_reference() {
        Some(name) => Err(ProblemKind::Circular {
            what: "a schema that refers to",
            name,
        }),
        None => Ok(schema),
    }
}

fn wrong<T>(at: &str, value: &Value, expected: &'static str) -> Outcome<T> {
    let value = format!("{at}: {}", shown(&value.to_string()));
    Err(ProblemKind::Value { value, expected })
}

fn pattern(at: &str, text: &str) -> Outcome<Regex> {
    RegexBuilder::new(text)
        .size_limit(limits::PATTERN_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => ProblemKind::Limit {
                what: "bytes in a compiled pattern",
                limit,
            },
            _ => ProblemKind::Unsupported(format!(
                "the pattern at {at} (look-around and references to groups are not linear), `{}`,",
                shown(text)
            )),
        })
}

impl Compiler<'_> {
    /// The number of a schema.
    fn schema(&mut self, value: &Value, at: &str) -> Outcome<usize> {
        if let Some(&known) = self.numbers.get(at) {
            return Ok(known);
        }
        let limit = |what, limit| Err(ProblemKind::Limit { what, limit });
        if self.nodes.len() >= limits::COMPONENTS {
            return limit("schemas in one file", limits::COMPONENTS);
        }
        if self.depth >= 2 * limits::DEPTH {
            return limit("schemas inside of schemas", 2 * limits::DEPTH);
        }
        let number = self.nodes.len();
        self.nodes.push(Node::default());
        self.numbers.insert(at.to_owned(), number);
        self.depth += 1;
        let node = match value {
            Value::Bool(is_right) => Ok(Node {
                is_never: !is_right,
                ..Node::default()
            }),
            Value::Object(words) => self.words(words, at),
            other => wrong(at, other, "a schema: an object, true or false"),
        };
        self.depth -= 1;
        if let Some(slot) = self.nodes.get_mut(number) {
            *slot = node?;
        }
        Ok(number)
    }

    fn words(&mut self, words: &Map<String, Value>, at: &str) -> Outcome<Node> {
        let mut node = Node::default();
        for (word, value) in words {
            let here = format!("{at}/{}", word.replace('~', "~0").replace('/', "~1"));
            let known = self.of_values(&mut node, words, word, value, &here)?
                || self.of_counts(&mut node, word, value, &here)?
                || self.of_objects(&mut node, word, value, &here)?
                || self.of_arrays(&mut node, words, word, value, &here)?
                || self.of_schemas(&mut node, words, word, value, &here)?;
            let is_extension = word.starts_with("x-");
            if !known && !SILENT.contains(&word.as_str()) && !is_extension {
                return Err(ProblemKind::Unsupported(format!(
                    "the word `{word}` at {at}"
                )));
            }
        }
        Ok(node)
    }

    fn of_values(
        &mut self,
        node: &mut Node,
        words: &Map<String, Value>,
        word: &str,
        value: &Value,
        at: &str,
    ) -> Outcome<bool> {
        match word {
            "type" => node.types = Some(types(value, at)?),
            "enum" => match value {
                Value::Array(values) => node.values = Some(values.clone()),
                other => return wrong(at, other, "a list of values"),
            },
            "const" => node.values = Some(vec![value.clone()]),
            "minimum" => {
                let number = number(value, at)?;
                // Draft 4 says with a flag beside it that the bound itself is out.
                if words.get("exclusiveMinimum") == Some(&Value::Bool(true)) {
                    node.exclusive_minimum = Some(number);
                } else {
                    node.minimum = Some(number);
                }
            }
            "maximum" => {
                let number = number(value, at)?;
                if words.get("exclusiveMaximum") == Some(&Value::Bool(true)) {
                    node.exclusive_maximum = Some(number);
                } else {
                    node.maximum = Some(number);
                }
            }
            "exclusiveMinimum" if !value.is_boolean() => {
                node.exclusive_minimum = Some(number(value, at)?);
            }
            "exclusiveMaximum" if !value.is_boolean() => {
                node.exclusive_maximum = Some(number(value, at)?);
            }
            "multipleOf" => match number(value, at)? {
                number if number > 0.0 => node.multiple_of = Some(number),
                _ => return wrong(at, value, "a number over 0"),
            },
            "pattern" => node.pattern = Some(pattern(at, text(value, at)?)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_counts(&mut self, node: &mut Node, word: &str, value: &Value, at: &str) -> Outcome<bool> {
        let slot = match word {
            "minLength" => &mut node.length.least,
            "maxLength" => &mut node.length.most,
            "minItems" => &mut node.items_count.least,
            "maxItems" => &mut node.items_count.most,
            "minProperties" => &mut node.properties_count.least,
            "maxProperties" => &mut node.properties_count.most,
            "uniqueItems" => {
                match value {
                    Value::Bool(flag) => node.is_unique = *flag,
                    other => return wrong(at, other, "true or false"),
                }
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *slot = Some(count(value, at)?);
        Ok(true)
    }

    fn of_objects(
        &mut self,
        node: &mut Node,
        word: &str,
        value: &Value,
        at: &str,
    ) -> Outcome<bool> {
        match word {
            "required" => node.required = names(value, at)?,
            "properties" => {
                for (name, inner, at) in members(value, at)? {
                    let number = self.schema(inner, &at)?;
                    node.properties.push((name.clone(), number));
                }
                node.properties.sort_unstable();
            }
            "patternProperties" => {
                for (name, inner, at) in members(value, at)? {
                    let regex = pattern(&at, name)?;
                    node.pattern_properties
                        .push((regex, self.schema(inner, &at)?));
                }
            }
            "additionalProperties" => node.additional_properties = Some(self.schema(value, at)?),
            "propertyNames" => node.property_names = Some(self.schema(value, at)?),
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                for (name, inner, at) in members(value, at)? {
                    if inner.is_array() && word != "dependentSchemas" {
                        node.dependent_required
                            .push((name.clone(), names(inner, &at)?));
                    } else if word == "dependentRequired" {
                        return wrong(&at, inner, "a list of names");
                    } else {
                        let number = self.schema(inner, &at)?;
                        node.dependent_schemas.push((name.clone(), number));
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_arrays(
        &mut self,
        node: &mut Node,
        words: &Map<String, Value>,
        word: &str,
        value: &Value,
        at: &str,
    ) -> Outcome<bool> {
        match (word, value) {
            // Drafts before 2020 name the first items so, and the others `additionalItems`.
            ("items", Value::Array(_)) | ("prefixItems", _) => {
                node.prefix_items = self.list(value, at)?;
                if let (Some(more), "items") = (words.get("additionalItems"), word) {
                    node.items = Some(self.schema(more, &format!("{at}/additionalItems"))?);
                }
            }
            ("items", _) => node.items = Some(self.schema(value, at)?),
            ("contains", _) => {
                let number = self.schema(value, at)?;
                let read = |word: &str| match words.get(word) {
                    Some(value) => count(value, at).map(Some),
                    None => Ok(None),
                };
                let least = read("minContains")?.or(Some(1));
                let most = read("maxContains")?;
                node.contains = Some((number, Bounds { least, most }));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn of_schemas(
        &mut self,
        node: &mut Node,
        words: &Map<String, Value>,
        word: &str,
        value: &Value,
        at: &str,
    ) -> Outcome<bool> {
        match word {
            "allOf" => node.all_of = self.list(value, at)?,
            "anyOf" => node.any_of = self.list(value, at)?,
            "oneOf" => node.one_of = self.list(value, at)?,
            "not" => node.not = Some(self.schema(value, at)?),
            "if" => {
                let test = self.schema(value, at)?;
                let mut branch = |word: &str| match words.get(word) {
                    Some(inner) => self.schema(inner, &format!("{at}/{word}")).map(Some),
                    None => Ok(None),
                };
                node.condition = Some((test, branch("then")?, branch("else")?));
            }
            "$ref" => node.reference = Some(self.reference(text(value, at)?)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn list(&mut self, value: &Value, at: &str) -> Outcome<Vec<usize>> {
        let Value::Array(values) = value else {
            return wrong(at, value, "a list of schemas");
        };
        let mut numbers = Vec::new();
        for (index, inner) in values.iter().enumerate() {
            numbers.push(self.schema(inner, &format!("{at}/{index}"))?);
        }
        Ok(numbers)
    }

    fn reference(&mut self, name: &str) -> Outcome<usize> {
        let Some(pointer) = name.strip_prefix('#') else {
            return Err(ProblemKind::Unsupported(format!(
                "a reference out of the file, `{}`,",
                shown(name)
            )));
        };
        let whole = self.whole;
        let pointer = unescape(pointer);
        let found = if pointer.is_empty() || pointer.starts_with('/') {
            whole.pointer(&pointer)
        } else {
            let definitions = ["$defs", "definitions"].into_iter();
            let mut all = definitions
                .filter_map(|word| whole.get(word)?.as_object())
                .flat_map(Map::values);
            all.find(|inner| inner.get("$anchor").and_then(Value::as_str) == Some(&pointer))
        };
        match found {
            Some(inner) => self.schema(inner, &format!("#{pointer}")),
            None => Err(ProblemKind::Unknown {
                what: "schema",
                name: name.to_owned(),
            }),
        }
    }
}

/// `%25` and its like in a pointer.
fn unescape(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let [byte, behind @ ..] = rest {
        let code = behind
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(escaped) if *byte == b'%' => {
                bytes.push(escaped);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn types(value: &Value, at: &str) -> Outcome<Types> {
    let words = match value {
        Value::Array(words) => words.as_slice(),
        word => std::slice::from_ref(word),
    };
    words.iter().try_fold(Types::default(), |all, word| {
        match word.as_str().and_then(Types::named) {
            Some(one) => Ok(all.with(one)),
            None => wrong(at, word, "a type of JSON"),
        }
    })
}

fn number(value: &Value, at: &str) -> Outcome<f64> {
    match value.as_f64() {
        Some(number) => Ok(number),
        None => wrong(at, value, "a number"),
    }
}

fn count(value: &Value, at: &str) -> Outcome<usize> {
    let whole = value
        .as_f64()
        .filter(|number| number.fract() == 0.0 && *number >= 0.0);
    match whole {
        // What is larger is as good as the largest.
        Some(number) => Ok(number as usize),
        None => wrong(at, value, "a number from 0"),
    }
}

fn text<'a>(value: &'a Value, at: &str) -> Outcome<&'a str> {
    match value.as_str() {
        Some(text) => Ok(text),
        None => wrong(at, value, "a text"),
    }
}

fn names(value: &Value, at: &str) -> Outcome<Vec<String>> {
    // Draft 3 had `required` as a flag of the property itself.
    let Value::Array(values) = value else {
        return wrong(at, value, "a list of names");
    };
    values
        .iter()
        .map(|name| text(name, at).map(str::to_owned))
        .collect()
}

fn members<'a>(value: &'a Value, at: &str) -> Outcome<Vec<(&'a String, &'a Value, String)>> {
    let Value::Object(members) = value else {
        return wrong(at, value, "an object");
    };
    let place = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    let all = members
        .iter()
        .map(|(name, inner)| (name, inner, place(name)));
    Ok(all.collect())
}

impl JsonSchema {
    /// A schema that leads back to itself without looking into the value: holding anything against it would not end.
    fn endless_reference(&self) -> Option<String> {
        // 0: not seen, 1: on the way, 2: done.
        let mut states = vec![0u8; self.nodes.len()];
        for start in 0..self.nodes.len() {
            let mut way = vec![(start, false)];
            while let Some((at, is_done)) = way.pop() {
                let Some(state) = states.get_mut(at) else {
                    continue;
                };
                match (*state, is_done) {
                    (_, true) => *state = 2,
                    (1, false) => return Some("itself".to_owned()),
                    (2, false) => {}
                    _ => {
                        *state = 1;
                        way.push((at, true));
                        let next = self.nodes.get(at).map(Node::in_place).unwrap_or_default();
                        // A schema on the way that comes up twice among these is met when it is popped.
                        let open = next
                            .into_iter()
                            .filter(|next| states.get(*next) != Some(&2));
                        way.extend(open.map(|next| (next, false)));
                    }
                }
            }
        }
        None
    }
}

impl Node {
    /// The schemas that the same value is held against.
    fn in_place(&self) -> Vec<usize> {
        let condition = self.condition.iter().flat_map(|(test, then, other)| {
            std::iter::once(*test)
                .chain(then.iter().copied())
                .chain(other.iter().copied())
        });
        let lists = self
            .all_of
            .iter()
            .chain(&self.any_of)
            .chain(&self.one_of)
            .copied();
        let dependent = self.dependent_schemas.iter().map(|(_, schema)| *schema);
        let mut all: Vec<usize> = lists
            .chain(self.not)
            .chain(self.reference)
            .chain(condition)
            .chain(dependent)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
