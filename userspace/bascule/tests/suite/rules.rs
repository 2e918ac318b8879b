//! `bascule rules`, `bascule replay` and `bascule crs`, on real files.

use crate::support::{Given, Ran, bascule, given};
use std::fs;
use std::io::Write;
use std::process::Stdio;

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRule ARGS "@rx (?i)select\s.{1,50}from" "id:1001,phase:2,log,deny,t:urlDecodeUni,msg:'SQL in an argument',tag:'attack-sqli',tag:'paranoia-level/2'"
"#;

const TESTS: &str = "
rule_id: 1001
tests:
  - test_id: 1
    stages:
      - input: { method: GET, uri: '/?q=SELECT%20a%20FROM%20b', headers: { Host: localhost } }
        output: { status: 403, log: { expect_ids: [1001] } }
  - test_id: 2
    stages:
      - input: { method: POST, uri: /, headers: { Host: localhost }, data: 'q=select nothing' }
        output: { status: 200, log: { no_expect_ids: [1001] } }
";

fn rules(given: &Given) -> String {
    given.file("site.conf", RULES)
}

#[test]
fn check_tells_every_error_with_its_line_and_what_to_do() {
    let given = given();
    let file = given.file(
        "bad.conf",
        "SecRuleEngine Maybe\nSecRule ARGS \"@rx (a\" \"id:1,phase:2,deny\"\nSecRule ARGZ \"@rx a\" \"id:2,phase:2,deny\"\n",
    );
    let checked = bascule(&["rules", "check", &file]).exits(3);
    for words in [
        "bad.conf:1:15: error: SecRuleEngine takes On, Off or DetectionOnly, found `Maybe`",
        "bad.conf:2:15: error: rule 1: the pattern does not compile: missing closing parenthesis (at character 2)",
        "bad.conf:3:9: error: unknown variable `ARGZ`",
        " 3 | SecRule ARGZ \"@rx a\"",
        "   |         ^^^^\n  = did you mean `ARGS`?",
    ] {
        assert!(
            checked.stderr.contains(words),
            "{words} in\n{}",
            checked.stderr
        );
    }
    assert_eq!(checked.stdout, "invalid: 3 errors, 0 warnings\n");
    let json = bascule(&["rules", "check", "--json", &file])
        .exits(3)
        .json();
    assert_eq!(json["errors"], 3);
    assert_eq!(json["findings"][2]["column"], 9);
    assert_eq!(json["findings"][2]["caret"], serde_json::json!([8, 12]));
    bascule(&["rules", "check", "/nonexistent.conf"])
        .exits(3)
        .says("no file `/nonexistent.conf`");
}

#[test]
fn check_warns_by_name_and_tells_what_is_covered() {
    let given = given();
    let checked = bascule(&["rules", "check", &rules(&given)]).exits(0);
    assert_eq!(checked.stderr, "");
    assert!(
        checked
            .stdout
            .starts_with("valid: 1 rules, 0 warnings\n1 active detection rules\n")
    );
    let json = bascule(&["rules", "check", "--json", &rules(&given)])
        .exits(0)
        .json();
    assert_eq!(
        json["coverage"]["categories"]["sqli"]["by_level"],
        serde_json::json!([0, 1, 0, 0])
    );

    let file = given.file(
        "odd.conf",
        r#"
SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,skipAfter:END"
SecRule ARGS "@rx (?i)abc" "id:2,phase:1,deny,msg:'x'"
SecMarker END
SecAction "id:3,phase:5,pass,nolog,skipAfter:NOWHERE"
SecRule RESPONSE_BODY "@rx (?i)abc" "id:4,phase:2,deny,msg:'x'"
SecRule ARGS "@rx ABC" "id:5,phase:2,deny,msg:'x',t:lowercase"
SecRule ARGS "@rx ^(?i:[a-z]+\s*)*$" "id:6,phase:2,deny,msg:'x'"
SecRule ARGS "@rx word" "id:7,phase:2,deny,msg:'x'"
SecRule ARGS "@rx a$b" "id:8,phase:2,deny,msg:'x'"
SecRule ARGS "@rx ^(?:[0-9]*|x*)$" "id:9,phase:2,deny,msg:'x'"
"#,
    );
    let checked = bascule(&["rules", "check", &file]).exits(0);
    for (line, rule, name) in [
        (4, 2, "unreachable"),
        (6, 3, "missing-marker"),
        (7, 4, "never-matches-target"),
        (8, 5, "never-matches-transformed"),
        (9, 6, "exponential"),
        (10, 7, "case-sensitive"),
        (11, 8, "never-matches-pattern"),
        (12, 9, "not-prefiltered"),
    ] {
        let found = checked.stderr.lines().any(|text| {
            text.contains(&format!("odd.conf:{line}:"))
                && text.contains(&format!("warning: rule {rule}: "))
                && text.ends_with(&format!("[{name}]"))
        });
        assert!(found, "{name} in\n{}", checked.stderr);
    }
    bascule(&["rules", "check", "--deny-warnings", &file]).exits(3);
    let allowed = bascule(&["rules", "check", "--allow", "case-sensitive", &file]).exits(0);
    assert!(
        !allowed.stderr.contains("[case-sensitive]"),
        "{}",
        allowed.stderr
    );
}

#[test]
fn the_rules_that_ship_are_valid_and_pass_their_tests() {
    bascule(&["rules", "check"]).exits(0);
    let tested = bascule(&["rules", "test"]).exits(0);
    assert!(
        tested.stdout.ends_with(" passed, 0 failed\n"),
        "{}",
        tested.stdout
    );
}

#[test]
fn test_runs_go_ftw_files_and_tells_why_one_fails() {
    let given = given();
    let (rules, tests) = (rules(&given), given.file("1001.yaml", TESTS));
    let tested = bascule(&["rules", "test", "--rules", &rules, &tests]).exits(0);
    assert_eq!(tested.stdout, "2 passed, 0 failed\n");

    let wrong = given.file("wrong.yaml", &TESTS.replace("FROM", "FRUM"));
    let tested = bascule(&["rules", "test", &wrong, "--rules", &rules]).exits(1);
    for words in [
        "test 1001-1 fails in stage 1",
        "expected status 403, found 200",
        "expected rule 1001 to match, it does not",
        "ARGS:q is `SELECT a FRUM b`",
        "1 passed, 1 failed",
    ] {
        assert!(
            tested.stdout.contains(words),
            "{words} in\n{}",
            tested.stdout
        );
    }
    let json = bascule(&["rules", "test", "--json", &wrong, "--rules", &rules])
        .exits(1)
        .json();
    assert_eq!(json["failures"][0]["actual"], serde_json::json!([]));
    bascule(&["rules", "test", "/nonexistent.yaml"])
        .exits(1)
        .says("cannot be read");
}

#[test]
fn explain_tells_what_happened_and_what_lets_it_pass() {
    let given = given();
    let rules = rules(&given);
    let command = "curl 'http://shop.example.com/search?q=select%20*%20from%20t&page=2'";
    let explained = bascule(&["rules", "explain", command, "--rules", &rules]).exits(0);
    for words in [
        "rule 1001 matches and decides: SQL in an argument",
        "ARGS:q is `select * from t`",
        "verdict: denied with 403 by rule 1001",
        "SecRule REQUEST_FILENAME \"@streq /search\"",
        "ctl:ruleRemoveTargetById=1001;ARGS:q\"",
    ] {
        assert!(
            explained.stdout.contains(words),
            "{words} in\n{}",
            explained.stdout
        );
    }

    // What it suggests does what it says.
    let (_, suggested) = explained.stdout.split_once("passes").unwrap();
    let start = suggested.find("SecRule").unwrap();
    let exclusion = given.file("exclusion.conf", &suggested[start..]);
    let again = bascule(&["rules", "explain", command, "--rules", &exclusion, &rules]).exits(0);
    assert!(again.stdout.contains("verdict: passes"), "{}", again.stdout);
    assert!(
        again.stdout.contains("ARGS:q is excluded"),
        "{}",
        again.stdout
    );
    let elsewhere = command.replace("/search", "/other");
    let other = bascule(&[
        "rules", "explain", &elsewhere, "--rules", &exclusion, &rules,
    ])
    .exits(0);
    assert!(other.stdout.contains("denied with 403"), "{}", other.stdout);
}

#[test]
fn explain_takes_files_the_standard_input_and_policies() {
    let given = given();
    let request = "POST /f HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded\n\nq=select+a+from+b\n";
    let raw = given.file("request.txt", request);
    let json = bascule(&[
        "rules",
        "explain",
        "--json",
        &raw,
        "--rules",
        &rules(&given),
    ])
    .exits(0)
    .json();
    assert_eq!(
        (json["blocked"].as_bool(), json["decided_by"].as_u64()),
        (Some(true), Some(1001))
    );
    assert_eq!(json["exclusion"]["parts"][0], "1001;ARGS:q");

    let config = given.file(
        "site.yaml",
        "listeners: [{ address: 127.0.0.1:8080 }]\nwaf: { own: { rules: site.conf }, lax: { rules: site.conf, exclude: { ids: [1001] } } }\nroutes: [{ path: /, upstream: app, waf: own }]\nupstreams: { app: { endpoints: [127.0.0.1:9001] } }\n",
    );
    let own = bascule(&[
        "rules", "explain", &raw, "--config", &config, "--policy", "own",
    ])
    .exits(0);
    assert!(
        own.stdout.contains("denied with 403 by rule 1001"),
        "{}",
        own.stdout
    );
    let lax = bascule(&[
        "rules", "explain", &raw, "--config", &config, "--policy", "lax",
    ])
    .exits(0);
    assert!(lax.stdout.contains("verdict: passes"), "{}", lax.stdout);
    bascule(&["rules", "explain", &raw, "--config", &config])
        .exits(1)
        .says("say which with --policy");

    let mut child = crate::support::command(&["rules", "explain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"curl http://h/?a=<script>alert(1)</script>")
        .unwrap();
    drop(stdin);
    let ended = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(
        stdout.contains("ctl:ruleRemoveTargetById=9550001;ARGS:a"),
        "{stdout}"
    );

    bascule(&["rules", "explain", "nonsense"])
        .exits(1)
        .says("a curl command line, a raw HTTP request, a HAR file");
    bascule(&["rules", "explain", &raw, "--entry", "2"])
        .exits(1)
        .says("a number from 1 to 1");
}

#[test]
fn profile_names_the_dearest_rules_and_what_filters_save() {
    let given = given();
    let file = rules(&given);
    let measured = bascule(&["rules", "profile", "--rules", &file, "--rounds", "2"]).exits(0);
    for words in [
        "5 requests, each 2 times",
        "rule 1001  SQL in an argument",
        "on ARGS",
        "each rule by itself",
        "as in service, new values",
    ] {
        assert!(
            measured.stdout.contains(words),
            "{words} in\n{}",
            measured.stdout
        );
    }
    let requests = given.file("r.txt", "GET /?a=1&b=2 HTTP/1.1\r\nHost: h\r\n\r\n");
    let json = bascule(&[
        "rules",
        "profile",
        "--json",
        "--rules",
        &file,
        "--requests",
        &requests,
        "--rounds",
        "2",
    ])
    .exits(0)
    .json();
    assert_eq!(json["requests"], 1);
    assert_eq!(json["rules"][0]["values"], 2.0);
}

fn replayed(log: &str, arguments: &[&str]) -> Ran {
    bascule(&[&["replay", "--log", log], arguments].concat())
}

#[test]
fn replay_tells_verdicts_that_change_and_has_an_exit_code_for_it() {
    let given = given();
    let record = |uri: &str, verdict: &str, rule: &str| {
        format!(
            r#"{{"transaction":{{"client_ip":"192.0.2.1","request":{{"method":"GET","http_version":1.1,"uri":"{uri}","headers":{{"Host":"h"}}}},"producer":{{"connector":"bascule 0.1.0"}},"messages":[{{"details":{{"ruleId":"{rule}"}}}}],"outcome":{{"verdict":"{verdict}"}}}}}}"#
        )
    };
    let lines = [
        record("/a?q=select+1+from+t", "pass", "1"),
        record("/a?q=select+2+from+t", "pass", "1"),
        record("/b?q=hello", "deny", "942100"),
        record("/c?q=hello", "pass", "1"),
    ];
    let log = given.file("audit.json", &lines.join("\n"));
    let rules = rules(&given);
    let ran = replayed(&log, &["--rules", &rules]).exits(5);
    for words in [
        "newly blocked:\n      2  GET /a  (line 1)\n           1001 SQL in an argument",
        "newly passed:\n      1  GET /b  (line 3)\n           942100",
        "4 requests: 2 newly blocked, 1 newly passed",
    ] {
        assert!(ran.stdout.contains(words), "{words} in\n{}", ran.stdout);
    }
    replayed(&log, &["--rules", &rules, "--old", &rules]).exits(0);
    let json = replayed(&log, &["--rules", &rules, "--json"])
        .exits(5)
        .json();
    assert_eq!(json["differences"][0]["requests"], 2);
    let bad = given.file("bad.conf", "SecRule\n");
    replayed(&log, &["--rules", &bad]).exits(3);
    replayed(&rules, &["--rules", &rules])
        .exits(1)
        .says("expected an audit log in JSON");
}

#[test]
fn crs_install_puts_a_release_in_its_place_and_checks_it() {
    let given = given();
    let release = given.folder.path().join("release");
    fs::create_dir_all(release.join("rules")).unwrap();
    fs::write(
        release.join("crs-setup.conf.example"),
        "SecAction \"id:900990,phase:1,pass,nolog,setvar:tx.crs_setup_version=4000\"\n",
    )
    .unwrap();
    fs::write(
        release.join("rules/REQUEST-942.conf"),
        RULES.replace("SecRuleEngine On", ""),
    )
    .unwrap();
    let (from, to) = (given.path("release"), given.path("crs"));
    let installed = bascule(&["crs", "install", "--from", &from, "--to", &to]).exits(0);
    for words in ["crs-setup.conf\n", "rules/*.conf", "valid: ", "sqli"] {
        assert!(
            installed.stdout.contains(words),
            "{words} in\n{}",
            installed.stdout
        );
    }

    // What it prints is a configuration that works.
    let (_, behind) = installed.stdout.split_once("waf:\n").unwrap();
    let (policy, _) = behind.split_once("\n\n").unwrap();
    let config = format!(
        "listeners: [{{ address: 127.0.0.1:8080 }}]\nroutes: [{{ path: /, upstream: app, waf: crs }}]\nupstreams: {{ app: {{ endpoints: [127.0.0.1:9001] }} }}\nwaf:\n{policy}\n"
    );
    let config = given.file("site.yaml", &config);
    bascule(&["check", "--config", &config]).exits(0);

    bascule(&[
        "crs",
        "install",
        "--from",
        &from,
        "--to",
        &to,
        "--checksum",
        "00",
    ])
    .exits(1)
    .says("leave it out");
    let archive = given.file("release.zip", "no archive");
    bascule(&[
        "crs",
        "install",
        "--from",
        &archive,
        "--to",
        &to,
        "--checksum",
        "00",
    ])
    .exits(1)
    .says("expected the SHA-256 00, found ");
    bascule(&["crs", "install", "--from", &archive, "--to", &to])
        .exits(1)
        .says("expected a .zip or .tar.gz file");
    bascule(&[
        "crs",
        "install",
        "--from",
        "http://localhost/crs.zip",
        "--to",
        &to,
    ])
    .exits(1)
    .says("begins with https://");
}
