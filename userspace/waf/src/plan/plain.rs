//! Patterns as they are on plain values.
//!
//! Most values of real traffic are made of letters, digits and little else ([`PLAIN`]); attacks hardly ever are. On a value of plain
//! bytes alone a pattern means the same as without all that needs other bytes: `b["']*a["']*s["']*h` is `bash`, and what needs a
//! quote or a bracket is nothing at all. What is left is cheap to scan for, even of patterns that are dear as a whole.

use std::fmt::Write;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, Repetition};

use crate::bytes::ByteSet;
use crate::operator;

/// What plain values are made of.
pub(crate) const PLAIN: ByteSet = ByteSet::range(b'a', b'z')
    .union(ByteSet::range(b'A', b'Z'))
    .union(ByteSet::range(b'0', b'9'))
    .union(ByteSet::of(b" -_./:;=,+%&?@"));

/// A pattern on plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// It is this there, as Hyperscan reads it.
    Pattern(String),
    /// It matches none of them.
    Never,
    /// Its syntax is not understood.
    Unknown,
}

/// What a pattern is on plain values.
pub(super) fn plain(source: &str) -> Plain {
    let Some(pattern) = super::pattern::without_tail(source) else {
        return Plain::Unknown;
    };
    // The text is read as for the syntax already: once more it reads the same.
    let mut parser = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .build();
    let Some(hir) = operator::for_syntax(&pattern).and_then(|text| parser.parse(&text).ok()) else {
        return Plain::Unknown;
    };
    if !is_of_bytes(&hir) {
        return Plain::Unknown;
    }
    let Some(left) = restrict(&hir) else {
        return Plain::Never;
    };
    let mut text = String::new();
    match print(&left, &mut text) {
        Some(()) => Plain::Pattern(text),
        None => Plain::Unknown,
    }
}

/// Whether a text can be in a plain value.
pub(super) fn is_plain(text: &[u8]) -> bool {
    ByteSet::present_in(text).is_subset_of(&PLAIN)
}

/// Whether every class of the expression is one of bytes.
fn is_of_bytes(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => true,
        HirKind::Class(class) => super::pattern::class_bytes(class).is_some(),
        HirKind::Repetition(repetition) => is_of_bytes(&repetition.sub),
        HirKind::Capture(capture) => is_of_bytes(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_of_bytes),
    }
}

/// The expression without what needs bytes that are not plain; `None` if nothing can match any more.
fn restrict(hir: &Hir) -> Option<Hir> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(hir.clone()),
        HirKind::Literal(literal) => is_plain(&literal.0).then(|| hir.clone()),
        HirKind::Class(class) => {
            let set = super::pattern::class_bytes(class)?;
            let ranges = set
                .iter()
                .filter(|&byte| PLAIN.contains(byte))
                .map(|byte| ClassBytesRange::new(byte, byte));
            let class = ClassBytes::new(ranges);
            let some = class.ranges().first().is_some();
            some.then(|| Hir::class(Class::Bytes(class)))
        }
        HirKind::Repetition(repetition) => match restrict(&repetition.sub) {
            Some(sub) => Some(Hir::repetition(Repetition {
                sub: Box::new(sub),
                ..repetition.clone()
            })),
            None => (repetition.min == 0).then(Hir::empty),
        },
        HirKind::Capture(capture) => restrict(&capture.sub),
        HirKind::Concat(parts) => parts
            .iter()
            .map(restrict)
            .collect::<Option<Vec<_>>>()
            .map(Hir::concat),
        HirKind::Alternation(branches) => {
            let left: Vec<Hir> = branches.iter().filter_map(restrict).collect();
            (!left.is_empty()).then(|| Hir::alternation(left))
        }
    }
}

/// Writes an expression as Hyperscan reads it; `None` where it has no words for it.
fn print(hir: &Hir, out: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| print_byte(byte, out)),
        HirKind::Class(class) => {
            let Class::Bytes(class) = class else {
                return None;
            };
            out.push('[');
            for range in class.ranges() {
                print_byte(range.start(), out);
                if range.start() != range.end() {
                    out.push('-');
                    print_byte(range.end(), out);
                }
            }
            out.push(']');
        }
        HirKind::Look(look) => out.push_str(match look {
            Look::Start | Look::StartLF => "^",
            Look::End | Look::EndLF => "$",
            Look::WordAscii => "\\b",
            Look::WordAsciiNegate => "\\B",
            _ => return None,
        }),
        HirKind::Repetition(repetition) => {
            out.push_str("(?:");
            print(&repetition.sub, out)?;
            let (least, most) = (repetition.min, repetition.max);
            // Writing to a String cannot fail.
            let _ = match most {
                None => write!(out, "){{{least},}}"),
                Some(most) => write!(out, "){{{least},{most}}}"),
            };
        }
        HirKind::Capture(capture) => print(&capture.sub, out)?,
        HirKind::Concat(parts) => {
            out.push_str("(?:");
            parts.iter().try_for_each(|part| print(part, out))?;
            out.push(')');
        }
        HirKind::Alternation(branches) => {
            out.push_str("(?:");
            for (index, branch) in branches.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                print(branch, out)?;
            }
            out.push(')');
        }
    }
    Some(())
}

fn print_byte(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte));
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_other_bytes_goes() {
        assert_eq!(plain("<script"), Plain::Never);
        assert_eq!(plain("a[\"']*b"), Plain::Pattern("ab".into()));
        assert_eq!(
            plain("x(?:<|y)z"),
            Plain::Pattern("xyz".into()),
            "branches that cannot match are left out"
        );
        assert_eq!(plain("(?<=a)b"), Plain::Unknown);
        assert_eq!(plain("(?i)ab"), Plain::Pattern("(?:[Aa][Bb])".into()));
    }

    #[test]
    fn a_plain_pattern_matches_plain_values_as_the_pattern_does() {
        let values: [&[u8]; 8] = [
            b"union select 1",
            b"select",
            b"a.b",
            b"",
            b"curl http://x",
            b"bash -c id",
            b"x=1;y=2",
            b"Union  Select",
        ];
        for pattern in [
            r"(?i)union[\s\x0b]+select",
            r"\bcurl\b[^|]*://",
            r"b[\x22']*a[\x22']*s[\x22']*h(?:\$|\b)",
            r"^[^;]+;|<",
            r"(?:a\.|c\()b",
        ] {
            let exact = operator::Regex::new(pattern, 10_000).unwrap();
            let Plain::Pattern(text) = plain(pattern) else {
                panic!("{pattern} is plain");
            };
            let left = operator::Regex::new(&text, 10_000).unwrap();
            for value in values {
                assert_eq!(
                    exact.matches(value, None).unwrap(),
                    left.matches(value, None).unwrap(),
                    "{pattern} as {text} on {}",
                    value.escape_ascii()
                );
            }
        }
    }
}
