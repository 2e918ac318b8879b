//! Texts with macros.

use std::fmt;

use super::variable::Variable;

/// A text in which `%{VARIABLE}` and `%{COLLECTION.key}` are replaced when the rule runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Template {
    /// In order; no two literals are neighbours and none is empty. An empty text has no segment.
    pub segments: Vec<Segment>,
}

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Stands as it is.
    Literal(String),
    /// Is replaced by the first value.
    Macro(Macro),
}

/// `%{VARIABLE.key}`. The colon that some write for the dot is read too; the dot is canonical.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Macro {
    /// The variable.
    pub variable: Variable,
    /// The key, compared without case; `None` for scalars and for the first value of a collection.
    pub key: Option<String>,
}

impl Template {
    /// A text without macros.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        let segments = if text.is_empty() {
            Vec::new()
        } else {
            vec![Segment::Literal(text)]
        };
        Self { segments }
    }

    /// The text, if nothing in it is replaced at run time.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The macros in it.
    pub fn macros(&self) -> impl Iterator<Item = &Macro> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Macro(found) => Some(found),
            Segment::Literal(_) => None,
        })
    }
}

/// As it is written in a rule, without the quotes round it.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => f.write_str(text)?,
                Segment::Macro(found) => write!(f, "{found}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            None => write!(f, "%{{{}}}", self.variable),
            // Collections are written in lower case before a key, as rule authors do.
            Some(key) => write!(
                f,
                "%{{{}.{key}}}",
                self.variable.name().to_ascii_lowercase()
            ),
        }
    }
}
