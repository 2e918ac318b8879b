//! HAR, what the developer tools of browsers save.

use super::{Request, RequestError};
use serde_json::Value as Json;

const EXPECTED: &str = "a HAR file (`log.entries[].request`) or one of its entries";

/// The requests of a HAR file, of one entry, or of the `request` of one.
pub(super) fn read(name: &str, json: &Json) -> Result<Vec<Request>, RequestError> {
    let entries: Vec<&Json> = if let Some(entries) = json.pointer("/log/entries") {
        entries.as_array().into_iter().flatten().collect()
    } else if let Some(entries) = json.as_array() {
        entries.iter().collect()
    } else {
        vec![json]
    };
    if entries.is_empty() {
        return Err(RequestError::new(format!("{name} has no entry"), EXPECTED));
    }
    let requests = entries.into_iter().zip(1..).map(|(entry, number)| {
        let request = entry.get("request").unwrap_or(entry);
        one(request).ok_or_else(|| {
            let found = format!("{name}: entry {number} has no method or no absolute URL");
            RequestError::new(found, EXPECTED)
        })
    });
    requests.collect()
}

fn one(json: &Json) -> Option<Request> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let url = text("url")?;
    let (_, behind) = url.split_once("://")?;
    let at = behind.find(['/', '?', '#']).unwrap_or(behind.len());
    let (host, target) = behind.split_at(at);
    let target = target.split('#').next().unwrap_or_default();
    let mut request = Request {
        name: url.to_owned(),
        method: text("method")?.as_bytes().to_vec(),
        target: if target.starts_with('/') {
            target.as_bytes().to_vec()
        } else {
            format!("/{target}").into_bytes()
        },
        ..Request::default()
    };
    for field in json
        .get("headers")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        let field = |name: &str| field.get(name).and_then(Json::as_str);
        // Fields such as `:authority` are HTTP/2's own.
        if let (Some(name), Some(value)) = (field("name"), field("value"))
            && !name.starts_with(':')
        {
            request
                .headers
                .push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
    }
    if request.header("Host").is_none() {
        request
            .headers
            .insert(0, (b"Host".to_vec(), host.as_bytes().to_vec()));
    }
    if let Some(post) = json.get("postData") {
        request.body = body(post);
        if let Some(kind) = post
            .get("mimeType")
            .and_then(Json::as_str)
            .filter(|kind| !kind.is_empty())
        {
            request.add("Content-Type", kind);
        }
        let length = request.body.len().to_string();
        request.add("Content-Length", length);
    }
    Some(request)
}

fn body(post: &Json) -> Vec<u8> {
    if let Some(text) = post
        .get("text")
        .and_then(Json::as_str)
        .filter(|text| !text.is_empty())
    {
        let is_base64 = post.get("encoding").and_then(Json::as_str) == Some("base64");
        return match is_base64.then(|| crate::base64::decode(text)).flatten() {
            Some(bytes) => bytes,
            None => text.as_bytes().to_vec(),
        };
    }
    let params = post
        .get("params")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    let pairs = params.filter_map(|param| {
        let part = |name: &str| param.get(name).and_then(Json::as_str);
        Some(format!(
            "{}={}",
            part("name")?,
            part("value").unwrap_or_default()
        ))
    });
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}
