//! Where a WAF policy tells what its rules found, and what it keeps to itself.

use crate::block::{block, optional_block, words};
use crate::diagnostic::{Diagnostic, Kind};
use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use crate::values::{HeaderName, OutputFile, Url};
use serde_json::{Value as Json, json};
use std::fmt;
use std::path::PathBuf;

words! {
    /// The form of audit records.
    pub enum AuditFormat {
        /// One JSON object a record, in the shape of ModSecurity 3.
        Json = "json",
        /// ModSecurity's native format: parts between boundaries. For files alone.
        Native = "native",
    }
}

words! {
    /// Which requests get an audit record.
    pub enum AuditWhich {
        /// Those that a rule matched, or whose status is relevant.
        Relevant = "relevant",
        /// All of them.
        All = "all",
        /// None.
        Off = "off",
    }
}

block! {
    /// Where audit records go, exactly one of `file`, `syslog` and `http`, and what stands in them. A path is short for the block.
    /// Whoever takes them may be slow: what finds no room in the queue is dropped and counted, and traffic goes on.
    #[short(file)]
    #[check(check)]
    pub struct AuditLog {
        /// A file. It is opened again at SIGHUP and SIGUSR1, so that logrotate can move it.
        file: Option<OutputFile> = None;
        /// A syslog server (RFC 5424): `unix:/dev/log`, `udp:HOST:PORT` or `tcp:HOST:PORT`.
        syslog: Option<SyslogTarget> = None;
        /// A collector: records are posted to this URL, several at a time, one JSON object a line.
        http: Option<Url> = None;
        /// The form of the records.
        format: AuditFormat = AuditFormat::Json;
        /// Which requests get a record. Left out: what the rules set with SecAuditEngine, or `relevant`.
        which: Option<AuditWhich> = None;
        /// The parts of a record, as SecAuditLogParts names them: B the header of the request, C its body, E the body of the answer
        /// as far as it was inspected, F its header, H what matched, I the body without files, J the files, K the rules. Left out:
        /// what the rules set, or `ABFHZ`. No body is kept unless C, E or I ask for it.
        parts: Option<AuditParts> = None;
        /// Statuses whose requests get a record, as a regular expression: `^(?:5|4(?!04))`. Left out: what the rules set.
        relevant_status: Option<String> = None;
        /// What is masked in records.
        scrub: Scrub = Scrub::default();
    }
}

fn check(log: &AuditLog, node: &Node, reader: &mut Reader<'_>) {
    reader.exactly_one(node, &["file", "syslog", "http"]);
    if log.format == AuditFormat::Native && log.file.is_none() {
        let span = node.get("format").map_or(node.span, |format| format.span);
        let found = "the native format has several lines a record";
        reader.report(
            Diagnostic::error(Kind::Conflict, span, found)
                .remedy("write it to a `file`, or use `format: json`"),
        );
    }
}

optional_block! {
    /// What is masked in audit records: in headers, arguments, cookies, bodies, and in what rules say about them.
    pub struct Scrub {
        /// Whether the usual secrets are masked: Authorization, cookies, X-Api-Key and their kin; arguments and members of JSON
        /// whose names hold `passw`, `pwd`, `secret`, `token`, `api_key`, `apikey`, `credential`, `card`, `cvv`, `ssn` or `auth`.
        defaults: bool = true;
        /// Further header fields.
        headers: Vec<HeaderName> = Vec::new();
        /// Further arguments, cookies and members of JSON, by a part of their names.
        names: Vec<String> = Vec::new();
        /// Whatever these regular expressions match, wherever it stands.
        patterns: Vec<String> = Vec::new();
        /// Whether what is the number of a payment card by its check digit is masked.
        card_numbers: bool = true;
    }
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTarget {
    /// A socket of this host.
    Unix(PathBuf),
    /// Datagrams to a host and port.
    Udp(String),
    /// A connection to a host and port.
    Tcp(String),
}

impl fmt::Display for SyslogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Udp(place) => write!(f, "udp:{place}"),
            Self::Tcp(place) => write!(f, "tcp:{place}"),
        }
    }
}

impl Setting for SyslogTarget {
    fn expects() -> String {
        "`unix:/dev/log`, `udp:HOST:PORT` or `tcp:HOST:PORT`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            let place = |place: &str| {
                let (host, port) = place.rsplit_once(':')?;
                let port: u16 = port.parse().ok()?;
                (!host.is_empty() && port > 0).then(|| place.to_owned())
            };
            let target = match text.split_once(':') {
                Some(("unix", path)) if path.starts_with('/') => Some(Self::Unix(path.into())),
                Some(("udp", rest)) => place(rest).map(Self::Udp),
                Some(("tcp", rest)) => place(rest).map(Self::Tcp),
                _ => None,
            };
            target.ok_or_else(|| Bad::new(format!("`{}` is no syslog server", shortened(text)), ""))
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^(unix:/.+|(udp|tcp):.+:[0-9]{1,5})$" })
    }

    fn json(&self) -> Json {
        self.to_string().into()
    }
}

/// Letters of the parts of an audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditParts(pub String);

impl Setting for AuditParts {
    fn expects() -> String {
        "letters from A to K and Z, such as `ABCFHZ`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| {
            let is_part = |letter: char| matches!(letter, 'A'..='K' | 'Z');
            if !text.is_empty() && text.chars().all(is_part) {
                return Ok(Self(text.to_owned()));
            }
            Err(Bad::new(
                format!("`{}` names no parts", shortened(text)),
                "",
            ))
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": "string", "pattern": "^[A-KZ]+$" })
    }

    fn json(&self) -> Json {
        self.0.clone().into()
    }
}
