//! The request: line, header, cookies, arguments, body.

use seclang::ast::BodyProcessor;

use super::Transaction;
use super::state::{Argument, HeadText, Pair, Source, name_bit};
use crate::body;
use crate::bytes::hex_pair;
use crate::store::{Span, Store};

impl Transaction {
    /// Takes the request line as received: the raw request target, and the protocol as `HTTP/1.1` (empty for HTTP/0.9).
    pub fn request_line(&mut self, method: &[u8], target: &[u8], protocol: &[u8]) {
        let line = self.state.store.write(|out| {
            out.extend_from_slice(method);
            out.push(b' ');
            out.extend_from_slice(target);
            if !protocol.is_empty() {
                out.push(b' ');
                out.extend_from_slice(protocol);
            }
        });
        let request = &mut self.request;
        request.line = line;
        request.method = line.slice(0, method.len());
        let target_start = method.len() + 1;
        request.target = line.slice(target_start, target_start + target.len());
        request.protocol = line.slice(line.len().saturating_sub(protocol.len()), line.len());
        self.read_target(target);
    }

    /// Takes a request line that no server understands, and the parts that it may have: for requests that are refused whatever the
    /// rules say, and inspected all the same.
    pub fn malformed_request_line(
        &mut self,
        line: &[u8],
        method: &[u8],
        target: &[u8],
        protocol: &[u8],
    ) {
        let store = &mut self.state.store;
        self.request.line = store.push(line);
        self.request.method = store.push(method);
        self.request.target = store.push(target);
        self.request.protocol = store.push(protocol);
        self.read_target(target);
    }

    fn read_target(&mut self, target: &[u8]) {
        let request = &mut self.request;
        let parts = split_target(target);
        let path = request.target.slice(parts.path.0, parts.path.1);
        request.query = parts
            .query
            .map(|(start, end)| request.target.slice(start, end));
        let store = &mut self.state.store;
        let escaped = memchr::memchr(b'%', store.get(path)).is_some();
        request.filename = if escaped {
            store.derive(path, decode_path)
        } else {
            path
        };
        request.uri = if escaped || parts.query.is_none() {
            match request.query {
                Some(query) => store.joined(request.filename, b'?', query),
                None => request.filename,
            }
        } else {
            request.target.slice(
                parts.path.0,
                parts.query.map_or(parts.path.1, |(_, end)| end),
            )
        };
        let filename = store.get(request.filename);
        let base = filename
            .iter()
            .rposition(|byte| matches!(byte, b'/' | b'\\'))
            .map_or(0, |slash| slash + 1);
        request.basename = request.filename.slice(base, request.filename.len());
    }

    /// Takes a header field of the request; blanks round the value are dropped. A field that is sent again goes on with the value of
    /// the first (RFC 9110, 5.3), and cookies with cookies (RFC 9113, 8.2.3): rules see one value, as endpoints that join them do.
    pub fn request_header(&mut self, name: &[u8], value: &[u8]) {
        let store = &mut self.state.store;
        let bit = name_bit(name);
        let is_known = self.request.names & bit != 0;
        self.request.names |= bit;
        let fields = self.request.headers.iter_mut();
        if let Some(field) = fields.filter(|_| is_known).find(|field| {
            field.key.len() == name.len() && store.get(field.key).eq_ignore_ascii_case(name)
        }) {
            let separator: &[u8] = if name.eq_ignore_ascii_case(b"cookie") {
                b"; "
            } else {
                b", "
            };
            field.value = store.derive(field.value, |before, out| {
                out.extend_from_slice(before);
                out.extend_from_slice(separator);
                out.extend_from_slice(value.trim_ascii());
            });
            self.request.head = HeadText::Scattered;
            return;
        }
        if self.request.head == HeadText::Nowhere {
            let (method, protocol) = (self.request.method, self.request.protocol);
            self.request.head = HeadText::Here(store.push_stored_pair(method, protocol));
        }
        let value = value.trim_ascii();
        let written = store.push_pair(name, value);
        let (key, value) = Store::pair(written, name.len());
        self.request.headers.push(Pair { key, value });
        if let HeadText::Here(before) = self.request.head {
            let joined = before.joined_with(written);
            self.request.head = joined.map_or(HeadText::Scattered, HeadText::Here);
        }
    }

    /// The first field of this name.
    pub(super) fn request_field(&self, name: &str) -> Option<Span> {
        let headers = self.request.headers.iter();
        headers
            .filter(|field| {
                field.key.len() == name.len()
                    && self
                        .state
                        .store
                        .get(field.key)
                        .eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|field| field.value)
            .next()
    }

    /// Derives what phase 1 may look at: cookies, arguments of the query, the name of the server, who would parse the body.
    pub(super) fn complete_request_head(&mut self) {
        for index in 0..self.request.headers.len() {
            let field = self.request.headers[index];
            let name = b"cookie";
            if field.key.len() == name.len()
                && self.state.store.get(field.key).eq_ignore_ascii_case(name)
            {
                self.split_cookies(field.value);
            }
        }
        if let Some(query) = self.request.query {
            self.parse_query(query);
        }
        self.request.server_name = self.request_field("host").map(|host| {
            let name = host_name(self.state.store.get(host));
            host.slice(0, name)
        });
        let content_type = self
            .request_field("content-type")
            .map(|span| self.state.store.get(span));
        self.request.processor = content_type.and_then(Self::processor_of);
        let announces = ["content-length", "transfer-encoding"];
        self.request.is_bodiless = !announces
            .iter()
            .any(|name| self.request_field(name).is_some());
    }

    /// The processor that a body would have by its type.
    fn processor_of(content_type: &[u8]) -> Option<BodyProcessor> {
        let begins = |prefix: &str| {
            content_type
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        if begins("multipart/form-data") {
            Some(BodyProcessor::Multipart)
        } else if begins("application/x-www-form-urlencoded") {
            Some(BodyProcessor::Urlencoded)
        } else {
            None
        }
    }

    /// `name=value; name=value`: names without leading blanks, values as they stand. A piece without `=` is a name; one without a name
    /// is no cookie.
    fn split_cookies(&mut self, field: Span) {
        let text = self.state.store.get(field);
        let mut start = 0;
        for piece in text.split(|&byte| byte == b';') {
            let lead = piece
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            let end = start + piece.len();
            let equals = memchr::memchr(b'=', &piece[lead..]).map_or(end, |at| start + lead + at);
            if equals > start + lead {
                self.request.cookies.push(Pair {
                    key: field.slice(start + lead, equals),
                    value: field.slice((equals + 1).min(end), end),
                });
            }
            start = end + 1;
        }
    }

    fn parse_query(&mut self, query: Span) {
        let separator = self.rules.settings.argument_separator;
        let limit = self.rules.settings.arguments_limit;
        let mut text = std::mem::take(&mut self.state.text);
        text.clear();
        text.extend_from_slice(self.state.store.get(query));
        let parsed = &mut self.request.parsed;
        body::urlencoded(
            &text,
            separator,
            limit,
            parsed,
            &mut self.state.store,
            Source::Query,
        );
        self.state.text = text;
    }

    /// Hands the body to its processor. What was parsed before an error stays.
    pub(super) fn parse_request_body(&mut self) {
        if self.request.body_parsed || !self.request.access {
            return;
        }
        self.request.body_parsed = true;
        let settings = &self.rules.settings;
        let request = &mut self.request;
        if request.body.is_empty() && request.processor != Some(BodyProcessor::Multipart) {
            return;
        }
        let parses_whole = matches!(
            request.processor,
            Some(BodyProcessor::Urlencoded | BodyProcessor::Json | BodyProcessor::Xml)
        );
        if parses_whole && request.body.len() > settings.request_body_no_files_limit {
            request.inbound_error = true;
            request.parsed.error = Some(format!(
                "the body is longer than SecRequestBodyNoFilesLimit ({} bytes) and was not parsed",
                settings.request_body_no_files_limit
            ));
            self.request.has_body_variable = self.fills_request_body_variable();
            return;
        }
        let body = std::mem::take(&mut request.body);
        let (parsed, store) = (&mut request.parsed, &mut self.state.store);
        match request.processor {
            Some(BodyProcessor::Urlencoded) => {
                body::urlencoded(
                    &body,
                    settings.argument_separator,
                    settings.arguments_limit,
                    parsed,
                    store,
                    Source::Form,
                );
            }
            Some(BodyProcessor::Json) => body::json(
                &body,
                settings.json_depth_limit,
                settings.arguments_limit,
                parsed,
                store,
            ),
            Some(BodyProcessor::Multipart) => {
                let content_type = request
                    .headers
                    .iter()
                    .find(|field| store.get(field.key).eq_ignore_ascii_case(b"content-type"));
                let content_type = content_type
                    .map(|field| store.get(field.value).to_vec())
                    .unwrap_or_default();
                let limits = body::MultipartLimits {
                    arguments: settings.arguments_limit,
                    files: settings.upload_file_limit,
                    no_files_bytes: settings.request_body_no_files_limit,
                };
                body::multipart(&body, &content_type, &limits, parsed, store);
            }
            Some(BodyProcessor::Xml) => {
                let limits = body::XmlLimits {
                    attributes: settings.arguments_limit,
                    paths: &self.rules.xpaths,
                    keeps_document: self.rules.keeps_documents,
                    visits: self.rules.options.work_limit_bytes / body::WORK_OF_A_VISIT,
                };
                self.state.work += body::WORK_OF_A_VISIT * body::xml(&body, limits, parsed, store);
            }
            Some(BodyProcessor::Raw) | None => {}
        }
        self.request.body = body;
        self.request.has_body_variable = self.fills_request_body_variable();
    }

    /// Whether `REQUEST_BODY` holds the body: for URL-encoded ones, and where `ctl:forceRequestBodyVariable` asks for it and nobody
    /// parses the body. Other engines differ; this is what the CRS expects.
    fn fills_request_body_variable(&self) -> bool {
        !self.request.body.is_empty()
            && match self.request.processor {
                Some(BodyProcessor::Urlencoded) => true,
                Some(BodyProcessor::Raw) | None => self.request.force_variable,
                Some(_) => false,
            }
    }

    /// The arguments of one source or of all.
    pub(super) fn arguments(&self, source: Option<Source>) -> impl Iterator<Item = &Argument> {
        self.request
            .parsed
            .args
            .iter()
            .filter(move |argument| source.is_none_or(|source| argument.source == source))
    }
}

/// Where the parts of a request target lie.
struct TargetParts {
    path: (usize, usize),
    query: Option<(usize, usize)>,
}

/// Splits a request target of any form: scheme and authority go, the fragment goes.
fn split_target(target: &[u8]) -> TargetParts {
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    let query = memchr::memchr(b'?', &target[..end]);
    let path_end = query.unwrap_or(end);
    let path = &target[..path_end];
    let start = match memchr::memmem::find(path, b"://") {
        // A scheme is letters only; anything else with `://` in it is a path.
        Some(colon) if colon > 0 && path[..colon].iter().all(u8::is_ascii_alphabetic) => {
            let authority = colon + 3;
            memchr::memchr(b'/', &path[authority..]).map_or(path_end, |slash| authority + slash)
        }
        _ => 0,
    };
    TargetParts {
        path: (start, path_end),
        query: query.map(|mark| (mark + 1, end)),
    }
}

/// Percent-decoding of a path: `+` stays.
fn decode_path(path: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let decoded = if byte == b'%' {
            hex_pair(path, at + 1)
        } else {
            None
        };
        out.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
}

/// The length of a host without its port.
fn host_name(host: &[u8]) -> usize {
    match host.first() {
        Some(b'[') => memchr::memchr(b']', host).map_or(host.len(), |end| end + 1),
        // A field that was sent again goes on with a comma.
        _ => memchr::memchr2(b':', b',', host).unwrap_or(host.len()),
    }
}
