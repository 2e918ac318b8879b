//! Every transformation on any bytes: the output is bounded, what is said about bytes that trigger it is true, and what
//! was in the output before stays. The first byte chooses one that is applied to the others' output.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seclang::ast::Transformation;
use waf::bytes::ByteSet;
use waf::transform::{apply, changes_empty, triggers};

/// The longest output for one byte of input.
const GROWTH: usize = 8;
/// The length of a digest or of a number.
const FIXED: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, value)) = input.split_first() else {
        return;
    };
    let second = Transformation::ALL[usize::from(choice) % Transformation::ALL.len()];
    for &transformation in Transformation::ALL {
        let mut out = b"before".to_vec();
        apply(transformation, value, &mut out);
        let result = out.strip_prefix(b"before").expect("what was there stays");
        assert!(
            result.len() <= value.len() * GROWTH + FIXED,
            "{transformation:?}"
        );
        let unchanged = if value.is_empty() {
            !changes_empty(transformation)
        } else {
            !triggers(transformation).intersects(&ByteSet::present_in(value))
        };
        assert!(!unchanged || result == value, "{transformation:?}");
        let mut again = Vec::new();
        apply(second, result, &mut again);
        assert!(again.len() <= result.len() * GROWTH + FIXED, "{second:?}");
    }
});
