//! The detectors allocate nothing, whatever the value is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // These are tests.

#[path = "oracle/generate.rs"]
#[allow(dead_code, reason = "another test needs more of it")]
mod generate;

use generate::Generator;

#[test]
fn the_detectors_allocate_nothing() {
    let mut generator = Generator::new(5, Vec::new());
    let values: Vec<_> = (0..20_000).map(|_| generator.next()).collect();
    let mut found = 0;
    let spent = allocation_counter::measure(|| {
        for value in &values {
            found += usize::from(injection::sqli(value).is_some());
            found += usize::from(injection::xss(value));
        }
    });
    assert_eq!(spent.count_total, 0);
    assert!(found > 1000, "{found}");
}
