//! Media types (RFC 9110, 8.3.1).

use crate::chars::{TOKEN, trim};

/// `type/subtype` of a Content-Type, without parameters; `None` if it is none.
#[must_use]
pub fn essence(value: &[u8]) -> Option<&[u8]> {
    let essence = trim(value.split(|&byte| byte == b';').next()?);
    let slash = memchr::memchr(b'/', essence)?;
    let (kind, subtype) = (essence.get(..slash)?, essence.get(slash + 1..)?);
    (TOKEN.covers(kind) && TOKEN.covers(subtype)).then_some(essence)
}

/// Whether a Content-Type is `wanted` (`type/subtype`), in any case and whatever its parameters.
#[must_use]
pub fn is(value: &[u8], wanted: &str) -> bool {
    essence(value).is_some_and(|essence| essence.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Whether a Content-Type is JSON: `application/json` or any `+json`.
#[must_use]
pub fn is_json(value: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    essence(value).is_some_and(|essence| {
        let tail = essence
            .len()
            .checked_sub(SUFFIX.len())
            .and_then(|at| essence.get(at..));
        essence.eq_ignore_ascii_case(b"application/json")
            || tail.is_some_and(|tail| tail.eq_ignore_ascii_case(SUFFIX))
    })
}

/// A parameter of a Content-Type (`charset`, `boundary`), without the quotes around it. A value with an escape in its
/// quotes is given as it stands.
#[must_use]
pub fn parameter<'a>(value: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut quoted = false;
    let mut parts = value.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == b';' && !quoted
    });
    parts.next()?;
    parts.find_map(|part| {
        let at = memchr::memchr(b'=', part)?;
        let (found, value) = (trim(part.get(..at)?), trim(part.get(at + 1..)?));
        if !found.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        Some(match value {
            [b'"', inner @ .., b'"'] => inner,
            plain => plain,
        })
    })
}
