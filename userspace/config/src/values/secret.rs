//! Secrets: the file refers to them, it never holds them.

use crate::diagnostic::{Diagnostic, Kind, Span};
use crate::diff::{Change, Place};
use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::setting::{Book, Setting};
use crate::values::InputFile;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use types::Secret;

/// Largest secret, in bytes; a larger one is an error, because it is the wrong file.
pub const MAX_SECRET: usize = 64 << 10;

/// A secret, with the place it was taken from when the configuration was read.
#[derive(Clone, Debug)]
pub struct SecretRef {
    /// Where it comes from.
    pub source: SecretSource,
    /// The secret itself. Of a file, the line break at its end does not belong to it.
    pub secret: Secret,
    /// Where the reference was written.
    pub span: Span,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl SecretRef {
    fn take(
        source: SecretSource,
        bytes: Vec<u8>,
        span: Span,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let secret = Secret::new(bytes);
        let bad = match secret.expose().len() {
            0 => "is empty",
            length if length > MAX_SECRET => "is too large to be a secret",
            _ => {
                return Some(Self {
                    source,
                    secret,
                    span,
                });
            }
        };
        let what = match &source {
            SecretSource::Env(name) => format!("the variable `{name}`"),
            SecretSource::File(path) => format!("the file `{}`", path.display()),
        };
        reader.report(
            Diagnostic::error(Kind::Secret, span, format!("{what} {bad}"))
                .expected(format!("1 to {MAX_SECRET} bytes")),
        );
        None
    }

    fn from_env(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = reader.text::<String>(node)?;
        let valid =
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
        if !valid || name.starts_with(|c: char| c.is_ascii_digit()) {
            // Not shown: somebody may have put the secret itself here.
            reader.masked.push(node.span);
            reader.report(
                Diagnostic::error(
                    Kind::Secret,
                    node.span,
                    "this is not the name of an environment variable",
                )
                .expected("the name of a variable that holds the secret, such as `JWT_SECRET`"),
            );
            return None;
        }
        let Some(value) = reader.env.variable(name) else {
            reader.report(
                Diagnostic::error(
                    Kind::Secret,
                    node.span,
                    format!("the environment variable `{name}` is not set"),
                )
                .remedy(format!(
                    "set `{name}` where bascule is started, or use `{{ file: ... }}`"
                )),
            );
            return None;
        };
        Self::take(
            SecretSource::Env(name.to_owned()),
            value.into_bytes(),
            node.span,
            reader,
        )
    }

    fn from_file(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = InputFile::read(node, reader)?.path;
        match reader.env.read(&path, MAX_SECRET as u64 + 3) {
            Ok(mut bytes) => {
                if bytes.ends_with(b"\n") {
                    bytes.pop();
                }
                if bytes.ends_with(b"\r") {
                    bytes.pop();
                }
                Self::take(SecretSource::File(path), bytes, node.span, reader)
            }
            Err(error) => {
                let found = format!(
                    "the secret in `{}` cannot be read: {}",
                    path.display(),
                    super::file::reason(&error)
                );
                reader.report(Diagnostic::error(Kind::Secret, node.span, found));
                None
            }
        }
    }
}

impl Setting for SecretRef {
    fn expects() -> String {
        "a reference to a secret: `{ env: NAME }` or `{ file: path }`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Value::Scalar { .. } = &node.value {
            reader.masked.push(node.span);
            reader.report(
                Diagnostic::error(Kind::Secret, node.span, "a secret is written out here")
                    .expected(Self::expects())
                    .remedy("put it into a file or a variable, refer to that, and replace the secret: it may have been seen"),
            );
            return None;
        }
        let pairs = reader.block::<Self>(node, &["env", "file"])?;
        match pairs {
            [pair] if pair.key == "env" => {
                reader.within("env", |reader| Self::from_env(&pair.value, reader))
            }
            [pair] if pair.key == "file" => {
                reader.within("file", |reader| Self::from_file(&pair.value, reader))
            }
            [_] => None,
            _ => {
                reader.report(
                    Diagnostic::error(
                        Kind::Secret,
                        node.span,
                        format!("found {} keys", pairs.len()),
                    )
                    .expected(Self::expects()),
                );
                None
            }
        }
    }

    fn schema(book: &mut Book) -> Json {
        book.define("Secret", |_| {
            json!({
                "description": "A reference to a secret. The file never holds the secret itself.",
                "type": "object",
                "properties": {
                    "env": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "The environment variable that holds it." },
                    "file": { "type": "string", "minLength": 1, "description": "The file that holds it; a line break at its end is left out." },
                },
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
            })
        })
    }

    fn json(&self) -> Json {
        match &self.source {
            SecretSource::Env(name) => json!({ "env": name }),
            SecretSource::File(path) => json!({ "file": path.to_string_lossy() }),
        }
    }

    fn compare(&self, new: &Self, place: &Place<'_>, changes: &mut Vec<Change>) {
        if self.source != new.source {
            changes.push(Change::changed(place, &self.json(), &new.json()));
        } else if self.secret.expose() != new.secret.expose() {
            // Both sides are ours and nothing answers to a stranger here, so a plain comparison is enough.
            changes.push(Change::changed(
                place,
                &"[secret]".into(),
                &"[another secret]".into(),
            ));
        }
    }
}
