//! What does not compile, and what introspection shows of what does.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use common::{compile, get, site};
use waf::CompileOptions;

fn errors(rules: &str) -> Vec<String> {
    match compile(rules, &CompileOptions::default()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn errors_name_rule_file_and_line() {
    let rules = "SecRule ARGS \"@rx .\" \"id:1,phase:2,pass\"\n\nSecRule ARGS \"@fuzzyHash f.txt 1\" \"id:2,phase:2,deny\"";
    let errors = errors(rules);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with("test.conf:3: rule 2: the operator @fuzzyHash is not supported"),
        "{}",
        errors[0]
    );
}

#[test]
fn what_cannot_be_carried_out_is_an_error() {
    for (rules, expected) in [
        (
            "SecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"",
            "does not compile",
        ),
        (
            "SecRule REMOTE_ADDR \"@ipMatch 1.2.3\" \"id:1,phase:1,deny\"",
            "neither an IP address nor a network",
        ),
        (
            "SecRule ARGS \"@pmFromFile missing.data\" \"id:1,phase:2,deny\"",
            "missing.data",
        ),
    ] {
        let errors = errors(rules);
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{rules}: {errors:?}"
        );
    }
}

#[test]
fn who_has_nobody_to_ask_finds_nothing_and_says_so() {
    let rules = compile(
        "SecRule REMOTE_ADDR \"@geoLookup\" \"id:1,phase:1,deny\"\n\
         SecRule REMOTE_ADDR \"@rbl list.example\" \"id:2,phase:1,deny\"\n\
         SecRule REMOTE_ADDR \"!@rbl list.example\" \"id:3,phase:1,pass,log\"\n",
        &CompileOptions::default(),
    )
    .unwrap();
    let notices: Vec<_> = rules.notices().iter().map(ToString::to_string).collect();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(
        notices[0].starts_with("test.conf:1: rule 1: @geoLookup finds nothing"),
        "{notices:?}"
    );
    let site = site("SecRule REMOTE_ADDR \"!@rbl list.example\" \"id:3,phase:1,pass,log\"");
    site.given(get("/")).expect_matched(&[3]);
}

#[test]
fn a_removed_rule_raises_no_error() {
    let rules = "SecRule ARGS \"@fuzzyHash f.txt 1\" \"id:2,phase:2,deny\"\nSecRuleRemoveById 2";
    assert!(errors(rules).is_empty());
}

#[test]
fn introspection() {
    let rules = compile(
        r#"SecComponentSignature "mine/1.0"
           SecAction "id:1,phase:1,pass,nolog,setvar:tx.level=1"
           SecRule TX:level "@lt 1" "id:2,phase:1,pass,nolog,skipAfter:END"
           SecRule ARGS "@rx x" "id:3,phase:2,block,chain"
             SecRule TX:0 "@rx y"
           SecMarker END
           SecRuleRemoveById 77"#,
        &CompileOptions::default(),
    )
    .unwrap();
    let detecting: Vec<_> = rules
        .rules()
        .filter(|rule| rule.detects)
        .map(|rule| (rule.id, rule.phase, rule.links))
        .collect();
    assert_eq!(detecting, [(3, 2, 2)]);
    assert_eq!(
        (
            rules.stats().rules,
            rules.detection_rules(),
            rules.stats().links
        ),
        (3, 1, 4)
    );
    assert_eq!(rules.notices().len(), 1);
    assert!(
        rules.notices()[0]
            .to_string()
            .starts_with("test.conf:7: SecRuleRemoveById 77")
    );
}

#[test]
fn fingerprints_tell_rules_apart() {
    let fingerprint = |rules: &str| {
        compile(rules, &CompileOptions::default())
            .unwrap()
            .fingerprint()
    };
    let one = "SecAction \"id:1,phase:1,pass\"";
    assert_eq!(fingerprint(one), fingerprint(one));
    assert_ne!(
        fingerprint(one),
        fingerprint("SecAction \"id:1,phase:1,deny\"")
    );
}

#[test]
fn records_are_shaped_like_modsecuritys_and_scrubbed() {
    let site = site(
        r#"SecAuditEngine On
           SecRule ARGS|REQUEST_HEADERS "@contains hunter2" "id:7,phase:1,deny,status:406,severity:CRITICAL,msg:'Found',logdata:'%{matched_var_name}=%{matched_var}',tag:'a'""#,
    );
    let record = site
        .given(get("/?password=hunter2").with("Authorization", "Basic x"))
        .record
        .unwrap();
    let json = serde_json::to_value(&record).unwrap();
    let transaction = &json["transaction"];
    assert_eq!(transaction["client_ip"], "192.0.2.1");
    assert_eq!(transaction["time_stamp"], "Sun Mar  1 00:00:00 2026");
    assert_eq!(transaction["request"]["uri"], "/?password=***");
    assert_eq!(
        transaction["request"]["headers"]["Authorization"],
        "Basic ***"
    );
    assert_eq!(transaction["response"]["http_code"], 406);
    let details = &transaction["messages"][0]["details"];
    assert_eq!(details["ruleId"], "7");
    assert_eq!(details["lineNumber"], "2");
    assert_eq!(details["data"], "ARGS:password=***");
    assert_eq!(details["value"], "***");
    assert_eq!(details["severity"], "2");
    assert_eq!(transaction["outcome"]["verdict"], "deny");
    assert_eq!(transaction["outcome"]["rule"], 7);
}
