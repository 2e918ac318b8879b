//! Content models as automata: the order in which elements may stand.
//!
//! Each name of a model is a place (Glushkov's construction). A document is in a set of places, one for deterministic models, and each
//! element leads from them to others: nothing is tried and taken back.

use crate::limits;
use crate::names::Symbol;
use crate::problem::ProblemKind;
use crate::work::{Finding, Work};

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Elements by their names, each with the number of its declaration.
    Named(Vec<(Symbol, u32)>),
    /// A wildcard, by its number.
    Any(u32),
}

/// A content model as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// A label, and the number of the particle that it comes from.
    One(Label, u32),
    Sequence(Vec<Expression>),
    Choice(Vec<Expression>),
    Repeat(Box<Expression>, u32, Option<u32>),
}

/// Where one place leads to.
#[derive(Clone, Debug, Default)]
struct Ways {
    /// By symbol: the place, and the declaration.
    named: Vec<(Symbol, u32, u32)>,
    /// By wildcard: its number and the place.
    any: Vec<(u32, u32)>,
}

/// A compiled content model. Place 0 is the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Automaton {
    ways: Vec<Ways>,
    accepts: Vec<bool>,
}

/// Which places a document may be in.
#[derive(Clone, Debug)]
pub(crate) struct Run(Vec<u32>);

/// What an element is in a content model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Declared, by its number.
    Declared(u32),
    /// Matched by a wildcard, by its number.
    Any(u32),
}

/// A piece of a model while it is built.
#[derive(Clone, Debug, Default)]
struct Piece {
    is_nullable: bool,
    first: Vec<u32>,
    last: Vec<u32>,
}

struct Builder {
    labels: Vec<(Label, u32)>,
    follow: Vec<Vec<u32>>,
    ways: usize,
}

const TOO_MANY_PLACES: ProblemKind = ProblemKind::Limit {
    what: "places in one content model (minOccurs and maxOccurs repeat a particle; larger numbers than a thousand are better unbounded)",
    limit: limits::PLACES,
};

impl Builder {
    fn place(&mut self, label: &Label, particle: u32) -> Result<u32, ProblemKind> {
        if self.labels.len() > limits::PLACES {
            return Err(TOO_MANY_PLACES);
        }
        // Places are few, by the limit.
        let place = u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        self.labels.push((label.clone(), particle));
        self.follow.push(Vec::new());
        Ok(place)
    }

    fn link(&mut self, from: &[u32], to: &[u32]) -> Result<(), ProblemKind> {
        self.ways += from.len().saturating_mul(to.len());
        if self.ways > limits::WAYS {
            return Err(ProblemKind::Limit {
                what: "ways through one content model",
                limit: limits::WAYS,
            });
        }
        for &place in from {
            if let Some(follow) = self.follow.get_mut(place as usize) {
                follow.extend_from_slice(to);
            }
        }
        Ok(())
    }

    fn piece(&mut self, expression: &Expression) -> Result<Piece, ProblemKind> {
        match expression {
            Expression::One(label, particle) => {
                let place = self.place(label, *particle)?;
                Ok(Piece {
                    is_nullable: false,
                    first: vec![place],
                    last: vec![place],
                })
            }
            Expression::Sequence(parts) => {
                let mut whole = Piece {
                    is_nullable: true,
                    ..Piece::default()
                };
                for part in parts {
                    let part = self.piece(part)?;
                    self.append(&mut whole, part)?;
                }
                Ok(whole)
            }
            Expression::Choice(parts) => {
                let mut whole = Piece::default();
                for part in parts {
                    let part = self.piece(part)?;
                    whole.is_nullable |= part.is_nullable;
                    whole.first.extend(part.first);
                    whole.last.extend(part.last);
                }
                Ok(whole)
            }
            Expression::Repeat(inner, min, max) => self.repeated(inner, *min, *max),
        }
    }

    /// Puts a piece behind another.
    fn append(&mut self, whole: &mut Piece, part: Piece) -> Result<(), ProblemKind> {
        self.link(&whole.last, &part.first)?;
        if whole.is_nullable {
            whole.first.extend_from_slice(&part.first);
        }
        if part.is_nullable {
            whole.last.extend(part.last);
        } else {
            whole.last = part.last;
        }
        whole.is_nullable &= part.is_nullable;
        Ok(())
    }

    fn repeated(
        &mut self,
        inner: &Expression,
        min: u32,
        max: Option<u32>,
    ) -> Result<Piece, ProblemKind> {
        let copies = max.unwrap_or(min.max(1));
        let mut whole = Piece {
            is_nullable: min == 0 || copies == 0,
            ..Piece::default()
        };
        let mut before: Vec<u32> = Vec::new();
        for copy in 0..copies {
            let piece = self.piece(inner)?;
            whole.is_nullable |= piece.is_nullable;
            if piece.first.is_empty() {
                // What holds nothing is nothing, however often.
                return Ok(whole);
            }
            if copy == 0 {
                whole.first.clone_from(&piece.first);
            } else {
                self.link(&before, &piece.first)?;
            }
            if copy + 1 == copies && max.is_none() {
                self.link(&piece.last, &piece.first)?;
            }
            if copy + 1 >= min || whole.is_nullable {
                whole.last.extend_from_slice(&piece.last);
            }
            before = piece.last;
        }
        Ok(whole)
    }

    /// Where a set of places leads to.
    fn ways(&self, places: &[u32]) -> Ways {
        let mut ways = Ways::default();
        for &place in places {
            let Some((label, _)) = self.labels.get(place as usize) else {
                continue;
            };
            // Place 0 of the automaton is the beginning.
            match label {
                Label::Named(names) => {
                    for &(symbol, declaration) in names {
                        ways.named.push((symbol, place + 1, declaration));
                    }
                }
                Label::Any(number) => ways.any.push((*number, place + 1)),
            }
        }
        ways.named.sort_unstable();
        ways.named.dedup();
        ways.any.sort_unstable();
        ways.any.dedup();
        ways
    }

    fn particle(&self, place: u32) -> u32 {
        let label = (place as usize).checked_sub(1);
        label
            .and_then(|at| self.labels.get(at))
            .map_or(0, |(_, particle)| *particle)
    }

    /// A name that can be read in two ways where `ways` begin. `overlap` says whether a wildcard takes a name or shares one with
    /// another wildcard.
    fn ambiguity(&self, ways: &Ways, overlap: &Overlap<'_>) -> Option<Shared> {
        let differ = |one: u32, other: u32| self.particle(one) != self.particle(other);
        for pair in ways.named.windows(2) {
            if let [(symbol, one, _), (again, other, _)] = pair
                && symbol == again
                && differ(*one, *other)
            {
                return Some(Shared::Name(*symbol));
            }
        }
        for (index, &(wildcard, place)) in ways.any.iter().enumerate() {
            for &(symbol, other, _) in &ways.named {
                if differ(place, other) && overlap(wildcard, Ok(symbol)) {
                    return Some(Shared::Name(symbol));
                }
            }
            for &(another, other) in ways.any.iter().skip(index + 1) {
                if differ(place, other) && overlap(wildcard, Err(another)) {
                    return Some(Shared::Wildcards);
                }
            }
        }
        None
    }
}

/// Whether a wildcard takes a name, or shares one with another wildcard.
pub(crate) type Overlap<'a> = dyn Fn(u32, Result<Symbol, u32>) -> bool + 'a;

/// What two particles share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    Name(Symbol),
    Wildcards,
}

impl Automaton {
    /// Compiles a model. With `overlap` it must be deterministic: what two particles share is given beside it.
    pub(crate) fn new(
        model: &Expression,
        overlap: Option<&Overlap<'_>>,
    ) -> Result<(Automaton, Option<Shared>), ProblemKind> {
        let mut builder = Builder {
            labels: Vec::new(),
            follow: Vec::new(),
            ways: 0,
        };
        let whole = builder.piece(model)?;
        let mut ways = vec![builder.ways(&whole.first)];
        let mut accepts = vec![whole.is_nullable];
        for follow in &builder.follow {
            ways.push(builder.ways(follow));
            accepts.push(false);
        }
        for place in whole.last {
            if let Some(accepts) = accepts.get_mut(place as usize + 1) {
                *accepts = true;
            }
        }
        let shared =
            overlap.and_then(|overlap| ways.iter().find_map(|at| builder.ambiguity(at, overlap)));
        Ok((Automaton { ways, accepts }, shared))
    }

    /// How many places it has.
    pub(crate) fn places(&self) -> usize {
        self.ways.len()
    }

    /// A run that has met nothing yet.
    pub(crate) fn start() -> Run {
        Run(vec![0])
    }

    /// The next element. `None` where it may not stand there; the run is at its end then.
    pub(crate) fn step(
        &self,
        run: &mut Run,
        symbol: Option<Symbol>,
        takes: &dyn Fn(u32) -> bool,
        work: &mut Work,
    ) -> Result<Option<Met>, Finding> {
        let mut next = Vec::new();
        let mut met = None;
        for ways in run.0.iter().filter_map(|&at| self.ways.get(at as usize)) {
            work.spend(4 + ways.any.len())?;
            if let Some(symbol) = symbol {
                let start = ways.named.partition_point(|(known, ..)| *known < symbol);
                let named = ways.named.get(start..).unwrap_or_default().iter();
                for &(_, place, declaration) in named.take_while(|(known, ..)| *known == symbol) {
                    work.spend(1)?;
                    met = Some(Met::Declared(declaration));
                    next.push(place);
                }
            }
            for &(wildcard, place) in &ways.any {
                if takes(wildcard) {
                    met = met.or(Some(Met::Any(wildcard)));
                    next.push(place);
                }
            }
        }
        if next.len() > 1 {
            next.sort_unstable();
            next.dedup();
        }
        run.0 = next;
        Ok(met)
    }

    /// Whether the content may end here.
    pub(crate) fn may_end(&self, run: &Run) -> bool {
        run.0
            .iter()
            .any(|&at| self.accepts.get(at as usize).copied().unwrap_or(false))
    }

    /// The names that may stand next, for a message; at most `limit`.
    pub(crate) fn expected(&self, run: &Run, limit: usize) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = run
            .0
            .iter()
            .filter_map(|&at| self.ways.get(at as usize))
            .flat_map(|ways| ways.named.iter().map(|(symbol, ..)| *symbol))
            .take(limit)
            .collect();
        symbols.dedup();
        symbols
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(model: &Expression, word: &[Symbol]) -> bool {
        let (automaton, _) = Automaton::new(model, None).unwrap();
        let mut run = Automaton::start();
        let mut work = Work::of(1_000_000);
        for &symbol in word {
            let met = automaton.step(&mut run, Some(symbol), &|_| false, &mut work);
            if met.unwrap().is_none() {
                return false;
            }
        }
        automaton.may_end(&run)
    }

    /// What a model means, by its definition: the ends of all beginnings of `word` that it takes.
    fn ends(model: &Expression, word: &[Symbol], from: usize) -> Vec<usize> {
        let mut found = match model {
            Expression::One(Label::Named(names), _) => {
                let here = word.get(from);
                let takes = names.iter().any(|(symbol, _)| Some(symbol) == here);
                takes.then_some(from + 1).into_iter().collect()
            }
            Expression::One(Label::Any(_), _) => Vec::new(),
            Expression::Sequence(parts) => parts.iter().fold(vec![from], |ends_so_far, part| {
                let next = ends_so_far.into_iter();
                let mut next: Vec<usize> = next.flat_map(|at| ends(part, word, at)).collect();
                next.sort_unstable();
                next.dedup();
                next
            }),
            Expression::Choice(parts) => parts
                .iter()
                .flat_map(|part| ends(part, word, from))
                .collect(),
            Expression::Repeat(inner, min, max) => {
                let mut at = vec![from];
                let mut all = if *min == 0 { at.clone() } else { Vec::new() };
                // Beyond the length of the word more rounds bring nothing new but empty ones.
                let rounds = max.unwrap_or(u32::MAX).min(*min + word.len() as u32 + 1);
                for round in 1..=rounds {
                    let mut next: Vec<usize> = at
                        .into_iter()
                        .flat_map(|at| ends(inner, word, at))
                        .collect();
                    next.sort_unstable();
                    next.dedup();
                    if round >= *min {
                        all.extend(&next);
                    }
                    at = next;
                }
                all
            }
        };
        found.sort_unstable();
        found.dedup();
        found
    }

    fn models() -> impl Strategy<Value = Expression> {
        let leaf = prop_oneof![
            Just(Expression::Sequence(Vec::new())),
            (0u32..3).prop_map(|symbol| Expression::One(Label::Named(vec![(symbol, 0)]), 0)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Expression::Sequence),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Expression::Choice),
                (inner, 0u32..3, prop::option::of(0u32..3)).prop_map(|(inner, min, more)| {
                    Expression::Repeat(Box::new(inner), min, more.map(|more| min + more))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_model_takes_what_its_definition_says(
            model in models(),
            word in prop::collection::vec(0u32..3, 0..8),
        ) {
            let meant = ends(&model, &word, 0).contains(&word.len());
            prop_assert_eq!(accepts(&model, &word), meant, "{:?} {:?}", model, word);
        }
    }

    #[test]
    fn large_repetitions_are_refused_by_name() {
        let one = Expression::One(Label::Named(vec![(0, 0)]), 0);
        let many = Expression::Repeat(Box::new(one.clone()), 0, Some(u32::MAX));
        let error = Automaton::new(&many, None).unwrap_err();
        assert!(
            error.to_string().contains("more than 20000 places"),
            "{error}"
        );
        let some = Expression::Repeat(Box::new(one), 5_000, Some(10_000));
        assert!(accepts(&some, &[0; 5_000]));
        assert!(!accepts(&some, &[0; 4_999]));
        assert!(!accepts(&some, &[0; 10_001]));
    }

    #[test]
    fn an_ambiguous_model_is_known() {
        let one = |symbol, particle| Expression::One(Label::Named(vec![(symbol, 0)]), particle);
        let optional = |inner| Expression::Repeat(Box::new(inner), 0, Some(1));
        let model = Expression::Sequence(vec![optional(one(7, 1)), one(7, 2)]);
        let none = |_, _| false;
        let (_, shared) = Automaton::new(&model, Some(&none)).unwrap();
        assert_eq!(shared, Some(Shared::Name(7)));
        let copies = Expression::Repeat(Box::new(one(7, 1)), 0, Some(5));
        let (_, shared) = Automaton::new(&copies, Some(&none)).unwrap();
        assert_eq!(shared, None);
    }
}
