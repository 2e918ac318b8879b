//! Fingerprints that attacks share with ordinary text: what tells one from the other.

use super::token::{Kind, Token};

/// What an attacker of SQL Server writes into a comment so that the audit log leaves the statement out.
const HIDES_FROM_AUDIT: &[u8] = b"sp_password";

/// Whether a value with the fingerprint of an attack is none. `read` counts all tokens, those folded away and comments too.
pub(super) fn is_harmless(value: &[u8], tokens: &[Token<'_>], read: usize) -> bool {
    let ends_in_comment =
        tokens.len() > 1 && tokens.last().is_some_and(|last| last.kind == Kind::Comment);
    if ends_in_comment && memchr::memmem::find(value, HIDES_FROM_AUDIT).is_some() {
        return false;
    }
    match tokens {
        [a, b] => is_harmless_pair(value, a, b, read),
        [a, b, c] => is_harmless_triple(a, b, c, read),
        _ => false,
    }
}

fn is_harmless_pair(value: &[u8], a: &Token<'_>, b: &Token<'_>, read: usize) -> bool {
    if b.kind == Kind::Union {
        // `1 union` alone; with something folded away it is an attack.
        return read == 2;
    }
    let first = b.text.first();
    if first == Some(&b'#') {
        return true;
    }
    match (a.kind, b.kind) {
        // A word before `--` is text.
        (Kind::Bareword, Kind::Comment) => first != Some(&b'/'),
        (Kind::Number, Kind::Comment) if first == Some(&b'/') => false,
        (Kind::Number, Kind::Comment) if read > 2 => false,
        // Base64 may look like a number and a comment, but then there is more between them.
        (Kind::Number, Kind::Comment) => !is_number_before_comment(value, a.text.len()),
        // `--` at the very end alone is an attack; people write it.
        _ => b.text.len() > 2 && first == Some(&b'-'),
    }
}

/// Whether a blank or a comment stands at `end`, as far as a number of that length at the front would reach.
fn is_number_before_comment(value: &[u8], end: usize) -> bool {
    matches!(
        value.get(end..).unwrap_or_default(),
        [] | [0..=b' ' | 0x80.., ..] | [b'/', b'*', ..] | [b'-', b'-', ..]
    )
}

fn is_harmless_triple(a: &Token<'_>, b: &Token<'_>, c: &Token<'_>, read: usize) -> bool {
    use Kind as K;
    match (a.kind, b.kind, c.kind) {
        // An attack leaves and enters the string that the value stands in: `foo" + "bar`.
        (K::String, K::Operator | K::Logic, K::String) => {
            !(a.open == 0 && c.close == 0 && a.close == c.open)
        }
        (K::String, K::Logic, K::Bareword)
        | (K::Bareword, K::Logic, K::Number)
        | (K::Number, K::Logic, K::Number | K::Variable | K::String) => read == 3,
        (_, K::Keyword, _) => {
            let is_into = b
                .text
                .split_at_checked(4)
                .is_some_and(|(word, rest)| word.eq_ignore_ascii_case(b"INTO") && !rest.is_empty());
            !is_into
        }
        _ => false,
    }
}
