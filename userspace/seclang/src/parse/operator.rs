//! Operators and their arguments.

use super::template::{pattern, template};
use crate::ast::{Operator, OperatorKind, Template};
use crate::closest::closest;
use crate::diagnostic::Problems;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};

/// Operators of other engines and why they are refused.
const REFUSED: [(&str, &str); 4] = [
    (
        "gsbLookup",
        "the service behind it has ended; remove the rule",
    ),
    (
        "inspectFile",
        "no external programs are run from rules; scan uploads behind the proxy",
    ),
    ("rsub", "bodies are not rewritten by rules"),
    ("validateHash", "links are not signed here; remove the rule"),
];

/// `[!]@name argument`, or `[!]pattern`.
pub(super) fn operator(word: &Mapped, problems: &mut Problems) -> Option<Operator> {
    let all = word.text();
    let (negated, rest) = match all.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, all),
    };
    let start = all.len() - rest.len();
    let Some(named) = rest.strip_prefix('@') else {
        return Some(Operator {
            negated,
            kind: OperatorKind::Rx,
            argument: pattern(&word.slice(start..all.len())),
        });
    };
    let name = named
        .split(|c: char| c.is_ascii_whitespace())
        .next()
        .unwrap_or("");
    let behind = named.get(name.len()..).unwrap_or("").trim_ascii_start();
    let argument = word.slice(all.len() - behind.len()..all.len());
    let kind = OperatorKind::from_name(name);
    if kind.is_none() {
        let at = start..start + 1 + name.len();
        problems.add(word.span_of(&at), unknown(name));
    }
    let kind = kind?;
    if let (Some(expected), "") = (needs(kind), argument.text()) {
        let of = format!("@{kind}");
        problems.add(word.span(), Problem::MissingValue { of, expected });
        return None;
    }
    Some(Operator {
        negated,
        kind,
        argument: argument_of(kind, &argument, problems),
    })
}

fn unknown(name: &str) -> Problem {
    let word = format!("@{name}");
    let kind = WordKind::Operator;
    match REFUSED
        .iter()
        .find(|(refused, _)| refused.eq_ignore_ascii_case(name))
    {
        Some((_, reason)) => Problem::Refused { kind, word, reason },
        None => Problem::UnknownName {
            kind,
            word,
            closest: closest(name, OperatorKind::NAMES.iter().copied()),
        },
    }
}

fn argument_of(kind: OperatorKind, argument: &Mapped, problems: &mut Problems) -> Template {
    match kind {
        OperatorKind::Rx | OperatorKind::RxGlobal => pattern(argument),
        OperatorKind::Pm
        | OperatorKind::PmFromFile
        | OperatorKind::PmFromDataset
        | OperatorKind::IpMatchFromFile
        | OperatorKind::IpMatchFromDataset
        | OperatorKind::ValidateByteRange
        | OperatorKind::Restpath => Template::literal(argument.text()),
        _ => template(argument, problems),
    }
}

/// What an operator that means nothing without an argument takes.
const fn needs(kind: OperatorKind) -> Option<&'static str> {
    Some(match kind {
        OperatorKind::Pm => "phrases",
        OperatorKind::PmFromFile | OperatorKind::IpMatchFromFile => "a file name",
        OperatorKind::PmFromDataset | OperatorKind::IpMatchFromDataset => {
            "the name of a SecDataset"
        }
        OperatorKind::IpMatch => "addresses and networks",
        OperatorKind::ValidateByteRange => "ranges of bytes",
        OperatorKind::Eq
        | OperatorKind::Ge
        | OperatorKind::Gt
        | OperatorKind::Le
        | OperatorKind::Lt => "a number",
        OperatorKind::Rbl => "the domain of a block list",
        OperatorKind::ValidateDtd | OperatorKind::ValidateSchema => "a file name",
        _ => return None,
    })
}
