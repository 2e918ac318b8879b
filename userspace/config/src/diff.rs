//! What changed between two generations, by block and name. Secrets are never shown: only that one is another.

use crate::Config;
use crate::reader::plain;
use crate::setting::Setting;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Longest value that a change shows, in characters.
const MAX_SHOWN: usize = 120;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
}

/// One difference between two generations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub action: Action,
    /// The key: `upstreams.shop.endpoints[10.0.0.11:8080]`.
    pub path: String,
    /// The value before, shortened; empty where there was none.
    pub before: String,
    /// The value now, shortened; empty where there is none.
    pub after: String,
}

impl Change {
    pub(crate) fn added(place: &Place<'_>, new: &Json) -> Self {
        Self {
            action: Action::Added,
            path: place.to_string(),
            before: String::new(),
            after: shown(new),
        }
    }

    pub(crate) fn removed(place: &Place<'_>, old: &Json) -> Self {
        Self {
            action: Action::Removed,
            path: place.to_string(),
            before: shown(old),
            after: String::new(),
        }
    }

    pub(crate) fn changed(place: &Place<'_>, old: &Json, new: &Json) -> Self {
        Self {
            action: Action::Changed,
            path: place.to_string(),
            before: shown(old),
            after: shown(new),
        }
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        let action = match self.action {
            Action::Added => "added",
            Action::Removed => "removed",
            Action::Changed => "changed",
        };
        serde_json::json!({ "action": action, "path": self.path, "before": self.before, "after": self.after })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            before,
            after,
            ..
        } = self;
        match self.action {
            Action::Added => write!(f, "+ {path}: {after}"),
            Action::Removed => write!(f, "- {path}: {before}"),
            Action::Changed => write!(f, "~ {path}: {before} -> {after}"),
        }
    }
}

/// A value without what is empty, so that the defaults of a new block do not hide what is in it.
fn pruned(value: &Json) -> Json {
    let empty = |value: &Json| match value {
        Json::Array(list) => list.is_empty(),
        Json::Object(map) => map.is_empty(),
        _ => false,
    };
    match value {
        Json::Object(map) => {
            let parts = map.iter().map(|(key, value)| (key.clone(), pruned(value)));
            Json::Object(parts.filter(|(_, value)| !empty(value)).collect())
        }
        other => other.clone(),
    }
}

fn shown(value: &Json) -> String {
    let text = plain(&pruned(value));
    if text.chars().count() <= MAX_SHOWN {
        return text;
    }
    let mut text: String = text.chars().take(MAX_SHOWN).collect();
    text.push_str("...");
    text
}

/// Where in the configuration a comparison is.
pub(crate) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: &'a str,
    entry: bool,
}

impl<'a> Place<'a> {
    pub(crate) const ROOT: Place<'static> = Place {
        parent: None,
        step: "",
        entry: false,
    };

    /// A key of the block that this is.
    pub(crate) fn key(&'a self, key: &'a str) -> Place<'a> {
        Place {
            parent: Some(self),
            step: key,
            entry: false,
        }
    }

    /// An entry of the list that this is.
    pub(crate) fn entry(&'a self, label: &'a str) -> Place<'a> {
        Place {
            parent: Some(self),
            step: label,
            entry: true,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else {
            return Ok(());
        };
        parent.fmt(f)?;
        match (self.entry, parent.parent.is_some()) {
            (true, _) => write!(f, "[{}]", self.step),
            (false, true) => write!(f, ".{}", self.step),
            (false, false) => f.write_str(self.step),
        }
    }
}

/// What changed from one generation to the next, in the order of the blocks. It compares what the two files say; whether
/// the files that they name have other contents now is for those to say who read them.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    old.compare(new, &Place::ROOT, &mut changes);
    changes
}

/// Compares two lists. Entries that have a label are found again by it, wherever they stand; a list of plain values
/// is compared as a whole, because its order may matter.
pub(crate) fn lists<T: Setting>(
    old: &[T],
    new: &[T],
    place: &Place<'_>,
    changes: &mut Vec<Change>,
) {
    let (Some(old_labels), Some(new_labels)) = (labels(old), labels(new)) else {
        let (old, new) = (json(old), json(new));
        if old != new {
            changes.push(Change::changed(place, &old, &new));
        }
        return;
    };
    let before: HashMap<&str, &T> = old_labels.iter().map(String::as_str).zip(old).collect();
    let after: HashMap<&str, &T> = new_labels.iter().map(String::as_str).zip(new).collect();
    for label in old_labels
        .iter()
        .filter(|label| !after.contains_key(label.as_str()))
    {
        if let Some(gone) = before.get(label.as_str()) {
            changes.push(Change::removed(&place.entry(label), &gone.json()));
        }
    }
    for (label, entry) in new_labels.iter().zip(new) {
        match before.get(label.as_str()) {
            Some(old) => old.compare(entry, &place.entry(label), changes),
            None => changes.push(Change::added(&place.entry(label), &entry.json())),
        }
    }
}

/// The labels of all entries, made unique; `None` where an entry has none.
fn labels<T: Setting>(list: &[T]) -> Option<Vec<String>> {
    let labels: Option<Vec<String>> = list.iter().map(Setting::label).collect();
    Some(unique(labels?.into_iter()))
}

/// The same names, with a number behind each that was there before.
pub(crate) fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    names
        .map(|name| {
            let mut unique = name.clone();
            while !seen.insert(unique.clone()) {
                let count = counts.entry(name.clone()).or_insert(1);
                *count += 1;
                unique = format!("{name} #{count}");
            }
            unique
        })
        .collect()
}

fn json<T: Setting>(list: &[T]) -> Json {
    list.iter().map(Setting::json).collect()
}
