//! A configuration is read, or each of its errors has a place in it. What was read is written as JSON, with all
//! defaults filled in, and reads the same again.
#![no_main]

use config::{MAX_NODES, parse_str};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let loaded = match parse_str(text) {
        Ok(loaded) => loaded,
        Err(errors) => {
            assert!(errors.has_errors());
            assert!(errors.to_string().contains("bascule.yaml"));
            let _ = errors.json().to_string();
            return;
        }
    };
    let _ = loaded.warnings.to_string();
    let names = loaded.config.route_names();
    assert_eq!(names.len(), loaded.config.routes.len());
    let written = loaded.config.json().to_string();
    // With all defaults and without aliases it may be larger than a file may be. A node takes more than a byte.
    if written.len() > MAX_NODES {
        return;
    }
    match parse_str(&written) {
        Ok(again) => {
            assert_eq!(again.config.json().to_string(), written);
            assert!(config::diff(&loaded.config, &again.config).is_empty());
        }
        Err(errors) => panic!("{written}\n{errors}"),
    }
});
