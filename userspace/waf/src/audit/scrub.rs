//! What an audit record must not repeat: secrets by the name that they stand under, and by how they look.

use std::borrow::Cow;

use seclang::ast::{Transformation, Variable};

use super::{BODY_LIMIT_BYTES, VALUE_LIMIT_BYTES, legible, printable};
use crate::operator::{Regex, RegexError};
use crate::transform;

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Fields whose values are masked.
const SECRET_FIELDS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
];

/// Parts of argument names whose values are masked.
const SECRET_NAMES: &[&str] = &[
    "passw",
    "passwd",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "credential",
    "card",
    "cvv",
    "ssn",
    "auth",
];

/// Steps of one pattern on one value. At it, the whole value is masked.
const MATCH_LIMIT: u64 = 100_000;

/// Digits of the number of a payment card.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Knows what to mask.
#[derive(Debug)]
pub struct Scrub {
    /// Names of header fields, in lower case.
    fields: Vec<String>,
    /// Parts of names of arguments.
    arguments: Vec<String>,
    patterns: Vec<Regex>,
    card_numbers: bool,
}

impl Default for Scrub {
    fn default() -> Scrub {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Scrub {
            fields: own(SECRET_FIELDS),
            arguments: own(SECRET_NAMES),
            patterns: Vec::new(),
            card_numbers: true,
        }
    }
}

impl Scrub {
    /// Masks nothing.
    #[must_use]
    pub fn nothing() -> Scrub {
        Scrub {
            fields: Vec::new(),
            arguments: Vec::new(),
            patterns: Vec::new(),
            card_numbers: false,
        }
    }

    /// Masks the values of these header fields as well.
    #[must_use]
    pub fn fields(mut self, names: impl IntoIterator<Item = String>) -> Scrub {
        self.fields
            .extend(names.into_iter().map(|name| name.to_ascii_lowercase()));
        self
    }

    /// Masks the values of arguments, cookies and members of JSON whose names hold one of these, in any case.
    #[must_use]
    pub fn arguments(mut self, parts: impl IntoIterator<Item = String>) -> Scrub {
        self.arguments.extend(parts);
        self
    }

    /// Masks whatever a regular expression matches, wherever it stands.
    ///
    /// # Errors
    /// A pattern that does not compile.
    pub fn pattern(mut self, pattern: &str) -> Result<Scrub, RegexError> {
        self.patterns.push(Regex::new(pattern, MATCH_LIMIT)?);
        Ok(self)
    }

    /// Whether what is the number of a payment card by its check digit is masked.
    #[must_use]
    pub fn card_numbers(mut self, on: bool) -> Scrub {
        self.card_numbers = on;
        self
    }

    fn is_field(&self, name: &[u8]) -> bool {
        self.fields
            .iter()
            .any(|secret| secret.as_bytes().eq_ignore_ascii_case(name))
    }

    fn is_argument(&self, name: &[u8]) -> bool {
        self.arguments
            .iter()
            .any(|secret| crate::bytes::contains_ignore_case(name, secret.as_bytes()))
    }

    /// Whether the value of a variable is a secret as a whole.
    pub(crate) fn is_secret(&self, variable: Variable, key: &[u8]) -> bool {
        match variable {
            Variable::RequestHeaders | Variable::ResponseHeaders => self.is_field(key),
            Variable::RequestCookies => self.is_field(b"cookie") || self.is_argument(key),
            Variable::Args | Variable::ArgsGet | Variable::ArgsPost => self.is_argument(key),
            _ => false,
        }
    }

    /// A header field.
    pub(crate) fn field(&self, name: &[u8], value: &[u8]) -> String {
        let is = |other: &str| other.as_bytes().eq_ignore_ascii_case(name);
        if !self.is_field(name) {
            return match is("referer") || is("location") {
                true => self.target(value),
                false => self.text(value),
            };
        }
        if is("cookie") {
            let pairs = value.split(|&byte| byte == b';').map(mask_pair);
            return printable(&pairs.collect::<Vec<_>>().join(&b';'));
        }
        if is("set-cookie") {
            let (pair, attributes) = split_at(value, b';');
            return printable(&[&mask_pair(pair), attributes].concat());
        }
        // The scheme says what kind of secret it was.
        match memchr::memchr(b' ', value) {
            Some(space) if is("authorization") || is("proxy-authorization") => {
                format!("{} {MASK}", printable(&value[..space]))
            }
            _ => MASK.to_owned(),
        }
    }

    /// A request target or a URL.
    pub(crate) fn target(&self, target: &[u8]) -> String {
        let (path, query) = split_at(target, b'?');
        match query.split_first() {
            None => self.text(path),
            Some((_, query)) => {
                let query = self.form(query);
                let masked = [&self.masked(path), &b"?"[..], &query].concat();
                printable(&masked)
            }
        }
    }

    /// The value of a variable that is not secret as a whole, or what a rule says about it.
    pub(crate) fn value(&self, variable: Option<Variable>, value: &[u8]) -> String {
        use Variable as V;
        match variable {
            Some(V::RequestUri | V::RequestUriRaw) => self.target(value),
            Some(V::QueryString | V::RequestBody) => printable(&self.form(value)),
            Some(V::RequestLine) => self.target(value),
            _ => self.text(value),
        }
    }

    /// Any text.
    pub(crate) fn text(&self, text: &[u8]) -> String {
        printable(&self.masked(&text[..text.len().min(2 * VALUE_LIMIT_BYTES)]))
    }

    /// A body, by its type, and no more of it than a record keeps.
    pub(crate) fn body(&self, content_type: &[u8], body: &[u8]) -> String {
        let is = |part: &[u8]| crate::bytes::contains_ignore_case(content_type, part);
        let kept = &body[..body.len().min(BODY_LIMIT_BYTES)];
        let masked = if is(b"x-www-form-urlencoded") {
            self.form(kept)
        } else if is(b"json") {
            self.masked(&self.json(kept)).into_owned()
        } else if is(b"xml") {
            self.masked(&self.xml(kept)).into_owned()
        } else {
            self.masked(kept).into_owned()
        };
        let mut text = legible(&masked);
        if body.len() > kept.len() {
            text.push_str("...");
        }
        text
    }

    /// Pairs with `&` between them.
    pub(crate) fn form(&self, form: &[u8]) -> Vec<u8> {
        let pairs = form.split(|&byte| byte == b'&').map(|pair| {
            let (name, value) = split_at(pair, b'=');
            let mut plain = Vec::new();
            transform::apply(Transformation::UrlDecode, name, &mut plain);
            if !value.is_empty() && self.is_argument(&plain) {
                mask_pair(pair)
            } else {
                self.masked(pair).into_owned()
            }
        });
        pairs.collect::<Vec<_>>().join(&b'&')
    }

    /// JSON, whether it is whole or not: values under secret names are masked with all that is in them.
    fn json(&self, json: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(json.len());
        let (mut depth, mut secret_from, mut follows_secret_name) = (0u32, None, false);
        let mut at = 0;
        while let Some(&byte) = json.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'"' => {
                    at = string_end(json, at);
                    let text = json.get(start..at).unwrap_or_default();
                    let rest = json.get(at..).unwrap_or_default();
                    if rest.trim_ascii_start().starts_with(b":") {
                        follows_secret_name = self.is_argument(text);
                        out.extend_from_slice(text);
                        continue;
                    }
                    put(&mut out, text, follows_secret_name || secret_from.is_some());
                    follows_secret_name = false;
                }
                b'{' | b'[' => {
                    depth = depth.saturating_add(1);
                    if follows_secret_name && secret_from.is_none() {
                        secret_from = Some(depth);
                    }
                    follows_secret_name = false;
                    out.push(byte);
                }
                b'}' | b']' => {
                    if secret_from == Some(depth) {
                        secret_from = None;
                    }
                    depth = depth.saturating_sub(1);
                    out.push(byte);
                }
                b':' | b',' | b' ' | b'\t' | b'\r' | b'\n' => out.push(byte),
                _ => {
                    let is_end = |byte: &u8| b":,]} \t\r\n\"".contains(byte);
                    let rest = json.get(at..).unwrap_or_default();
                    at += rest.iter().position(is_end).unwrap_or(rest.len());
                    let text = json.get(start..at).unwrap_or_default();
                    put(&mut out, text, follows_secret_name || secret_from.is_some());
                    follows_secret_name = false;
                }
            }
        }
        out
    }

    /// XML: the text of elements with secret names is masked.
    fn xml(&self, xml: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(xml.len());
        for (index, piece) in xml.split(|&byte| byte == b'<').enumerate() {
            if index > 0 {
                out.push(b'<');
            }
            let (tag, text) = split_at(piece, b'>');
            let name_end = tag.iter().position(u8::is_ascii_whitespace);
            let name = tag.get(..name_end.unwrap_or(tag.len())).unwrap_or_default();
            let is_secret = index > 0 && !name.starts_with(b"/") && self.is_argument(name);
            out.extend_from_slice(tag);
            if is_secret && text.len() > 1 {
                out.push(b'>');
                out.extend_from_slice(MASK.as_bytes());
            } else {
                out.extend_from_slice(text);
            }
        }
        out
    }

    /// What patterns and check digits find, masked.
    fn masked<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for pattern in &self.patterns {
            for found in pattern.whole_matches(text) {
                match found {
                    Ok(range) => ranges.push(range),
                    Err(_) => return Cow::Borrowed(MASK.as_bytes()),
                }
            }
        }
        if self.card_numbers {
            card_numbers(text, &mut ranges);
        }
        ranges.retain(|(start, end)| end > start);
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        ranges.sort_unstable();
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in ranges {
            if start >= done {
                out.extend_from_slice(text.get(done..start).unwrap_or_default());
                out.extend_from_slice(MASK.as_bytes());
            }
            done = done.max(end);
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// The text before the first `separator`, and the rest with it.
fn split_at(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let end = memchr::memchr(separator, text).unwrap_or(text.len());
    text.split_at(end)
}

fn mask_pair(pair: &[u8]) -> Vec<u8> {
    let (name, value) = split_at(pair, b'=');
    match value {
        [] => pair.to_vec(),
        _ => [name, b"=", MASK.as_bytes()].concat(),
    }
}

/// Behind the end of a JSON string whose opening quote stands before `at`.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

fn put(out: &mut Vec<u8>, text: &[u8], is_secret: bool) {
    if is_secret {
        out.push(b'"');
        out.extend_from_slice(MASK.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text);
    }
}

/// Finds numbers of payment cards: 13 to 19 digits, with blanks or hyphens between them or not, whose check digit is right.
fn card_numbers(text: &[u8], ranges: &mut Vec<(usize, usize)>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if !byte.is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let mut digits = Vec::new();
        let mut end = at;
        while let Some(&byte) = text.get(at) {
            if byte.is_ascii_digit() {
                digits.push(byte - b'0');
                end = at + 1;
            } else if !(matches!(byte, b' ' | b'-' | b'+')
                && text.get(at + 1).is_some_and(u8::is_ascii_digit))
            {
                break;
            }
            at += 1;
        }
        if CARD_DIGITS.contains(&digits.len()) && passes_luhn(&digits) {
            ranges.push((start, end));
        }
        at = at.max(end);
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let weighted = digits.iter().rev().enumerate().map(|(index, &digit)| {
        let doubled = u32::from(digit) * (1 + (index as u32 & 1));
        doubled / 10 + doubled % 10
    });
    weighted.sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_by_their_names() {
        let scrub = Scrub::default().fields(["X-Tenant-Key".to_owned()]);
        assert_eq!(
            scrub.target(b"/a?user=x&password=hunter2&Access_Token=y&pass%77ord=z"),
            "/a?user=x&password=***&Access_Token=***&pass%77ord=***"
        );
        assert_eq!(scrub.field(b"Authorization", b"Bearer abc"), "Bearer ***");
        assert_eq!(scrub.field(b"cookie", b"a=1; b=2"), "a=***; b=***");
        assert_eq!(
            scrub.field(b"Set-Cookie", b"sid=1; Path=/"),
            "sid=***; Path=/"
        );
        assert_eq!(scrub.field(b"x-tenant-key", b"k"), "***");
        assert_eq!(
            scrub.field(b"Referer", b"http://a/?token=1"),
            "http://a/?token=***"
        );
        assert_eq!(scrub.field(b"Host", b"a"), "a");
        let nothing = Scrub::nothing();
        assert_eq!(nothing.field(b"Authorization", b"Bearer abc"), "Bearer abc");
    }

    #[test]
    fn bodies_are_read_as_what_they_are() {
        let scrub = Scrub::default();
        assert_eq!(
            scrub.body(b"application/x-www-form-urlencoded", b"a=1&pwd=x"),
            "a=1&pwd=***"
        );
        let json = br#"{"a":1,"password":"x\"y","token":[1,{"b":"c"}],"d":"e","auth":true}"#;
        assert_eq!(
            scrub.body(b"application/json", json),
            r#"{"a":1,"password":"***","token":["***",{"b":"***"}],"d":"e","auth":"***"}"#
        );
        assert_eq!(
            scrub.body(b"application/json", br#"{"password":"cut o"#),
            r#"{"password":"***""#
        );
        assert_eq!(
            scrub.body(b"text/xml", b"<a><pwd t='1'>x</pwd>y</a>"),
            "<a><pwd t='1'>***</pwd>y</a>"
        );
    }

    #[test]
    fn secrets_go_by_their_looks() {
        let scrub = Scrub::default().pattern("sk_[a-z0-9]+").unwrap();
        assert_eq!(scrub.text(b"pay 4111 1111-1111 1111 now"), "pay *** now");
        assert_eq!(
            scrub.text(b"4111111111111112"),
            "4111111111111112",
            "a wrong check digit"
        );
        assert_eq!(
            scrub.text(b"order 12345, key sk_live1x."),
            "order 12345, key ***."
        );
        assert_eq!(
            scrub.target(b"/4111111111111111?n=4111111111111111"),
            "/***?n=***"
        );
        let without = Scrub::default().card_numbers(false);
        assert_eq!(without.text(b"4111111111111111"), "4111111111111111");
    }
}
