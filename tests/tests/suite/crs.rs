//! The regression tests of the OWASP Core Rule Set, through the program.

use bascule_tests::crs;
use std::collections::BTreeSet;

/// Tests that do not come out as they ask, with the reason. May only shrink.
const KNOWN: &[(&str, &str)] = &[];

#[test]
fn every_test_comes_out_as_it_asks() {
    let Some(options) = crs::reference() else {
        return;
    };
    let verdicts = crs::run(&options).unwrap();
    assert!(verdicts.len() > 3500, "{}", verdicts.len());
    let failed: Vec<_> = verdicts
        .iter()
        .filter(|verdict| !verdict.passed())
        .collect();
    let ids: BTreeSet<_> = failed.iter().map(|verdict| verdict.id.as_str()).collect();
    let known: BTreeSet<_> = KNOWN.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, known, "{failed:#?}");
}
