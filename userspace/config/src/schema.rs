//! The JSON Schema of the configuration, written from the same list of fields as the reader.

use crate::Config;
use crate::reader::plain;
use crate::setting::{Book, Ranged, Setting, describe};
use serde_json::{Map, Value as Json, json};
use std::ops::RangeInclusive;

/// The JSON Schema (draft 2020-12) of the configuration file, for editors and for `bascule schema`.
#[must_use]
pub fn schema() -> Json {
    let mut book = Book::default();
    let root = Config::schema(&mut book);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bascule configuration",
        "$ref": root["$ref"],
        "$defs": book.definitions,
    })
}

/// A doc comment as one text: lines of a paragraph joined, paragraphs kept.
fn paragraphs(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match (line.is_empty(), text.is_empty() || text.ends_with('\n')) {
            (true, false) => text.push('\n'),
            (false, false) => {
                text.push(' ');
                text.push_str(line);
            }
            (false, true) => text.push_str(line),
            (true, true) => {}
        }
    }
    text
}

/// The schema of a block while its fields are added.
pub(crate) struct Object {
    description: String,
    short: Option<&'static str>,
    properties: Map<String, Json>,
    required: Vec<&'static str>,
}

impl Object {
    /// A block; a value that is not a map stands for the key `short`.
    pub(crate) fn new(doc: &[&str], short: Option<&'static str>) -> Self {
        Self {
            description: paragraphs(doc),
            short,
            properties: Map::new(),
            required: Vec::new(),
        }
    }

    /// Adds a field; without a default it is required.
    pub(crate) fn property(
        &mut self,
        name: &'static str,
        mut schema: Json,
        doc: &[&str],
        default: Option<Json>,
    ) {
        describe(&mut schema, &paragraphs(doc));
        match default {
            None => self.required.push(name),
            Some(Json::Null) => {}
            Some(default) => {
                if let Some(object) = schema.as_object_mut() {
                    object.insert("default".to_owned(), default);
                }
            }
        }
        self.properties.insert(name.to_owned(), schema);
    }

    pub(crate) fn finish(self) -> Json {
        let short = self.short.and_then(|key| self.properties.get(key)).cloned();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        if !self.description.is_empty() && short.is_none() {
            schema.insert("description".to_owned(), self.description.clone().into());
        }
        schema.insert("properties".to_owned(), self.properties.into());
        schema.insert("additionalProperties".to_owned(), false.into());
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), self.required.into());
        }
        match short {
            Some(short) => json!({ "description": self.description, "anyOf": [short, schema] }),
            None => schema.into(),
        }
    }
}

/// Writes a range into a schema: numbers as bounds, everything else in words.
pub(crate) fn range<T: Ranged>(schema: &mut Json, range: &RangeInclusive<T::Bound>) {
    let (start, end) = (range.start().json(), range.end().json());
    let text = format!("From {} to {}.", plain(&start), plain(&end));
    if let Some(object) = schema.as_object_mut().filter(|_| start.is_number()) {
        object.insert("minimum".to_owned(), start);
        object.insert("maximum".to_owned(), end);
    }
    describe(schema, &text);
}

/// The schema of a choice between words, each with what it means.
pub(crate) fn words(doc: &[&str], words: &[(&str, &[&str])]) -> Json {
    let one =
        |(word, doc): &(&str, &[&str])| json!({ "const": word, "description": paragraphs(doc) });
    json!({ "description": paragraphs(doc), "oneOf": words.iter().map(one).collect::<Json>() })
}

/// The schema of a value that has several forms.
pub(crate) fn forms(doc: &[&str], forms: &[Json]) -> Json {
    json!({ "description": paragraphs(doc), "anyOf": forms })
}
