//! A curl command line, as people copy it from a browser or write it.

use super::{BODY_LIMIT_BYTES, Request, RequestError};
use std::path::Path;

const EXPECTED: &str = "a curl command such as `curl -d 'a=1' https://example.com/form`";

/// What separates the parts of a form that curl sends.
const BOUNDARY: &str = "------------------------bascule";

/// Options that take a word and change nothing of the request.
const IGNORED_WITH_VALUE: &[&str] = &[
    "-o",
    "--output",
    "-x",
    "--proxy",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--resolve",
    "--retry",
    "-w",
    "--write-out",
    "--cacert",
    "--cert",
    "--key",
    "--interface",
    "-c",
    "--cookie-jar",
    "-D",
    "--dump-header",
    "--limit-rate",
    "--connect-to",
    "--ciphers",
    "--tls-max",
    "-K",
    "--config",
    "--retry-delay",
    "-y",
    "-Y",
    "-E",
];

/// What was asked for so far.
#[derive(Default)]
struct Asked {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    /// Headers that curl is told to leave out: `-H 'Accept:'`.
    left_out: Vec<String>,
    data: Vec<Vec<u8>>,
    form: Vec<String>,
    is_json: bool,
    as_query: bool,
    is_head: bool,
    is_http10: bool,
}

/// Reads a command.
pub(super) fn read(text: &str) -> Result<Request, RequestError> {
    let mut words = words(text)?.into_iter();
    words.next();
    let mut asked = Asked::default();
    while let Some(word) = words.next() {
        asked.option(&word, &mut words)?;
    }
    asked.request()
}

impl Asked {
    fn option(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), RequestError> {
        if !word.starts_with('-') || word == "-" {
            self.url.get_or_insert_with(|| word.to_owned());
            return Ok(());
        }
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ if word.starts_with("--") => (word, None),
            _ => {
                let end = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
                let (name, rest) = word.split_at(end);
                (name, Some(rest.to_owned()).filter(|rest| !rest.is_empty()))
            }
        };
        let mut value = || {
            attached
                .clone()
                .or_else(|| words.next())
                .ok_or_else(|| RequestError::new(format!("`{name}` has no value"), EXPECTED))
        };
        match name {
            "-X" | "--request" => self.method = Some(value()?),
            "--url" => self.url = Some(value()?),
            "-H" | "--header" => self.header(&value()?),
            "-A" | "--user-agent" => self.set("User-Agent", value()?),
            "-e" | "--referer" => self.set("Referer", value()?),
            "-b" | "--cookie" => self.set("Cookie", value()?),
            "-u" | "--user" => {
                let token = crate::base64::encode(value()?.as_bytes());
                self.set("Authorization", format!("Basic {token}"));
            }
            "-d" | "--data" | "--data-ascii" => {
                let mut data = data(&value()?)?;
                data.retain(|byte| !b"\r\n\0".contains(byte));
                self.data.push(data);
            }
            "--data-binary" => self.data.push(data(&value()?)?),
            "--data-raw" => self.data.push(value()?.into_bytes()),
            "--data-urlencode" => self.data.push(encoded(&value()?)?),
            "--json" => {
                self.is_json = true;
                self.data.push(data(&value()?)?);
            }
            "-F" | "--form" | "--form-string" => self.form.push(value()?),
            "-G" | "--get" => self.as_query = true,
            "-I" | "--head" => self.is_head = true,
            "-0" | "--http1.0" => self.is_http10 = true,
            "--compressed" => self.set("Accept-Encoding", "deflate, gzip, br, zstd".into()),
            _ if IGNORED_WITH_VALUE.contains(&name) => drop(value()?),
            // Flags in one word: `-sSLk`, and `-sXPOST`.
            _ if !word.starts_with("--") && word.chars().count() > 2 => {
                let rest: String = word.chars().skip(2).collect();
                return self.option(&format!("-{rest}"), words);
            }
            _ => {}
        }
        Ok(())
    }

    fn header(&mut self, text: &str) {
        match text.split_once(':') {
            Some((name, value)) if value.trim().is_empty() => {
                self.left_out.push(name.trim().to_owned());
            }
            Some((name, value)) => {
                let pair = (name.trim().to_owned(), value.trim().to_owned());
                self.headers.push(pair);
            }
            // `Name;` is a field without a value.
            None => {
                let name = text.trim_end_matches(';').to_owned();
                self.headers.push((name, String::new()));
            }
        }
    }

    fn set(&mut self, name: &str, value: String) {
        self.headers.push((name.to_owned(), value));
    }

    fn request(self) -> Result<Request, RequestError> {
        let url = self
            .url
            .clone()
            .ok_or_else(|| RequestError::new("the curl command has no URL", EXPECTED))?;
        let (_, behind) = url.split_once("://").unwrap_or(("http", &url));
        let behind = behind.split('#').next().unwrap_or_default();
        let at = behind.find(['/', '?']).unwrap_or(behind.len());
        let (authority, target) = behind.split_at(at);
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.is_empty() {
            return Err(RequestError::new(
                format!("`{url}` names no host"),
                EXPECTED,
            ));
        }
        let mut target = match target {
            path if path.starts_with('/') => path.to_owned(),
            query => format!("/{query}"),
        };
        let mut body = self.data.join(&b"&"[..]);
        let has_body = !self.data.is_empty() || !self.form.is_empty();
        if self.as_query && !body.is_empty() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&String::from_utf8_lossy(&body));
            body.clear();
        }
        let sends = has_body && !self.as_query;
        let version = if self.is_http10 {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        let mut request = Request {
            name: url.clone(),
            method: self.method(sends).as_bytes().to_vec(),
            target: target.into_bytes(),
            version: version.as_bytes().to_vec(),
            ..Request::default()
        };
        let given = |name: &str| {
            let same = |known: &str| known.eq_ignore_ascii_case(name);
            self.headers.iter().any(|(known, _)| same(known))
                || self.left_out.iter().any(|known| same(known))
        };
        if let Some((user, _)) = authority
            .rsplit_once('@')
            .filter(|_| !given("Authorization"))
        {
            let token = crate::base64::encode(user.as_bytes());
            request.add("Authorization", format!("Basic {token}"));
        }
        // As curl does: its own fields first, then those of the command line.
        for (name, value) in [
            ("Host", host),
            ("User-Agent", "curl/8.9.1"),
            ("Accept", "*/*"),
        ] {
            if !given(name) {
                request.add(name, value);
            }
        }
        for (name, value) in &self.headers {
            request
                .headers
                .push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        if sends {
            let (kind, bytes) = self.body(body)?;
            if !given("Content-Type") {
                request.add("Content-Type", kind);
            }
            request.add("Content-Length", bytes.len().to_string());
            request.body = bytes;
        }
        Ok(request)
    }

    fn method(&self, sends: bool) -> &str {
        match &self.method {
            Some(method) => method,
            None if self.is_head => "HEAD",
            None if sends => "POST",
            None => "GET",
        }
    }

    fn body(&self, data: Vec<u8>) -> Result<(String, Vec<u8>), RequestError> {
        if self.form.is_empty() {
            let kind = if self.is_json {
                "application/json"
            } else {
                "application/x-www-form-urlencoded"
            };
            return Ok((kind.to_owned(), data));
        }
        let mut out = Vec::new();
        for field in &self.form {
            let (name, value) = field.split_once('=').ok_or_else(|| {
                RequestError::new(
                    format!("`-F {field}` has no `=`"),
                    "`-F name=value` or `-F name=@file`",
                )
            })?;
            out.extend_from_slice(
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"")
                    .as_bytes(),
            );
            match value.strip_prefix('@') {
                Some(file) => {
                    let path = file.split(';').next().unwrap_or_default();
                    let shown = Path::new(path)
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy();
                    let content = file_bytes(path)?;
                    out.extend_from_slice(format!("; filename=\"{shown}\"\r\nContent-Type: application/octet-stream\r\n\r\n").as_bytes());
                    out.extend_from_slice(&content);
                }
                None => {
                    out.extend_from_slice(b"\r\n\r\n");
                    out.extend_from_slice(value.as_bytes());
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        Ok((format!("multipart/form-data; boundary={BOUNDARY}"), out))
    }
}

/// The value of a data option: text, or with `@` the bytes of a file.
fn data(value: &str) -> Result<Vec<u8>, RequestError> {
    match value.strip_prefix('@') {
        Some(path) => file_bytes(path),
        None => Ok(value.as_bytes().to_vec()),
    }
}

fn file_bytes(path: &str) -> Result<Vec<u8>, RequestError> {
    crate::files::read(Path::new(path), BODY_LIMIT_BYTES)
        .map_err(|error| RequestError::new(error.to_string(), "a file that can be read"))
}

/// `content`, `=content`, `name=content` or `name@file`, with the content percent-encoded.
fn encoded(value: &str) -> Result<Vec<u8>, RequestError> {
    let (name, content) = match value.split_once(['=', '@']) {
        Some((name, rest)) if value.as_bytes().get(name.len()) == Some(&b'@') => {
            (name, file_bytes(rest)?)
        }
        Some((name, rest)) => (name, rest.as_bytes().to_vec()),
        None => ("", value.as_bytes().to_vec()),
    };
    let mut out = name.as_bytes().to_vec();
    if !name.is_empty() {
        out.push(b'=');
    }
    for byte in content {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    Ok(out)
}

/// Splits a command as a shell does; variables and substitutions stay as they are written.
fn words(text: &str) -> Result<Vec<String>, RequestError> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => quoted(&mut letters, word.get_or_insert_default(), '\'')?,
            '"' => quoted(&mut letters, word.get_or_insert_default(), '"')?,
            '$' if letters.peek() == Some(&'\'') => {
                letters.next();
                escaped(&mut letters, word.get_or_insert_default())?;
            }
            // A line that goes on; behind `^` in the form that browsers copy for Windows.
            '\\' | '^' if letters.peek() == Some(&'\n') => drop(letters.next()),
            '\\' => word.get_or_insert_default().extend(letters.next()),
            letter if letter.is_whitespace() => found.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word);
    Ok(found)
}

fn unclosed(quote: &str) -> RequestError {
    RequestError::new(format!("the quote {quote} is not closed"), EXPECTED)
}

fn quoted(
    letters: &mut impl Iterator<Item = char>,
    word: &mut String,
    quote: char,
) -> Result<(), RequestError> {
    loop {
        match letters.next().ok_or_else(|| unclosed(&quote.to_string()))? {
            letter if letter == quote => return Ok(()),
            '\\' if quote == '"' => match letters.next() {
                Some('\n') => {}
                Some(letter @ ('"' | '\\' | '$' | '`')) => word.push(letter),
                Some(letter) => word.extend(['\\', letter]),
                None => return Err(unclosed("\"")),
            },
            letter => word.push(letter),
        }
    }
}

/// `$'...'` of bash, which browsers write where a body holds quotes or line ends.
fn escaped(
    letters: &mut std::iter::Peekable<impl Iterator<Item = char>>,
    word: &mut String,
) -> Result<(), RequestError> {
    loop {
        match letters.next().ok_or_else(|| unclosed("$'"))? {
            '\'' => return Ok(()),
            '\\' => match letters.next().ok_or_else(|| unclosed("$'"))? {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                letter @ ('x' | 'u') => {
                    let most = if letter == 'x' { 2 } else { 4 };
                    let mut number = 0;
                    let mut count = 0;
                    while let Some(digit) = letters
                        .peek()
                        .and_then(|digit| digit.to_digit(16))
                        .filter(|_| count < most)
                    {
                        letters.next();
                        number = number * 16 + digit;
                        count += 1;
                    }
                    word.extend(char::from_u32(number));
                }
                letter => word.push(letter),
            },
            letter => word.push(letter),
        }
    }
}
