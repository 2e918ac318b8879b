//! Texts with rules: names, header fields, methods, hosts, URLs.

use crate::closest::distance;
use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use serde_json::{Value as Json, json};
use std::fmt;

/// Defines a text type: how it is described, how it is checked, and its pattern in the schema.
macro_rules! text {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident;
        expects: $expects:literal, pattern: $pattern:literal, parse: $parse:path
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Setting for $name {
            fn expects() -> String {
                $expects.to_owned()
            }

            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                reader.parse(node, |text| $parse(text).map(Self))
            }

            fn schema(_: &mut Book) -> Json {
                json!({ "type": "string", "pattern": $pattern })
            }

            fn json(&self) -> Json {
                self.0.as_str().into()
            }
        }
    };
}

text! {
    /// The name of a block: letters, digits, `-`, `_` and `.`, at most 64 of them. It stands in logs and metrics.
    pub struct Name;
    expects: "a name of letters, digits, `-`, `_` and `.`, at most 64",
    pattern: "^[A-Za-z0-9_.-]{1,64}$", parse: name
}

text! {
    /// The name of a header field, in lower case (RFC 9110, 5.1).
    pub struct HeaderName;
    expects: "the name of a header field, such as `x-api-key`",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$", parse: header_name
}

text! {
    /// The value of a header field: visible characters, spaces and tabs inside (RFC 9110, 5.5).
    pub struct HeaderValue;
    expects: "the value of a header field: no line breaks, no spaces around it",
    pattern: "^[^\\u0000-\\u001f\\u007f]*$", parse: header_value
}

text! {
    /// A request method (RFC 9110, 9.1). Methods are case-sensitive; CONNECT is not routed.
    pub struct Method;
    expects: "a method such as `GET` or `POST`",
    pattern: "^[A-Z0-9!#$%&'*+.^_`|~-]{1,32}$", parse: method
}

text! {
    /// The name of a JWT claim.
    pub struct ClaimName;
    expects: "the name of a claim, at most 128 bytes",
    pattern: "^.{1,128}$", parse: claim_name
}

text! {
    /// An absolute `https` or `http` URL without user and fragment.
    pub struct Url;
    expects: "a URL such as `https://id.example.com/jwks`",
    pattern: "^https?://[^/@#\\s]+[^#\\s]*$", parse: url
}

fn name(text: &str) -> Result<String, Bad> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    match text.len() {
        1..=64 if text.bytes().all(allowed) => Ok(text.to_owned()),
        65.. => Err(Bad::new(
            format!("`{}` has {} bytes", shortened(text), text.len()),
            "use a shorter name",
        )),
        _ => {
            let fixed: String = text
                .chars()
                .map(|c| {
                    if c.is_ascii() && allowed(c as u8) {
                        c
                    } else {
                        '-'
                    }
                })
                .collect();
            let remedy = if fixed.is_empty() {
                String::new()
            } else {
                format!("write `{fixed}`")
            };
            Err(Bad::new(
                format!("`{}` is not a name", shortened(text)),
                remedy,
            ))
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn header_name(text: &str) -> Result<String, Bad> {
    if is_token(text) && text.len() <= 256 {
        return Ok(text.to_ascii_lowercase());
    }
    let remedy = if text.ends_with(':') {
        "leave the colon out"
    } else {
        "remove spaces and special characters"
    };
    Err(Bad::new(
        format!("`{}` is not the name of a header field", shortened(text)),
        remedy,
    ))
}

fn header_value(text: &str) -> Result<String, Bad> {
    if text.len() <= 4096 && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let remedy = "remove line breaks and the spaces around it; at most 4096 bytes";
    Err(Bad::new(
        "this cannot be the value of a header field",
        remedy,
    ))
}

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
];

fn method(text: &str) -> Result<String, Bad> {
    let upper = text.to_ascii_uppercase();
    if METHODS.contains(&text) {
        return Ok(text.to_owned());
    }
    if text == "CONNECT" {
        return Err(Bad::new("CONNECT cannot be routed", "remove it"));
    }
    if METHODS.contains(&upper.as_str()) {
        return Err(Bad::new(
            format!("`{text}` is not upper case"),
            format!("write `{upper}`"),
        ));
    }
    // One letter beside a known method is a typo; anything else may be an extension method.
    let typo = METHODS.iter().find(|known| distance(&upper, known) == 1);
    match typo {
        Some(known) => Err(Bad::new(
            format!("`{}` is not a method", shortened(text)),
            format!("write `{known}`"),
        )),
        None if is_token(text) && text == upper && text.len() <= 32 => Ok(text.to_owned()),
        None => Err(Bad::new(
            format!("`{}` is not a method", shortened(text)),
            "write it in upper case",
        )),
    }
}

fn claim_name(text: &str) -> Result<String, Bad> {
    match text.len() {
        1..=128 if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err(Bad::new(
            format!("`{}` is not the name of a claim", shortened(text)),
            "",
        )),
    }
}

fn url(text: &str) -> Result<String, Bad> {
    let bad = |remedy: &str| {
        Err(Bad::new(
            format!("`{}` is not a URL that can be fetched", shortened(text)),
            remedy,
        ))
    };
    let Some(rest) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    else {
        return bad("begin with `https://`");
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match () {
        () if authority.contains('@') => bad("remove the user before `@`"),
        () if rest.contains('#') => bad("remove the part after `#`"),
        () if text.len() > 2048 => bad("at most 2048 bytes"),
        () if text.bytes().any(|b| !b.is_ascii_graphic()) => {
            bad("percent-encode spaces and characters beyond ASCII")
        }
        () if !is_authority(authority) => {
            bad("write the host, and the port if it is not the usual one, after `//`")
        }
        () => Ok(text.to_owned()),
    }
}

fn is_authority(text: &str) -> bool {
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return true;
    }
    if let Some(address) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    match text.rsplit_once(':') {
        Some((host, port)) => is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0),
        None => is_host(text),
    }
}

/// Whether a text is a host name (RFC 1123, 2.1), with underscores, which container networks use.
pub(crate) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The hosts that a route serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host alone, in lower case, without a port.
    Exact(String),
    /// Every host that ends in a dot and this suffix, with one or more labels before it: `*.example.com` is
    /// `Wildcard("example.com")` and does not match `example.com` itself.
    Wildcard(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl Setting for HostPattern {
    fn expects() -> String {
        "a host such as `shop.example.com` or `*.example.com`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            let bad = |remedy: &str| {
                Err(Bad::new(
                    format!("`{}` is not a host", shortened(text)),
                    remedy,
                ))
            };
            let lower = text.to_ascii_lowercase();
            match lower.strip_prefix("*.") {
                Some(suffix) if is_host(suffix) => Ok(Self::Wildcard(suffix.to_owned())),
                None if is_host(&lower) => Ok(Self::Exact(lower)),
                _ if lower == "*" => bad("leave `host` out to serve every host"),
                _ if lower.starts_with('[') => {
                    bad("leave `host` out: requests by IPv6 address cannot be told apart")
                }
                _ if lower.contains("://") => bad("write the host alone, without `http://`"),
                _ if lower.contains(':') => bad("leave the port out: the listener decides it"),
                _ if lower.contains('/') => bad("write the path under `path`"),
                _ if lower.ends_with('.') => bad("leave the last dot out"),
                _ if lower.contains('*') => {
                    bad("`*` can only stand for the first labels: `*.example.com`")
                }
                _ if !lower.is_ascii() => {
                    bad("write it in its ASCII form, which begins with `xn--`")
                }
                _ => bad(""),
            }
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^([*][.])?[A-Za-z0-9_.-]{1,253}$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}
