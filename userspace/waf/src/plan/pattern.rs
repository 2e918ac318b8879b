//! What a pattern needs and costs, from its syntax tree: the bytes without which it cannot match, and whether a scan for it is dear.

use regex_syntax::ParserBuilder;
use regex_syntax::ast::{Ast, RepetitionKind, RepetitionRange};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::bytes::ByteSet;
use crate::operator;

/// Sets that are kept of a pattern; more would not pay.
const SETS_LIMIT: usize = 6;

/// A set with more members than this is in almost every value and says nothing.
const SET_MEMBERS_LIMIT: u32 = 128;

/// From this many positions on, a pattern without a literal to hold on to is dear to scan: the automaton is alive at every byte.
const DEAR_POSITIONS: u64 = 350;

/// The same where the bytes that the pattern needs are rare, so that looking at them filters as well as the scan would.
const DEAR_POSITIONS_WITH_RARE_BYTES: u64 = 60;

/// Bytes that ordinary values are made of: names, numbers, user agents, media types, URLs.
const COMMON: ByteSet = ByteSet::range(b'a', b'z')
    .union(ByteSet::range(b'A', b'Z'))
    .union(ByteSet::range(b'0', b'9'))
    .union(ByteSet::of(b" -_./:;=,()+*%&?@\r\n\t"));

/// What is known of a pattern without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// A match holds at least one byte of each set.
    pub(super) sets: Vec<ByteSet>,
    /// A match holds at least so many bytes of a set, where that is many.
    pub(super) many: Option<(ByteSet, u32)>,
    /// Whether a scan should leave the pattern out.
    pub(super) dear: bool,
}

/// From this many bytes of one set on they are counted. A scan would report such a pattern at every byte that follows.
const MANY: u32 = 5;

impl Needs {
    /// The needs of a regular expression. Where the syntax is not understood nothing is known, and nothing is lost.
    pub(super) fn of_pattern(source: &str) -> Needs {
        let Some(pattern) = operator::for_syntax(source) else {
            return Needs::default();
        };
        let mut parser = ParserBuilder::new()
            .utf8(false)
            .unicode(false)
            .dot_matches_new_line(true)
            .build();
        let Ok(hir) = parser.parse(&pattern) else {
            return Needs::default();
        };
        let sets = required(&hir);
        let positions = positions(&hir);
        let many = many(&hir);
        let rare = sets.iter().any(|set| !set.intersects(&COMMON));
        let dear = anchor_literal(&hir) <= 1
            && (positions >= DEAR_POSITIONS
                || (rare && positions >= DEAR_POSITIONS_WITH_RARE_BYTES));
        Needs { sets, many, dear }
    }

    /// The need of some byte of a set.
    pub(super) fn of_set(set: ByteSet) -> Needs {
        Needs {
            sets: vec![set],
            many: None,
            dear: false,
        }
    }

    /// The needs of a text that must occur as it is.
    pub(super) fn of_text(text: &[u8]) -> Needs {
        let sets = text.iter().map(|&byte| ByteSet::EMPTY.with(byte)).collect();
        Needs {
            sets: best(sets),
            many: None,
            dear: false,
        }
    }
}

/// The pattern without what its matches may end with but need not, `select` for `select.*`: it occurs in the same values, and a scan
/// reports it once instead of at every byte that follows. `None` where the syntax is not understood.
pub(super) fn without_tail(source: &str) -> Option<String> {
    let pattern = operator::for_syntax(source)?;
    let tree = regex_syntax::ast::parse::Parser::new()
        .parse(&pattern)
        .ok()?;
    let mut cuts = Vec::new();
    if find_tail(&tree, &mut cuts) {
        // Nothing would be left.
        return Some(pattern);
    }
    cuts.sort_by_key(|cut: &Cut| cut.start);
    let mut text = String::with_capacity(pattern.len());
    let mut at = 0;
    for cut in cuts {
        text.push_str(pattern.get(at..cut.start)?);
        text.push_str(&cut.instead);
        at = cut.end;
    }
    text.push_str(pattern.get(at..)?);
    Some(text)
}

/// A part of a pattern that goes, and what stands there instead.
struct Cut {
    start: usize,
    end: usize,
    instead: String,
}

impl Cut {
    fn new(span: &regex_syntax::ast::Span, instead: String) -> Cut {
        Cut {
            start: span.start.offset,
            end: span.end.offset,
            instead,
        }
    }
}

/// Finds what can go at the end of an expression. Whether the expression as a whole can: it then is not cut in itself.
fn find_tail(tree: &Ast, cuts: &mut Vec<Cut>) -> bool {
    match tree {
        Ast::Empty(_) => true,
        Ast::Group(group) => find_tail(&group.ast, cuts),
        Ast::Repetition(repetition) => {
            let (least, more) = match &repetition.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore => (0, true),
                RepetitionKind::OneOrMore => (1, true),
                RepetitionKind::Range(RepetitionRange::Exactly(count)) => (*count, false),
                RepetitionKind::Range(RepetitionRange::AtLeast(count)) => (*count, true),
                RepetitionKind::Range(RepetitionRange::Bounded(least, most)) => {
                    (*least, most > least)
                }
            };
            if least == 0 {
                return true;
            }
            if more {
                let instead = if least == 1 {
                    String::new()
                } else {
                    format!("{{{least}}}")
                };
                cuts.push(Cut::new(&repetition.op.span, instead));
            }
            // One occurrence is left of what had to occur once.
            least == 1 && find_tail(&repetition.ast, cuts)
        }
        Ast::Concat(parts) => {
            for part in parts.asts.iter().rev() {
                let known = cuts.len();
                if !find_tail(part, cuts) {
                    return false;
                }
                cuts.truncate(known);
                cuts.push(Cut::new(part.span(), String::new()));
            }
            true
        }
        Ast::Alternation(branches) => {
            let known = cuts.len();
            let mut any = false;
            for branch in &branches.asts {
                any |= find_tail(branch, cuts);
            }
            if any {
                cuts.truncate(known);
            }
            any
        }
        _ => false,
    }
}

fn weight(set: &ByteSet) -> u32 {
    let common = set.intersection(COMMON).len();
    set.len() + 9 * common
}

/// The rarest sets first, without repetition.
fn best(mut sets: Vec<ByteSet>) -> Vec<ByteSet> {
    sets.retain(|set| set.len() <= SET_MEMBERS_LIMIT);
    sets.sort_by_cached_key(weight);
    let mut kept: Vec<ByteSet> = Vec::new();
    for set in sets {
        if kept.len() < SETS_LIMIT && !kept.contains(&set) {
            kept.push(set);
        }
    }
    kept
}

fn required(hir: &Hir) -> Vec<ByteSet> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => best(
            literal
                .0
                .iter()
                .map(|&byte| ByteSet::EMPTY.with(byte))
                .collect(),
        ),
        HirKind::Class(class) => best(class_bytes(class).into_iter().collect()),
        HirKind::Repetition(repetition) if repetition.min == 0 => Vec::new(),
        HirKind::Repetition(repetition) => required(&repetition.sub),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Concat(parts) => best(parts.iter().flat_map(required).collect()),
        HirKind::Alternation(branches) => {
            // (a1 and a2) or (b1 and b2) implies (a1 or b1) and (a2 or b2), whatever is paired with what.
            let branches: Vec<_> = branches.iter().map(required).collect();
            let pairs = branches.iter().map(Vec::len).min().unwrap_or(0);
            let union = |pair: usize| {
                branches
                    .iter()
                    .fold(ByteSet::EMPTY, |set, sets| set.union(sets[pair]))
            };
            best((0..pairs).map(union).collect())
        }
    }
}

pub(super) fn class_bytes(class: &Class) -> Option<ByteSet> {
    match class {
        Class::Bytes(class) => Some(class.ranges().iter().fold(ByteSet::EMPTY, |set, range| {
            set.union(ByteSet::range(range.start(), range.end()))
        })),
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .try_fold(ByteSet::EMPTY, |set, range| {
                let (start, end) = (
                    u8::try_from(range.start()).ok()?,
                    u8::try_from(range.end()).ok()?,
                );
                end.is_ascii()
                    .then(|| set.union(ByteSet::range(start, end)))
            }),
    }
}

/// How many bytes of one set a match holds at least, where an expression is repeated that often.
fn many(hir: &Hir) -> Option<(ByteSet, u32)> {
    match hir.kind() {
        HirKind::Repetition(repetition) if repetition.min >= MANY => {
            let set = required(&repetition.sub).into_iter().next()?;
            let rare = !set.iter().any(|byte| byte.is_ascii_alphanumeric());
            rare.then_some((set, repetition.min))
        }
        HirKind::Capture(capture) => many(&capture.sub),
        HirKind::Concat(parts) => parts.iter().find_map(many),
        _ => None,
    }
}

/// Places in the automaton of the pattern.
fn positions(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(_) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            positions(&repetition.sub).saturating_mul(u64::from(times))
        }
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(0, u64::saturating_add)
        }
    }
}

/// The length of a literal (without regard to case) that every match holds: what a scanner looks for first.
fn anchor_literal(hir: &Hir) -> u64 {
    if let Some(length) = literal_length(hir) {
        return length;
    }
    match hir.kind() {
        HirKind::Capture(capture) => anchor_literal(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => anchor_literal(&repetition.sub),
        HirKind::Alternation(branches) => branches.iter().map(anchor_literal).min().unwrap_or(0),
        HirKind::Concat(parts) => {
            let (mut longest, mut run) = (0, 0);
            for part in parts {
                match literal_length(part) {
                    Some(length) => {
                        run += length;
                        longest = longest.max(run);
                    }
                    None => {
                        longest = longest.max(anchor_literal(part));
                        run = 0;
                    }
                }
            }
            longest
        }
        _ => 0,
    }
}

/// The length of an expression that is nothing but a literal; a letter in both cases counts as one.
fn literal_length(hir: &Hir) -> Option<u64> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => Some(literal.0.len() as u64),
        HirKind::Class(class) => class_bytes(class).filter(|set| set.len() <= 2).map(|_| 1),
        HirKind::Repetition(repetition) if Some(repetition.min) == repetition.max => {
            literal_length(&repetition.sub).map(|length| length * u64::from(repetition.min))
        }
        HirKind::Repetition(_) | HirKind::Alternation(_) => None,
        HirKind::Capture(capture) => literal_length(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(literal_length).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(pattern: &str) -> Vec<String> {
        let text = |set: &ByteSet| set.iter().map(char::from).collect();
        Needs::of_pattern(pattern).sets.iter().map(text).collect()
    }

    #[test]
    fn the_rarest_bytes_of_a_pattern_come_first() {
        assert_eq!(sets("a<b")[0], "<");
        assert_eq!(sets("<a|>b")[0], "<>");
        assert_eq!(sets("x?"), [] as [&str; 0]);
        assert_eq!(sets("a|"), [] as [&str; 0]);
        assert_eq!(sets("[<>]+"), ["<>"]);
    }

    #[test]
    fn what_is_not_understood_needs_nothing() {
        assert_eq!(Needs::of_pattern(r"(?<=a)b"), Needs::default());
        assert_eq!(Needs::of_pattern(r"(a)\1"), Needs::default());
    }

    #[test]
    fn what_a_match_need_not_end_with_goes() {
        for (pattern, shorter) in [
            ("select.*", "select"),
            ("(?:ab+|c.{2,5})d*", "(?:ab|c.{2})"),
            ("(?i)x[0-9]+$", "(?i)x[0-9]+$"),
            ("a(?:b|c?)", "a"),
            ("a*", "a*"),
            ("ab(?:c*d*)", "ab"),
            ("x(?:ab*)+", "x(?:a)"),
            (r"(x+)+\b", r"(x+)+\b"),
        ] {
            assert_eq!(without_tail(pattern).as_deref(), Some(shorter), "{pattern}");
        }
    }

    #[test]
    fn long_lists_of_single_letters_are_dear() {
        let evasion: Vec<String> = (0..60)
            .map(|_| "c[\"']*u[\"']*r[\"']*l[\"']*".to_owned())
            .collect();
        assert!(Needs::of_pattern(&evasion.join("|")).dear);
        assert!(!Needs::of_pattern("(?i)select.{1,100}from").dear);
    }
}
