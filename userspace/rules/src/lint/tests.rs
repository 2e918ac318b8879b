//! What is found in the rules that most people load.

use super::*;
use seclang::FsLoader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Patterns of the CRS in which a `*` can be read as itself or as one of a run of any signs, time after time.
const EXPONENTIAL: &[RuleId] = &[920_600, 922_110, 934_170];

/// Rules of the CRS that mind case: some mean it so, so this is an upper bound.
const CASE_SENSITIVE_LIMIT: usize = 30;

#[test]
fn the_crs_stays_quiet_but_for_what_is_there() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/waf/crs/rules/*.conf");
    let Ok(document) = seclang::load(&[&rules], &FsLoader) else {
        println!("skipped: {} is not there", rules.display());
        return;
    };
    let mut found: BTreeMap<&str, BTreeSet<RuleId>> = BTreeMap::new();
    for finding in lint(&[document], None) {
        found.entry(finding.name).or_default().extend(finding.rule);
    }
    let expected: BTreeSet<RuleId> = EXPONENTIAL.iter().copied().collect();
    assert_eq!(found.remove("exponential"), Some(expected));
    let case = found.remove("case-sensitive").unwrap_or_default();
    assert!(case.len() <= CASE_SENSITIVE_LIMIT, "{case:?}");
    assert!(found.is_empty(), "{found:?}");
}
