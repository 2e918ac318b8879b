//! Cookies of a request (RFC 6265, 5.4).

use crate::chars::trim;
use crate::field::{Fields, Known};

/// The value of the first cookie of this name, as sent; names are case-sensitive. Quotes around a value belong to it.
#[must_use]
pub fn get<'a>(fields: Fields<'a>, name: &str) -> Option<&'a [u8]> {
    all(fields)
        .find(|(found, _)| *found == name.as_bytes())
        .map(|(_, value)| value)
}

/// All cookies in order, as name and value. Pieces without `=` are left out.
pub fn all(fields: Fields<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields
        .all(Known::Cookie)
        .flat_map(|value| value.split(|&byte| byte == b';'))
        .filter_map(|pair| {
            let at = memchr::memchr(b'=', pair)?;
            let (name, rest) = pair.split_at(at);
            Some((trim(name), trim(rest.get(1..)?)))
        })
}
