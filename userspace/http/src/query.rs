//! Parameters in a query, in the form that HTML forms use (`a=1&b=2`).

use crate::chars::hex;

/// All parameters in order, as raw name and raw value; the value of `a` in `?a&b=1` is empty.
pub fn all(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        })
}

/// The raw value of the first parameter whose decoded name is this one.
#[must_use]
pub fn get<'a>(query: &'a [u8], name: &str) -> Option<&'a [u8]> {
    all(query)
        .find(|(raw, _)| is_name(raw, name))
        .map(|(_, value)| value)
}

/// Appends the query without any parameter of this name, however its name is escaped. Used to keep a credential from
/// the endpoint.
pub fn without(query: &[u8], name: &str, out: &mut Vec<u8>) {
    let mut first = true;
    for pair in query.split(|&byte| byte == b'&') {
        let raw = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        if is_name(raw, name) {
            continue;
        }
        if !first {
            out.push(b'&');
        }
        first = false;
        out.extend_from_slice(pair);
    }
}

/// Appends what a raw name or value means: `+` is a space, `%XX` a byte. A `%` that begins no escape stays.
pub fn decode(raw: &[u8], out: &mut Vec<u8>) {
    out.extend(decoded(raw));
}

fn is_name(raw: &[u8], name: &str) -> bool {
    raw == name.as_bytes() || decoded(raw).eq(name.bytes())
}

fn decoded(raw: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [] => return None,
            [b'+', after @ ..] => (b' ', after),
            [b'%', high, low, after @ ..] => match hex(*high).zip(hex(*low)) {
                Some((high, low)) => (high << 4 | low, after),
                None => (b'%', &rest[1..]),
            },
            [byte, after @ ..] => (*byte, after),
        };
        rest = after;
        Some(byte)
    })
}
