//! From a node of the document to a typed value, and from a type to its JSON Schema.
//!
//! Every type that can stand in the file implements [`Setting`]; the blocks get it from `block!`, which writes the
//! struct, the reader, the schema and the comparison from one list of fields, so that the four cannot diverge.

use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::diff::{Change, Place};
use crate::document::{Node, Value};
use crate::reader::Reader;
use serde_json::{Map, Value as Json, json};

/// A type that can stand in the configuration file.
pub(crate) trait Setting: Sized {
    /// What belongs here, for error messages: "a duration such as `30s`".
    fn expects() -> String;

    /// Reads a value. `None` means that at least one error was reported.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// The JSON Schema of the type. Blocks put theirs into the book and return a reference.
    fn schema(book: &mut Book) -> Json;

    /// The value as it would be written in the file; secrets as the reference to them.
    fn json(&self) -> Json;

    /// Reports in what `new` differs.
    fn compare(&self, new: &Self, place: &Place<'_>, changes: &mut Vec<Change>) {
        let (old, new) = (self.json(), new.json());
        if old != new {
            changes.push(Change::changed(place, &old, &new));
        }
    }

    /// How an entry of a list of these is called: `routes[shop]` instead of `routes[3]`.
    fn label(&self) -> Option<String> {
        None
    }
}

/// A type whose values have an order, so that a range can be set for them.
pub(crate) trait Ranged {
    /// The type of the bounds: the type itself, or what is in the `Option`.
    type Bound: Setting + PartialOrd;

    /// The value that the range is about, if there is one.
    fn bounded(&self) -> Option<&Self::Bound>;
}

impl<T: Ranged> Ranged for Option<T> {
    type Bound = T::Bound;

    fn bounded(&self) -> Option<&T::Bound> {
        self.as_ref().and_then(Ranged::bounded)
    }
}

impl<T: Ranged> Ranged for Spanned<T> {
    type Bound = T::Bound;

    fn bounded(&self) -> Option<&T::Bound> {
        self.value.bounded()
    }
}

/// The definitions of a schema.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) definitions: Map<String, Json>,
}

impl Book {
    /// Puts a definition into the book, once, and returns the reference to it.
    pub(crate) fn define(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Json) -> Json {
        if !self.definitions.contains_key(name) {
            // Taken before it is made, so that a type may contain itself.
            self.definitions.insert(name.to_owned(), Json::Null);
            let schema = make(self);
            self.definitions.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

/// Adds words to the description of a schema, or gives it one.
pub(crate) fn describe(schema: &mut Json, text: &str) {
    let Some(object) = schema.as_object_mut().filter(|_| !text.is_empty()) else {
        return;
    };
    let text = match object.get("description").and_then(Json::as_str) {
        Some(own) => format!("{text} {own}"),
        None => text.to_owned(),
    };
    object.insert("description".to_owned(), Json::String(text));
}

impl<T: Setting> Setting for Option<T> {
    fn expects() -> String {
        T::expects()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(Some)
    }

    fn schema(book: &mut Book) -> Json {
        T::schema(book)
    }

    fn json(&self) -> Json {
        self.as_ref().map_or(Json::Null, Setting::json)
    }

    fn compare(&self, new: &Self, place: &Place<'_>, changes: &mut Vec<Change>) {
        match (self, new) {
            (None, None) => {}
            (Some(old), Some(new)) => old.compare(new, place, changes),
            (None, Some(new)) => changes.push(Change::added(place, &new.json())),
            (Some(old), None) => changes.push(Change::removed(place, &old.json())),
        }
    }
}

impl<T: Setting> Setting for Spanned<T> {
    fn expects() -> String {
        T::expects()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(|value| Self::new(value, node.span))
    }

    fn schema(book: &mut Book) -> Json {
        T::schema(book)
    }

    fn json(&self) -> Json {
        self.value.json()
    }

    fn compare(&self, new: &Self, place: &Place<'_>, changes: &mut Vec<Change>) {
        self.value.compare(&new.value, place, changes);
    }

    fn label(&self) -> Option<String> {
        self.value.label()
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn expects() -> String {
        format!("a list, each entry {}", T::expects())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            let remedy = match node.noun() {
                "nothing" => {
                    "write a list after the colon (`[]` is an empty one), or remove the key"
                }
                _ => "put it in brackets: `[ ... ]`",
            };
            reader.report(
                Diagnostic::error(Kind::WrongType, node.span, format!("found {}", node.noun()))
                    .expected(Self::expects())
                    .remedy(remedy),
            );
            return None;
        };
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                reader.within(format_args!("[{index}]"), |reader| T::read(item, reader))
            })
            .collect();
        read.into_iter().collect()
    }

    fn schema(book: &mut Book) -> Json {
        json!({ "type": "array", "items": T::schema(book) })
    }

    fn json(&self) -> Json {
        self.iter().map(Setting::json).collect()
    }

    fn compare(&self, new: &Self, place: &Place<'_>, changes: &mut Vec<Change>) {
        crate::diff::lists(self, new, place, changes);
    }
}
