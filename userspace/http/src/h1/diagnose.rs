//! Says what is wrong with a head that httparse refused: the slow path, walked once before the connection closes.

use super::scan::Extent;
use super::{Fault, HeadError, Side};
use crate::chars::{TOKEN, is_field_value};

/// Finds the first fault of a request head.
pub(super) fn request(buf: &[u8], extent: Extent) -> HeadError {
    find(Side::Request, buf, extent, request_line)
}

/// Finds the first fault of a response head.
pub(super) fn response(buf: &[u8], extent: Extent) -> HeadError {
    find(Side::Response, buf, extent, status_line)
}

/// A fault and its offset in the line.
type LineFault = (Fault, usize);

fn find(
    side: Side,
    buf: &[u8],
    extent: Extent,
    start_line: fn(&[u8]) -> Option<LineFault>,
) -> HeadError {
    let head = buf.get(extent.start..extent.end).unwrap_or_default();
    let mut at = extent.start;
    for (number, line) in head.split(|&byte| byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let found = if number == 0 {
            start_line(text)
        } else if text.is_empty() {
            break;
        } else {
            field_line(text)
        };
        if let Some((fault, offset)) = found {
            let offset = at + offset;
            return HeadError {
                side,
                fault,
                offset,
                found: buf.get(offset).copied(),
            };
        }
        at += line.len() + 1;
    }
    let fault = match side {
        Side::Request => Fault::RequestLine,
        Side::Response => Fault::StatusLine,
    };
    HeadError {
        side,
        fault,
        offset: extent.start,
        found: None,
    }
}

fn request_line(line: &[u8]) -> Option<LineFault> {
    let method_len = line
        .iter()
        .position(|&byte| !TOKEN.has(byte))
        .unwrap_or(line.len());
    match line.get(method_len) {
        None => return Some((Fault::RequestLine, line.len())),
        Some(b' ') if method_len > 0 => {}
        Some(_) => return Some((Fault::MethodByte, method_len)),
    }
    let target_at = method_len + 1;
    let target = line.get(target_at..).unwrap_or_default();
    let target_len = memchr::memchr(b' ', target).unwrap_or(target.len());
    if target_len == 0 {
        return Some((Fault::RequestLine, target_at));
    }
    let bad = target
        .iter()
        .take(target_len)
        .position(|&byte| byte <= b' ' || byte >= 0x7f);
    let version_at = (target_at + target_len + 1).min(line.len());
    let ends_here = version_at == line.len();
    if let Some(at) = bad {
        // With white space of another kind it is no target but the rest of the line.
        let fault = if ends_here {
            Fault::RequestLine
        } else {
            Fault::TargetByte
        };
        return Some((fault, target_at + at));
    }
    if ends_here {
        // HTTP/0.9 had no other method (RFC 1945, 5.1).
        let fault = if line.starts_with(b"GET ") {
            Fault::NoVersion
        } else {
            Fault::RequestLine
        };
        return Some((fault, version_at));
    }
    version(line.get(version_at..).unwrap_or_default()).map(|fault| (fault, version_at))
}

/// `HTTP/2.0` is a version that we do not speak; anything that is no version at all is malformed. So is `HTTP/0.9`: a
/// request of that version does not say so.
fn version(text: &[u8]) -> Option<Fault> {
    match text {
        b"HTTP/1.0" | b"HTTP/1.1" => None,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if matches!(major, b'1'..=b'9') && minor.is_ascii_digit() =>
        {
            Some(Fault::Version)
        }
        _ => Some(Fault::VersionSyntax),
    }
}

fn status_line(line: &[u8]) -> Option<LineFault> {
    let (start, rest) = line
        .split_at_checked("HTTP/1.1".len())
        .unwrap_or((line, b""));
    if let Some(fault) = version(start) {
        return Some((fault, 0));
    }
    match rest {
        [b' ', a, b, c, tail @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
            match tail.iter().position(|&byte| !is_field_value(byte)) {
                Some(at) => Some((Fault::StatusLine, start.len() + 4 + at)),
                None if tail.is_empty() || tail.starts_with(b" ") => None,
                None => Some((Fault::Status, start.len() + 1)),
            }
        }
        [b' ', ..] => Some((Fault::Status, start.len() + 1)),
        _ => Some((Fault::StatusLine, start.len())),
    }
}

/// Finds the fault of a `name: value` line; `None` where there is none.
pub(super) fn field_line(line: &[u8]) -> Option<LineFault> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Some((Fault::FoldedLine, 0));
    }
    let Some(colon) = memchr::memchr(b':', line) else {
        return Some((Fault::NoColon, line.len()));
    };
    let (name, value) = line.split_at(colon);
    if name.is_empty() {
        return Some((Fault::EmptyName, 0));
    }
    if let Some(at) = name.iter().position(|&byte| !TOKEN.has(byte)) {
        let only_space_follows = name
            .iter()
            .skip(at)
            .all(|byte| matches!(byte, b' ' | b'\t'));
        let fault = if only_space_follows {
            Fault::SpaceBeforeColon
        } else {
            Fault::NameByte
        };
        return Some((fault, at));
    }
    value
        .iter()
        .position(|&byte| !is_field_value(byte))
        .map(|at| (Fault::ValueByte, colon + at))
}
