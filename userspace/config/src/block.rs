//! The macros that write the types of the file: blocks, choices between words, choices between keys.

use crate::diagnostic::{Diagnostic, Kind};
use crate::document::{Node, Value};
use crate::reader::{Reader, listed, shortened};
use crate::setting::Setting;

/// Writes a block of the configuration: the struct, its reader, its schema and its comparison.
///
/// A field without `= default` must be written in the file. `within` sets a range. `#[check(f)]` names a function
/// that looks at the whole block after it was read.
macro_rules! block {
    (
        $(#[doc = $doc:literal])*
        $(#[short($short:ident)])?
        $(#[check($check:path)])?
        $(#[label($label:path)])?
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident: $type:ty $(= $default:expr)? $(, within $range:expr)?;
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])*
                $(#[doc = concat!("\n\nDefault: `", stringify!($default), "`.")])?
                $(#[doc = concat!("\n\nRange: `", stringify!($range), "`.")])?
                pub $field: $type,
            )*
        }

        $crate::block::equal_by_what_they_say!($name);

        impl $crate::setting::Setting for $name {
            fn expects() -> String {
                $crate::block::block_expects($crate::block::maybe!($(stringify!($short))?), &[$(stringify!($field)),*])
            }

            fn read(node: &$crate::document::Node, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                $(
                    let long = $crate::block::lengthened(node, stringify!($short));
                    let node = long.as_ref().unwrap_or(node);
                )?
                let pairs = reader.block::<Self>(node, &[$(stringify!($field)),*])?;
                $(
                    let default: Option<fn() -> $type> = $crate::block::maybe!($(|| $default)?);
                    let $field = reader.field(node, pairs, stringify!($field), default);
                    $(
                        let $field = $field.filter(|value| reader.range(value, &$range, pairs, stringify!($field)));
                    )?
                )*
                let block = Self { $($field: $field?,)* };
                $($check(&block, node, reader);)?
                Some(block)
            }

            fn schema(book: &mut $crate::setting::Book) -> serde_json::Value {
                book.define(stringify!($name), |book| {
                    let mut schema = $crate::schema::Object::new(&[$($doc),*], $crate::block::maybe!($(stringify!($short))?));
                    $(
                        let default: Option<$type> = $crate::block::maybe!($($default)?);
                        let default = default.map(|value| $crate::setting::Setting::json(&value));
                        #[allow(unused_mut)]
                        let mut field = <$type as $crate::setting::Setting>::schema(book);
                        $($crate::schema::range::<$type>(&mut field, &$range);)?
                        schema.property(stringify!($field), field, &[$($field_doc),*], default);
                    )*
                    schema.finish()
                })
            }

            fn json(&self) -> serde_json::Value {
                let mut map = serde_json::Map::new();
                $(
                    let value = $crate::setting::Setting::json(&self.$field);
                    if !value.is_null() {
                        map.insert(stringify!($field).to_owned(), value);
                    }
                )*
                serde_json::Value::Object(map)
            }

            fn compare(&self, new: &Self, place: &$crate::diff::Place<'_>, changes: &mut Vec<$crate::diff::Change>) {
                $($crate::setting::Setting::compare(&self.$field, &new.$field, &place.key(stringify!($field)), changes);)*
            }

            $(
                fn label(&self) -> Option<String> {
                    $label(self)
                }
            )?
        }
    };
}
pub(crate) use block;

/// Two values are equal when [`crate::diff`] finds nothing between them: what they say counts, not where it stands.
macro_rules! equal_by_what_they_say {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                let mut changes = Vec::new();
                $crate::setting::Setting::compare(
                    self,
                    other,
                    &$crate::diff::Place::ROOT,
                    &mut changes,
                );
                changes.is_empty()
            }
        }
    };
}
pub(crate) use equal_by_what_they_say;

/// The expression, if there is one.
macro_rules! maybe {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}
pub(crate) use maybe;

/// A block all of whose keys may be left out, so that the block itself may be left out as well.
macro_rules! optional_block {
    (
        $(#[doc = $doc:literal])*
        $(#[check($check:path)])?
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident: $type:ty = $default:expr $(, within $range:expr)?;
            )*
        }
    ) => {
        $crate::block::block! {
            $(#[doc = $doc])*
            $(#[check($check)])?
            pub struct $name {
                $($(#[doc = $field_doc])* $field: $type = $default $(, within $range)?;)*
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}
pub(crate) use optional_block;

/// A choice between words.
macro_rules! words {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $($(#[doc = $word_doc:literal])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $word_doc])* $variant,)*
        }

        impl $name {
            /// Every value there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word, as the file and the logs have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::setting::Setting for $name {
            fn expects() -> String {
                $crate::block::words_expected(&[$($word),*])
            }

            fn read(node: &$crate::document::Node, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                let word = $crate::block::word::<Self>(node, reader, &[$($word),*])?;
                Self::ALL.iter().copied().find(|value| value.name() == word)
            }

            fn schema(book: &mut $crate::setting::Book) -> serde_json::Value {
                book.define(stringify!($name), |_| {
                    let words: &[(&str, &[&str])] = &[$(($word, &[$($word_doc),*])),*];
                    $crate::schema::words(&[$($doc),*], words)
                })
            }

            fn json(&self) -> serde_json::Value {
                self.name().into()
            }
        }
    };
}
pub(crate) use words;

/// Two blocks from one list: `pub struct Limits, overrides LimitOverrides`. The second has the keys of the first, each
/// optional, and replaces in the first what is set in it. Keys after `and` are those of the first alone.
macro_rules! overridable {
    (
        $(#[doc = $doc:literal])*
        $(#[check($check:path)])?
        pub struct $name:ident, $(#[doc = $over_doc:literal])* overrides $over:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident: $type:ty = $default:expr, within $range:expr;
            )*
        } and {
            $(
                $(#[doc = $own_doc:literal])*
                $own:ident: $own_type:ty = $own_default:expr, within $own_range:expr;
            )*
        }
    ) => {
        $crate::block::optional_block! {
            $(#[doc = $doc])*
            $(#[check($check)])?
            pub struct $name {
                $($(#[doc = $field_doc])* $field: $type = $default, within $range;)*
                $($(#[doc = $own_doc])* $own: $own_type = $own_default, within $own_range;)*
            }
        }

        $crate::block::optional_block! {
            $(#[doc = $over_doc])*
            pub struct $over {
                $($(#[doc = $field_doc])* $field: Option<$type> = None, within $range;)*
            }
        }

        impl $name {
            /// The same, with what the overrides set in the place of what is set here.
            #[must_use]
            pub fn with(&self, overrides: &$over) -> Self {
                Self {
                    $($field: overrides.$field.unwrap_or(self.$field),)*
                    $($own: self.$own,)*
                }
            }
        }
    };
}
pub(crate) use overridable;

/// A choice between keys, of which exactly one is written; a value that is not a map is read as the `scalar` variant,
/// if there is one.
macro_rules! one_of {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $(scalar { $(#[doc = $scalar_doc:literal])* $scalar:ident($scalar_type:ty) })?
            $($(#[doc = $key_doc:literal])* $key:literal: $variant:ident($type:ty),)*
        }
    ) => {
        $(#[doc = $doc])*
        #[allow(clippy::large_enum_variant, reason = "there are a few of them, read once")]
        #[derive(Clone, Debug)]
        pub enum $name {
            $($(#[doc = $scalar_doc])* $scalar($scalar_type),)?
            $($(#[doc = $key_doc])* $variant($type),)*
        }

        $crate::block::equal_by_what_they_say!($name);

        impl $crate::setting::Setting for $name {
            fn expects() -> String {
                let scalar: Option<String> =
                    $crate::block::maybe!($(<$scalar_type as $crate::setting::Setting>::expects())?);
                $crate::block::one_expects(scalar, &[$($key),*])
            }

            fn read(node: &$crate::document::Node, reader: &mut $crate::reader::Reader<'_>) -> Option<Self> {
                $(
                    if matches!(node.value, $crate::document::Value::Scalar { .. }) && !node.is_nothing() {
                        return <$scalar_type as $crate::setting::Setting>::read(node, reader).map(Self::$scalar);
                    }
                )?
                let pair = reader.one_key::<Self>(node, &[$($key),*])?;
                match pair.key.as_str() {
                    $(
                        $key => reader.within($key, |reader| {
                            <$type as $crate::setting::Setting>::read(&pair.value, reader).map(Self::$variant)
                        }),
                    )*
                    _ => None,
                }
            }

            fn schema(book: &mut $crate::setting::Book) -> serde_json::Value {
                book.define(stringify!($name), |book| {
                    let mut forms: Vec<serde_json::Value> = Vec::new();
                    $(forms.push(<$scalar_type as $crate::setting::Setting>::schema(book));)?
                    $(
                        let mut form = $crate::schema::Object::new(&[], None);
                        let value = <$type as $crate::setting::Setting>::schema(book);
                        form.property($key, value, &[$($key_doc),*], None);
                        forms.push(form.finish());
                    )*
                    $crate::schema::forms(&[$($doc),*], &forms)
                })
            }

            fn json(&self) -> serde_json::Value {
                match self {
                    $(Self::$scalar(value) => $crate::setting::Setting::json(value),)?
                    $(Self::$variant(value) => serde_json::json!({ $key: $crate::setting::Setting::json(value) }),)*
                }
            }

            fn compare(&self, new: &Self, place: &$crate::diff::Place<'_>, changes: &mut Vec<$crate::diff::Change>) {
                match (self, new) {
                    $(
                        (Self::$variant(old), Self::$variant(new)) => {
                            $crate::setting::Setting::compare(old, new, &place.key($key), changes);
                        }
                    )*
                    _ => {
                        let (old, new) = (self.json(), new.json());
                        if old != new {
                            changes.push($crate::diff::Change::changed(place, &old, &new));
                        }
                    }
                }
            }
        }
    };
}
pub(crate) use one_of;

pub(crate) fn block_expects(short: Option<&str>, keys: &[&str]) -> String {
    match short {
        Some(short) => format!(
            "a value for `{short}`, or a map with the keys {}",
            listed(keys.iter().copied())
        ),
        None => format!("a map with the keys {}", listed(keys.iter().copied())),
    }
}

pub(crate) fn one_expects(scalar: Option<String>, keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}: ...`")).collect();
    match scalar {
        Some(scalar) => format!("{scalar}, or a map with {}", keys.join(" or ")),
        None => format!("a map with {}", keys.join(" or ")),
    }
}

/// The block that a single value stands for; `None` where the block itself is written.
pub(crate) fn lengthened(node: &Node, key: &str) -> Option<Node> {
    match &node.value {
        Value::Scalar { .. } if !node.is_nothing() => Some(node.under(key)),
        _ => None,
    }
}

pub(crate) fn words_expected(words: &[&str]) -> String {
    match words {
        [word] => format!("`{word}`"),
        words => format!("one of {}", listed(words.iter().copied())),
    }
}

/// Reads one of some words; another one is reported with the closest.
pub(crate) fn word<'w, T: Setting>(
    node: &Node,
    reader: &mut Reader<'_>,
    words: &[&'w str],
) -> Option<&'w str> {
    let text = reader.text::<T>(node)?;
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Some(word);
    }
    let remedy = reader
        .closest(text, words.iter().copied())
        .map(|word| format!("write `{word}`"));
    reader.report(
        Diagnostic::error(
            Kind::BadValue,
            node.span,
            format!("unknown word `{}`", shortened(text)),
        )
        .expected(T::expects())
        .remedy(remedy.unwrap_or_default()),
    );
    None
}
