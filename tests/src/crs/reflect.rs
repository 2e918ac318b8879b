//! The endpoint behind the program: it answers `POST /reflect` with what the request's body asks for, and everything else
//! with an empty 200.

use crate::{Origin, Reply, Seen};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

/// Bytes of a body that its type is told from.
const SNIFFED_BYTES: usize = 512;

/// Starts the endpoint.
#[must_use]
pub(super) fn start() -> Origin {
    Origin::serve(answer)
}

fn answer(seen: &Seen) -> Reply {
    let path = seen.target.split(['?', '#']).next().unwrap_or_default();
    if seen.method != "POST" || !(path == "/reflect" || path.starts_with("/reflect/")) {
        return Reply::ok("");
    }
    match serde_json::from_slice::<Json>(&seen.content.bytes) {
        Ok(wanted @ Json::Object(_)) => reflect(&wanted),
        _ => typed(400, &[], b"Invalid JSON in request body"),
    }
}

fn reflect(wanted: &Json) -> Reply {
    let text = |name: &str| wanted[name].as_str().unwrap_or_default();
    let fields: Vec<(&str, &str)> = wanted["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .filter(|(name, value)| is_field(name, value))
        .collect();
    let status = match wanted["status"].as_i64().unwrap_or(0) {
        0 => 200,
        number => match u16::try_from(number) {
            Ok(status) if (100..600).contains(&status) => status,
            _ => {
                let body = format!("Invalid status code: {number}");
                return typed(400, &fields, body.as_bytes());
            }
        },
    };
    if !text("body").is_empty() {
        return typed(status, &fields, text("body").as_bytes());
    }
    match STANDARD.decode(text("encodedBody")) {
        Ok(body) => typed(status, &fields, &body),
        Err(_) => typed(status, &fields, b"invalid base64 encoding of response body"),
    }
}

fn is_field(name: &str, value: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let own = ["content-length", "transfer-encoding"];
    !name.is_empty()
        && name.chars().all(token)
        && !own.iter().any(|own| name.eq_ignore_ascii_case(own))
        && !value.chars().any(|c| c.is_control() && c != '\t')
}

/// An answer that has a type if it has a body.
fn typed(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    let has_type = fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let mut fields = fields.to_vec();
    if !body.is_empty() && !has_type {
        fields.push(("Content-Type", sniff(body)));
    }
    Reply::status(status, &fields, body)
}

/// The type of a body, as the servers of Go tell it (WHATWG MIME Sniffing, 7).
fn sniff(body: &[u8]) -> &'static str {
    const HTML: [&[u8]; 17] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<script",
        b"<iframe",
        b"<h1",
        b"<div",
        b"<font",
        b"<table",
        b"<a",
        b"<style",
        b"<title",
        b"<b",
        b"<body",
        b"<br",
        b"<p",
        b"<!--",
    ];
    const MAGIC: [(&[u8], &str); 13] = [
        (b"%PDF-", "application/pdf"),
        (b"%!PS-Adobe-", "application/postscript"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b\x08", "application/x-gzip"),
        (b"Rar!\x1a\x07", "application/x-rar-compressed"),
        (b"OggS\x00", "application/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"\x00asm", "application/wasm"),
    ];
    let head = &body[..body.len().min(SNIFFED_BYTES)];
    let blank = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ');
    let start = head.iter().position(|byte| !blank(byte));
    let text = start.map_or(&b""[..], |start| &head[start..]);
    let is_tag = |tag: &&[u8]| {
        let begins = text
            .get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag));
        begins && (*tag == b"<!--" || matches!(text.get(tag.len()), Some(b' ' | b'>')))
    };
    if HTML.iter().any(is_tag) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, found)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return found;
    }
    let binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if !head.starts_with(b"\xef\xbb\xbf") && head.iter().any(binary) {
        return "application/octet-stream";
    }
    "text/plain; charset=utf-8"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_from_the_first_bytes() {
        let cases: [(&[u8], &str); 7] = [
            (b" \n<HTML >", "text/html; charset=utf-8"),
            (b"<!--x", "text/html; charset=utf-8"),
            (b"<bold>", "text/plain; charset=utf-8"),
            (b"\n<?xml ?>", "text/xml; charset=utf-8"),
            (b"\x1f\x8b\x08rest", "application/x-gzip"),
            (b"a\x00b", "application/octet-stream"),
            (b"a\x1bb", "text/plain; charset=utf-8"),
        ];
        for (body, expected) in cases {
            assert_eq!(sniff(body), expected, "{body:?}");
        }
    }

    #[test]
    fn it_answers_what_it_is_asked_for() {
        let origin = start();
        let mut client = crate::Client::connect(origin.address());
        let answer = client.post(
            "/reflect/x?y",
            br#"{"status":418,"headers":{"X-A":"b","Bad Name":"c"},"body":"<html>"}"#,
        );
        assert_eq!((answer.status, answer.text().as_str()), (418, "<html>"));
        assert_eq!(answer.header("x-a"), Some("b"));
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(
            client
                .post("/reflect", b"{\"encodedBody\":\"YQ==\"}")
                .text(),
            "a"
        );
        assert_eq!(client.post("/reflect", b"{\"status\":99}").status, 400);
        assert_eq!(client.post("/reflect", b"nothing").status, 400);
        let empty = client.get("/reflect");
        assert_eq!((empty.status, empty.content.length), (200, 0));
        assert_eq!(empty.header("content-type"), None);
    }
}
