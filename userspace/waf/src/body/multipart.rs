//! `multipart/form-data` (RFC 7578), read with suspicion: whatever a backend could read otherwise sets a flag.

use std::ops::Range;

use crate::store::Store;
use crate::transaction::{Argument, File, Pair, Parsed, Source};

/// Bytes of a Content-Type field. A longer one is an error of the body.
const CONTENT_TYPE_LIMIT_BYTES: usize = 1024;

/// Header lines of one part. More are an error of the body.
const PART_HEADERS_LIMIT: usize = 64;

/// What other readers could see otherwise: the `MULTIPART_*` variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Multipart {
    pub(crate) error: bool,
    pub(crate) boundary_quoted: bool,
    pub(crate) boundary_whitespace: bool,
    pub(crate) crlf_lines: bool,
    pub(crate) data_after: bool,
    pub(crate) data_before: bool,
    pub(crate) file_limit_exceeded: bool,
    pub(crate) header_folding: bool,
    pub(crate) invalid_header_folding: bool,
    pub(crate) invalid_part: bool,
    pub(crate) invalid_quoting: bool,
    pub(crate) lf_line: bool,
    pub(crate) missing_semicolon: bool,
    /// 1: a line looks like the boundary and is not. 2: a line begins as boundaries do.
    pub(crate) unmatched_boundary: u8,
}

impl Multipart {
    /// `MULTIPART_STRICT_ERROR`
    pub(crate) fn is_strict_error(&self) -> bool {
        self.error
            || self.boundary_quoted
            || self.boundary_whitespace
            || self.data_after
            || self.data_before
            || self.file_limit_exceeded
            || self.header_folding
            || self.invalid_header_folding
            || self.invalid_part
            || self.invalid_quoting
            || self.lf_line
            || self.missing_semicolon
    }
}

/// What a body may hold.
pub(crate) struct Limits {
    /// Arguments in all; further fields are dropped.
    pub(crate) arguments: usize,
    /// Files; further ones are dropped and set `MULTIPART_FILE_LIMIT_EXCEEDED`.
    pub(crate) files: usize,
    /// Bytes of header lines and of fields that are no files. More are an error of the body.
    pub(crate) no_files_bytes: usize,
}

/// Reads a body. After an error what can be told of it is published all the same: a more lenient reader behind us may take it.
pub(crate) fn multipart(
    body: &[u8],
    content_type: &[u8],
    limits: &Limits,
    parsed: &mut Parsed,
    store: &mut Store,
) {
    let mut flags = Multipart::default();
    let mut fault = Fault::default();
    match boundary(content_type, &mut flags) {
        Ok(boundary) => {
            let parts = read(body, &boundary, &mut flags, &mut fault);
            if let Some(parts) = fault.note(check_size(parts, limits)) {
                publish(&parts, limits, &mut flags, parsed, store);
            }
        }
        Err(problem) => fault.0 = Some(problem),
    }
    if let Some(problem) = fault.0 {
        flags.error = true;
        parsed.error = Some(format!("Multipart parsing error: {problem}"));
    }
    parsed.multipart = flags;
}

/// What is wrong with a body: the first thing of all.
#[derive(Default)]
struct Fault(Option<&'static str>);

impl Fault {
    fn note<T>(&mut self, outcome: Outcome<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(problem) => {
                self.0.get_or_insert(problem);
                None
            }
        }
    }
}

type Outcome<T> = Result<T, &'static str>;

#[derive(Default)]
struct Part<'a> {
    /// Header lines without their ends, folded ones joined.
    headers: Vec<Vec<u8>>,
    name: Option<Vec<u8>>,
    filename: Option<Vec<u8>>,
    data: &'a [u8],
    /// Where the data begins in the body.
    start: usize,
}

/// The boundary that a Content-Type field names.
fn boundary(content_type: &[u8], flags: &mut Multipart) -> Outcome<Vec<u8>> {
    if content_type.len() > CONTENT_TYPE_LIMIT_BYTES {
        return Err("the Content-Type field is too long");
    }
    let rest = content_type
        .get("multipart/form-data".len()..)
        .unwrap_or_default();
    let first = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    flags.missing_semicolon = first.is_some_and(|&byte| byte != b';');
    let lower = rest.to_ascii_lowercase();
    let mut found = memchr::memmem::find_iter(&lower, b"boundary");
    let start = found
        .next()
        .ok_or("the Content-Type field names no boundary")?;
    let value = &rest[start + "boundary".len()..];
    let trimmed = value.trim_ascii_start();
    let Some(after) = trimmed.strip_prefix(b"=") else {
        return Err("the boundary parameter has no value");
    };
    let value_start = after.trim_ascii_start();
    flags.boundary_whitespace = trimmed.len() != value.len() || value_start.len() != after.len();
    let (boundary, tail) = match value_start.strip_prefix(b"\"") {
        Some(quoted) => {
            flags.boundary_quoted = true;
            let end = memchr::memchr(b'"', quoted).ok_or("the boundary's quotes do not close")?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => {
            let end = memchr::memchr2(b';', b',', value_start).unwrap_or(value_start.len());
            (value_start[..end].trim_ascii_end(), &value_start[end..])
        }
    };
    if memchr::memmem::find(&tail.to_ascii_lowercase(), b"boundary").is_some() {
        return Err("the Content-Type field names two boundaries");
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    if boundary.is_empty() {
        return Err("the boundary is empty");
    }
    if !boundary.iter().all(allowed) || boundary.ends_with(b" ") {
        return Err("the boundary holds characters that it must not");
    }
    flags.boundary_whitespace |= boundary.contains(&b' ');
    Ok(boundary.to_vec())
}

enum Where {
    Before,
    Headers,
    Data,
    After,
}

/// Splits a body into its parts, as far as it goes.
fn read<'a>(
    body: &'a [u8],
    boundary: &[u8],
    flags: &mut Multipart,
    fault: &mut Fault,
) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    let mut place = Where::Before;
    let mut at = 0;
    let mut data_start = 0;
    while at < body.len() {
        let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |feed| at + feed + 1);
        let line = &body[at..end];
        let found = fault.note(boundary_line(line, boundary, flags)).flatten();
        match (found, &place, parts.last_mut()) {
            (Some(_), Where::After, _) => {
                flags.data_after = true;
                fault.note::<()>(Err("a boundary follows the final one"));
                return parts;
            }
            (Some(last), ..) => {
                note_line_end(line, flags);
                end_part(&place, parts.last_mut(), body, data_start..at, flags);
                place = if last { Where::After } else { Where::Headers };
                if !last {
                    parts.push(Part::default());
                }
            }
            (None, Where::Before, _) => flags.data_before = true,
            (None, Where::After, _) => flags.data_after = true,
            (None, Where::Headers, Some(part)) => {
                note_line_end(line, flags);
                let text = without_line_end(line);
                if text.is_empty() {
                    fault.note(read_headers(part, flags));
                    place = Where::Data;
                    data_start = end;
                } else {
                    fault.note(header_line(part, text, flags));
                }
            }
            (None, ..) => {}
        }
        at = end;
    }
    match place {
        // Nothing was sent: whether there should have been something is not for us to say.
        Where::Before if body.is_empty() => None,
        Where::Before => fault.note::<()>(Err("there is no boundary in the body")),
        Where::After => None,
        Where::Headers | Where::Data => {
            end_part(&place, parts.last_mut(), body, data_start..at, flags);
            fault.note(Err("the final boundary is missing"))
        }
    };
    parts
}

/// Ends the part before a boundary, or before the end of the body.
fn end_part<'a>(
    place: &Where,
    part: Option<&mut Part<'a>>,
    body: &'a [u8],
    data: Range<usize>,
    flags: &mut Multipart,
) {
    match (place, part) {
        (Where::Headers, _) => flags.invalid_part = true,
        (Where::Data, Some(part)) => {
            part.start = data.start;
            part.data = without_line_end(body.get(data).unwrap_or_default());
        }
        _ => {}
    }
}

/// Whether a line is the boundary, and then whether it is the final one.
fn boundary_line(line: &[u8], boundary: &[u8], flags: &mut Multipart) -> Outcome<Option<bool>> {
    let Some(rest) = line.strip_prefix(b"--") else {
        return Ok(None);
    };
    let Some(tail) = rest.strip_prefix(boundary) else {
        let hidden = rest
            .trim_ascii_start()
            .strip_prefix(b"\"")
            .unwrap_or_else(|| rest.trim_ascii_start());
        let core = boundary
            .iter()
            .position(|byte| *byte != b'-')
            .map_or(boundary, |start| &boundary[start..]);
        let suspicion =
            if hidden.starts_with(boundary) || memchr::memmem::find(rest, core).is_some() {
                1
            } else {
                2
            };
        if flags.unmatched_boundary != 1 {
            flags.unmatched_boundary = suspicion;
        }
        return Ok(None);
    };
    let (last, tail) = tail
        .strip_prefix(b"--")
        .map_or((false, tail), |tail| (true, tail));
    match tail {
        b"\r\n" | b"\n" => Ok(Some(last)),
        // The body may end with the final boundary, before or within the end of its line.
        b"" | b"\r" if last => Ok(Some(true)),
        _ => Err("something follows the boundary on its line"),
    }
}

fn note_line_end(line: &[u8], flags: &mut Multipart) {
    if line.ends_with(b"\r\n") {
        flags.crlf_lines = true;
    } else if line.ends_with(b"\n") {
        flags.lf_line = true;
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n")
        .or_else(|| line.strip_suffix(b"\n"))
        .unwrap_or(line)
}

fn header_line(part: &mut Part<'_>, line: &[u8], flags: &mut Multipart) -> Outcome<()> {
    if line[0].is_ascii_whitespace() || line[0] == 0x0B {
        flags.header_folding = true;
        flags.invalid_header_folding |= !matches!(line[0], b' ' | b'\t');
        let last = part
            .headers
            .last_mut()
            .ok_or("a part begins with a folded header line")?;
        last.push(b' ');
        last.extend_from_slice(line.trim_ascii());
        return Ok(());
    }
    if part.headers.len() >= PART_HEADERS_LIMIT {
        return Err("a part has too many headers");
    }
    let outcome = check_header(part, line);
    // Rules look at the lines that are wrong, too.
    part.headers.push(line.to_vec());
    outcome
}

fn check_header(part: &Part<'_>, line: &[u8]) -> Outcome<()> {
    let colon = memchr::memchr(b':', line).ok_or("a header line of a part has no colon")?;
    let name = &line[..colon];
    if name.is_empty() || !name.iter().all(|byte| (33..=126).contains(byte)) {
        return Err("the name of a part's header holds bytes that it must not");
    }
    let same = |other: &Vec<u8>| {
        other
            .get(..=colon)
            .is_some_and(|start| start.eq_ignore_ascii_case(&line[..=colon]))
    };
    if part.headers.iter().any(same) {
        return Err("a part has the same header twice");
    }
    Ok(())
}

/// Takes name and file name from `Content-Disposition`.
fn read_headers(part: &mut Part<'_>, flags: &mut Multipart) -> Outcome<()> {
    const FIELD: &[u8] = b"content-disposition:";
    let field = part.headers.iter().find(|line| {
        line.get(..FIELD.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(FIELD))
    });
    let value = field.ok_or("a part has no Content-Disposition")?[FIELD.len()..]
        .trim_ascii()
        .to_vec();
    const KIND: &[u8] = b"form-data";
    let mut rest = match value.split_at_checked(KIND.len()) {
        Some((kind, rest)) if kind.eq_ignore_ascii_case(KIND) => rest.trim_ascii_start(),
        _ => return Err("a part's Content-Disposition is not form-data"),
    };
    let mut extended = false;
    while !rest.is_empty() {
        rest = rest
            .strip_prefix(b";")
            .ok_or("a part's Content-Disposition has something between its parameters")?
            .trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        let equals =
            memchr::memchr(b'=', rest).ok_or("a parameter of Content-Disposition has no value")?;
        let name = rest[..equals].trim_ascii_end().to_ascii_lowercase();
        let (value, after) = parameter_value(rest[equals + 1..].trim_ascii_start(), flags)?;
        rest = after.trim_ascii_start();
        let slot = match name.as_slice() {
            b"name" => &mut part.name,
            b"filename" => &mut part.filename,
            b"filename*" => {
                extended = true;
                continue;
            }
            _ => return Err("a part's Content-Disposition has an unknown parameter"),
        };
        if slot.replace(value).is_some() {
            return Err("a part's Content-Disposition has a parameter twice");
        }
    }
    if extended && part.filename.is_none() {
        return Err("a part has filename* without filename");
    }
    if part.name.is_none() {
        flags.invalid_part = true;
        return Err("a part has no name");
    }
    Ok(())
}

/// A quoted value, where `\"` and `\\` are escapes, or a bare one. Single quotes are read and flagged.
fn parameter_value<'a>(text: &'a [u8], flags: &mut Multipart) -> Outcome<(Vec<u8>, &'a [u8])> {
    let Some(&quote @ (b'"' | b'\'')) = text.first() else {
        let ends = |byte: &u8| *byte == b';' || byte.is_ascii_whitespace();
        let end = text.iter().position(ends).unwrap_or(text.len());
        return Ok((text[..end].to_vec(), &text[end..]));
    };
    flags.invalid_quoting |= quote == b'\'';
    let mut value = Vec::new();
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match (byte, text.get(at + 1)) {
            (b'\\', Some(&escaped)) if escaped == quote || escaped == b'\\' => {
                value.push(escaped);
                at += 2;
            }
            _ if byte == quote => return Ok((value, &text[at + 1..])),
            _ => {
                value.push(byte);
                at += 1;
            }
        }
    }
    Err("a quoted value of Content-Disposition does not end")
}

/// Header lines and fields count, the contents of files do not.
fn check_size<'a>(parts: Vec<Part<'a>>, limits: &Limits) -> Outcome<Vec<Part<'a>>> {
    let size = |part: &Part<'_>| {
        let headers: usize = part.headers.iter().map(Vec::len).sum();
        headers
            + if part.filename.is_none() {
                part.data.len()
            } else {
                0
            }
    };
    if parts.iter().map(size).sum::<usize>() > limits.no_files_bytes {
        return Err("the body without its files is longer than SecRequestBodyNoFilesLimit");
    }
    Ok(parts)
}

fn publish(
    parts: &[Part<'_>],
    limits: &Limits,
    flags: &mut Multipart,
    parsed: &mut Parsed,
    store: &mut Store,
) {
    for part in parts {
        let field = store.push(part.name.as_deref().unwrap_or_default());
        for line in &part.headers {
            let value = store.push(line);
            parsed.part_headers.push(Pair { key: field, value });
        }
        match &part.filename {
            Some(_) if parsed.files.len() >= limits.files => flags.file_limit_exceeded = true,
            Some(filename) => {
                let name = store.push(filename);
                parsed.files.push(File {
                    field,
                    name,
                    start: part.start,
                    size: part.data.len(),
                });
            }
            // Nobody takes what has no name for an argument.
            None if part.name.is_none() => {}
            None if parsed.args.len() < limits.arguments => {
                let value = store.push(part.data);
                parsed.args.push(Argument {
                    key: field,
                    value,
                    source: Source::Form,
                });
            }
            None => {}
        }
    }
}
