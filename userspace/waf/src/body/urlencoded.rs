//! `application/x-www-form-urlencoded`, also the query.

use crate::store::Store;
use crate::transaction::{Argument, Parsed, Source};
use crate::transform;

/// Splits at `separator` and at the first `=`, decodes `%HH` and `+`. A name without `=` has an empty value; a value without a name is
/// kept; an empty piece is none. Over `limit` arguments in all, further ones are dropped.
pub(crate) fn urlencoded(
    text: &[u8],
    separator: u8,
    limit: usize,
    parsed: &mut Parsed,
    store: &mut Store,
    source: Source,
) {
    for piece in text
        .split(|&byte| byte == separator)
        .filter(|piece| !piece.is_empty())
    {
        if parsed.args.len() >= limit {
            return;
        }
        let (name, value) = match memchr::memchr(b'=', piece) {
            Some(equals) => (&piece[..equals], &piece[equals + 1..]),
            None => (piece, &b""[..]),
        };
        parsed.urlencoded_error |= transform::has_bad_escape(piece);
        let key = store.write(|out| transform::url_decode(name, out));
        let value = store.write(|out| transform::url_decode(value, out));
        parsed.args.push(Argument { key, value, source });
    }
}
