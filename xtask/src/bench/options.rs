//! What was typed after `bench`.

use super::case::Case;
use crate::failure::{Failure, Outcome};
use crate::setup::CRS;
use std::path::PathBuf;

const EXPECTED: &str = "l7 [--quick] [--waf [shipped|crs]] [--crs DIR] [--only nginx,haproxy,envoy,bascule] \
     [--cases plain-0,plain-1k,plain-64k,tls-0,tls-1k,tls-64k,browser-1k] [--rounds N] [--seconds N]";
/// Fewer rounds have no median worth the name.
const ROUNDS: usize = 3;
const SECONDS: usize = 4;

pub(super) struct Options {
    /// Contestants whose names begin with one of these; empty: all.
    only: Vec<String>,
    /// Cases whose names begin with one of these; empty: those that fit the rules.
    cases: Vec<String>,
    pub(super) waf: Waf,
    /// The folder of the CRS.
    pub(super) crs: PathBuf,
    pub(super) rounds: usize,
    /// Of each measurement.
    pub(super) seconds: usize,
}

/// The rules with which further contestants take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waf {
    None,
    /// Those that ship, in bascule.
    Shipped,
    /// The OWASP Core Rule Set, in bascule and in nginx with `ModSecurity`.
    Crs,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self {
            only: Vec::new(),
            cases: Vec::new(),
            waf: Waf::None,
            crs: PathBuf::from(CRS),
            rounds: ROUNDS,
            seconds: SECONDS,
        };
        let mut arguments = arguments.iter().peekable();
        if arguments.next().map(String::as_str) != Some("l7") {
            return Err(unknown("the benches are called `l7` and `waf`"));
        }
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // To see that everything works; one round says nothing about who is faster.
                "--quick" => (options.rounds, options.seconds) = (1, 1),
                "--waf" => {
                    let word = arguments.next_if(|word| !word.starts_with("--"));
                    options.waf = rules(word.map(String::as_str))?;
                }
                "--crs" => {
                    let folder = arguments.next().ok_or_else(|| unknown(argument))?;
                    options.crs = PathBuf::from(folder);
                }
                "--only" => options.only = names(argument, arguments.next())?,
                "--cases" => options.cases = names(argument, arguments.next())?,
                "--rounds" => options.rounds = number(argument, arguments.next())?,
                "--seconds" => options.seconds = number(argument, arguments.next())?,
                _ => return Err(unknown(argument)),
            }
        }
        Ok(options)
    }

    /// Whether a case is measured.
    pub(super) fn covers(&self, case: Case) -> bool {
        if self.cases.is_empty() {
            // What the CRS costs shows where there is something to inspect; that alone is another kind of case.
            return (self.waf == Waf::Crs) == (case == Case::BROWSER);
        }
        let name = case.name();
        self.cases.iter().any(|it| name.starts_with(it.as_str()))
    }

    /// Whether a contestant takes part. `bascule` stands for all of ours.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|only| name.starts_with(only.as_str()) || only.starts_with(name))
    }
}

fn rules(word: Option<&str>) -> Outcome<Waf> {
    match word {
        None | Some("shipped") => Ok(Waf::Shipped),
        Some("crs") => Ok(Waf::Crs),
        Some(other) => Err(unknown(other)),
    }
}

fn names(option: &str, value: Option<&String>) -> Outcome<Vec<String>> {
    let names = value.ok_or_else(|| unknown(option))?;
    Ok(names.split(',').map(ToOwned::to_owned).collect())
}

fn number(option: &str, value: Option<&String>) -> Outcome<usize> {
    value
        .and_then(|value| value.parse().ok())
        .filter(|number| (1..=1000).contains(number))
        .ok_or_else(|| unknown(option))
}

fn unknown(found: &str) -> Failure {
    Failure::Argument {
        found: found.to_owned(),
        expected: EXPECTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Options> {
        let words: Vec<String> = line.split_whitespace().map(ToOwned::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn contestants_are_chosen_by_the_beginning_of_their_names() {
        let options = parse("l7 --only nginx,bascule-uring --rounds 5").expect("good");
        assert!(options.wants("nginx") && options.wants("bascule-uring"));
        assert!(options.wants("bascule"), "it has to be built");
        assert!(!options.wants("bascule-epoll") && !options.wants("haproxy"));
        assert_eq!((options.rounds, options.seconds), (5, SECONDS));
        let options = parse("l7 --cases tls,plain-1k").expect("good");
        assert!(options.wants("envoy"));
        assert_eq!(covered(&options), "plain-1k tls-0 tls-1k tls-64k");
    }

    #[test]
    fn rules_are_named_by_a_word() {
        let plain = "plain-0 plain-1k plain-64k tls-0 tls-1k tls-64k";
        for (line, waf, cases) in [
            ("l7", Waf::None, plain),
            ("l7 --waf", Waf::Shipped, plain),
            ("l7 --waf --quick", Waf::Shipped, plain),
            ("l7 --waf shipped", Waf::Shipped, plain),
            ("l7 --waf crs", Waf::Crs, "browser-1k"),
            (
                "l7 --waf crs --cases plain-1k,browser",
                Waf::Crs,
                "plain-1k browser-1k",
            ),
        ] {
            let options = parse(line).expect("good");
            assert_eq!(options.waf, waf, "{line}");
            assert_eq!(covered(&options), cases, "{line}");
        }
        assert_eq!(
            parse("l7 --waf crs --crs rules").expect("good").crs,
            PathBuf::from("rules")
        );
    }

    fn covered(options: &Options) -> String {
        let cases = Case::all().filter(|case| options.covers(*case));
        cases.map(Case::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for line in [
            "",
            "l4",
            "l7 --fast",
            "l7 --rounds",
            "l7 --seconds 0",
            "l7 --waf modsecurity",
            "l7 --crs",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
