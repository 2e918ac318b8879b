//! Requests that people have: as raw bytes, as a curl command, out of a browser's HAR, out of lists.

mod curl;
mod har;
mod raw;

use serde_json::Value as Json;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

pub(crate) use raw::read_framed;

/// Bytes of a file with requests; a larger one is refused.
pub const FILE_LIMIT_BYTES: u64 = 512 << 20;

/// Bytes that a curl command may read from a file for its body.
const BODY_LIMIT_BYTES: u64 = 64 << 20;

/// Whom requests come from that do not say it: an address for documentation. Loopback would be let through by some rules.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A request as the engine gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What people know it by: a line of a file, a URL.
    pub name: String,
    /// As in the request line.
    pub method: Vec<u8>,
    /// The request target as in the request line.
    pub target: Vec<u8>,
    /// As in the request line, such as `HTTP/1.1`; empty where there is none.
    pub version: Vec<u8>,
    /// Names and values in order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
    /// Where it comes from.
    pub client: IpAddr,
    /// Why a strict parser refuses the bytes that it was read from.
    pub(crate) refused: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            name: String::new(),
            method: b"GET".to_vec(),
            target: b"/".to_vec(),
            version: b"HTTP/1.1".to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
            client: CLIENT,
            refused: None,
        }
    }
}

/// Why something is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found}: expected {expected}")]
pub struct RequestError {
    /// What is wrong, with its place.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

impl RequestError {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
        }
    }
}

impl Request {
    /// The first value under a name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }

    /// Adds a field where there is none of this name.
    fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        if self.header(name).is_none() {
            self.headers.push((name.as_bytes().to_vec(), value.into()));
        }
    }

    /// The path of the target, without query.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        let target = self.target.as_slice();
        let end = target.iter().position(|byte| b"?#".contains(byte));
        let path = target.get(..end.unwrap_or(target.len())).unwrap_or(target);
        // In absolute form the path begins at the first slash behind the host.
        match path.windows(3).position(|window| window == b"://") {
            Some(scheme) if !path.starts_with(b"/") => {
                let host = path.get(scheme + 3..).unwrap_or_default();
                let slash = host.iter().position(|&byte| byte == b'/');
                slash.and_then(|slash| host.get(slash..)).unwrap_or(b"/")
            }
            _ => path,
        }
    }

    /// Method and target as one line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} {}",
            String::from_utf8_lossy(&self.method),
            String::from_utf8_lossy(&self.target)
        )
    }

    /// Why a proxy would refuse the request by itself, before any rule sees it.
    #[must_use]
    pub fn refused_by_front(&self) -> Option<String> {
        self.refused
            .clone()
            .or_else(|| raw::refusal(&raw::head(self)))
    }
}

/// The requests of a text, whatever form it has: a curl command, a HAR file or entry, JSON lines with `raw_b64`, or one raw request.
///
/// # Errors
/// What it is instead.
pub fn read(name: &str, text: &[u8]) -> Result<Vec<Request>, RequestError> {
    let start = text.trim_ascii_start();
    if start.is_empty() {
        return Err(RequestError::new(format!("{name} is empty"), KINDS));
    }
    if start.starts_with(b"curl") && start.get(4).is_some_and(u8::is_ascii_whitespace) {
        let text = String::from_utf8_lossy(start);
        return Ok(vec![curl::read(&text)?]);
    }
    if start.starts_with(b"{") || start.starts_with(b"[") {
        return match serde_json::from_slice::<Json>(start) {
            Ok(json) if json.get("raw_b64").is_none() && json.get("stages").is_none() => {
                har::read(name, &json)
            }
            _ => lines(name, text),
        };
    }
    let mut request = raw::read(text)
        .ok_or_else(|| RequestError::new(format!("{name} has no request line"), KINDS))?;
    request.name = name.to_owned();
    Ok(vec![request])
}

const KINDS: &str =
    "a curl command line, a raw HTTP request, a HAR file, or JSON lines with `raw_b64`";

/// JSON lines: each has `raw_b64`, or `stages` that have, as the regression tests of the CRS do.
fn lines(name: &str, text: &[u8]) -> Result<Vec<Request>, RequestError> {
    let mut requests = Vec::new();
    for (line, number) in text.split(|&byte| byte == b'\n').zip(1..) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let at = format!("{name}:{number}");
        let json: Json = serde_json::from_slice(line)
            .map_err(|error| RequestError::new(format!("{at}: {error}"), KINDS))?;
        let stages = json.get("stages").and_then(Json::as_array);
        let raws: Vec<&Json> = match stages {
            Some(stages) => stages
                .iter()
                .filter_map(|stage| stage.get("raw_b64"))
                .collect(),
            None => json.get("raw_b64").into_iter().collect(),
        };
        if raws.is_empty() {
            let found = format!("{at}: there is no `raw_b64`");
            return Err(RequestError::new(
                found,
                "the bytes of a request in Base64 under `raw_b64`",
            ));
        }
        let id = json.get("id").and_then(Json::as_str);
        for raw in raws {
            let bytes = raw.as_str().and_then(crate::base64::decode);
            let request = bytes.as_deref().and_then(read_framed);
            let Some(mut request) = request else {
                let found = format!("{at}: `raw_b64` holds no request");
                return Err(RequestError::new(
                    found,
                    "a request line and fields in Base64",
                ));
            };
            request.name = id.map_or_else(|| at.clone(), str::to_owned);
            requests.push(request);
        }
    }
    Ok(requests)
}

/// The requests of a file.
///
/// # Errors
/// What the system says, and as [`read`].
pub fn read_file(path: &Path) -> Result<Vec<Request>, RequestError> {
    let bytes = crate::files::read(path, FILE_LIMIT_BYTES)
        .map_err(|error| RequestError::new(error.to_string(), KINDS))?;
    read(&path.display().to_string(), &bytes)
}

/// Requests that stand for ordinary traffic where nobody has recorded any: a browser, a form, an API, an upload.
#[must_use]
pub fn samples() -> Vec<Request> {
    const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate\r\nReferer: https://shop.example.com/catalogue?page=3\r\nCookie: session=8f3a1c0d9e7b4a52; theme=dark; _ga=GA1.2.1402331887.1700000000\r\n";
    let form = "name=Ada+Lovelace&street=12+St+James%27s+Square&city=London&note=Please+ring+twice+%26+leave+it+at+the+door&quantity=3&agree=on";
    let json = r#"{"customer":{"name":"Ada","mail":"ada@example.com"},"items":[{"sku":"A-100","count":2},{"sku":"B-7","count":1}],"note":"as discussed"}"#;
    let upload = "--x7\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHoliday\r\n--x7\r\nContent-Disposition: form-data; name=\"file\"; filename=\"beach.txt\"\r\nContent-Type: text/plain\r\n\r\nsun and sand\r\n--x7--\r\n";
    let post = |path: &str, kind: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: shop.example.com\r\n{BROWSER}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let texts = [
        (
            "page",
            format!(
                "GET /catalogue?page=4&sort=price HTTP/1.1\r\nHost: shop.example.com\r\n{BROWSER}\r\n"
            ),
        ),
        (
            "form",
            post("/order", "application/x-www-form-urlencoded", form),
        ),
        ("json", post("/api/orders", "application/json", json)),
        (
            "upload",
            post("/photos", "multipart/form-data; boundary=x7", upload),
        ),
        (
            "search",
            format!(
                "GET /search?q=select+a+nice+table+from+oak+%26+steel HTTP/1.1\r\nHost: shop.example.com\r\n{BROWSER}\r\n"
            ),
        ),
    ];
    let requests = texts.iter().filter_map(|(name, text)| {
        let mut request = raw::read(text.as_bytes())?;
        request.name = (*name).to_owned();
        Some(request)
    });
    requests.collect()
}

#[cfg(test)]
mod tests;
