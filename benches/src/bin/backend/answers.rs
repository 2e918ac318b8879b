//! What the backend says.

use crate::request::{Head, NoHead};
use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;

/// The largest body of `/bytes/N`; a larger one is 404.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Answers of `/bytes/N` that are kept; further sizes are made up for each request.
const KEPT_SIZES: usize = 16;

/// An answer as it goes over the wire, shared by all requests that it fits.
pub(crate) type Answer = Rc<[u8]>;

/// All answers, and what is counted for `/stats`.
pub(crate) struct Answers {
    name: String,
    bytes: HashMap<usize, Answer>,
    healthy: Answer,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

impl Answers {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            bytes: HashMap::new(),
            healthy: whole("200 OK", "text/plain", b"ok\n"),
            connections: 0,
            requests: 0,
        }
    }

    /// The answer to a request.
    pub(crate) fn to(&mut self, head: &Head<'_>) -> Answer {
        self.requests += 1;
        let answer = self.path_answer(head);
        if head.method != "HEAD" {
            return answer;
        }
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        answer.get(..end).unwrap_or_default().into()
    }

    fn path_answer(&mut self, head: &Head<'_>) -> Answer {
        let path = head.target.split('?').next().unwrap_or_default();
        if let Some(count) = path.strip_prefix("/bytes/") {
            return match count.parse() {
                Ok(count) if count <= BYTES_MAX => self.of_size(count),
                _ => whole("404 Not Found", "text/plain", b"no such size\n"),
            };
        }
        match path {
            "/healthz" => Rc::clone(&self.healthy),
            "/stats" => {
                let (connections, requests) = (self.connections, self.requests);
                let text =
                    format!("{{\"connections\": {connections}, \"requests\": {requests}}}\n");
                whole("200 OK", "application/json", text.as_bytes())
            }
            _ => whole("200 OK", "application/json", self.echo(head).as_bytes()),
        }
    }

    fn of_size(&mut self, count: usize) -> Answer {
        if let Some(answer) = self.bytes.get(&count) {
            return Rc::clone(answer);
        }
        let line = b"All work and no play makes a dull backend. 0123456789 abcdefghi\n";
        let body: Vec<u8> = line.iter().copied().cycle().take(count).collect();
        let answer = whole("200 OK", "text/plain", &body);
        if self.bytes.len() < KEPT_SIZES {
            self.bytes.insert(count, Rc::clone(&answer));
        }
        answer
    }

    /// The request as it came here: what a proxy added, changed and removed.
    fn echo(&self, head: &Head<'_>) -> String {
        let mut text = String::from("{\n  \"backend\": ");
        quote(&mut text, &self.name);
        text.push_str(",\n  \"method\": ");
        quote(&mut text, head.method);
        text.push_str(",\n  \"target\": ");
        quote(&mut text, head.target);
        text.push_str(",\n  \"headers\": [");
        for (index, (name, value)) in head.fields.iter().enumerate() {
            text.push_str(if index == 0 { "\n    [" } else { ",\n    [" });
            quote(&mut text, name);
            text.push_str(", ");
            quote(&mut text, value);
            text.push(']');
        }
        text.push_str("\n  ]\n}\n");
        text
    }
}

/// The answer to what is no request that can be answered; the connection ends with it.
pub(crate) fn refusal(why: NoHead) -> Answer {
    let status = match why {
        NoHead::Partial | NoHead::Malformed => "400 Bad Request",
        NoHead::TooLong => "431 Request Header Fields Too Large",
        NoHead::LengthRequired => "411 Length Required",
    };
    whole(status, "text/plain", b"")
}

fn whole(status: &str, kind: &str, body: &[u8]) -> Answer {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &str) -> String {
        let head = Head::parse(request.as_bytes()).expect("a whole head");
        let bytes = Answers::new("one").to(&head);
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn bodies_have_the_size_that_was_asked_for() {
        let text = answer("GET /bytes/1000 HTTP/1.1\r\n\r\n");
        let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
        assert!(head.contains("Content-Length: 1000"), "{head}");
        assert_eq!(body.len(), 1000);
        assert!(answer("GET /bytes/0 HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        assert!(answer("GET /bytes/x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(answer("HEAD /bytes/9 HTTP/1.1\r\n\r\n").ends_with(": 9\r\n\r\n"));
    }

    #[test]
    fn the_request_is_told_as_json() {
        let text = answer("GET /a?b=\"c HTTP/1.1\r\nHost: x\r\nVia: \\\r\n\r\n");
        assert!(text.contains(r#""backend": "one""#), "{text}");
        assert!(text.contains(r#""target": "/a?b=\"c""#), "{text}");
        assert!(
            text.contains("[\"Host\", \"x\"],\n    [\"Via\", \"\\\\\"]"),
            "{text}"
        );
    }
}
