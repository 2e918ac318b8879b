//! Whatever a file holds, reading it gives something or an error: nothing panics.

use crate::{crs, ftw, lint, replay, request};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn requests(text in "(curl |GET / |\\{|\\[)?[-a-zA-Z'\"$\\\\ :/?#@%&={}\\[\\],\r\n\u{e9}]{0,80}") {
        let _ = request::read("given", text.as_bytes());
    }

    #[test]
    fn requests_of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(requests) = request::read("given", &bytes) {
            for request in requests {
                let _ = (request.refused_by_front(), request.path().len());
            }
        }
    }

    #[test]
    fn test_files(text in "(tests:\n|- rule: 1\n|- )?[-a-z0-9 :{}\\[\\]'\"\n|]{0,80}") {
        let _ = ftw::read_tests("given", &text);
    }

    #[test]
    fn audit_records(uri in any::<String>(), name in any::<String>(), value in any::<String>(), body in any::<String>()) {
        let line = serde_json::json!({ "transaction": {
            "request": { "method": "GET", "uri": uri, "headers": { name: value }, "body": body },
            "producer": { "connector": "bascule 0" },
        }});
        let _ = replay::read_record(line.to_string().as_bytes());
        let _ = replay::read_record(body.as_bytes());
    }

    #[test]
    fn archives(bytes in proptest::collection::vec(any::<u8>(), 0..300), start in 0..3usize) {
        let magic = [&b"PK\x03\x04"[..], b"\x1f\x8b\x08\0", b""][start];
        let _ = crs::read_archive(&[magic, &bytes].concat());
    }

    #[test]
    fn patterns(pattern in "[-a-c()|*+?{},0-9\\[\\]^$\\\\.wsd:]{0,30}") {
        lint::examine_pattern(&pattern);
    }
}
