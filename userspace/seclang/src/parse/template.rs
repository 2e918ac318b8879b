//! Texts with macros.

use crate::ast::{Macro, Segment, Shape, Template, Variable};
use crate::closest::closest;
use crate::diagnostic::Problems;
use crate::limits;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};

/// A text in which every `%{...}` is a macro. `%{` without an end and `%{}` are literal, as in the other engines.
pub(super) fn template(text: &Mapped, problems: &mut Problems) -> Template {
    parse(text, Some(problems))
}

/// A regular expression, in which `%{` is a macro only before the name of a variable.
pub(super) fn pattern(text: &Mapped) -> Template {
    parse(text, None)
}

fn parse(text: &Mapped, mut problems: Option<&mut Problems>) -> Template {
    let whole = text.text();
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(rest) = whole.get(at..).filter(|rest| !rest.is_empty()) {
        let opening = rest.find("%{").unwrap_or(rest.len());
        literal.push_str(rest.get(..opening).unwrap_or(""));
        at += opening;
        let Some(inner) = rest.get(opening + 2..) else {
            continue;
        };
        let end = inner
            .bytes()
            .take(limits::MACRO_BYTES)
            .position(|byte| byte == b'}')
            .filter(|end| *end > 0);
        let inside = at + 2..at + 2 + end.unwrap_or(0);
        let found = end.and_then(|_| expand(text, inside.clone(), problems.as_deref_mut()));
        if let Some(found) = found {
            if !literal.is_empty() {
                segments.push(Segment::Literal(std::mem::take(&mut literal)));
            }
            segments.push(Segment::Macro(found));
            at = inside.end + 1;
        } else {
            literal.push_str("%{");
            at += 2;
        }
    }
    if !literal.is_empty() {
        segments.push(Segment::Literal(literal));
    }
    Template { segments }
}

/// The macro between `%{` and `}`. Without `problems` what is none is left alone, with them it is an error.
fn expand(
    text: &Mapped,
    inside: std::ops::Range<usize>,
    problems: Option<&mut Problems>,
) -> Option<Macro> {
    let span = text.span_of(&inside);
    let written = text.text().get(inside)?;
    let (name, key) = match written.find(['.', ':']) {
        Some(dot) => (written.get(..dot)?, written.get(dot + 1..)),
        None => (written, None),
    };
    let problem = match (Variable::from_name(name), key) {
        _ if written.contains("%{") => Problem::NestedMacro,
        (None, _) => Problem::UnknownName {
            kind: WordKind::Variable,
            word: name.to_owned(),
            closest: closest(name, Variable::NAMES.iter().copied()),
        },
        (Some(variable), Some(_)) if variable.shape() == Shape::Scalar => {
            Problem::SelectorOnScalar(variable.name())
        }
        (Some(_), Some("")) => Problem::EmptySelector,
        (Some(variable), key) => {
            return Some(Macro {
                variable,
                key: key.map(str::to_owned),
            });
        }
    };
    if let Some(problems) = problems {
        problems.add(span, problem);
    }
    None
}
