//! The reference suites of malformed and smuggled requests.
//!
//! Every `reject` and `no_smuggle` case holds. The `accept` cases that are refused on purpose stand in
//! `known/h1-accept.txt` with the reason; that list may only shrink.

use bascule_tests::conformance::{self, Outcome};
use bascule_tests::on_both_drivers;
use std::collections::BTreeSet;

/// `id reason` on each line.
const KNOWN: &str = include_str!("../known/h1-accept.txt");

fn known() -> BTreeSet<&'static str> {
    let lines = KNOWN
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').expect("an id and a reason").0)
        .collect()
}

fn tell(outcome: &Outcome) {
    for ((id, expect), what) in &outcome.failed {
        eprintln!("{id} {expect}: {what}");
    }
}

on_both_drivers! {
    /// What a lenient parser accepts or not.
    fn llhttp(io) {
        let Some(cases) = conformance::load("h1-llhttp.jsonl") else { return };
        let outcome = conformance::run(io, &cases);
        tell(&outcome);
        for expect in ["reject", "reject_or_close", "any"] {
            assert_eq!(outcome.failed(expect), BTreeSet::new(), "{expect}");
        }
        assert_eq!(outcome.failed("accept"), known(), "known/h1-accept.txt may only shrink");
    }

    /// Requests hidden in the bodies of others.
    fn smuggler(io) {
        let Some(cases) = conformance::load("h1-smuggler.jsonl") else { return };
        let outcome = conformance::run(io, &cases);
        tell(&outcome);
        assert!(outcome.failed.is_empty(), "{} of {} cases", outcome.failed.len(), cases.len());
    }
}
