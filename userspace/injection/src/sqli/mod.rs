//! SQL injection: a value is read as the SQL that it would be a part of, and the kinds of its first tokens are looked up.
//!
//! [`lexer`] cuts the value into tokens, [`fold`] leaves out what makes no difference, [`known`] has the fingerprints of attacks, and
//! [`harmless`] knows which of these ordinary text has as well.

mod bytes;
mod fold;
mod harmless;
mod known;
mod lexer;
mod token;
mod words;

#[cfg(test)]
mod tests;

use crate::Fingerprint;
use lexer::{Dialect, Lexer};

/// The fingerprint of the SQL that `value` would smuggle into a statement; `None` where it looks harmless.
///
/// The value may stand in the statement by itself, or inside of a string in single or double quotes that it ends.
#[must_use]
pub fn sqli(value: &[u8]) -> Option<Fingerprint> {
    if !value.iter().copied().any(can_make_sqli) {
        return None;
    }
    in_both_dialects(value, None)
        .or_else(|| {
            memchr::memchr(b'\'', value)?;
            in_both_dialects(value, Some(b'\''))
        })
        .or_else(|| {
            memchr::memchr(b'"', value)?;
            inspect(value, Some(b'"'), Dialect::Mysql).fingerprint
        })
}

/// Whether [`sqli`] can find something in a value with this byte: one without any such byte is harmless.
#[must_use]
pub fn can_make_sqli(byte: u8) -> bool {
    !bytes::is_plain(byte)
}

/// Reads the value in the second dialect as well where that makes a difference.
fn in_both_dialects(value: &[u8], quote: Option<u8>) -> Option<Fingerprint> {
    let ansi = inspect(value, quote, Dialect::Ansi);
    if ansi.fingerprint.is_none() && ansi.is_ambiguous {
        return inspect(value, quote, Dialect::Mysql).fingerprint;
    }
    ansi.fingerprint
}

/// What a value is in one reading.
struct Reading {
    /// That of an attack.
    fingerprint: Option<Fingerprint>,
    is_ambiguous: bool,
}

fn inspect(value: &[u8], quote: Option<u8>, dialect: Dialect) -> Reading {
    let mut lexer = Lexer::new(value, quote, dialect);
    let folded = fold::fold(&mut lexer);
    let kinds = folded.tokens().iter().map(|token| token.kind);
    let is_attack =
        known::is_attack(kinds) && !harmless::is_harmless(value, folded.tokens(), lexer.tokens);
    Reading {
        fingerprint: is_attack.then(|| folded.fingerprint()),
        is_ambiguous: lexer.is_ambiguous,
    }
}
