//! The reference suite of PROXY protocol headers. The data are not part of the repository: `BASCULE_SHARED` says where they are;
//! without them the test is skipped. Every file of the folder `http` whose name begins with `proxy-protocol` counts.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use base64::Engine;
use preamble::proxy::{Origin, Reading, read};
use std::path::PathBuf;

/// Cases that do not hold, by id. This list may only shrink.
const KNOWN: &[&str] = &[];

#[test]
fn headers_are_accepted_and_refused_as_the_suite_says() {
    let shared = std::env::var_os("BASCULE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(shared.join("http")) else {
        eprintln!("skipped: reference data not found");
        return;
    };
    let suites = folder.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("proxy-protocol") && name.ends_with(".jsonl")
    });
    let mut failed = Vec::new();
    for suite in suites {
        for line in std::fs::read_to_string(suite).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Err(what) = judge(&case) {
                eprintln!("{} {}: {what}", case["id"], case["type"]);
                failed.push(case["id"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(failed, KNOWN);
}

fn judge(case: &serde_json::Value) -> Result<(), String> {
    let raw = base64::engine::general_purpose::STANDARD
        .decode(case["raw_b64"].as_str().unwrap())
        .unwrap();
    let found = read(&raw);
    let source = match found {
        Ok(Reading::Header(header, bytes)) => {
            if !raw[bytes..].starts_with(b"GET ") {
                return Err(format!("the request does not begin at {bytes}"));
            }
            match header.origin {
                Origin::Client(addresses) => Some(addresses.source.ip().to_string()),
                Origin::Local | Origin::Unknown => Some("peer".to_owned()),
            }
        }
        _ => None,
    };
    let expected = case["meta"]["src"].as_str().unwrap();
    match (case["expect"].as_str().unwrap(), source) {
        ("any", _) | ("reject", None) => Ok(()),
        ("accept", Some(source)) if expected.is_empty() || source == expected => Ok(()),
        (expect, _) => Err(format!("expected {expect} {expected:?}, found {found:?}")),
    }
}
