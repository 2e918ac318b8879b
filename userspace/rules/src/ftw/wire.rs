//! From a test's words to the bytes that go-ftw would send, and so to a request.

use super::model::{Data, Input, ShortFull, ShortRequest};
use crate::request::{Request, read_framed};
use std::collections::BTreeMap;

const FORM: &str = "application/x-www-form-urlencoded";

/// The request of a stage. `None`: the bytes are no request at all.
pub(super) fn request(input: &Input) -> Result<Option<Request>, String> {
    Ok(read_framed(&bytes(input)?))
}

/// What goes over the wire.
pub(super) fn bytes(input: &Input) -> Result<Vec<u8>, String> {
    if let Some(encoded) = input
        .encoded_request
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        return crate::base64::decode(encoded)
            .ok_or_else(|| "`encoded_request` is not Base64".to_owned());
    }
    let completes = input
        .autocomplete_headers
        .unwrap_or(!input.stop_magic.unwrap_or(false));
    let mut fields: Vec<(String, String)> = if input.ordered_headers.is_empty() {
        // The order of the names, as go-ftw sends a map.
        input
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    } else {
        let ordered = input.ordered_headers.iter();
        ordered
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect()
    };
    let mut data = match &input.data {
        Some(Data::Text(text)) => expanded(text).into_bytes(),
        Some(Data::Lines(lines)) => lines.join("\r\n").into_bytes(),
        None => match input.encoded_data.as_deref().map(crate::base64::decode) {
            Some(Some(bytes)) => bytes,
            Some(None) => return Err("`encoded_data` is not Base64".to_owned()),
            None => Vec::new(),
        },
    };
    let kind = value_of(&fields, "Content-Type").map(str::to_owned);
    if completes && !data.is_empty() {
        if kind.is_none() {
            fields.push(("Content-Type".to_owned(), FORM.to_owned()));
        }
        if kind.as_deref().is_none_or(|kind| kind == FORM) {
            data = encoded_form(data);
        }
    }
    if kind.is_some_and(|kind| kind.contains("multipart/form-data;")) {
        data = with_crlf(&data);
    }
    let method = input.method.as_deref().unwrap_or("GET");
    if completes {
        if value_of(&fields, "Connection").is_none() {
            fields.push(("Connection".to_owned(), "close".to_owned()));
        }
        // As go-ftw's expression has it: `^POST|PUT|PATCH|DELETE$`.
        let sends = method.starts_with("POST")
            || method.contains("PUT")
            || method.contains("PATCH")
            || method.ends_with("DELETE");
        if value_of(&fields, "Content-Length").is_none() && (!data.is_empty() || sends) {
            fields.push(("Content-Length".to_owned(), data.len().to_string()));
        }
    }
    let uri = input.uri.as_deref().unwrap_or("/");
    let version = input.version.as_deref().unwrap_or("HTTP/1.1");
    let mut out = format!("{method} {uri} {version}\r\n").into_bytes();
    for (name, value) in fields {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&data);
    Ok(out)
}

fn value_of<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// A form that is not encoded yet is: names and values, a blank as `+`. One that is encoded stays.
fn encoded_form(data: Vec<u8>) -> Vec<u8> {
    if unescaped(&data).as_deref() != Some(&data) {
        return data;
    }
    let mut out = String::new();
    for pair in data.split(|&byte| byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push('&');
        }
        match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                escape(pair.get(..at).unwrap_or_default(), &mut out);
                out.push('=');
                escape(pair.get(at + 1..).unwrap_or_default(), &mut out);
            }
            None => escape(pair, &mut out),
        }
    }
    out.into_bytes()
}

/// As Go's `url.QueryUnescape`; `None` where an escape is wrong.
fn unescaped(data: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len());
    let mut bytes = data.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            byte => out.push(byte),
        }
    }
    Some(out)
}

fn escape(text: &[u8], out: &mut String) {
    for &byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Every LF as CRLF.
fn with_crlf(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut before = 0;
    for &byte in data {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    out
}

/// Go's templates, as far as test files use them: `{{ "x" | repeat 10 }}` and `{{ repeat 10 "x" }}`. What is none stays: attacks on
/// template engines look like that.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, behind) = rest.split_at(start);
        let inner = behind.get(2..).unwrap_or_default();
        let end = inner.find("}}");
        let repeated = end.and_then(|end| repeated(inner.get(..end)?.trim_matches('-')));
        match (end, repeated) {
            (Some(end), Some(text)) => {
                out.push_str(before);
                out.push_str(&text);
                rest = inner.get(end + 2..).unwrap_or_default();
            }
            // Like Go, which leaves a text alone that it cannot read as a whole.
            _ => return text.to_owned(),
        }
    }
    out.push_str(rest);
    out
}

fn repeated(action: &str) -> Option<String> {
    let action = action.trim();
    let (count, quoted) = match action.strip_prefix("repeat") {
        Some(rest) => rest.trim().split_once(char::is_whitespace)?,
        None => {
            let (quoted, behind) = action.rsplit_once('|')?;
            (behind.trim().strip_prefix("repeat")?, quoted)
        }
    };
    let quoted = quoted.trim();
    let text = match quoted.as_bytes() {
        [b'"', .., b'"'] => serde_json::from_str::<String>(quoted).ok()?,
        [b'`', .., b'`'] => quoted.trim_matches('`').to_owned(),
        _ => return None,
    };
    let count: usize = count.trim().parse().ok()?;
    // A test that asks for more than any body limit is a mistake.
    (count.checked_mul(text.len().max(1))? < (64 << 20)).then(|| text.repeat(count))
}

/// A request of the short form.
pub(super) fn short(request: &ShortRequest) -> Request {
    match request {
        ShortRequest::Text(text) => full(&ShortFull {
            query: BTreeMap::from([("q".to_owned(), text.clone())]),
            ..ShortFull::default()
        }),
        ShortRequest::Full(request) => full(request),
    }
}

fn full(request: &ShortFull) -> Request {
    let mut target = request.uri.clone().unwrap_or_else(|| "/".to_owned());
    if !request.query.is_empty() {
        target = format!("{target}?{}", arguments(&request.query));
    }
    let (kind, body) = if !request.form.is_empty() {
        (Some(FORM), arguments(&request.form))
    } else if let Some(name) = &request.file {
        let part = format!("Content-Disposition: form-data; name=\"upload\"; filename=\"{name}\"");
        let body =
            format!("--xyz\r\n{part}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xyz--\r\n");
        (Some("multipart/form-data; boundary=xyz"), body)
    } else if let Some(json) = &request.json {
        (Some("application/json"), json.clone())
    } else {
        (None, request.body.clone().unwrap_or_default())
    };
    let method = if body.is_empty() { "GET" } else { "POST" };
    let mut headers = vec![(b"Host".to_vec(), b"example.com".to_vec())];
    let given = request.headers.iter();
    headers
        .extend(given.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
    if let Some(kind) = kind {
        headers.push((b"Content-Type".to_vec(), kind.as_bytes().to_vec()));
    }
    let method = request.method.clone().unwrap_or_else(|| method.to_owned());
    Request {
        method: method.into_bytes(),
        target: target.into_bytes(),
        headers,
        body: body.into_bytes(),
        ..Request::default()
    }
}

/// As a browser encodes a form.
fn arguments(pairs: &BTreeMap<String, String>) -> String {
    let word = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                    char::from(byte).to_string()
                }
                b' ' => "+".to_owned(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", word(name), word(value)));
    pairs.collect::<Vec<_>>().join("&")
}
