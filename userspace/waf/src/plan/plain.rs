//! Patterns as they are on plain values.
//!
//! Most values of real traffic are made of letters, digits and little else ([`PLAIN`]); attacks hardly ever are. On a value of plain
//! bytes alone a pattern means the same as without all that needs other bytes: `b["']*a["']*s["']*h` is `bash`, and what needs a
//! quote or a bracket is nothing at all. What is left is cheap to scan for, even of patterns that are dear as a whole.

use std::fmt::Write;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
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
    /// It is this there, as Hyperscan reads it; `caseless` stands for its flag of that name.
    Pattern { text: String, caseless: bool },
    /// Every value that it matches holds one of these; they say it more cheaply than the pattern would.
    Literals { texts: Vec<Vec<u8>>, caseless: bool },
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
    // Both cases of every letter are twice as long, and the library has a limit for that.
    let caseless = is_caseless(&left);
    let mut text = String::new();
    if print(&left, caseless, &mut text).is_none() {
        return Plain::Unknown;
    }
    if text.len() > LONG_PATTERN {
        let lower = if caseless { lower(&left) } else { left };
        if let Some(texts) = literals(&lower) {
            return Plain::Literals { texts, caseless };
        }
    }
    Plain::Pattern { text, caseless }
}

/// From this length on a pattern is looked for by its literals, where it has some: lists of words become large automata.
const LONG_PATTERN: usize = 500;

/// How long these literals must be, and how many there may be.
const LITERAL_BYTES: usize = 3;
const LITERALS_LIMIT: usize = 2000;

/// The expression with every letter in lower case alone.
fn lower(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => hir.clone(),
        HirKind::Class(class) => {
            let Some(set) = super::pattern::class_bytes(class) else {
                return hir.clone();
            };
            let ranges = set
                .iter()
                .map(|byte| byte.to_ascii_lowercase())
                .map(|byte| ClassBytesRange::new(byte, byte));
            Hir::class(Class::Bytes(ClassBytes::new(ranges)))
        }
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(lower(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Capture(capture) => lower(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(lower).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(lower).collect()),
    }
}

/// Texts of which every match holds one.
fn literals(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut extractor = Extractor::new();
    extractor
        .limit_class(16)
        .limit_repeat(4)
        .limit_literal_len(24)
        .limit_total(LITERALS_LIMIT);
    let found = extractor.extract(hir);
    if let Some(texts) = found.literals()
        && texts.iter().all(|text| text.len() >= LITERAL_BYTES)
        && !texts.is_empty()
    {
        let texts = texts.iter().map(|text| text.as_bytes().to_vec());
        return Some(texts.collect());
    }
    match hir.kind() {
        HirKind::Capture(capture) => literals(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => literals(&repetition.sub),
        // Any part will do: the one with the longest texts.
        HirKind::Concat(parts) => parts
            .iter()
            .filter_map(literals)
            .max_by_key(|texts| texts.iter().map(Vec::len).min()),
        HirKind::Alternation(branches) => {
            let branches: Option<Vec<_>> = branches.iter().map(literals).collect();
            let texts: Vec<_> = branches?.into_iter().flatten().collect();
            (texts.len() <= LITERALS_LIMIT).then_some(texts)
        }
        _ => None,
    }
}

/// Whether the expression matches letters in one case wherever it does in the other.
fn is_caseless(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.iter().any(u8::is_ascii_alphabetic),
        HirKind::Class(class) => super::pattern::class_bytes(class).is_some_and(|set| {
            let mut letters = set.iter().filter(u8::is_ascii_alphabetic);
            letters.all(|letter| set.contains(letter ^ 0x20))
        }),
        HirKind::Repetition(repetition) => is_caseless(&repetition.sub),
        HirKind::Capture(capture) => is_caseless(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_caseless),
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
            let some = !class.ranges().is_empty();
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
fn print(hir: &Hir, caseless: bool, out: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| print_byte(byte, out)),
        HirKind::Class(class) => print_class(class, caseless, out)?,
        HirKind::Look(look) => out.push_str(match look {
            Look::Start | Look::StartLF => "^",
            Look::End | Look::EndLF => "$",
            Look::WordAscii => "\\b",
            Look::WordAsciiNegate => "\\B",
            _ => return None,
        }),
        HirKind::Repetition(repetition) => {
            let alone = matches!(repetition.sub.kind(), HirKind::Class(_));
            out.push_str(if alone { "" } else { "(?:" });
            print(&repetition.sub, caseless, out)?;
            out.push_str(if alone { "" } else { ")" });
            // Writing to a String cannot fail.
            let _ = match (repetition.min, repetition.max) {
                (0, None) => write!(out, "*"),
                (1, None) => write!(out, "+"),
                (0, Some(1)) => write!(out, "?"),
                (least, None) => write!(out, "{{{least},}}"),
                (least, Some(most)) => write!(out, "{{{least},{most}}}"),
            };
        }
        HirKind::Capture(capture) => print(&capture.sub, caseless, out)?,
        // Alternations bring their own brackets.
        HirKind::Concat(parts) => parts
            .iter()
            .try_for_each(|part| print(part, caseless, out))?,
        HirKind::Alternation(branches) => {
            out.push_str("(?:");
            for (index, branch) in branches.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                print(branch, caseless, out)?;
            }
            out.push(')');
        }
    }
    Some(())
}

fn print_class(class: &Class, caseless: bool, out: &mut String) -> Option<()> {
    let mut set = super::pattern::class_bytes(class)?;
    if caseless {
        set = set.iter().fold(ByteSet::EMPTY, |set, byte| {
            set.with(byte.to_ascii_lowercase())
        });
    }
    let mut members = set.iter().peekable();
    if set.len() == 1 {
        members.for_each(|byte| print_byte(byte, out));
        return Some(());
    }
    out.push('[');
    while let Some(first) = members.next() {
        let mut last = first;
        while let Some(next) = members.next_if(|&next| next == last.wrapping_add(1)) {
            last = next;
        }
        print_byte(first, out);
        if last != first {
            out.push('-');
            print_byte(last, out);
        }
    }
    out.push(']');
    Some(())
}

fn print_byte(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || b" _/:;=,@%&".contains(&byte) {
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
        let pattern = |text: &str, caseless| Plain::Pattern {
            text: text.to_owned(),
            caseless,
        };
        assert_eq!(plain("a[\"']*b"), pattern("ab", false));
        assert_eq!(
            plain("x(?:<|y)z"),
            pattern("xyz", false),
            "a branch is left"
        );
        assert_eq!(plain("(?<=a)b"), Plain::Unknown);
        assert_eq!(plain("(?i)ab(?:c|de)"), pattern("ab(?:c|de)", true));
        assert_eq!(plain("[0-9.]{2,}a"), pattern("[\\x2e0-9]{2,}a", false));
        assert_eq!(plain("[A-Z]+(?:x;)?y"), pattern("[A-Z]+(?:x;)?y", false));
    }

    #[test]
    fn long_lists_are_looked_for_by_their_words() {
        let words: Vec<String> = (0..100)
            .map(|number: u8| {
                let letter = |step: u8| char::from(b'a' + (number.wrapping_mul(step) >> 2) % 26);
                format!(
                    "{}{}{}{}{number}",
                    letter(7),
                    letter(31),
                    letter(57),
                    letter(91)
                )
            })
            .collect();
        let pattern = format!("(?i)(?:^|[;&])\\s*(?:{})\\b", words.join("|"));
        let Plain::Literals { texts, caseless } = plain(&pattern) else {
            panic!("words");
        };
        assert!(caseless);
        assert!(texts.iter().all(|text| text.len() >= LITERAL_BYTES));
        let holds = |value: &[u8]| {
            texts
                .iter()
                .any(|text| crate::bytes::contains_ignore_case(value, text))
        };
        assert!(holds(format!("a;{} b", words[7].to_uppercase()).as_bytes()));
        assert!(!holds(b"a;other b"));
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
            let Plain::Pattern { text, caseless } = plain(pattern) else {
                panic!("{pattern} is plain");
            };
            let flag = if caseless { "(?i)" } else { "" };
            let left = operator::Regex::new(&format!("{flag}{text}"), 10_000).unwrap();
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
