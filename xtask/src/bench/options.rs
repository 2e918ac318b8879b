//! What was typed after `bench`.

use crate::failure::{Failure, Outcome};

const EXPECTED: &str = "l7 [--quick] [--waf] [--only nginx,haproxy,envoy,bascule] [--cases plain-0,plain-1k,plain-64k,tls-0,tls-1k,tls-64k] \
     [--rounds N] [--seconds N]";
/// Fewer rounds have no median worth the name.
const ROUNDS: usize = 3;
const SECONDS: usize = 4;

pub(super) struct Options {
    /// Contestants whose names begin with one of these; empty: all.
    only: Vec<String>,
    /// Cases whose names begin with one of these; empty: all.
    cases: Vec<String>,
    /// bascule with the shipped WAF rules takes part as well.
    pub(super) waf: bool,
    pub(super) rounds: usize,
    /// Of each measurement.
    pub(super) seconds: usize,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self {
            only: Vec::new(),
            cases: Vec::new(),
            waf: false,
            rounds: ROUNDS,
            seconds: SECONDS,
        };
        let mut arguments = arguments.iter();
        if arguments.next().map(String::as_str) != Some("l7") {
            return Err(unknown("the benches are called `l7` and `waf`"));
        }
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // To see that everything works; one round says nothing about who is faster.
                "--quick" => (options.rounds, options.seconds) = (1, 1),
                "--waf" => options.waf = true,
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
    pub(super) fn covers(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|it| case.starts_with(it.as_str()))
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
        assert!(options.wants("envoy") && options.covers("tls-64k"));
        assert!(options.covers("plain-1k") && !options.covers("plain-0"));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for line in ["", "l4", "l7 --fast", "l7 --rounds", "l7 --seconds 0"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
