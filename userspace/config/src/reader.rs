//! What reading has at hand: the key it is at, the folder of the file, the world outside, and all that is wrong so far.

use crate::closest::closest;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind, MAX_DIAGNOSTICS, Severity, Span};
use crate::document::{Node, Pair, Value};
use crate::environment::Env;
use crate::setting::{Ranged, Setting};
use crate::source::{Source, nth_line};
use serde_json::Value as Json;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Reads the document: knows the key it is at, the folder of the file, the world outside, and collects what is wrong.
pub(crate) struct Reader<'a> {
    pub(crate) env: &'a dyn Env,
    pub(crate) folder: PathBuf,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Places that must not be shown: secrets that were written out.
    pub(crate) masked: Vec<Span>,
    path: String,
    dropped: usize,
    /// Blocks and the keys of theirs that were written with a mistake: these are not missing as well.
    meant: Vec<(Span, String)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(env: &'a dyn Env, folder: PathBuf) -> Self {
        Self {
            env,
            folder,
            diagnostics: Vec::new(),
            masked: Vec::new(),
            path: String::new(),
            dropped: 0,
            meant: Vec::new(),
        }
    }

    /// Reports a finding about the key that is being read. Of errors and of warnings the first [`MAX_DIAGNOSTICS`] are
    /// kept, the rest is counted.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        if self.count(diagnostic.severity) >= MAX_DIAGNOSTICS {
            self.dropped += 1;
            return;
        }
        let path = if diagnostic.path.is_empty() {
            self.path.clone()
        } else {
            diagnostic.path.clone()
        };
        self.diagnostics.push(diagnostic.at(path));
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    }

    /// Whether further errors are only counted: then looking for what was meant is wasted.
    pub(crate) fn is_full(&self) -> bool {
        self.count(Severity::Error) >= MAX_DIAGNOSTICS
    }

    /// Everything that was found, about this text.
    pub(crate) fn finish(self, name: &str, text: &str) -> (Source, Diagnostics) {
        let source = Source::new(name, text, self.masked);
        let found = Diagnostics::new(source.clone(), self.diagnostics).and_dropped(self.dropped);
        (source, found)
    }

    /// Reports that a value is of the wrong type.
    pub(crate) fn wrong_type<T: Setting>(&mut self, node: &Node) {
        let remedy = match (&node.value, node.noun()) {
            (_, "nothing") => "write a value after the colon, or remove the key",
            _ => "",
        };
        self.report(
            Diagnostic::error(Kind::WrongType, node.span, format!("found {}", node.noun()))
                .expected(T::expects())
                .remedy(remedy),
        );
    }

    /// The text of a scalar, quoted or not; anything else is reported.
    pub(crate) fn text<'n, T: Setting>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_nothing() => Some(text),
            _ => {
                self.wrong_type::<T>(node);
                None
            }
        }
    }

    /// Reads a scalar with a function that says what is wrong and what to do.
    pub(crate) fn parse<T: Setting>(
        &mut self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, Bad>,
    ) -> Option<T> {
        let text = self.text::<T>(node)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(bad) => {
                self.report(
                    Diagnostic::error(Kind::BadValue, node.span, bad.found)
                        .expected(T::expects())
                        .remedy(bad.remedy),
                );
                None
            }
        }
    }

    /// The name that was probably meant.
    pub(crate) fn closest<'c>(
        &self,
        name: &str,
        candidates: impl Iterator<Item = &'c str>,
    ) -> Option<&'c str> {
        if self.is_full() {
            None
        } else {
            closest(name, candidates)
        }
    }

    /// Reads something that stands under a key or an index.
    pub(crate) fn within<R>(
        &mut self,
        step: impl fmt::Display,
        read: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let length = self.path.len();
        let step = step.to_string();
        if length > 0 && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(&step);
        let result = read(self);
        self.path.truncate(length);
        result
    }

    /// The keys of a block; a key that the block does not know is reported with the closest one that it does.
    pub(crate) fn block<'n, T: Setting>(
        &mut self,
        node: &'n Node,
        known: &[&str],
    ) -> Option<&'n [Pair]> {
        let Value::Map(pairs) = &node.value else {
            self.wrong_type::<T>(node);
            return None;
        };
        for pair in pairs.iter().filter(|p| !known.contains(&p.key.as_str())) {
            let meant = self.closest(&pair.key, known.iter().copied());
            let remedy = match meant {
                Some(key) => format!("write `{key}`"),
                None => "remove it".to_owned(),
            };
            if let Some(key) = meant {
                if may_be_secret(key) {
                    self.masked.push(pair.value.span);
                }
                self.meant.push((node.span, key.to_owned()));
            }
            self.report(
                Diagnostic::error(
                    Kind::UnknownKey,
                    pair.span,
                    format!("unknown key `{}`", pair.key),
                )
                .expected(format!("one of {}", listed(known.iter().copied())))
                .remedy(remedy),
            );
        }
        Some(pairs)
    }

    /// The only key of a map that must have exactly one of some keys.
    pub(crate) fn one_key<'n, T: Setting>(
        &mut self,
        node: &'n Node,
        known: &[&str],
    ) -> Option<&'n Pair> {
        match self.block::<T>(node, known)? {
            [pair] => Some(pair).filter(|pair| known.contains(&pair.key.as_str())),
            pairs => {
                let found = format!("found {} keys", pairs.len());
                self.report(
                    Diagnostic::error(Kind::Conflict, node.span, found)
                        .expected(T::expects())
                        .remedy("write exactly one of them"),
                );
                None
            }
        }
    }

    /// Checks that a block has exactly one of some keys that exclude each other.
    pub(crate) fn exactly_one(&mut self, node: &Node, keys: &[&str]) {
        let mut written: Vec<(Span, &str)> = keys
            .iter()
            .filter_map(|key| Some((node.get(key)?.span, *key)))
            .collect();
        written.sort_unstable();
        let (first, second) = (written.first(), written.get(1));
        let keys = listed(keys.iter().copied());
        match (first, second) {
            (Some(_), None) => {}
            (Some((_, first)), Some((span, second))) => self.report(
                Diagnostic::error(
                    Kind::Conflict,
                    *span,
                    format!("`{first}` and `{second}` exclude each other"),
                )
                .expected(format!("exactly one of {keys}"))
                .remedy("remove one of them"),
            ),
            (None, _) => self.report(
                Diagnostic::error(Kind::MissingKey, node.span, "one more key is needed here")
                    .expected(format!("exactly one of {keys}"))
                    .remedy("add one of them"),
            ),
        }
    }

    /// Reads one key of a block. `default` stands in where the key is left out; without one it must be there.
    pub(crate) fn field<T: Setting>(
        &mut self,
        node: &Node,
        pairs: &[Pair],
        key: &str,
        default: Option<fn() -> T>,
    ) -> Option<T> {
        match pairs.iter().find(|pair| pair.key == key) {
            Some(pair) => self.within(key, |reader| T::read(&pair.value, reader)),
            None => match default {
                Some(default) => Some(default()),
                None if self
                    .meant
                    .iter()
                    .any(|(span, meant)| *span == node.span && meant == key) =>
                {
                    None
                }
                None => {
                    self.report(
                        Diagnostic::error(
                            Kind::MissingKey,
                            node.span,
                            format!("the key `{key}` is missing here"),
                        )
                        .expected(format!("`{key}`: {}", T::expects()))
                        .remedy(format!("add `{key}: ...`")),
                    );
                    None
                }
            },
        }
    }

    /// Reports a value outside its range.
    pub(crate) fn range<T: Ranged>(
        &mut self,
        value: &T,
        range: &RangeInclusive<T::Bound>,
        pairs: &[Pair],
        key: &str,
    ) -> bool {
        let Some(bound) = value.bounded().filter(|bound| !range.contains(bound)) else {
            return true;
        };
        let Some(pair) = pairs.iter().find(|pair| pair.key == key) else {
            return true;
        };
        let remedy = if bound < range.start() {
            range.start()
        } else {
            range.end()
        };
        let diagnostic = Diagnostic::error(
            Kind::OutOfRange,
            pair.value.span,
            format!("{} is out of range", plain(&bound.json())),
        )
        .expected(format!(
            "{} to {}",
            plain(&range.start().json()),
            plain(&range.end().json())
        ))
        .remedy(format!("write `{key}: {}`", plain(&remedy.json())));
        self.within(key, |reader| reader.report(diagnostic));
        false
    }
}

/// What the keys of secrets contain, here and in other people's configurations.
const SECRET_WORDS: [&str; 9] = [
    "secret",
    "passw",
    "pwd",
    "token",
    "credential",
    "api_key",
    "apikey",
    "private",
    "hmac",
];

fn may_be_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// Finds what may be a secret that was written out, wherever it stands, so that no finding shows its line as it is.
pub(crate) fn hide_secrets(node: &Node, below_secret: bool, masked: &mut Vec<Span>) {
    match &node.value {
        Value::Scalar { .. } if below_secret => masked.push(node.span),
        Value::Scalar { .. } => {}
        Value::List(items) => {
            for item in items {
                hide_secrets(item, below_secret, masked);
            }
        }
        Value::Map(pairs) => {
            for pair in pairs {
                let scalar = matches!(pair.value.value, Value::Scalar { .. });
                // `env` and `file` say where a secret is; a block that has to do with secrets is not one itself.
                let secret = match pair.key.as_str() {
                    "env" | "file" => false,
                    key => {
                        below_secret && scalar
                            || may_be_secret(key) && (scalar || key.contains("secret"))
                    }
                };
                hide_secrets(&pair.value, secret, masked);
            }
        }
    }
}

/// The same where the text is no YAML: the rest of a line behind a word that may announce a secret.
pub(crate) fn hide_line(text: &str, line: u32, masked: &mut Vec<Span>) {
    let Some(shown) = nth_line(text, line).filter(|shown| may_be_secret(shown)) else {
        return;
    };
    let column = shown.chars().position(|c| c == ':').unwrap_or(0);
    masked.push(Span {
        line,
        column: u32::try_from(column).unwrap_or(0).saturating_add(2),
        length: 1,
    });
}

/// Why a scalar is not what was expected, and what to write instead.
pub(crate) struct Bad {
    pub(crate) found: String,
    pub(crate) remedy: String,
}

impl Bad {
    pub(crate) fn new(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            remedy: remedy.into(),
        }
    }
}

/// A JSON value as it would be written in the file.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Most names that a sentence lists.
const MAX_LISTED: usize = 24;

/// Names as a sentence shows them; of many only the first.
pub(crate) fn listed<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let mut first: Vec<String> = names
        .by_ref()
        .take(MAX_LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.next().is_some() {
        first.push("...".to_owned());
    }
    first.join(", ")
}

/// A value as an error message shows it: not longer than needed to recognise it, and on one line.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().count() > 60 {
        short.push_str("...");
    }
    short
}
