//! Requests as bytes. What a strict parser refuses is read all the same, as far as it can be told: rules are tested with such.

use super::Request;
use http::h1::request::RequestHead;
use http::h1::{Glimpse, HeadLimits, Parse};

/// Reads one request as it goes over the wire: without a length or a coding it has no body.
pub(crate) fn read_framed(bytes: &[u8]) -> Option<Request> {
    let mut request = read(bytes)?;
    let is_framed =
        request.header("Content-Length").is_some() || request.header("Transfer-Encoding").is_some();
    if !is_framed {
        request.body.clear();
    }
    Some(request)
}

/// Reads one request as people write it down: all that stands behind the head is its body. One that ends within its head has none.
pub(super) fn read(bytes: &[u8]) -> Option<Request> {
    let (head, rest) = split(bytes);
    let mut head = head.to_vec();
    if !head.contains(&b'\r') {
        // As editors leave it; nobody means a bare LF by that.
        head = head
            .split(|&byte| byte == b'\n')
            .collect::<Vec<_>>()
            .join(&b"\r\n"[..]);
    }
    while head.ends_with(b"\r\n") {
        head.truncate(head.len() - 2);
    }
    head.extend_from_slice(b"\r\n\r\n");
    let glimpse = Glimpse::of(&head)?;
    let fields = glimpse.fields();
    let mut request = Request {
        method: glimpse.method().to_vec(),
        target: glimpse.target().to_vec(),
        version: glimpse.version().to_vec(),
        headers: fields
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect(),
        refused: refusal(&head),
        ..Request::default()
    };
    let chunked = request
        .header("Transfer-Encoding")
        .is_some_and(|coding| coding.to_ascii_lowercase().ends_with(b"chunked"));
    request.body = match chunked.then(|| dechunked(rest)).flatten() {
        Some(body) => body,
        None => {
            let length = request
                .header("Content-Length")
                .and_then(|length| std::str::from_utf8(length).ok()?.trim().parse().ok());
            // What editors put behind the last line is none of the body.
            let length = length.unwrap_or(rest.len()).min(rest.len());
            rest.get(..length).unwrap_or(rest).to_vec()
        }
    };
    Some(request)
}

/// Why a strict parser refuses a head.
pub(super) fn refusal(head: &[u8]) -> Option<String> {
    let mut parsed = RequestHead::new();
    match http::h1::request::parse(head, &HeadLimits::default(), &mut parsed) {
        Ok(Parse::Complete { .. }) => None,
        Ok(Parse::Partial) => Some("the head has no end".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// The head and what stands behind its empty line; lines end in CRLF or LF.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    let mut any = false;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let is_empty = line.trim_ascii_end().is_empty();
        if is_empty && any {
            return (
                bytes.get(..at).unwrap_or_default(),
                bytes.get(at + line.len()..).unwrap_or_default(),
            );
        }
        any |= !is_empty;
        at += line.len();
    }
    (bytes, b"")
}

/// What stands before the next line end, and what behind it.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(2).position(|window| window == b"\r\n")?;
    Some((bytes.get(..at)?, bytes.get(at + 2..)?))
}

fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (line, behind) = cut(rest)?;
        let size = line.split(|&byte| byte == b';').next()?;
        let size = std::str::from_utf8(size).ok()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(behind.get(..size)?);
        rest = behind.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// The head as it goes over the wire.
pub(super) fn head(request: &Request) -> Vec<u8> {
    let mut out = request.method.clone();
    out.push(b' ');
    out.extend_from_slice(&request.target);
    if !request.version.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&request.version);
    }
    out.extend_from_slice(b"\r\n");
    for (name, value) in &request.headers {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}
