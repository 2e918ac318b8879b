//! What test files mean.

use super::*;
use std::fs;

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecRule ARGS "@rx attack" "id:1,phase:2,log,deny,status:418,t:urlDecode,t:lowercase,msg:'An attack',logdata:'%{MATCHED_VAR}'"
SecRule RESPONSE_BODY "@contains secret" "id:2,phase:4,log,pass,msg:'A leak'"
SecRule REQUEST_METHOD "@streq DROP" "id:3,phase:1,log,drop"
"#;

fn run(yaml: &str) -> Result<TestReport, TestError> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let rules = folder.path().join("rules.conf");
    let tests = folder.path().join("1.yaml");
    for (path, text) in [(&rules, RULES), (&tests, yaml)] {
        fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
    }
    test(&Rules::of(&[rules]), &[tests])
}

fn report(yaml: &str) -> TestReport {
    run(yaml).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_form_of_go_ftw() {
    let yaml = r#"
---
meta: { author: someone, enabled: true, name: 1.yaml }
rule_id: 1
tests:
  - test_id: 1
    desc: in the query
    stages:
      - input:
          dest_addr: 127.0.0.1
          port: 80
          method: GET
          uri: /?a=ATTACK
          version: HTTP/1.1
          headers: { Host: localhost, X-Number: 007 }
        output:
          status: 418
          log: { expect_ids: [1], match_regex: 'msg "An attack"' }
  - test_id: 2
    stages:
      - input: { method: POST, uri: /, headers: { Host: h }, data: "a={{ \"at\" | repeat 2 }}tack" }
        output: { log: { expect_ids: [1] } }
  - test_id: 3
    stages:
      - input: { method: POST, uri: /reflect, headers: { Host: h, Content-Type: application/json }, data: '{"body":"a secret"}' }
        output: { status: [200], response_contains: "a sec", log: { expect_ids: [2], no_expect_ids: [1] } }
      - input: { uri: /, headers: { Host: h } }
        output: { status: 200, log_contains: "", no_log_contains: 'id "1"' }
  - test_title: 1-old
    stages:
      - stage:
          input: { uri: "/?a=b", stop_magic: true, headers: { Host: h } }
          output: { no_log_contains: 'id "1"' }
  - test_id: 5
    stages:
      - input: { method: DROP, headers: { Host: h } }
        output: { expect_error: true }
  - test_id: 6
    stages:
      - input: { encoded_request: "R0VUIC8/YT1hdHRhY2sgSFRUUC8xLjENCkhvc3Q6IGgNCg0K" }
        output: { log: { expect_ids: [1] } }
"#;
    let report = report(yaml);
    assert_eq!(
        (report.passed, report.failures.len()),
        (6, 0),
        "{}",
        report.text()
    );
}

#[test]
fn a_failure_tells_which_variable_had_which_value_after_which_transformation() {
    let yaml = r#"
rule_id: 1
tests:
  - test_id: 1
    stages:
      - input: { uri: "/?a=%2541TACX", headers: { Host: h } }
        output: { status: 403, log: { expect_ids: [1, 77] } }
  - test_id: 2
    stages:
      - input: { uri: "/?a=ATTACK", headers: { Host: h } }
        output: { log: { no_expect_ids: [1], match_regex: "nothing" } }
"#;
    let report = report(yaml);
    assert_eq!((report.passed, report.failures.len()), (0, 2));
    let text = report.text();
    for words in [
        "test 1-1 fails in stage 1",
        "expected status 403, found 200",
        "expected rule 1 to match, it does not",
        "expected [1, 77], logged []; passes",
        "ARGS:a is `%41TACX`",
        "t:urlDecode gives `ATACX`",
        "t:lowercase gives `atacx`",
        "rule 77 is not in the rules",
        "expected rule 1 not to match, it does",
        "expected a line of the log to match `nothing`, none does",
        "matches `attack`",
        "0 passed, 2 failed",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn the_short_form_and_requests_that_match_nothing() {
    let report = report(
        "- rule: 1\n  match: ['an attack', { form: { a: attack } }]\n  no_match: [peace, attack]\n",
    );
    assert_eq!(
        (report.passed, report.failures.len()),
        (3, 1),
        "{}",
        report.text()
    );
    assert_eq!(report.failures[0].id, "1-no-match-2");
    let report = self::report("- peace\n- { uri: '/?a=attack' }\n");
    assert_eq!(
        (report.passed, report.failures.len()),
        (1, 1),
        "{}",
        report.text()
    );
}

#[test]
fn what_is_no_test_says_what_would_be() {
    for (yaml, words) in [
        ("meta: {}\n", "expected a go-ftw file"),
        ("tests: 5\n", "1.yaml"),
        ("- rule: 1\n  mach: []\n", "mach"),
    ] {
        let error = run(yaml).err().map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains(words)),
            "{error:?}"
        );
    }
    let missing = test(&Rules::Shipped, &["/nonexistent.yaml".into()]);
    assert!(missing.is_err_and(|error| error.to_string().contains("cannot be read")));
}

#[test]
fn the_rules_that_ship_pass_their_tests() {
    let report = test(&Rules::Shipped, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        report.failures.is_empty() && report.passed > 400,
        "{}",
        report.text()
    );
}

/// Every request of the reference tests, built from its words, is the one that go-ftw sent.
#[test]
fn requests_are_built_as_go_ftw_builds_them() {
    let tests =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/waf/tests/crs-ftw-dev.jsonl");
    let Ok(text) = fs::read_to_string(&tests) else {
        println!("skipped: {} is not there", tests.display());
        return;
    };
    let mut wrong = Vec::new();
    for line in text.lines() {
        let test: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}"));
        for stage in test["stages"].as_array().into_iter().flatten() {
            let mut input = stage["input"].clone();
            // There the fields are a list of pairs.
            let pairs = input["headers"].take();
            let fields = pairs
                .as_array()
                .into_iter()
                .flatten()
                .map(|pair| serde_json::json!({ "name": pair[0], "value": pair[1] }));
            input["ordered_headers"] = fields.collect();
            if let Some(object) = input.as_object_mut() {
                object.remove("headers");
            }
            let input: model::Input =
                serde_json::from_value(input).unwrap_or_else(|error| panic!("{error}: {line}"));
            let built = wire::bytes(&input).unwrap_or_else(|error| panic!("{error}"));
            let sent = stage["raw_b64"].as_str().and_then(crate::base64::decode);
            if sent.as_deref() != Some(&built[..]) {
                wrong.push(format!(
                    "{}:\n{}\n{}",
                    test["id"],
                    String::from_utf8_lossy(&built),
                    String::from_utf8_lossy(&sent.unwrap_or_default())
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n\n")
    );
}
