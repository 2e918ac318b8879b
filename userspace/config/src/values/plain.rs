//! Numbers, booleans and texts.

use crate::diagnostic::{Diagnostic, Kind};
use crate::document::{Node, Value};
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Ranged, Setting};
use serde_json::{Value as Json, json};

macro_rules! integers {
    ($($type:ident),*) => {
        $(
            impl Setting for $type {
                fn expects() -> String {
                    "a whole number".to_owned()
                }

                fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                    let quoted = matches!(node.value, Value::Scalar { plain: false, .. });
                    reader.parse(node, |text| match whole(text)?.try_into() {
                        Ok(_) if quoted => Err(Bad::new(format!("`{text}` is a text"), "remove the quotes")),
                        Ok(number) => Ok(number),
                        Err(_) => Err(Bad::new(
                            format!("`{}` is out of range", shortened(text)),
                            format!("write a number from {} to {}", $type::MIN, $type::MAX),
                        )),
                    })
                }

                fn schema(_: &mut Book) -> Json {
                    // Ranges come from the fields; the machine's own mean nothing to an operator.
                    if $type::MIN == 0 { json!({ "type": "integer", "minimum": 0 }) } else { json!({ "type": "integer" }) }
                }

                fn json(&self) -> Json {
                    (*self).into()
                }
            }

            impl Ranged for $type {
                type Bound = Self;

                fn bounded(&self) -> Option<&Self> {
                    Some(self)
                }
            }
        )*
    };
}
integers!(u8, u16, u32, i32, i64);

fn whole(text: &str) -> Result<i128, Bad> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let valid =
        !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|b| b.is_ascii_digit());
    if let Some(number) = valid.then(|| text.parse().ok()).flatten() {
        return Ok(number);
    }
    let remedy = if text.contains('_') {
        "write it without `_`"
    } else {
        ""
    };
    Err(Bad::new(
        format!("`{}` is not a whole number", shortened(text)),
        remedy,
    ))
}

impl Setting for bool {
    fn expects() -> String {
        "`true` or `false`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let quoted = matches!(node.value, Value::Scalar { plain: false, .. });
        reader.parse(node, |text| match text {
            "true" | "false" if quoted => Err(Bad::new(
                format!("`{text}` is a text here"),
                "remove the quotes",
            )),
            "true" => Ok(true),
            "false" => Ok(false),
            text => {
                let remedy = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "1" | "true" | "enabled" => "write `true`",
                    "no" | "off" | "0" | "false" | "disabled" => "write `false`",
                    _ => "",
                };
                Err(Bad::new(
                    format!("`{}` is neither", shortened(text)),
                    remedy,
                ))
            }
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "boolean" })
    }

    fn json(&self) -> Json {
        (*self).into()
    }
}

/// Longest text that a key takes, in bytes.
const MAX_TEXT: usize = 4096;

impl Setting for String {
    fn expects() -> String {
        "a text".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let noun = node.noun();
        if matches!(noun, "a number" | "a boolean") {
            let text = reader.text::<Self>(node)?;
            reader.report(
                Diagnostic::error(Kind::WrongType, node.span, format!("found {noun}"))
                    .expected(Self::expects())
                    .remedy(format!("put it in quotes: \"{}\"", shortened(text))),
            );
            return None;
        }
        reader.parse(node, |text| match text {
            "" => Err(Bad::new(
                "found an empty text",
                "write it, or remove the key",
            )),
            text if text.len() > MAX_TEXT => Err(Bad::new(
                format!("found a text of {} bytes", text.len()),
                format!("at most {MAX_TEXT} bytes"),
            )),
            text if text.chars().any(char::is_control) => Err(Bad::new(
                "found a text with control characters",
                "remove line breaks and control characters",
            )),
            text => Ok(text.to_owned()),
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn json(&self) -> Json {
        self.as_str().into()
    }
}
