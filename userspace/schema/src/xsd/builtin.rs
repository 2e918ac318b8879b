//! The types that XML Schema brings along.

use super::simple::{Blanks, Scope};
use super::time::{Form, moment, span};
use super::value::{Decimal, Value};
use crate::document::split;
use crate::text::{is_name, is_plain_name, is_token};

/// How a text of a built-in type is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lexical {
    Text,
    Language,
    Token,
    Name,
    PlainName,
    Id,
    Reference,
    Flag,
    Decimal,
    /// A whole number within bounds.
    Integer(Option<&'static str>, Option<&'static str>),
    Float,
    Span,
    Moment(Form),
    Hex,
    Base64,
    Uri,
    QName,
}

/// Name, base, form and blanks of each type. Those that follow each other build on those before.
pub(super) const ATOMIC: &[(&str, &str, Lexical, Blanks)] = &[
    ("string", ANY, Lexical::Text, Blanks::Preserve),
    ("normalizedString", "string", Lexical::Text, Blanks::Replace),
    ("token", "normalizedString", Lexical::Text, Blanks::Collapse),
    ("language", "token", Lexical::Language, Blanks::Collapse),
    ("NMTOKEN", "token", Lexical::Token, Blanks::Collapse),
    ("Name", "token", Lexical::Name, Blanks::Collapse),
    ("NCName", "Name", Lexical::PlainName, Blanks::Collapse),
    ("ID", "NCName", Lexical::Id, Blanks::Collapse),
    ("IDREF", "NCName", Lexical::Reference, Blanks::Collapse),
    ("ENTITY", "NCName", Lexical::PlainName, Blanks::Collapse),
    ("boolean", ANY, Lexical::Flag, Blanks::Collapse),
    ("decimal", ANY, Lexical::Decimal, Blanks::Collapse),
    (
        "integer",
        "decimal",
        Lexical::Integer(None, None),
        Blanks::Collapse,
    ),
    (
        "nonPositiveInteger",
        "integer",
        Lexical::Integer(None, Some("0")),
        Blanks::Collapse,
    ),
    (
        "negativeInteger",
        "nonPositiveInteger",
        Lexical::Integer(None, Some("-1")),
        Blanks::Collapse,
    ),
    (
        "nonNegativeInteger",
        "integer",
        Lexical::Integer(Some("0"), None),
        Blanks::Collapse,
    ),
    (
        "positiveInteger",
        "nonNegativeInteger",
        Lexical::Integer(Some("1"), None),
        Blanks::Collapse,
    ),
    (
        "long",
        "integer",
        Lexical::Integer(Some("-9223372036854775808"), Some("9223372036854775807")),
        Blanks::Collapse,
    ),
    (
        "int",
        "long",
        Lexical::Integer(Some("-2147483648"), Some("2147483647")),
        Blanks::Collapse,
    ),
    (
        "short",
        "int",
        Lexical::Integer(Some("-32768"), Some("32767")),
        Blanks::Collapse,
    ),
    (
        "byte",
        "short",
        Lexical::Integer(Some("-128"), Some("127")),
        Blanks::Collapse,
    ),
    (
        "unsignedLong",
        "nonNegativeInteger",
        Lexical::Integer(Some("0"), Some("18446744073709551615")),
        Blanks::Collapse,
    ),
    (
        "unsignedInt",
        "unsignedLong",
        Lexical::Integer(Some("0"), Some("4294967295")),
        Blanks::Collapse,
    ),
    (
        "unsignedShort",
        "unsignedInt",
        Lexical::Integer(Some("0"), Some("65535")),
        Blanks::Collapse,
    ),
    (
        "unsignedByte",
        "unsignedShort",
        Lexical::Integer(Some("0"), Some("255")),
        Blanks::Collapse,
    ),
    ("float", ANY, Lexical::Float, Blanks::Collapse),
    ("double", ANY, Lexical::Float, Blanks::Collapse),
    ("duration", ANY, Lexical::Span, Blanks::Collapse),
    (
        "dateTime",
        ANY,
        Lexical::Moment(Form::DateTime),
        Blanks::Collapse,
    ),
    ("date", ANY, Lexical::Moment(Form::Date), Blanks::Collapse),
    ("time", ANY, Lexical::Moment(Form::Time), Blanks::Collapse),
    (
        "gYearMonth",
        ANY,
        Lexical::Moment(Form::YearMonth),
        Blanks::Collapse,
    ),
    ("gYear", ANY, Lexical::Moment(Form::Year), Blanks::Collapse),
    (
        "gMonthDay",
        ANY,
        Lexical::Moment(Form::MonthDay),
        Blanks::Collapse,
    ),
    ("gDay", ANY, Lexical::Moment(Form::Day), Blanks::Collapse),
    (
        "gMonth",
        ANY,
        Lexical::Moment(Form::Month),
        Blanks::Collapse,
    ),
    ("hexBinary", ANY, Lexical::Hex, Blanks::Collapse),
    ("base64Binary", ANY, Lexical::Base64, Blanks::Collapse),
    ("anyURI", ANY, Lexical::Uri, Blanks::Collapse),
    ("QName", ANY, Lexical::QName, Blanks::Collapse),
    ("NOTATION", ANY, Lexical::QName, Blanks::Collapse),
];

/// The simple type that all others restrict.
pub(super) const ANY: &str = "anySimpleType";

/// Lists of built-in types.
pub(super) const LISTS: &[(&str, &str)] = &[
    ("NMTOKENS", "NMTOKEN"),
    ("IDREFS", "IDREF"),
    ("ENTITIES", "ENTITY"),
];

impl Lexical {
    pub(super) fn value(self, text: &str, scope: &Scope<'_>) -> Option<Value> {
        let as_text = |fits: bool| fits.then(|| Value::Text(text.to_owned()));
        match self {
            Lexical::Text => as_text(true),
            Lexical::Language => as_text(is_language(text)),
            Lexical::Token => as_text(is_token(text)),
            Lexical::Name => as_text(is_name(text)),
            Lexical::PlainName | Lexical::Id | Lexical::Reference => as_text(is_plain_name(text)),
            Lexical::Flag => match text {
                "true" | "1" => Some(Value::Flag(true)),
                "false" | "0" => Some(Value::Flag(false)),
                _ => None,
            },
            Lexical::Decimal => Decimal::read(text).map(Value::Number),
            Lexical::Integer(least, most) => {
                let number = Decimal::read(text).filter(|_| !text.contains('.'))?;
                let beyond = |bound: Option<&str>, order| {
                    let bound = bound.and_then(Decimal::read);
                    bound.is_some_and(|bound| number.compare(&bound) == order)
                };
                let fits = !beyond(least, std::cmp::Ordering::Less)
                    && !beyond(most, std::cmp::Ordering::Greater);
                fits.then_some(Value::Number(number))
            }
            Lexical::Float => float(text).map(Value::Float),
            Lexical::Span => span(text).map(Value::Span),
            Lexical::Moment(form) => moment(form, text).map(Value::Moment),
            Lexical::Hex => hex(text).map(Value::Bytes),
            Lexical::Base64 => base64(text).map(Value::Bytes),
            // Nearly anything is the reference of a resource, once its characters are escaped.
            Lexical::Uri => as_text(!bad_escape(text) && text.matches('#').count() < 2),
            Lexical::QName => {
                let (prefix, local) = split(text);
                let fits = !text.starts_with(':')
                    && is_plain_name(local)
                    && (prefix.is_empty() || is_plain_name(prefix));
                let namespace = scope(prefix).filter(|_| fits)?;
                Some(Value::Name(namespace, local.to_owned()))
            }
        }
    }

    /// What a message calls it.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Lexical::Text => "a text",
            Lexical::Language => "a language",
            Lexical::Token => "a name token",
            Lexical::Name | Lexical::PlainName | Lexical::Id | Lexical::Reference => "a name",
            Lexical::Flag => "true or false",
            Lexical::Decimal => "a decimal number",
            Lexical::Integer(..) => "a whole number of this type",
            Lexical::Float => "a number",
            Lexical::Span => "a duration",
            Lexical::Moment(_) => "a date or time of this type",
            Lexical::Hex => "hexadecimal",
            Lexical::Base64 => "base64",
            Lexical::Uri => "the address of a resource",
            Lexical::QName => "a qualified name whose prefix is declared",
        }
    }

    /// Whether values have an order, so that they may have bounds.
    pub(super) fn is_ordered(self) -> bool {
        matches!(
            self,
            Lexical::Decimal
                | Lexical::Integer(..)
                | Lexical::Float
                | Lexical::Span
                | Lexical::Moment(_)
        )
    }

    /// Whether values have a number of digits.
    pub(super) fn has_digits(self) -> bool {
        matches!(self, Lexical::Decimal | Lexical::Integer(..))
    }

    /// Whether values have a length.
    pub(super) fn has_length(self) -> bool {
        !self.is_ordered() && self != Lexical::Flag
    }
}

fn is_language(text: &str) -> bool {
    text.split('-').enumerate().all(|(index, part)| {
        let letters = |byte: u8| byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit());
        (1..=8).contains(&part.len()) && part.bytes().all(letters)
    })
}

fn float(text: &str) -> Option<f64> {
    match text {
        "INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        // The words that Rust takes besides are none of XML Schema's.
        _ if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0usize, 0usize);
    for byte in text.bytes().filter(|byte| *byte != b' ') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                count += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = (bits << 6 | u32::from(six)) & 0xFF_FFFF;
        count += 1;
        if count % 4 != 1 {
            let shift = match count % 4 {
                2 => 4,
                3 => 2,
                _ => 0,
            };
            out.push((bits >> shift & 0xFF) as u8);
        }
    }
    let rest = match padding {
        1 => bits & 3,
        2 => bits & 15,
        _ => 0,
    };
    (count % 4 == 0 && padding <= 2 && rest == 0).then_some(out)
}

fn bad_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(at, &byte)| {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        byte == b'%' && !(digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_built_in_types() {
        let scope = |prefix: &str| (prefix != "no").then(|| "urn:x".to_owned());
        let is = |name: &str, text: &str| {
            let (_, _, lexical, _) = ATOMIC.iter().find(|(known, ..)| *known == name).unwrap();
            lexical.value(text, &scope).is_some()
        };
        for (name, right, wrong) in [
            (
                "language",
                &["en", "de-AT", "x-klingon2"][..],
                &["", "en_", "123", "en-", "abcdefghi"][..],
            ),
            ("NCName", &["a", "_b-1"], &["a:b", "1", ""]),
            ("boolean", &["true", "0"], &["TRUE", "yes"]),
            (
                "decimal",
                &["1", "-1.50", "+.5", "1."],
                &["1e3", ".", "", "--1", "1,5"],
            ),
            (
                "integer",
                &["007", "-3", "99999999999999999999999"],
                &["1.0", "1.", ""],
            ),
            ("byte", &["-128", "127", "+1"], &["128", "-129"]),
            (
                "unsignedLong",
                &["18446744073709551615", "-0"],
                &["18446744073709551616", "-1"],
            ),
            (
                "double",
                &["1e10", "INF", "-INF", "NaN", "-1.5E-3", "+1"],
                &["inf", "nan", "infinity", "0x1", "", "+INF", "e1"],
            ),
            ("hexBinary", &["", "0aFF"], &["0", "xx"]),
            (
                "base64Binary",
                &["", "QQ==", "QUI=", "QUJD", "QU JD"],
                &["QQ=", "QR==", "Q", "QQ==QQ==", "-_=="],
            ),
            (
                "anyURI",
                &["http://example.com/a?b#c", "", "a b", "../x"],
                &["%zz", "a#b#c"],
            ),
            ("QName", &["a", "p:a"], &["no:a", ":a", "a:b:c"]),
        ] {
            for text in right {
                assert!(is(name, text), "{name} {text}");
            }
            for text in wrong {
                assert!(!is(name, text), "{name} {text}");
            }
        }
    }
}
