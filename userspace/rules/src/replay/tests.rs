//! Logs of several engines, and what changes.

use super::*;
use std::fs;

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRule ARGS|REQUEST_HEADERS:X-A "@contains attack" "id:1,phase:2,log,deny,msg:'An attack'"
"#;

fn run(lines: &[&str]) -> Result<Replay, ReplayError> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (rules, log) = (
        folder.path().join("r.conf"),
        folder.path().join("audit.json"),
    );
    for (path, text) in [(&rules, RULES.to_owned()), (&log, lines.join("\n"))] {
        fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
    }
    replay(&log, &Rules::of(&[rules]), None)
}

fn report(lines: &[&str]) -> Replay {
    run(lines).unwrap_or_else(|error| panic!("{error}"))
}

const OURS: &str = r#"{"transaction":{"client_ip":"192.0.2.9","request":{"method":"POST","http_version":1.1,"uri":"/a?x=1","headers":{"Host":"h","Content-Type":"application/x-www-form-urlencoded","Content-Length":"8"},"body":"b=att\\x61ck","body_bytes":8},"response":{"http_code":200},"producer":{"connector":"bascule 0.1.0"},"messages":[],"outcome":{"verdict":"pass","would_be_rule":null}}}"#;
const MODSECURITY_3: &str = r#"{"transaction":{"client_ip":"192.0.2.9","request":{"method":"GET","http_version":1.1,"uri":"/b?x=fine","headers":{"Host":"h","X-A":"one","X-A":"attack"},"body":""},"response":{"http_code":403},"producer":{"connector":"ModSecurity-nginx","secrules_engine":"Enabled"},"messages":[{"message":"m","details":{"ruleId":"942100"}}]}}"#;
const MODSECURITY_2: &str = r#"{"transaction":{"remote_address":"192.0.2.9"},"request":{"request_line":"GET /c?x=fine HTTP/1.1","headers":{"Host":"h"}},"response":{"status":403},"audit_data":{"messages":["Access denied with code 403 (phase 2). [id \"942110\"] [msg \"x\"]"]}}"#;
const CORAZA: &str = r#"{"transaction":{"client_ip":"192.0.2.9","is_interrupted":false,"request":{"method":"GET","protocol":"HTTP/1.1","uri":"/d?x=attack","headers":{"host":["h"]}}},"messages":[{"data":{"id":920350}}]}"#;

#[test]
fn logs_of_four_engines_give_their_requests_and_verdicts() {
    let replayed = report(&[OURS, MODSECURITY_3, MODSECURITY_2, CORAZA]);
    assert_eq!(
        (
            replayed.requests,
            replayed.newly_blocked,
            replayed.newly_passed
        ),
        (4, 2, 1),
        "{}",
        replayed.text()
    );
    let text = replayed.text();
    for words in [
        "newly blocked:",
        "POST /a  (line 1)",
        "GET /d  (line 4)",
        "1 An attack",
        "newly passed:",
        "GET /c  (line 3)",
        "942110",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn the_same_requests_are_counted_together() {
    let replayed = report(&[OURS, OURS, CORAZA]);
    let counts: Vec<usize> = replayed.differences.iter().map(|it| it.requests).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn what_the_log_lacks_is_told() {
    let without_body = OURS.replace(r#""body":"b=att\\x61ck","#, "");
    let masked = CORAZA.replace("x=attack", "password=***");
    let shadow = OURS.replace(r#""verdict":"pass""#, r#""shadow":true,"verdict":"deny""#);
    let replayed = report(&[&without_body, &masked, &shadow, "not json"]);
    assert_eq!(
        (
            replayed.requests,
            replayed.without_body,
            replayed.masked,
            replayed.unreadable
        ),
        (2, 1, 1, 1)
    );
    assert!(!replayed.changes());
    assert!(
        replayed.text().contains("the first is line 4"),
        "{}",
        replayed.text()
    );
}

#[test]
fn what_is_no_log_says_so() {
    let error = run(&["hello"]).err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("line 1 is none")));
}
