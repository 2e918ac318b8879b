//! `any` and `anyAttribute`: which namespaces they take.

use super::set::{Place, Set};
use crate::problem::{Problem, ProblemKind};
use crate::text::words;

/// What becomes of what a wildcard takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// It must be declared and right.
    Strict,
    /// It must be right where it is declared.
    Lax,
    Skip,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Namespaces {
    Any,
    /// All but this one and none.
    Other(String),
    /// These; the empty one is none.
    Of(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    pub(super) namespaces: Namespaces,
    pub(super) process: Process,
}

impl Wildcard {
    pub(super) fn read(set: &Set, at: Place) -> Result<Wildcard, Problem> {
        let target = set.target(at);
        let namespaces = match set.attribute(at, "namespace").map_or("##any", str::trim) {
            "##any" => Namespaces::Any,
            "##other" => Namespaces::Other(target.to_owned()),
            written => Namespaces::Of(
                words(written)
                    .map(|word| match word {
                        "##targetNamespace" => target.to_owned(),
                        "##local" => String::new(),
                        uri => uri.to_owned(),
                    })
                    .collect(),
            ),
        };
        let process = match set
            .attribute(at, "processContents")
            .map_or("strict", str::trim)
        {
            "strict" => Process::Strict,
            "lax" => Process::Lax,
            "skip" => Process::Skip,
            value => {
                let (value, expected) = (value.to_owned(), "strict, lax or skip");
                return Err(set.problem(at, ProblemKind::Value { value, expected }));
            }
        };
        for word in ["notNamespace", "notQName"] {
            if set.attribute(at, word).is_some() {
                return Err(set.problem(at, ProblemKind::Unsupported(word.to_owned())));
            }
        }
        Ok(Wildcard {
            namespaces,
            process,
        })
    }

    pub(super) fn takes(&self, namespace: &str) -> bool {
        match &self.namespaces {
            Namespaces::Any => true,
            Namespaces::Other(other) => !namespace.is_empty() && namespace != other,
            Namespaces::Of(known) => known.iter().any(|known| known == namespace),
        }
    }

    /// Whether some name is taken by both.
    pub(super) fn overlaps(&self, other: &Wildcard) -> bool {
        match (&self.namespaces, &other.namespaces) {
            (Namespaces::Of(known), _) => known.iter().any(|namespace| other.takes(namespace)),
            (_, Namespaces::Of(known)) => known.iter().any(|namespace| self.takes(namespace)),
            _ => true,
        }
    }

    /// What both take.
    pub(super) fn intersection(&self, other: &Wildcard) -> Option<Wildcard> {
        let namespaces = match (&self.namespaces, &other.namespaces) {
            (Namespaces::Any, namespaces) | (namespaces, Namespaces::Any) => namespaces.clone(),
            (Namespaces::Of(known), _) => Namespaces::Of(
                known
                    .iter()
                    .filter(|known| other.takes(known))
                    .cloned()
                    .collect(),
            ),
            (_, Namespaces::Of(known)) => Namespaces::Of(
                known
                    .iter()
                    .filter(|known| self.takes(known))
                    .cloned()
                    .collect(),
            ),
            (Namespaces::Other(one), Namespaces::Other(other))
                if one == other || other.is_empty() =>
            {
                Namespaces::Other(one.clone())
            }
            (Namespaces::Other(one), Namespaces::Other(other)) if one.is_empty() => {
                Namespaces::Other(other.clone())
            }
            _ => return None,
        };
        Some(Wildcard {
            namespaces,
            process: self.process,
        })
    }

    /// What one of them takes.
    pub(super) fn union(&self, other: &Wildcard) -> Option<Wildcard> {
        let namespaces = match (&self.namespaces, &other.namespaces) {
            (Namespaces::Any, _) | (_, Namespaces::Any) => Namespaces::Any,
            (Namespaces::Of(one), Namespaces::Of(other)) => {
                Namespaces::Of(one.iter().chain(other).cloned().collect())
            }
            (Namespaces::Other(one), Namespaces::Other(other)) if one == other => {
                Namespaces::Other(one.clone())
            }
            (Namespaces::Other(_), Namespaces::Other(_)) => Namespaces::Other(String::new()),
            (Namespaces::Other(without), Namespaces::Of(known))
            | (Namespaces::Of(known), Namespaces::Other(without)) => {
                match (known.contains(without), known.iter().any(String::is_empty)) {
                    (true, true) => Namespaces::Any,
                    (true, false) => Namespaces::Other(String::new()),
                    (false, false) => Namespaces::Other(without.clone()),
                    // All but one namespace, none included, cannot be written.
                    (false, true) if without.is_empty() => Namespaces::Any,
                    (false, true) => return None,
                }
            }
        };
        Some(Wildcard {
            namespaces,
            process: self.process,
        })
    }
}
