//! JSON Schema: what Coraza holds bodies against.
//!
//! The words of drafts 4 to 2020-12 that say what a value must be, references inside of the file, and annotations, which say nothing.
//! Words that reach beyond that (`$dynamicRef`, `unevaluatedProperties`, files elsewhere) are refused by name.

mod compile;
#[cfg(test)]
mod tests;
mod validate;

use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::files::Files;
use crate::problem::{Problem, ProblemKind};
use crate::work::{Finding, Work, invalid, shown};

/// A compiled JSON schema.
#[derive(Debug)]
pub struct JsonSchema {
    /// Schemas by their numbers; the first is the whole one.
    nodes: Vec<Node>,
}

/// What a schema says; `true` says nothing.
#[derive(Debug, Default)]
struct Node {
    /// `false`: nothing is right.
    is_never: bool,
    types: Option<Types>,
    values: Option<Vec<Value>>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    exclusive_minimum: Option<f64>,
    exclusive_maximum: Option<f64>,
    multiple_of: Option<f64>,
    length: Bounds,
    items_count: Bounds,
    properties_count: Bounds,
    pattern: Option<Regex>,
    is_unique: bool,
    required: Vec<String>,
    properties: Vec<(String, usize)>,
    pattern_properties: Vec<(Regex, usize)>,
    additional_properties: Option<usize>,
    property_names: Option<usize>,
    dependent_required: Vec<(String, Vec<String>)>,
    dependent_schemas: Vec<(String, usize)>,
    prefix_items: Vec<usize>,
    items: Option<usize>,
    contains: Option<(usize, Bounds)>,
    all_of: Vec<usize>,
    any_of: Vec<usize>,
    one_of: Vec<usize>,
    not: Option<usize>,
    /// `if`, `then`, `else`.
    condition: Option<(usize, Option<usize>, Option<usize>)>,
    reference: Option<usize>,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    least: Option<usize>,
    most: Option<usize>,
}

impl Bounds {
    fn hold(self, count: usize) -> bool {
        self.least.is_none_or(|least| count >= least) && self.most.is_none_or(|most| count <= most)
    }
}

/// Types as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Types(u8);

impl JsonSchema {
    /// Reads a schema from `path`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(files: &Files, path: impl AsRef<Path>) -> Result<JsonSchema, Problem> {
        let path = path.as_ref();
        let problem = |line, kind| Problem {
            file: path.display().to_string(),
            line,
            kind,
        };
        let missing = || problem(1, ProblemKind::Missing(path.display().to_string()));
        let bytes = files.get(path).ok_or_else(missing)?;
        if bytes.len() > crate::limits::GRAMMAR_BYTES {
            let (what, limit) = ("bytes in one grammar", crate::limits::GRAMMAR_BYTES);
            return Err(problem(1, ProblemKind::Limit { what, limit }));
        }
        let whole: Value = serde_json::from_slice(bytes).map_err(|error| {
            problem(
                error.line().max(1),
                ProblemKind::Malformed(error.to_string()),
            )
        })?;
        // The tree has no lines: the message has the path inside of it.
        compile::compile(&whole).map_err(|kind| problem(1, kind))
    }

    /// Holds a document against it. Bytes that are not JSON do not pass.
    ///
    /// # Errors
    /// What is wrong with the document, or that the budget is spent.
    pub fn check(&self, document: &[u8], work: &mut Work) -> Result<(), Finding> {
        work.spend(document.len())?;
        let value: Value = match serde_json::from_slice(document) {
            Ok(value) => value,
            Err(error) => return invalid(format!("not JSON: {}", shown(&error.to_string()))),
        };
        validate::check(self, &value, work)
    }
}
