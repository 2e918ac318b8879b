//! What is remembered of a head changes nothing: whatever came under it before, the same rules match the same values.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // These are tests.
mod common;

use std::sync::Arc;

use common::{Exchange, compile, get, verdict};
use waf::{CompileOptions, RuleSet, Scratch};

/// Rules that depend on the head alone, such that only seem to, and what stops or changes them.
const RULES: &str = r#"
SecAction "id:1,phase:1,pass,nolog,setvar:tx.allowed=GET POST,setvar:'tx.names=/x-bad/ /x-worse/'"
SecRule ARGS:mode "@streq quiet" "id:2,phase:1,pass,nolog,ctl:ruleRemoveById=10,ctl:ruleRemoveById=12"
SecRule ARGS:mode "@streq free" "id:3,phase:1,pass,nolog,ctl:ruleRemoveTargetById=16;REQUEST_HEADERS:X-A"
SecRule ARGS:mode "@streq skip" "id:4,phase:1,pass,nolog,skipAfter:END"
SecRule ARGS:mode "@streq allow" "id:5,phase:1,pass,nolog,allow:phase"
SecRule ARGS:mode "@streq off" "id:6,phase:1,pass,nolog,ctl:ruleEngine=DetectionOnly"
SecRule REQUEST_METHOD "!@within %{tx.allowed}" "id:10,phase:1,pass,log"
SecRule REQUEST_METHOD "@rx ^GET$" "id:11,phase:1,pass,log,chain"
  SecRule REQUEST_HEADERS:Content-Length "!@rx ^0?$"
SecRule REQUEST_HEADERS_NAMES "@rx ^.*$" "id:12,phase:1,pass,log,capture,t:lowercase,setvar:'tx.name_%{tx.0}=/%{tx.0}/',chain"
  SecRule TX:/^name_/ "@within %{tx.names}" "setvar:tx.score=+1"
SecRule REQUEST_HEADERS:X-A "@rx evil" "id:13,phase:1,deny,status:406,chain"
  SecRule REQUEST_HEADERS:X-B "@rx worse"
SecMarker END
SecRule &REQUEST_HEADERS:Host "@eq 0" "id:14,phase:2,pass,log"
SecRule REQUEST_HEADERS|REQUEST_COOKIES "@rx (?i)evil" "id:15,phase:2,pass,log,chain"
  SecRule ARGS "@rx bad" "setvar:tx.score=+1"
SecRule REQUEST_HEADERS "@rx evil" "id:16,phase:2,pass,log"
SecRule TX:/args_/ "@rx ." "id:17,phase:2,pass,log,logdata:'%{MATCHED_VAR_NAME}'"
SecRule REQUEST_PROTOCOL "!@streq HTTP/1.1" "id:18,phase:2,pass,log"
SecRule REQUEST_COOKIES:c "@streq 1" "id:19,phase:2,pass,log,chain"
  SecRule REQUEST_COOKIES:d "@streq 2"
SecRule TX:score "@ge 1" "id:20,phase:2,pass,log,logdata:'%{tx.score}'"
"#;

/// What a link left in the captures before its chain failed is read by another rule.
const LEFT_CAPTURES: &str = r#"
SecRule REQUEST_HEADERS:X-A "@rx ^(e)" "id:30,phase:1,pass,nolog,capture,chain"
  SecRule REQUEST_METHOD "@streq NONE"
SecRule ARGS "@rx bad" "id:31,phase:2,pass,log,logdata:'%{tx.1}'"
"#;

/// A variable that a rule of the head makes is read by another by its name.
const MADE_NAMES: &str = r#"
SecRule REQUEST_HEADERS_NAMES "@rx (?i)^x-" "id:40,phase:1,pass,nolog,setvar:'tx.seen_%{MATCHED_VAR}=1',chain"
  SecRule REQUEST_METHOD "@streq NONE"
SecRule TX:seen_x-a "@eq 1" "id:41,phase:2,pass,log"
SecRule ARGS:mode "@streq quiet" "id:42,phase:2,pass,log,logdata:'%{tx.seen_x-b}'"
"#;

fn heads() -> Vec<Exchange> {
    let plain = || get("/").with("Host", "example.com");
    let mut bare = get("/");
    bare.headers.clear();
    let mut others = vec![
        bare,
        plain(),
        plain().with("Content-Length", "5"),
        plain().with("X-Bad", "1"),
        plain().with("X-Args_1", "1"),
        plain().with("X-A", "evil"),
        plain().with("X-A", "evil").with("X-B", "worse"),
        plain().with("Cookie", "c=1; d=2"),
        plain().with("Cookie", "c=1; d=3; e=EVIL"),
        plain().with("X-A", "x".repeat(5000)),
    ];
    let mut odd = plain().with("X-A", "e");
    odd.method = "BREW".into();
    others.push(odd.clone());
    odd.protocol = "HTTP/1.0".into();
    others.push(odd);
    others
}

const TARGETS: [&str; 9] = [
    "/",
    "/?a=1",
    "/?a=bad",
    "/?mode=quiet",
    "/?mode=free&a=bad",
    "/?mode=skip",
    "/?mode=allow&a=bad",
    "/?mode=off",
    "/other?args_1=bad",
];

fn rules(text: &str, gates: bool) -> Arc<RuleSet> {
    let options = CompileOptions {
        gates,
        ..CompileOptions::default()
    };
    Arc::new(compile(text, &options).unwrap())
}

/// Every target after every other one under each head; which rules matched in all.
fn expect_the_same(gated: &Arc<RuleSet>, exact: &Arc<RuleSet>) -> Vec<u64> {
    let mut seen = std::collections::BTreeSet::new();
    for head in heads() {
        let with = |target: &str| Exchange {
            target: target.into(),
            ..head.clone()
        };
        for before in TARGETS {
            let mut scratch = Scratch::new();
            for target in [before].iter().chain(&TARGETS) {
                let exchange = with(target);
                let expected = verdict(exact, &exchange, &mut Scratch::new());
                let found = verdict(gated, &exchange, &mut scratch);
                let fields = &head.headers;
                assert_eq!(found, expected, "{target} after {before}, {fields:?}");
                seen.extend(found.0.iter().map(|matched| matched.rule));
            }
        }
    }
    seen.into_iter().collect()
}

#[test]
fn heads_that_were_met_change_no_verdict() {
    for (text, ids) in [
        (RULES, &[10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20][..]),
        (LEFT_CAPTURES, &[31]),
        (MADE_NAMES, &[41, 42]),
    ] {
        let seen = expect_the_same(&rules(text, true), &rules(text, false));
        assert_eq!(seen, ids, "every rule has its turn in this test");
    }
}

/// A site that takes targets away shares what is remembered with one that does not.
#[test]
fn sites_share_heads() {
    let document = seclang::parse_str(
        "site.conf",
        "SecRuleUpdateTargetById 16 !REQUEST_HEADERS:X-A\nSecRuleUpdateTargetById 14 !REQUEST_HEADERS:Host\nSecRuleRemoveById 10\n",
    )
    .unwrap();
    let [gated, exact] = [true, false].map(|gates| rules(RULES, gates));
    let [own, own_exact] = [&gated, &exact].map(|rules| Arc::new(rules.with(&document).unwrap()));
    let mut scratch = Scratch::new();
    for round in 0..3 {
        for head in heads() {
            for (rules, exact) in [(&gated, &exact), (&own, &own_exact)] {
                let expected = verdict(exact, &head, &mut Scratch::new());
                let found = verdict(rules, &head, &mut scratch);
                assert_eq!(found, expected, "round {round}, {:?}", head.headers);
            }
        }
    }
}
