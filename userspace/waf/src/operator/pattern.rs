//! One pattern, three engines: how a rule's regular expression is written for PCRE2, Hyperscan and `regex-syntax`.
//!
//! Rules mean PCRE with dot-all and dollar-endonly on bytes. Bytes beyond ASCII are written as escapes for all three, since none of
//! them is asked to read UTF-8.

use std::fmt::Write;

/// For PCRE2: `$` becomes `\z`, which is what dollar-endonly means; the crate has no such option. A pattern that turns multi-line on
/// by itself (`(?m)`) keeps its dollars.
pub(super) fn for_pcre(source: &str) -> String {
    let multi_line = turns_on(source, 'm');
    rewrite(source, |piece, out| match piece {
        Piece::Dollar if !multi_line => out.push_str("\\z"),
        piece => piece.write(out),
    })
}

/// For Hyperscan, which scans many values as lines of one text: anchors are those of lines there. A superset of what the rule means,
/// as the prefilter may be.
pub(crate) fn for_hyperscan(source: &str) -> String {
    rewrite(source, |piece, out| match piece {
        Piece::Escape('A') => out.push('^'),
        Piece::Escape('z' | 'Z') => out.push('$'),
        piece => piece.write(out),
    })
}

/// For `regex-syntax`, or `None` where its syntax reads a construct otherwise than PCRE does and the difference could lose a match.
#[must_use]
pub fn for_syntax(source: &str) -> Option<String> {
    if turns_on(source, 'x')
        || turns_on(source, 'R')
        || source.contains("{,")
        || source.contains("\\Q")
    {
        return None;
    }
    let mut readable = true;
    let mut hyphen = false;
    let rewritten = rewrite(source, |piece, out| {
        // Two hyphens in a class are a difference of sets in regex-syntax; `\\--9` is a range in both.
        let second = std::mem::replace(&mut hyphen, matches!(piece, Piece::InClass('-')));
        readable &= !(second && hyphen);
        match piece {
            // PCRE's `\v` is any vertical space; `\<`, `\>` and `\b{..}` are word ends in regex-syntax alone.
            Piece::Escape('v') => readable = false,
            Piece::Escape(letter @ ('<' | '>')) => out.push(letter),
            Piece::Escape(letter @ ('h' | 'H' | 'V' | 'R' | 'N' | 'X' | 'K' | 'G' | 'Z')) => {
                readable &= letter == 'Z';
                out.push_str("\\z");
            }
            Piece::InClass(letter @ ('[' | '&' | '~')) => {
                out.push('\\');
                out.push(letter);
            }
            piece => piece.write(out),
        }
    });
    (readable && !source.contains("\\b{") && !source.contains("\\B{")).then_some(rewritten)
}

/// A piece of a pattern that may be written otherwise.
#[derive(Clone, Copy)]
enum Piece {
    /// `$` outside a class.
    Dollar,
    /// `\x{HH}`, `\xHH` or a byte beyond ASCII.
    Byte(u8),
    /// A backslash and what follows it.
    Escape(char),
    /// A character in a class, not escaped.
    InClass(char),
    /// Any other character.
    Plain(char),
}

impl Piece {
    fn write(self, out: &mut String) {
        match self {
            Self::Dollar => out.push('$'),
            Self::Byte(byte) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
            Self::Escape(letter) => {
                out.push('\\');
                out.push(letter);
            }
            Self::InClass(letter) | Self::Plain(letter) => out.push(letter),
        }
    }
}

fn rewrite(source: &str, mut emit: impl FnMut(Piece, &mut String)) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut rest = source;
    let mut class = false;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' => {
                if let Some((byte, after)) = brace_byte(rest) {
                    emit(Piece::Byte(byte), &mut out);
                    rest = after;
                } else if let Some(escaped) = rest.chars().next() {
                    rest = &rest[escaped.len_utf8()..];
                    if escaped.is_ascii() {
                        emit(Piece::Escape(escaped), &mut out);
                    } else {
                        emit_bytes(escaped, &mut emit, &mut out);
                    }
                } else {
                    emit(Piece::Plain('\\'), &mut out);
                }
            }
            '[' if !class => {
                class = true;
                out.push('[');
                // A `]` that comes first, also after `^`, is a member.
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            '[' if posix_class(rest).is_some() => {
                let length = posix_class(rest).unwrap_or(0);
                out.push('[');
                out.push_str(&rest[..length]);
                rest = &rest[length..];
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            '$' if !class => emit(Piece::Dollar, &mut out),
            _ if !letter.is_ascii() => emit_bytes(letter, &mut emit, &mut out),
            _ if class => emit(Piece::InClass(letter), &mut out),
            _ => emit(Piece::Plain(letter), &mut out),
        }
    }
    out
}

fn emit_bytes(letter: char, emit: &mut impl FnMut(Piece, &mut String), out: &mut String) {
    for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
        emit(Piece::Byte(byte), out);
    }
}

/// `x{HH}` after a backslash, of at most two digits.
fn brace_byte(rest: &str) -> Option<(u8, &str)> {
    let (digits, after) = rest.strip_prefix("x{")?.split_once('}')?;
    u8::from_str_radix(digits, 16)
        .ok()
        .map(|byte| (byte, after))
}

/// The length of `:alpha:]` after a bracket within a class.
fn posix_class(rest: &str) -> Option<usize> {
    let name = rest.strip_prefix(':')?;
    let end = name.find(":]")?;
    name[..end]
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter == '^')
        .then_some(end + 3)
}

/// Whether an inline group of flags turns `flag` on, such as `(?im)` or `(?m:`.
fn turns_on(source: &str, flag: char) -> bool {
    source.match_indices("(?").any(|(at, _)| {
        let flags = &source[at + 2..];
        let end = flags
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(flags.len());
        flags[end..].starts_with([')', ':', '-']) && flags[..end].contains(flag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_end_the_value() {
        assert_eq!(for_pcre(r"^a$|[$]\$b$"), r"^a\z|[$]\$b\z");
        assert_eq!(for_pcre(r"(?im)a$"), r"(?im)a$");
        assert_eq!(for_pcre(r"[]$]$"), r"[\]$]\z");
    }

    #[test]
    fn bytes_are_written_as_escapes() {
        assert_eq!(for_pcre("\\x{e2}é"), r"\xe2\xc3\xa9");
        assert_eq!(for_hyperscan("[\\x{80}-\\x{ff}]$"), r"[\x80-\xff]$");
    }

    #[test]
    fn syntax_reads_what_pcre_means() {
        assert_eq!(for_syntax(r"[^[&]\<a").as_deref(), Some(r"[^\[\&]<a"));
        assert_eq!(
            for_syntax(r"[[:alpha:]_]").as_deref(),
            Some(r"[[:alpha:]_]")
        );
        for refused in [
            r"a\vb",
            r"(?x) a",
            r"a{,3}",
            r"\Qa\E",
            r"\h",
            r"[a--b]",
            r"\b{start}",
        ] {
            assert_eq!(for_syntax(refused), None, "{refused}");
        }
    }
}
