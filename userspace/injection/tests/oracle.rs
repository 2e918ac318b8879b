//! The verdicts against those of libinjection, in C, as ModSecurity carries it.
//!
//! Without `BASCULE_INPUTS` the run is short. The long one:
//! `BASCULE_INPUTS=10000000 cargo test --release -p bascule-injection --test oracle -- --nocapture`
//!
//! `BASCULE_SEED` draws others, and `BASCULE_VALUES` names a folder of values to begin from beside the reference data, such as what
//! `cargo xtask fuzz injection` has learned.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // These are tests.

#[path = "oracle/generate.rs"]
mod generate;
#[path = "oracle/program.rs"]
mod program;
#[path = "oracle/seeds.rs"]
mod seeds;

use std::collections::HashSet;

use generate::Generator;
use program::{Oracle, Verdict};

/// Values where nothing is said.
const INPUTS: usize = 200_000;
/// Values of one request to the other side.
const BATCH: usize = 20_000;
/// Differences that are shown.
const SHOWN: usize = 40;

fn ours(value: &[u8]) -> Verdict {
    Verdict {
        sqli: injection::sqli(value).map(|found| found.as_bytes().to_vec()),
        xss: injection::xss(value),
    }
}

/// What was compared and what came of it.
#[derive(Default)]
struct Tally {
    compared: usize,
    sqli: usize,
    xss: usize,
    fingerprints: HashSet<Vec<u8>>,
    differences: Vec<String>,
}

impl Tally {
    fn compare(&mut self, oracle: &mut Oracle, values: &[Vec<u8>]) {
        for (value, theirs) in values.iter().zip(oracle.verdicts(values)) {
            self.compared += 1;
            let ours = ours(value);
            if ours != theirs {
                self.differences.push(format!(
                    "b\"{}\": {ours:?}, libinjection {theirs:?}",
                    value.escape_ascii()
                ));
            }
            self.xss += usize::from(theirs.xss);
            if let Some(fingerprint) = theirs.sqli {
                self.sqli += 1;
                self.fingerprints.insert(fingerprint);
            }
        }
    }

    fn settle(mut self) {
        println!(
            "{} values, {} of them SQL injection with {} fingerprints, {} cross-site scripting; {} differences",
            self.compared,
            self.sqli,
            self.fingerprints.len(),
            self.xss,
            self.differences.len()
        );
        self.differences.sort_by_key(String::len);
        self.differences.truncate(SHOWN);
        assert!(
            self.differences.is_empty(),
            "{}",
            self.differences.join("\n")
        );
        // A comparison that finds nothing compares nothing.
        assert!(self.sqli + self.xss > 0);
    }
}

fn real_values() -> Vec<Vec<u8>> {
    let mut values = seeds::payloads("httpparams-dev.jsonl", |_| true);
    values.extend(seeds::payloads("wordlists-attack-dev.jsonl", |_| true));
    values.extend(seeds::parameters());
    values.extend(seeds::operators());
    values.extend(seeds::learned());
    values
}

#[test]
fn real_values_have_the_verdicts_of_libinjection() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let values = real_values();
    if values.is_empty() {
        return;
    }
    let mut tally = Tally::default();
    values
        .chunks(BATCH)
        .for_each(|values| tally.compare(&mut oracle, values));
    tally.settle();
}

/// Every value of one and two bytes, and every one of three of the bytes that mean something.
#[test]
fn short_values_have_the_verdicts_of_libinjection() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let mut values: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    for first in 0..=u8::MAX {
        values.extend((0..=u8::MAX).map(|second| vec![first, second]));
    }
    for alphabet in [generate::SQL_NOISE, generate::HTML_NOISE] {
        for &first in alphabet {
            for &second in alphabet {
                values.extend(alphabet.iter().map(|&third| vec![first, second, third]));
            }
        }
    }
    let mut tally = Tally::default();
    values
        .chunks(BATCH)
        .for_each(|values| tally.compare(&mut oracle, values));
    tally.settle();
}

/// Every word of SQL in every place that can change what it means, in either case.
#[test]
fn words_have_the_verdicts_of_libinjection() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let mut tally = Tally::default();
    for place in include_str!("oracle/places.txt").lines() {
        let values: Vec<Vec<u8>> = generate::words()
            .flat_map(|(_, word)| [word.to_owned(), word.to_ascii_lowercase()])
            .map(|word| place.replace('W', &word).into_bytes())
            .collect();
        tally.compare(&mut oracle, &values);
    }
    tally.settle();
}

/// Every name of HTML in every place that can change what it means: in either case, with a NUL or a blank at each place in it, with
/// each letter as a reference, with another letter.
#[test]
fn names_have_the_verdicts_of_libinjection() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let mut names: Vec<Vec<u8>> = Vec::new();
    for name in include_str!("oracle/names.txt").lines() {
        let name = name.as_bytes();
        names.push(name.to_ascii_uppercase());
        for at in 0..=name.len() {
            let (before, behind) = name.split_at(at);
            names.extend([b"\0", b"\n", b" "].map(|byte| [before, byte, behind].concat()));
            if let Some((letter, rest)) = behind.split_first() {
                let references = [format!("&#{letter};"), format!("&#x{letter:x}"), "z".into()];
                names.extend(references.map(|text| [before, text.as_bytes(), rest].concat()));
            }
        }
    }
    let mut tally = Tally::default();
    for place in include_str!("oracle/html_places.txt").lines() {
        let (before, behind) = place.split_once('N').unwrap();
        let value = |name: &Vec<u8>| [before.as_bytes(), name, behind.as_bytes()].concat();
        let values: Vec<_> = names.iter().map(value).collect();
        tally.compare(&mut oracle, &values);
    }
    tally.settle();
}

#[test]
fn drawn_values_have_the_verdicts_of_libinjection() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let inputs = number("BASCULE_INPUTS").unwrap_or(INPUTS);
    let seed = number("BASCULE_SEED").unwrap_or(1);
    let mut generator = Generator::new(seed as u64, real_values());
    let mut tally = Tally::default();
    while tally.compared < inputs && tally.differences.len() < 1000 {
        let values: Vec<_> = (0..BATCH.min(inputs - tally.compared))
            .map(|_| generator.next())
            .collect();
        tally.compare(&mut oracle, &values);
    }
    tally.settle();
}
