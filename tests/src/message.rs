//! HTTP/1.1 messages as they are on the wire, read strictly: what the program sends must be right.

use crate::pattern::Digest;
use crate::wire::Wire;
use serde_json::Value as Json;
use std::io::{self, ErrorKind};

/// Bytes of a body that are kept; of a longer one the length and the digest alone are.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// How a message said where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has no body.
    None,
    /// By Content-Length.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// Header fields in their order.
pub type Fields = Vec<(String, String)>;

/// What is behind the head of a message.
#[derive(Clone, Debug)]
pub struct Body {
    /// How its end was told.
    pub framing: Framing,
    /// The content, or its beginning where it is very long.
    pub bytes: Vec<u8>,
    /// All of its bytes.
    pub length: u64,
    /// The digest of all of its bytes.
    pub digest: String,
    /// The trailer section.
    pub trailers: Fields,
}

/// An answer that a client got.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header section.
    pub headers: Fields,
    /// The body.
    pub content: Body,
    /// Interim answers before it: 100, 103.
    pub interim: Vec<u16>,
}

/// A request that an endpoint got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection of the endpoint it came on, from 0.
    pub connection: usize,
    /// Which request of that connection it was, from 0.
    pub nth: usize,
    /// The request line.
    pub line: String,
    /// The method.
    pub method: String,
    /// The target as it stands in the request line.
    pub target: String,
    /// The header section.
    pub headers: Fields,
    /// The head as it came.
    pub head: Vec<u8>,
    /// The body.
    pub content: Body,
}

fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    let mut named = fields
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let first = named.next()?;
    assert!(
        named.next().is_none(),
        "`{name}` stands twice in {fields:?}"
    );
    Some(&first.1)
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| invalid(format!("not text: {error}")))
}

/// Fields up to the empty line, with the bytes that they were.
fn fields(wire: &mut Wire, raw: &mut Vec<u8>) -> io::Result<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = wire.line()?;
        raw.extend_from_slice(&line);
        raw.extend_from_slice(b"\r\n");
        if line.is_empty() {
            return Ok(fields);
        }
        let line = line
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>();
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid(format!("no field: {line:?}")))?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_name) || value.contains(['\r', '\n', '\0']) {
            return Err(invalid(format!("no field: {line:?}")));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// How a message with these fields ends, where its body is not ruled out.
fn framing(fields: &Fields, otherwise: Framing) -> io::Result<Framing> {
    let all = |name: &str| -> Vec<&str> {
        let named = fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    };
    match (
        all("content-length").as_slice(),
        all("transfer-encoding").as_slice(),
    ) {
        ([], []) => Ok(otherwise),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
            .parse()
            .map(Framing::Length)
            .map_err(|error| invalid(error.to_string())),
        ([], ["chunked"]) => Ok(Framing::Chunked),
        (lengths, codings) => Err(invalid(format!("ambiguous: {lengths:?} {codings:?}"))),
    }
}

/// Reads a body; `sink` sees every byte of it.
fn body(wire: &mut Wire, framing: Framing) -> io::Result<Body> {
    let mut bytes = Vec::new();
    let mut length = 0;
    let mut digest = Digest::default();
    let mut sink = |piece: &[u8]| {
        digest.update(piece);
        length += piece.len() as u64;
        let room = KEPT_BYTES.saturating_sub(bytes.len()).min(piece.len());
        bytes.extend_from_slice(&piece[..room]);
    };
    let mut trailers = Fields::new();
    match framing {
        Framing::None => {}
        Framing::Length(length) => wire.exactly(length, &mut sink)?,
        Framing::UntilClose => wire.to_end(&mut sink)?,
        Framing::Chunked => loop {
            let line = text(wire.line()?)?;
            let size = u64::from_str_radix(&line, 16)
                .map_err(|_| invalid(format!("no size: {line:?}")))?;
            if size == 0 {
                trailers = fields(wire, &mut Vec::new())?;
                break;
            }
            wire.exactly(size, &mut sink)?;
            if !wire.line()?.is_empty() {
                return Err(invalid("a chunk is longer than its size"));
            }
        },
    }
    Ok(Body {
        framing,
        bytes,
        length,
        digest: digest.finish(),
        trailers,
    })
}

impl Answer {
    /// Reads the answer to a request with this method.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ends before it is complete; `InvalidData` where it is no answer.
    pub fn read(wire: &mut Wire, method: &str) -> io::Result<Self> {
        let mut interim = Vec::new();
        loop {
            let answer = Self::read_one(wire, method)?;
            if (100..200).contains(&answer.status) {
                interim.push(answer.status);
                continue;
            }
            return Ok(Self { interim, ..answer });
        }
    }

    /// Reads an answer, which may be an interim one.
    ///
    /// # Errors
    /// As [`Answer::read`].
    pub fn read_one(wire: &mut Wire, method: &str) -> io::Result<Self> {
        let line = text(wire.line()?)?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| invalid(format!("no status line: {line:?}")))?;
        let headers = fields(wire, &mut Vec::new())?;
        let framing = match (method, status) {
            ("HEAD", _) | (_, 100..200 | 204 | 304) => Framing::None,
            _ => framing(&headers, Framing::UntilClose)?,
        };
        Ok(Self {
            status,
            headers,
            content: body(wire, framing)?,
            interim: Vec::new(),
        })
    }

    /// The value of a field that stands at most once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content.bytes).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.content.bytes)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The reason that a refusal of ours gives.
    #[must_use]
    pub fn reason(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        problem["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it says that the connection ends.
    #[must_use]
    pub fn says_close(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Seen {
    /// Reads a head; the body has to be read afterwards by [`Seen::read_body`].
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ends before it is complete; `InvalidData` where it is no request.
    pub fn read_head(wire: &mut Wire) -> io::Result<Self> {
        let first = wire.line()?;
        let mut head = [first.as_slice(), b"\r\n"].concat();
        let line = text(first)?;
        let headers = fields(wire, &mut head)?;
        let parts: Vec<&str> = line.split(' ').collect();
        let &[method, target, "HTTP/1.1"] = parts.as_slice() else {
            return Err(invalid(format!("no request line: {line:?}")));
        };
        let framing = framing(&headers, Framing::None)?;
        Ok(Self {
            connection: 0,
            nth: 0,
            method: method.to_owned(),
            target: target.to_owned(),
            line: line.clone(),
            headers,
            head,
            content: Body {
                framing,
                bytes: Vec::new(),
                length: 0,
                digest: Digest::default().finish(),
                trailers: Fields::new(),
            },
        })
    }

    /// Reads the body.
    ///
    /// # Errors
    /// As [`Seen::read_head`].
    pub fn read_body(&mut self, wire: &mut Wire) -> io::Result<()> {
        self.content = body(wire, self.content.framing)?;
        Ok(())
    }

    /// The value of a field that stands at most once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content.bytes).into_owned()
    }

    /// The values of all fields of a name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// What was seen, for an endpoint that echoes it.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::json!({
            "method": self.method,
            "target": self.target,
            "headers": self.headers,
            "length": self.content.length,
            "digest": self.content.digest,
            "body": String::from_utf8_lossy(&self.content.bytes[..self.content.bytes.len().min(4096)]),
            "trailers": self.content.trailers,
        })
    }
}
