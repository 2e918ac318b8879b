//! As much of JSON as the figures need.

use std::fmt;

pub(super) enum Json {
    Text(String),
    Number(f64),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object with its members in this order.
    pub(super) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        // Counts here are small.
        Self::Number(f64::from(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Json {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Number(number) if number.is_finite() => {
                // Three decimals are more than any of these figures is good for.
                write!(f, "{}", (number * 1000.0).round() / 1000.0)
            }
            Self::Number(_) => f.write_str("null"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    line(f, index, depth)?;
                    item.write(f, depth + 1)?;
                }
                end(f, items.is_empty(), depth, "]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    line(f, index, depth)?;
                    quoted(f, name)?;
                    f.write_str(": ")?;
                    value.write(f, depth + 1)?;
                }
                end(f, members.is_empty(), depth, "}")
            }
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, index: usize, depth: usize) -> fmt::Result {
    let comma = if index == 0 { "" } else { "," };
    write!(f, "{comma}\n{}", "  ".repeat(depth + 1))
}

fn end(f: &mut fmt::Formatter<'_>, empty: bool, depth: usize, closing: &str) -> fmt::Result {
    if !empty {
        write!(f, "\n{}", "  ".repeat(depth))?;
    }
    f.write_str(closing)
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_json_has_them() {
        let value = Json::object([
            ("a\"b", Json::text("c\n")),
            ("list", Json::List(vec![1.5.into(), f64::NAN.into()])),
            ("none", Json::List(Vec::new())),
        ]);
        let expected = "{\n  \"a\\\"b\": \"c\\u000a\",\n  \"list\": [\n    1.5,\n    null\n  ],\n  \"none\": []\n}";
        assert_eq!(value.to_string(), expected);
    }
}
