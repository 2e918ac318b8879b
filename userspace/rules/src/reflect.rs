//! The answer of a reflecting backend, as the tests of the CRS expect one: `POST /reflect` answers what its body asks for,
//! everything else gets an empty 200.

use crate::request::Request;
use serde::Deserialize;
use std::collections::BTreeMap;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// Names and values.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    #[serde(rename = "encodedBody")]
    encoded_body: String,
}

/// Tags at the start of a body by which it is taken for HTML.
const HTML: &[&str] = &[
    "<!doctype html",
    "<html",
    "<head",
    "<script",
    "<iframe",
    "<h1",
    "<div",
    "<font",
    "<table",
    "<a",
    "<style",
    "<title",
    "<b",
    "<body",
    "<br",
    "<p",
    "<!--",
];

/// Bytes of a body that its type is guessed from.
const SNIFFED_BYTES: usize = 512;

/// What the backend answers.
pub(crate) fn answer(request: &Request) -> Answer {
    let path = request.path();
    let reflects = path == b"/reflect" || path.starts_with(b"/reflect/");
    if request.method != b"POST" || !reflects {
        return plain(200, "");
    }
    let Ok(wanted) = serde_json::from_slice::<Wanted>(&request.body) else {
        return plain(400, "Invalid JSON in request body");
    };
    let status = match wanted.status {
        0 => 200,
        status @ 100..=599 => status,
        status => return plain(400, &format!("Invalid status code: {status}")),
    };
    let body = if wanted.body.is_empty() {
        match crate::base64::decode(&wanted.encoded_body) {
            Some(body) => body,
            None => return plain(400, "Invalid base64 in encodedBody"),
        }
    } else {
        wanted.body.into_bytes()
    };
    let mut headers: Vec<(String, String)> = wanted.headers.into_iter().collect();
    let has_type = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !has_type && !body.is_empty() {
        headers.push(("Content-Type".to_owned(), sniffed(&body).to_owned()));
    }
    Answer {
        status,
        headers,
        body,
    }
}

fn plain(status: u16, text: &str) -> Answer {
    let headers = if text.is_empty() {
        Vec::new()
    } else {
        vec![(
            "Content-Type".to_owned(),
            "text/plain; charset=utf-8".to_owned(),
        )]
    };
    Answer {
        status,
        headers,
        body: text.as_bytes().to_vec(),
    }
}

/// The type that servers written in Go put on a body that has none.
fn sniffed(body: &[u8]) -> &'static str {
    let start = body.get(..body.len().min(SNIFFED_BYTES)).unwrap_or(body);
    let text = start.trim_ascii_start();
    let is_html = HTML.iter().any(|tag| {
        let head = text.get(..tag.len());
        let behind = text.get(tag.len());
        // A tag ends there; a comment goes on.
        head.is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()))
            && (*tag == "<!--" || behind.is_some_and(|byte| b" >".contains(byte)))
    });
    if is_html {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    for (magic, kind) in [
        (&b"%PDF-"[..], "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b\x08", "application/x-gzip"),
    ] {
        if start.starts_with(magic) {
            return kind;
        }
    }
    let binary = |&byte: &u8| byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(&byte);
    if start.iter().any(binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}
