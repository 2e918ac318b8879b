//! Maps from a name that the operator chose to a block, and lists that may be written as one value.

use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::diff::{Change, Place};
use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::setting::{Book, Setting};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

/// A map in the order of the file.
#[derive(Clone, Debug)]
pub struct Named<T, K = super::Name> {
    /// The entries, each name once.
    pub entries: Vec<Entry<T, K>>,
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub struct Entry<T, K = super::Name> {
    /// The name, and where it was written.
    pub name: Spanned<K>,
    /// What it stands for.
    pub value: T,
}

impl<T, K> Default for Named<T, K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<T, K: AsRef<str>> Named<T, K> {
    /// The entry of that name. It looks at one after the other; who asks for many makes a map of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.index(name)
            .and_then(|index| self.entries.get(index))
            .map(|entry| &entry.value)
    }

    /// The place of that name in `entries`.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.name.value.as_ref() == name)
    }

    /// The entries, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry<T, K>> {
        self.entries.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<'a, T, K> IntoIterator for &'a Named<T, K> {
    type Item = &'a Entry<T, K>;
    type IntoIter = std::slice::Iter<'a, Entry<T, K>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

impl<T: Setting, K: Setting + AsRef<str>> Setting for Named<T, K> {
    fn expects() -> String {
        format!("a map from {} to {}", K::expects(), T::expects())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Map(pairs) = &node.value else {
            reader.wrong_type::<Self>(node);
            return None;
        };
        let mut entries: Vec<Entry<T, K>> = Vec::with_capacity(pairs.len());
        let mut complete = true;
        for pair in pairs {
            let entry = reader.within(&pair.key, |reader| {
                let key = Node::text(&pair.key, pair.span);
                let name = K::read(&key, reader);
                let value = T::read(&pair.value, reader);
                Some(Entry {
                    name: Spanned::new(name?, pair.span),
                    value: value?,
                })
            });
            match entry {
                Some(entry) => entries.push(entry),
                None => complete = false,
            }
        }
        complete.then_some(Self { entries })
    }

    fn schema(book: &mut Book) -> Json {
        json!({ "type": "object", "propertyNames": K::schema(book), "additionalProperties": T::schema(book) })
    }

    fn json(&self) -> Json {
        let pairs = self
            .entries
            .iter()
            .map(|entry| (entry.name.value.as_ref().to_owned(), entry.value.json()));
        Json::Object(pairs.collect::<Map<_, _>>())
    }

    fn compare(&self, new: &Self, place: &Place<'_>, changes: &mut Vec<Change>) {
        let old_names: HashMap<&str, &T> = self
            .iter()
            .map(|entry| (entry.name.value.as_ref(), &entry.value))
            .collect();
        let new_names: HashMap<&str, &T> = new
            .iter()
            .map(|entry| (entry.name.value.as_ref(), &entry.value))
            .collect();
        for entry in self {
            let name = entry.name.value.as_ref();
            match new_names.get(name) {
                Some(value) => entry.value.compare(value, &place.key(name), changes),
                None => changes.push(Change::removed(&place.key(name), &entry.value.json())),
            }
        }
        for entry in new {
            let name = entry.name.value.as_ref();
            if !old_names.contains_key(name) {
                changes.push(Change::added(&place.key(name), &entry.value.json()));
            }
        }
    }
}

/// A list that may be written as its only value: `audience: shop` is `audience: [shop]`. It is never empty.
#[derive(Clone, Debug)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<T: Setting> Setting for OneOrMore<T> {
    fn expects() -> String {
        format!("{}, or a list of such", T::expects())
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                reader.report(
                    Diagnostic::error(Kind::BadValue, node.span, "found an empty list")
                        .expected(Self::expects()),
                );
                None
            }
            Value::List(_) => Vec::read(node, reader).map(Self),
            _ => T::read(node, reader).map(|value| Self(vec![value])),
        }
    }

    fn schema(book: &mut Book) -> Json {
        let one = T::schema(book);
        json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }

    fn json(&self) -> Json {
        self.0.json()
    }
}
