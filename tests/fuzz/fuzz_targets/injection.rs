//! The detectors of injection on any bytes: a fingerprint is short and printable, and nothing is found in a value without
//! the bytes that can make it.
#![no_main]

use injection::{Fingerprint, can_make_sqli, can_make_xss, sqli, xss};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    if let Some(fingerprint) = sqli(value) {
        let letters = fingerprint.as_bytes();
        assert!((1..=Fingerprint::LIMIT).contains(&letters.len()));
        assert!(letters.iter().all(u8::is_ascii_graphic));
        assert!(value.iter().copied().any(can_make_sqli));
    }
    if xss(value) {
        assert!(value.iter().copied().any(can_make_xss));
    }
});
