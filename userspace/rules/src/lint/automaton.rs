//! Whether a backtracking matcher needs exponential time on a pattern.
//!
//! The pattern becomes its position automaton: a state for each byte class of the pattern, and an edge for each way in which one
//! can follow another. A backtracking matcher needs exponential time where, from a state back to itself, the same bytes can be read
//! along two different ways: each further round doubles the ways, and when what follows fails, all of them are tried. It need not
//! fail where the match is over at that state already.

use super::pattern::class_bytes;
use regex_syntax::hir::{Hir, HirKind, Look};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use waf::bytes::ByteSet;

/// States of an automaton; a larger pattern is not examined.
const STATES_LIMIT: usize = 4000;

/// States of one loop; a larger one is not examined, for the work grows with the square.
const LOOP_LIMIT: usize = 300;

/// From this many on, a bounded number of repetitions is as bad as an unbounded one.
const MANY: u32 = 25;

/// Copies that stand for a bounded number of repetitions: enough to see that they can be told apart in two ways.
const COPIES: u32 = 3;

/// What is known of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No way to make it exponential was found.
    Harmless,
    /// It is too large to say.
    Unknown,
    /// Repeating this text makes it so.
    Exponential(String),
}

pub(super) fn examine(hir: &Hir) -> Verdict {
    let mut automaton = Automaton::default();
    let Some(whole) = automaton.add(hir) else {
        return Verdict::Unknown;
    };
    automaton.ends = whole.last.iter().map(|&(state, _)| state).collect();
    automaton.verdict()
}

/// A part of a pattern: where it can begin and end, each with in how many ways, and whether it can be empty.
#[derive(Clone, Default)]
struct Part {
    first: Vec<(usize, u32)>,
    last: Vec<(usize, u32)>,
    is_nullable: bool,
}

#[derive(Default)]
struct Automaton {
    classes: Vec<ByteSet>,
    /// For each state the states that can follow, and in how many ways: 2 means two or more.
    follow: Vec<BTreeMap<usize, u32>>,
    ends: BTreeSet<usize>,
}

impl Automaton {
    fn state(&mut self, class: ByteSet) -> Option<Part> {
        if self.classes.len() >= STATES_LIMIT {
            return None;
        }
        let state = self.classes.len();
        self.classes.push(class);
        self.follow.push(BTreeMap::new());
        Some(Part {
            first: vec![(state, 1)],
            last: vec![(state, 1)],
            is_nullable: false,
        })
    }

    fn add(&mut self, hir: &Hir) -> Option<Part> {
        let nothing = Part {
            is_nullable: true,
            ..Part::default()
        };
        match hir.kind() {
            // What stands before the end is not the end of the match: it may fail. No byte is read there.
            HirKind::Look(Look::End) => self.state(ByteSet::EMPTY),
            HirKind::Empty | HirKind::Look(_) => Some(nothing),
            HirKind::Literal(literal) => literal.0.iter().try_fold(nothing, |before, &byte| {
                let next = self.state(ByteSet::EMPTY.with(byte))?;
                Some(self.join(before, next))
            }),
            HirKind::Class(class) => self.state(class_bytes(class)),
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().try_fold(nothing, |before, part| {
                let next = self.add(part)?;
                Some(self.join(before, next))
            }),
            HirKind::Alternation(parts) => {
                let mut whole = Part::default();
                for part in parts {
                    let part = self.add(part)?;
                    whole.first.extend(part.first);
                    whole.last.extend(part.last);
                    whole.is_nullable |= part.is_nullable;
                }
                Some(whole)
            }
            HirKind::Repetition(repetition) => {
                let (min, max) = (repetition.min, repetition.max);
                let sub = &repetition.sub;
                if max == Some(0) {
                    return Some(nothing);
                }
                if max.is_none_or(|max| max >= MANY) {
                    let mut part = self.add(sub)?;
                    self.connect(&part.last.clone(), &part.first.clone());
                    part.is_nullable |= min == 0;
                    return Some(part);
                }
                let copies = max.unwrap_or(1).clamp(1, COPIES);
                self.add_copies(sub, min.min(copies), copies)
            }
        }
    }

    /// From `min` to `copies` times. Who leaves out one copy leaves out all behind it: there is one way to read each number of them.
    fn add_copies(&mut self, sub: &Hir, min: u32, copies: u32) -> Option<Part> {
        let mut whole = Part {
            is_nullable: true,
            ..Part::default()
        };
        let mut ends = Vec::new();
        for copy in 1..=copies {
            let next = self.add(sub)?;
            whole = self.join(whole, next);
            if copy >= min {
                ends.extend(whole.last.iter().copied());
            }
        }
        Some(Part {
            first: whole.first,
            last: ends,
            is_nullable: min == 0 || whole.is_nullable,
        })
    }

    fn join(&mut self, before: Part, next: Part) -> Part {
        self.connect(&before.last, &next.first);
        let mut joined = Part {
            first: before.first,
            last: next.last,
            is_nullable: before.is_nullable && next.is_nullable,
        };
        if before.is_nullable {
            joined.first.extend(next.first);
        }
        if next.is_nullable {
            joined.last.extend(before.last);
        }
        joined
    }

    fn connect(&mut self, from: &[(usize, u32)], to: &[(usize, u32)]) {
        for (state, ways) in from {
            for (next, further) in to {
                if let Some(follow) = self.follow.get_mut(*state) {
                    let known = follow.entry(*next).or_default();
                    *known = (*known + ways * further).min(2);
                }
            }
        }
    }

    fn class(&self, state: usize) -> ByteSet {
        self.classes.get(state).copied().unwrap_or(ByteSet::EMPTY)
    }

    fn after(&self, state: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let follow = self.follow.get(state).into_iter().flatten();
        follow.map(|(next, ways)| (*next, *ways))
    }

    fn verdict(&self) -> Verdict {
        let loops = components(self.classes.len(), |state| {
            self.after(state).map(|(next, _)| next).collect()
        });
        let mut too_large = false;
        for states in loops {
            if states.len() > LOOP_LIMIT {
                too_large = true;
                continue;
            }
            if let Some(witness) = self.ambiguous(&states) {
                return Verdict::Exponential(witness);
            }
        }
        if too_large {
            Verdict::Unknown
        } else {
            Verdict::Harmless
        }
    }

    /// A text that leads from a state of the loop back to it in two ways.
    fn ambiguous(&self, states: &[usize]) -> Option<String> {
        let inside: BTreeSet<usize> = states.iter().copied().collect();
        for &state in states {
            if self.ends.contains(&state) {
                continue;
            }
            let twice = self
                .after(state)
                .find(|(next, ways)| *ways > 1 && inside.contains(next));
            if let Some((next, _)) = twice {
                let way = self.way((next, next), (state, state), &inside)?;
                let start = Self::sample(self.class(next), None);
                return Some(format!("{start}{way}"));
            }
        }
        for &state in states {
            if self.ends.contains(&state) {
                continue;
            }
            // Out along two different states, and back to this one from both.
            let pairs = self.steps((state, state), &inside);
            for pair in pairs.into_iter().filter(|(a, b)| a < b) {
                if let Some(way) = self.way(pair, (state, state), &inside) {
                    let start = Self::sample(self.class(pair.0), Some(self.class(pair.1)));
                    return Some(format!("{start}{way}"));
                }
            }
        }
        None
    }

    /// Pairs of states that two matchers at `pair` can reach with the same byte.
    fn steps(&self, pair: (usize, usize), inside: &BTreeSet<usize>) -> Vec<(usize, usize)> {
        let mut reached = Vec::new();
        for (left, _) in self.after(pair.0).filter(|(next, _)| inside.contains(next)) {
            for (right, _) in self.after(pair.1).filter(|(next, _)| inside.contains(next)) {
                if self.class(left).intersects(&self.class(right)) {
                    reached.push((left, right));
                }
            }
        }
        reached
    }

    /// Bytes that lead both matchers from one pair to another; empty where they are there.
    fn way(
        &self,
        from: (usize, usize),
        to: (usize, usize),
        inside: &BTreeSet<usize>,
    ) -> Option<String> {
        let mut before: HashMap<(usize, usize), (usize, usize)> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(pair) = queue.pop_front() {
            if pair == to {
                let mut text = String::new();
                let mut at = pair;
                while at != from {
                    text.insert(0, Self::sample(self.class(at.0), Some(self.class(at.1))));
                    at = *before.get(&at)?;
                }
                return Some(text);
            }
            for next in self.steps(pair, inside) {
                if next != from && !before.contains_key(&next) {
                    before.insert(next, pair);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// A byte of both classes that prints, if there is one.
    fn sample(class: ByteSet, other: Option<ByteSet>) -> char {
        let other = other.unwrap_or(ByteSet::ALL);
        let common = || class.iter().filter(|&byte| other.contains(byte));
        let first = common().next();
        let printable = common().find(|byte| (0x21..0x7F).contains(byte));
        char::from(printable.or(first).unwrap_or(b'?'))
    }
}

/// The loops of a graph: sets of states that reach each other, each state at least itself by an edge.
fn components(count: usize, after: impl Fn(usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    // Tarjan's algorithm, without recursion.
    let edges: Vec<Vec<usize>> = (0..count).map(after).collect();
    let mut index = vec![usize::MAX; count];
    let mut low = vec![0; count];
    let mut on_stack = vec![false; count];
    let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
    for root in 0..count {
        if index[root] != usize::MAX {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((state, edge)) = work.pop() {
            if edge == 0 {
                index[state] = next;
                low[state] = next;
                next += 1;
                stack.push(state);
                on_stack[state] = true;
            }
            if let Some(&target) = edges[state].get(edge) {
                work.push((state, edge + 1));
                if index[target] == usize::MAX {
                    work.push((target, 0));
                } else if on_stack[target] {
                    low[state] = low[state].min(index[target]);
                }
                continue;
            }
            if low[state] == index[state] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component.push(member);
                    if member == state {
                        break;
                    }
                }
                if component.len() > 1 || edges[state].contains(&state) {
                    component.sort_unstable();
                    found.push(component);
                }
            }
            if let Some(&(parent, _)) = work.last() {
                low[parent] = low[parent].min(low[state]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::pattern::parse;
    use super::*;

    fn is_exponential(pattern: &str) -> bool {
        let hir = parse(pattern).unwrap_or_else(|| panic!("{pattern} is not read"));
        matches!(examine(&hir), Verdict::Exponential(_))
    }

    #[test]
    fn repetitions_within_repetitions_are_exponential() {
        for pattern in [
            "(a+)+$",
            "(a*)*b",
            "^(a|aa)+$",
            r"^(\w+\s?)*$",
            "(?:a?b?)*c",
            "^(?:[a-z]+[0-9]*)*!",
            "(x+x+)+y",
            "(?:(?:ab)+c?)*d",
            "^(?:a{1,2})*$",
            "(a+){30}b",
        ] {
            assert!(is_exponential(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_can_be_read_in_one_way_is_not() {
        for pattern in [
            "a+b",
            "(a+b)+c",
            "(?:ab|ac)*d",
            r"(?:[^'\\]|\\.)*'",
            r"^(?:\w+,)*\w+$",
            "a*a*b",
            "(?:a|b)*c",
            "(?:a+)?b",
            "(a+)+",
            "(?:<[^>]*>)*x",
            r"(?:@(?:[0-9]{1,3}\.){3}[0-9]{1,3}:[0-9]{1,5})+x",
        ] {
            assert!(!is_exponential(pattern), "{pattern}");
        }
    }

    #[test]
    fn the_witness_is_what_to_repeat() {
        let hir = parse("^(a|ab|b)*c").unwrap_or_else(|| panic!("not read"));
        assert_eq!(examine(&hir), Verdict::Exponential("aba".into()));
    }
}
