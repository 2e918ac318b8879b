//! A rule file parses, or each of its errors has a place in it. What parses is printed and parses back to the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seclang::{format, parse_str};

fuzz_target!(|text: &str| {
    let document = match parse_str("rules.conf", text) {
        Ok(document) => document,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.to_string().is_empty());
                assert!(error.line as usize <= 1 + text.matches('\n').count());
            }
            return;
        }
    };
    let printed = format(&document);
    match parse_str("printed.conf", &printed) {
        Ok(again) => {
            assert_eq!(again, document, "{printed}");
            assert_eq!(format(&again), printed);
        }
        Err(errors) => panic!("{printed}\n{}", errors[0]),
    }
});
