//! Audit records, as bascule, ModSecurity 2 and 3 and Coraza write them in JSON: the request, and what was done with it.

use crate::request::Request;
use seclang::ast::RuleId;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fmt;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// A transaction of a log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(super) request: Request,
    /// Whether it was blocked, or in detection would have been.
    pub(super) blocked: bool,
    /// The rules that the log names.
    pub(super) rules: BTreeSet<RuleId>,
    /// Whether the log says that there was a body and has none.
    pub(super) lacks_body: bool,
    /// Whether something in it was masked.
    pub(super) is_masked: bool,
}

/// Names and values of a JSON object in order, each value of a list by itself: a field that came twice stands there twice.
#[derive(Clone, Debug, Default)]
struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    match value {
                        Json::Array(values) => {
                            let values = values.iter().filter_map(Json::as_str);
                            fields.extend(values.map(|value| (name.clone(), value.to_owned())));
                        }
                        Json::String(value) => fields.push((name, value)),
                        other => fields.push((name, other.to_string())),
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// `body`: a text, or in ModSecurity 2 a list of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Pieces(Vec<String>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LoggedRequest {
    method: Option<String>,
    uri: Option<String>,
    http_version: Json,
    protocol: Option<String>,
    request_line: Option<String>,
    headers: Fields,
    body: Option<Body>,
    body_bytes: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LoggedResponse {
    http_code: Json,
    status: Json,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LoggedTransaction {
    client_ip: String,
    remote_address: String,
    request: LoggedRequest,
    response: LoggedResponse,
    producer: Json,
    messages: Vec<Json>,
    is_interrupted: bool,
    outcome: Json,
}

#[derive(Deserialize)]
struct Line {
    transaction: LoggedTransaction,
    /// ModSecurity 2 has these beside the transaction.
    request: Option<LoggedRequest>,
    #[serde(default)]
    audit_data: Json,
    /// Coraza too.
    #[serde(default)]
    messages: Vec<Json>,
}

/// Reads one line. `Ok(None)`: a record that is about no request of its own, such as that of a shadow rule set.
pub(crate) fn read(line: &[u8]) -> Result<Option<Record>, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let transaction = line.transaction;
    if transaction.outcome.get("shadow").and_then(Json::as_bool) == Some(true) {
        return Ok(None);
    }
    let logged = line.request.unwrap_or_else(|| transaction.request.clone());
    let connector = transaction.producer.get("connector").and_then(Json::as_str);
    let is_ours = connector.is_some_and(|connector| connector.starts_with("bascule"));
    let mut request = rebuilt(&logged, is_ours)
        .ok_or_else(|| "the record has no request line (part B)".to_owned())?;
    let client = [&transaction.client_ip, &transaction.remote_address]
        .into_iter()
        .find_map(|address| address.parse().ok());
    if let Some(client) = client {
        request.client = client;
    }
    let messages: Vec<&Json> = transaction.messages.iter().chain(&line.messages).collect();
    let texts = line.audit_data.get("messages").and_then(Json::as_array);
    let texts: Vec<&str> = texts
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let rules = messages
        .iter()
        .filter_map(|message| rule_of(message))
        .chain(texts.iter().filter_map(|text| rule_in(text)))
        .collect();
    let intercepted = line.audit_data.pointer("/action/intercepted");
    let denied = intercepted.and_then(Json::as_bool) == Some(true)
        || texts.iter().any(|text| text.contains("Access denied"));
    let blocked = match verdict(&transaction.outcome) {
        Some(blocked) => blocked,
        None => {
            transaction.is_interrupted
                || denied
                || (status(&transaction.response) == Some(403) && !messages.is_empty())
        }
    };
    let is_masked = logged
        .headers
        .0
        .iter()
        .any(|(_, value)| value.contains(MASK))
        || text_of(&logged).is_some_and(|body| body.contains(MASK))
        || logged.uri.as_deref().is_some_and(|uri| uri.contains(MASK));
    Ok(Some(Record {
        lacks_body: logged.body.is_none() && claims_body(&logged, &request),
        blocked,
        rules,
        is_masked,
        request,
    }))
}

fn text_of(logged: &LoggedRequest) -> Option<String> {
    match &logged.body {
        Some(Body::Text(text)) => Some(text.clone()),
        Some(Body::Pieces(pieces)) => Some(pieces.concat()),
        None => None,
    }
}

fn claims_body(logged: &LoggedRequest, request: &Request) -> bool {
    let length = request
        .header("Content-Length")
        .is_some_and(|length| length != b"0");
    logged.body_bytes > 0 || length
}

fn rebuilt(logged: &LoggedRequest, is_ours: bool) -> Option<Request> {
    let bytes = |text: &str| {
        if is_ours {
            unescaped(text)
        } else {
            text.as_bytes().to_vec()
        }
    };
    let mut words = logged
        .request_line
        .as_deref()
        .unwrap_or_default()
        .split(' ');
    let (first, second, third) = (words.next(), words.next(), words.next());
    let method = logged
        .method
        .as_deref()
        .or(first)
        .filter(|it| !it.is_empty())?;
    let target = logged.uri.as_deref().or(second)?;
    let version = match (&logged.protocol, &logged.http_version) {
        (Some(protocol), _) => protocol.clone(),
        (None, Json::String(version)) if version.starts_with("HTTP/") => version.clone(),
        (None, Json::String(version)) => format!("HTTP/{version}"),
        (None, Json::Number(version)) => format!("HTTP/{version}"),
        (None, _) => third.unwrap_or("HTTP/1.1").to_owned(),
    };
    let mut request = Request {
        name: format!("{method} {target}"),
        method: bytes(method),
        target: bytes(target),
        version: version.into_bytes(),
        ..Request::default()
    };
    for (name, value) in &logged.headers.0 {
        request.headers.push((bytes(name), bytes(value)));
    }
    if let Some(body) = text_of(logged) {
        request.body = bytes(&body);
        if request.body.ends_with(b"...") && logged.body_bytes > request.body.len() as u64 {
            request.body.truncate(request.body.len() - 3);
        }
    }
    // Part I has the fields of a multipart body as a form.
    let multipart = request
        .header("Content-Type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"multipart/"));
    if multipart && !request.body.is_empty() && !request.body.starts_with(b"--") {
        for (name, value) in &mut request.headers {
            if name.eq_ignore_ascii_case(b"content-type") {
                *value = b"application/x-www-form-urlencoded".to_vec();
            }
        }
    }
    Some(request)
}

/// Undoes `\xHH`.
fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes
            .get(at..at + 4)
            .filter(|escape| escape.starts_with(b"\\x"))
            .and_then(|escape| std::str::from_utf8(escape.get(2..)?).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 4 } else { 1 };
    }
    out
}

/// What our own records say was done, or in detection would have been.
fn verdict(outcome: &Json) -> Option<bool> {
    let verdict = outcome.get("verdict")?.as_str()?;
    let would_be = outcome.get("would_be_rule").is_some_and(Json::is_u64);
    Some(verdict != "pass" || would_be)
}

fn status(response: &LoggedResponse) -> Option<u64> {
    [&response.http_code, &response.status]
        .into_iter()
        .find_map(Json::as_u64)
}

/// `details.ruleId` of ModSecurity 3, `data.id` of Coraza, `[id "..."]` of any text.
fn rule_of(message: &Json) -> Option<RuleId> {
    let id = message
        .pointer("/details/ruleId")
        .or_else(|| message.pointer("/data/id"));
    match id {
        Some(Json::String(id)) => id.parse().ok(),
        Some(id) => id.as_u64(),
        None => rule_in(message.get("error_message")?.as_str()?),
    }
}

fn rule_in(text: &str) -> Option<RuleId> {
    let (_, behind) = text.split_once("[id \"")?;
    let (id, _) = behind.split_once('"')?;
    id.parse().ok()
}
