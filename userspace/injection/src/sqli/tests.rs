//! Values and their fingerprints.

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
