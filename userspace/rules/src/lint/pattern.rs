//! What a rule compares values with: patterns that cannot match, that an attacker passes by with other letters, that cost too much.

use super::automaton::{self, Verdict};
use super::{Findings, Subject};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use seclang::ast::{
    Action, Condition, Link, Operator, OperatorKind, Transformation, Use, Variable,
};
use waf::Filter;
use waf::bytes::ByteSet;

/// Letters in a row that make a word rather than a sign, such as the `e` of `1e5`.
const WORD_LETTERS: usize = 3;

/// Patterns shorter than this are done with before it matters, such as `^$` and `^.*$`.
const CHEAP_PATTERN: usize = 8;

const UPPER: ByteSet = ByteSet::range(b'A', b'Z');
const LOWER: ByteSet = ByteSet::range(b'a', b'z');
const DIGITS: ByteSet = ByteSet::range(b'0', b'9');
const ASCII: ByteSet = ByteSet::range(0, 0x7F);
const SPACES: ByteSet = ByteSet::of(b" \t\n\r\x0B\x0C");

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    for (link, condition) in subject.conditions() {
        let operator = &condition.operator;
        // What macros make of an argument is known to requests alone.
        let Some(argument) = operator.argument.as_literal() else {
            continue;
        };
        let alphabet = alphabet(subject, link);
        if operator.kind == OperatorKind::Rx {
            if let Some(hir) = parse(argument) {
                lint_pattern(subject, operator, &hir, &alphabet, findings);
                if !operator.negated && longest_word(&hir) >= WORD_LETTERS {
                    lint_case(subject, condition, &alphabet, findings);
                }
            }
        } else {
            lint_text(subject, operator, argument, &alphabet, findings);
            if !operator.negated && compares_case(operator.kind) && letters(argument) {
                lint_case(subject, condition, &alphabet, findings);
            }
        }
    }
    lint_filter(subject, findings);
}

/// A pattern as a tree; `None` where this syntax and PCRE's part ways.
pub(super) fn parse(pattern: &str) -> Option<Hir> {
    let pattern = waf::pattern_for_syntax(pattern)?;
    let mut parser = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .build();
    parser.parse(&pattern).ok()
}

fn lint_pattern(
    subject: &Subject<'_>,
    operator: &seclang::Spanned<Operator>,
    hir: &Hir,
    alphabet: &ByteSet,
    findings: &mut Findings,
) {
    let span = operator.span;
    if !operator.negated && !can_match(hir) {
        let message = "the pattern never matches: it asks for an end or a beginning in the middle of something, or for no byte at all";
        let remedy = "write a `^` or `$` that is meant literally with a backslash";
        findings.warn("never-matches-pattern", subject, span, message, remedy);
    } else if !operator.negated && !is_possible(hir, alphabet) {
        let message = "the pattern never matches: it asks for bytes that the transformations take out of every value";
        findings.warn(
            "never-matches-transformed",
            subject,
            span,
            message,
            transformed_remedy(alphabet),
        );
    }
    let keeps_nothing = operator
        .argument
        .as_literal()
        .is_some_and(has_possessive_repetition);
    if keeps_nothing {
        return;
    }
    if let Verdict::Exponential(witness) = automaton::examine(hir) {
        let message = format!(
            "the pattern takes exponential time in PCRE: a run of `{witness}` can be read in two ways again and again"
        );
        let remedy = "let a repetition within a repetition begin or end with a byte that the other does not take, or make it possessive (`*+`)";
        findings.warn("exponential", subject, span, message, remedy);
    }
}

/// Whether a pattern has repetitions such as `*+`, which give nothing back: the tree takes them for repetitions of repetitions.
fn has_possessive_repetition(pattern: &str) -> bool {
    let mut bytes = pattern.bytes();
    let (mut in_class, mut repeats) = (false, false);
    while let Some(byte) = bytes.next() {
        let before = std::mem::take(&mut repeats);
        match byte {
            b'\\' => drop(bytes.next()),
            b'[' => in_class = true,
            b']' => in_class = false,
            _ if in_class => {}
            b'+' if before => return true,
            b'*' | b'+' | b'}' => repeats = true,
            // Behind a repetition it makes that lazy, elsewhere it is one itself.
            b'?' => repeats = !before,
            _ => {}
        }
    }
    false
}

/// Texts that a value cannot hold any more.
fn lint_text(
    subject: &Subject<'_>,
    operator: &seclang::Spanned<Operator>,
    argument: &str,
    alphabet: &ByteSet,
    findings: &mut Findings,
) {
    let possible = |text: &[u8]| text.iter().all(|&byte| alphabet.contains(byte));
    // Without case a letter may come in either.
    let caseless = |text: &str| {
        text.bytes().all(|byte| {
            alphabet.contains(byte.to_ascii_lowercase())
                || alphabet.contains(byte.to_ascii_uppercase())
        })
    };
    let fits = match operator.kind {
        OperatorKind::Contains
        | OperatorKind::ContainsWord
        | OperatorKind::Streq
        | OperatorKind::Strmatch
        | OperatorKind::BeginsWith
        | OperatorKind::EndsWith => possible(argument.as_bytes()),
        OperatorKind::Pm if !argument.contains('|') => {
            argument.split_ascii_whitespace().any(caseless)
        }
        _ => true,
    };
    if !fits && !operator.negated {
        let message = format!(
            "@{} never matches: it asks for bytes that the transformations take out of every value",
            operator.kind
        );
        findings.warn(
            "never-matches-transformed",
            subject,
            operator.span,
            message,
            transformed_remedy(alphabet),
        );
    }
}

fn transformed_remedy(alphabet: &ByteSet) -> &'static str {
    if !alphabet.intersects(&UPPER) && alphabet.intersects(&LOWER) {
        "behind t:lowercase write small letters, or leave the transformation out"
    } else if !alphabet.intersects(&LOWER) && alphabet.intersects(&UPPER) {
        "behind t:uppercase write capital letters, or leave the transformation out"
    } else {
        "leave the transformation out, or ask for what it gives"
    }
}

/// A word in one case, looked for where a client chooses the case.
fn lint_case(
    subject: &Subject<'_>,
    condition: &Condition,
    alphabet: &ByteSet,
    findings: &mut Findings,
) {
    let both_cases = alphabet.intersects(&UPPER) && alphabet.intersects(&LOWER);
    if !subject.detects || !both_cases || !reports(subject) {
        return;
    }
    let chosen = condition
        .targets
        .iter()
        .find(|target| target.usage == Use::Values && is_of_client(target.variable));
    if let Some(target) = chosen {
        let message = format!(
            "the comparison minds case, and whoever sends {} may write it otherwise",
            target.variable
        );
        let remedy = if condition.operator.kind == OperatorKind::Rx {
            "add `t:lowercase` or begin the pattern with `(?i)`; where case does matter, leave it"
        } else {
            "add `t:lowercase`; where case does matter, leave it"
        };
        let span = condition.operator.span;
        findings.warn("case-sensitive", subject, span, message, remedy);
    }
}

fn lint_filter(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(condition) = &subject.rule.starter.condition else {
        return;
    };
    let operator = &condition.operator;
    let cheap = |pattern: &str| pattern.len() < CHEAP_PATTERN;
    let is_asked = subject.filter == Some(Filter::Nothing)
        && operator.kind == OperatorKind::Rx
        && !operator.negated
        && !operator.argument.as_literal().is_some_and(cheap);
    if is_asked {
        let message =
            "the pattern cannot be filtered: it is run against every value of its targets";
        let remedy = "a word of two letters or more that every match holds makes it cheap; so do fewer targets";
        findings.warn("not-prefiltered", subject, operator.span, message, remedy);
    }
}

/// Whether the rule says something when it matches, rather than steering other rules.
fn reports(subject: &Subject<'_>) -> bool {
    let actions = &subject.rule.starter.actions;
    let says = actions
        .iter()
        .any(|action| matches!(action.value, Action::Msg(_) | Action::Deny | Action::Drop));
    let silent = actions
        .iter()
        .any(|action| matches!(action.value, Action::NoLog));
    says && !silent
}

/// Whether a client chooses the case of a variable's values, and servers often do not mind it.
const fn is_of_client(variable: Variable) -> bool {
    use Variable as V;
    matches!(
        variable,
        V::Args
            | V::ArgsGet
            | V::ArgsPost
            | V::ArgsNames
            | V::ArgsGetNames
            | V::ArgsPostNames
            | V::RequestCookies
            | V::RequestHeaders
            | V::RequestHeadersNames
            | V::RequestUri
            | V::RequestUriRaw
            | V::QueryString
            | V::RequestBody
            | V::RequestLine
            | V::Files
            | V::MultipartPartHeaders
            | V::Xml
            | V::RequestXml
    )
}

const fn compares_case(kind: OperatorKind) -> bool {
    use OperatorKind as K;
    matches!(
        kind,
        K::Contains | K::ContainsWord | K::Streq | K::Strmatch | K::BeginsWith | K::EndsWith
    )
}

/// Whether a text holds a word.
fn letters(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run = if byte.is_ascii_alphabetic() {
            run + 1
        } else {
            0
        };
        run >= WORD_LETTERS
    })
}

/// The bytes that a value can hold when the operator sees it.
fn alphabet(subject: &Subject<'_>, link: &Link) -> ByteSet {
    let multi_match = link
        .actions
        .iter()
        .any(|action| action.value == Action::MultiMatch);
    if multi_match {
        // The value as it came is tested too.
        return ByteSet::ALL;
    }
    subject
        .chain(link)
        .into_iter()
        .fold(ByteSet::ALL, behind_transformation)
}

fn without(set: ByteSet, taken: ByteSet) -> ByteSet {
    set.complement().union(taken).complement()
}

/// The bytes that a transformation can give of values of these bytes.
fn behind_transformation(set: ByteSet, transformation: Transformation) -> ByteSet {
    use Transformation as T;
    match transformation {
        T::Lowercase => without(set, UPPER).union(if set.intersects(&UPPER) {
            LOWER
        } else {
            ByteSet::EMPTY
        }),
        T::Uppercase => without(set, LOWER).union(if set.intersects(&LOWER) {
            UPPER
        } else {
            ByteSet::EMPTY
        }),
        T::CmdLine => without(set, UPPER.union(ByteSet::of(b"\\\"'^,;")))
            .union(LOWER)
            .with(b' '),
        T::RemoveWhitespace => without(set, SPACES),
        T::CompressWhitespace => without(set, SPACES).with(b' '),
        T::RemoveNulls => without(set, ByteSet::of(b"\0")),
        T::ReplaceNulls => without(set, ByteSet::of(b"\0")).with(b' '),
        T::NormalizePathWin => without(set, ByteSet::of(b"\\")).with(b'/'),
        T::ReplaceComments => set.with(b' '),
        T::Length => DIGITS,
        T::HexEncode => DIGITS.union(ByteSet::range(b'a', b'f')),
        T::Base64Encode => DIGITS.union(UPPER).union(LOWER).union(ByteSet::of(b"+/=")),
        T::Utf8toUnicode => without(set, ASCII.complement()).union(ASCII),
        T::ParityZero7bit => ASCII,
        T::None
        | T::NormalizePath
        | T::RemoveComments
        | T::RemoveCommentsChar
        | T::Trim
        | T::TrimLeft
        | T::TrimRight => set,
        _ => ByteSet::ALL,
    }
}

/// The bytes of a class.
pub(super) fn class_bytes(class: &Class) -> ByteSet {
    match class {
        Class::Bytes(class) => class.ranges().iter().fold(ByteSet::EMPTY, |set, range| {
            set.union(ByteSet::range(range.start(), range.end()))
        }),
        // Beyond ASCII a character is several bytes: any may come.
        Class::Unicode(class) => class.ranges().iter().fold(ByteSet::EMPTY, |set, range| {
            match (u8::try_from(range.start()), u8::try_from(range.end())) {
                (Ok(start), Ok(end)) if end.is_ascii() => set.union(ByteSet::range(start, end)),
                _ => ByteSet::ALL,
            }
        }),
    }
}

/// Whether there is a text of these bytes that the pattern matches, as far as bytes alone tell.
fn is_possible(hir: &Hir, alphabet: &ByteSet) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.iter().all(|&byte| alphabet.contains(byte)),
        HirKind::Class(class) => class_bytes(class).intersects(alphabet),
        HirKind::Repetition(repetition) => {
            repetition.min == 0 || is_possible(&repetition.sub, alphabet)
        }
        HirKind::Capture(capture) => is_possible(&capture.sub, alphabet),
        HirKind::Concat(parts) => parts.iter().all(|part| is_possible(part, alphabet)),
        HirKind::Alternation(parts) => parts.iter().any(|part| is_possible(part, alphabet)),
    }
}

/// Whether there is any text that the pattern matches, as far as anchors and empty classes tell.
fn can_match(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => true,
        HirKind::Class(class) => !class_bytes(class).is_empty(),
        HirKind::Repetition(repetition) => repetition.min == 0 || can_match(&repetition.sub),
        HirKind::Capture(capture) => can_match(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().any(can_match),
        HirKind::Concat(parts) => {
            let consumes = |parts: &[Hir]| {
                parts
                    .iter()
                    .any(|part| part.properties().minimum_len().unwrap_or(0) > 0)
            };
            let contradicts = |(index, part): (usize, &Hir)| match part.kind() {
                HirKind::Look(Look::Start) => consumes(parts.get(..index).unwrap_or_default()),
                HirKind::Look(Look::End) => consumes(parts.get(index + 1..).unwrap_or_default()),
                _ => false,
            };
            parts.iter().all(can_match) && !parts.iter().enumerate().any(contradicts)
        }
    }
}

/// The longest run of letters in one case that some match must hold.
fn longest_word(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 0,
        HirKind::Literal(literal) => {
            let words = literal.0.split(|byte| !byte.is_ascii_alphabetic());
            // Whoever writes a word in both cases means it so, as in Base64 or the names of Java.
            let one_case = words.filter(|word| {
                word.iter().all(u8::is_ascii_lowercase) || word.iter().all(u8::is_ascii_uppercase)
            });
            one_case.map(<[u8]>::len).max().unwrap_or(0)
        }
        HirKind::Repetition(repetition) => longest_word(&repetition.sub),
        HirKind::Capture(capture) => longest_word(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(longest_word).max().unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hir(pattern: &str) -> Hir {
        parse(pattern).unwrap_or_else(|| panic!("{pattern} is not read"))
    }

    #[test]
    fn anchors_in_the_middle_match_nothing() {
        for (pattern, expected) in [
            ("a^b", false),
            ("a$b", false),
            ("^a$", true),
            ("(?:a^b|c)", true),
            ("a*^b", true),
            (r"\Aab\z", true),
            (r"[^\x00-\xff]", false),
        ] {
            assert_eq!(can_match(&hir(pattern)), expected, "{pattern}");
        }
    }

    #[test]
    fn letters_that_a_transformation_took_match_nothing() {
        let lowered = behind_transformation(ByteSet::ALL, Transformation::Lowercase);
        for (pattern, expected) in [
            ("SELECT", false),
            ("(?i)SELECT", true),
            ("[A-Z]", false),
            ("[A-Za-z]", true),
            ("X?y", true),
            ("X|y", true),
        ] {
            assert_eq!(is_possible(&hir(pattern), &lowered), expected, "{pattern}");
        }
        let packed = behind_transformation(lowered, Transformation::RemoveWhitespace);
        assert!(!is_possible(&hir(r"union\s+select"), &packed));
        assert!(is_possible(&hir(r"union\s*select"), &packed));
    }

    #[test]
    fn possessive_repetitions_are_known() {
        for (pattern, expected) in [
            (r"\s*+;", true),
            ("a{1,3}+b", true),
            ("a?+b", true),
            ("a++", true),
            (r"\*+a+", false),
            ("[*+]+", false),
            ("a*?b+", false),
            ("(?:a|b)+c", false),
        ] {
            assert_eq!(has_possessive_repetition(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn words_are_literals_in_one_case() {
        assert_eq!(longest_word(&hir("a|bcd|ef")), 3);
        assert_eq!(longest_word(&hir("(?i)select")), 0);
        assert_eq!(longest_word(&hir(r"\d+e\d+")), 1);
    }
}
