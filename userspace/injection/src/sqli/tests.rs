//! Values and their fingerprints.

use std::time::{Duration, Instant};

use super::sqli;

fn fingerprint(value: &[u8]) -> String {
    sqli(value).map_or_else(String::new, |found| found.to_string())
}

#[test]
fn attacks_have_their_fingerprint() {
    for (value, expected) in [("1' OR '1'='1", "s&sos"), ("1 UNION SELECT 1,2", "1UE1")] {
        assert_eq!(fingerprint(value.as_bytes()), expected, "{value}");
    }
}

/// Patterns of which every repetition is folded away, and others that look for an end that never comes.
#[test]
fn a_long_value_takes_time_in_proportion_to_its_length() {
    let started = Instant::now();
    for pattern in [
        "like.", "not`", "1+", "null,", "x.", "'", "''", "'\\'", "\"\"", "`", "/*", "*/", "/**/",
        "--\n", "--", "#", "$a", "$a$", "$$", "$", "q'(", "nq'", "b'0", "x'f", "[", "{x ", "(",
        ")", ";", "\\", "\\N,", "@", "@`", "0x", "1e", "e'", "u&'", "!", ",-1",
    ] {
        for start in ["", "1 ", "'", "\"", "x\0", "-"] {
            let value = format!("{start}{}", pattern.repeat(50_000));
            let _ = sqli(value.as_bytes());
        }
    }
    // A second or two without optimisation; hours if one of them were quadratic.
    assert!(started.elapsed() < Duration::from_secs(120));
}
