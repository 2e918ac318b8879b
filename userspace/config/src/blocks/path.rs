//! The paths that a route serves.

use crate::block::one_expects;
use crate::document::{Node, Value};
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use serde_json::{Value as Json, json};

/// Longest path pattern, in bytes.
pub const MAX_PATH: usize = 1024;

/// Which paths a route serves. All are compared with the normalised path of the request, case-sensitive.
///
/// * `/` serves every path.
/// * `/x` serves `/x` and everything below it, `/x/` and `/x/y`, but not `/xy`: it ends at a segment.
/// * `/x/` serves `/x/` and everything below it, but not `/x`.
/// * `/v1/{id}/x` serves this path with any one segment, not an empty one, in the place of `{id}`, and nothing below.
/// * `/v1/{rest*}` serves `/v1/` and everything below it, but not `/v1`.
/// * `{ exact: /x }` serves `/x` alone; `{ prefix: /x }` says the same as `/x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This path and everything below it.
    Prefix(String),
    /// This path alone.
    Exact(String),
    /// A path with parameters: `{name}` for a segment, `{name*}` at the end for all that is left.
    Template(String),
}

impl PathPattern {
    /// The pattern as it was written, without its kind.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Prefix(path) | Self::Exact(path) | Self::Template(path) => path,
        }
    }

    fn parse(text: &str) -> Result<Self, Bad> {
        if text.contains(['{', '}']) {
            template(text).map(Self::Template)
        } else {
            path(text).map(Self::Prefix)
        }
    }
}

/// Checks what every pattern has in common: it could be the path of a request after normalisation.
fn path(text: &str) -> Result<String, Bad> {
    let bad = |remedy: &str| {
        Err(Bad::new(
            format!("`{}` is not a path", shortened(text)),
            remedy,
        ))
    };
    match () {
        () if !text.starts_with('/') => bad(&format!("begin with a slash: `/{}`", shortened(text))),
        () if text.len() > MAX_PATH => bad(&format!("at most {MAX_PATH} bytes")),
        () if text.contains('?') => bad("leave the query out: a path ends before `?`"),
        () if text.contains('#') => bad("leave the fragment out: it never reaches a server"),
        () if text.contains("//") => {
            bad("write one slash: repeated ones are merged before routing")
        }
        () if text.split('/').any(|part| part == "." || part == "..") => {
            bad("write it without `.` and `..`")
        }
        () if text.contains('*') => {
            bad("for everything below a path write the path alone, or `/path/{rest*}`")
        }
        () if !escapes_are_whole(text) => bad("write `%25` for the character `%` itself"),
        () if text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\') =>
        {
            bad("remove spaces, backslashes and control characters, or percent-encode them")
        }
        () => Ok(text.to_owned()),
    }
}

/// Whether two hexadecimal digits follow every `%`.
fn escapes_are_whole(text: &str) -> bool {
    let two = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    text.split('%').skip(1).all(two)
}

fn template(text: &str) -> Result<String, Bad> {
    let bad = |remedy: &str| {
        Err(Bad::new(
            format!("`{}` is not a path template", shortened(text)),
            remedy,
        ))
    };
    // The star of a rest parameter is the only one that may be there; `path` finds the others.
    path(
        &text
            .strip_suffix("*}")
            .map_or_else(|| text.to_owned(), |start| format!("{start}}}")),
    )?;
    let mut names: Vec<&str> = Vec::new();
    for segment in text
        .split('/')
        .filter(|segment| segment.contains(['{', '}']))
    {
        let Some(inner) = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        else {
            return bad("a parameter takes a whole segment: `/{name}/`");
        };
        let name = inner.strip_suffix('*').unwrap_or(inner);
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(letter) {
            return bad("name a parameter with letters, digits, `_` and `-`: `{order_id}`");
        }
        if names.contains(&name) {
            return bad(&format!(
                "the parameter `{name}` stands here twice: rename one"
            ));
        }
        names.push(name);
    }
    Ok(text.to_owned())
}

impl Setting for PathPattern {
    fn expects() -> String {
        let scalar = "a path such as `/`, `/shop` or `/v1/{id}/{rest*}`".to_owned();
        one_expects(Some(scalar), &["exact", "prefix"])
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if !matches!(node.value, Value::Map(_)) {
            return reader.parse(node, Self::parse);
        }
        let pair = reader.one_key::<Self>(node, &["exact", "prefix"])?;
        let kind = if pair.key == "exact" {
            Self::Exact
        } else {
            Self::Prefix
        };
        reader.within(&pair.key, |reader| {
            reader.parse(&pair.value, |text| path(text).map(kind))
        })
    }

    fn schema(book: &mut Book) -> Json {
        book.define("Path", |_| {
            let form = |key: &str, text: &str| {
                let value = json!({ "type": "string", "pattern": "^/", "description": text });
                json!({ "type": "object", "properties": { key: value }, "required": [key], "additionalProperties": false })
            };
            json!({
                "description": "Which paths a route serves. `/x` serves `/x` and everything below it (`/x/y`, not `/xy`), \
                    `/x/` only what is below it, `/` everything. `/v1/{id}` serves one segment in the place of `{id}`, \
                    `/v1/{rest*}` everything below `/v1/`.",
                "anyOf": [
                    { "type": "string", "pattern": "^/" },
                    form("exact", "This path alone."),
                    form("prefix", "This path and everything below it."),
                ],
            })
        })
    }

    fn json(&self) -> Json {
        match self {
            Self::Exact(path) => json!({ "exact": path }),
            Self::Prefix(path) | Self::Template(path) => path.as_str().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PathPattern;

    #[test]
    fn plain_paths_are_prefixes_and_braces_make_templates() {
        let parse = |text: &str| PathPattern::parse(text).ok();
        for text in ["/", "/x", "/x/", "/x.y/z-1", "/a%20b", "/caf\u{e9}"] {
            assert_eq!(parse(text), Some(PathPattern::Prefix(text.into())));
        }
        for text in ["/v1/{id}", "/v1/{id}/{rest*}", "/{a}/x/{b}", "/{rest*}"] {
            assert_eq!(parse(text), Some(PathPattern::Template(text.into())));
        }
    }

    #[test]
    fn doubtful_paths_are_refused() {
        for text in [
            "",
            "x",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a?b",
            "/a#b",
            "/a b",
            "/a*",
            "/*",
            "/%4",
            "/%zz",
            "/100%",
            "/\\",
            "/{",
            "/}",
            "/{}",
            "/a{b}",
            "/{a}b",
            "/{a}/{a}",
            "/{a*}/b",
            "/{a*}/{b*}",
            "/{*}",
            "/{a b}",
            "/{a**}",
        ] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }
}
