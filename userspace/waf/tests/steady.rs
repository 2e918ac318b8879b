//! What is remembered of a client and its head changes nothing: whatever came before, the same rules match the same values.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // These are tests.
mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Exchange, compile, form, get, verdict};
use waf::{CompileOptions, RuleSet, Scratch};

/// Rules that look at what other rules did, at who asks and at the body; and rules that disturb them.
const RULES: &str = r#"
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/html
SecRequestBodyLimit 200
SecAction "id:1,phase:1,pass,nolog,setvar:tx.level=2,setvar:tx.score=0,setvar:tx.limit=5"
SecRule ARGS:mode "@streq quiet" "id:2,phase:1,pass,nolog,ctl:ruleRemoveById=12,ctl:ruleRemoveById=15"
SecRule ARGS:mode "@streq skip" "id:3,phase:1,pass,nolog,skipAfter:END"
SecRule ARGS:mode "@streq allow" "id:4,phase:1,pass,nolog,allow:phase"
SecRule ARGS:mode "@streq through" "id:5,phase:1,pass,nolog,allow"
SecRule ARGS:mode "@streq off" "id:6,phase:1,pass,nolog,ctl:ruleEngine=DetectionOnly"
SecRule ARGS:mode "@rx ^(sc)(ore)$" "id:7,phase:1,pass,nolog,capture,chain"
  SecRule ARGS "@streq nothing" "t:none"
SecRule ARGS:mode "@streq half" "id:8,phase:1,pass,nolog,setvar:tx.score=+7,chain"
  SecRule REQUEST_URI "@streq /never"
SecRule ARGS:mode "@streq part" "id:29,phase:1,pass,nolog,ctl:ruleRemoveById=14,chain"
  SecRule REQUEST_URI "@streq /never"
SecRule ARGS:mode "@streq low" "id:9,phase:1,pass,nolog,setvar:tx.level=0"
SecRule REMOTE_ADDR "@ipMatch 198.51.100.0/24" "id:30,phase:1,pass,log,ctl:ruleEngine=DetectionOnly,chain"
  SecRule REQUEST_METHOD "!@streq POST" "chain"
    SecRule ARGS "@rx bad"
SecRule REMOTE_ADDR "@ipMatch 198.51.100.0/24" "id:10,phase:1,pass,log,setvar:tx.score=+1"
SecRule TX:level "@lt 1" "id:11,phase:1,pass,log"
SecRule REQUEST_HEADERS:X-A "@streq evil" "id:12,phase:1,pass,log,setvar:tx.score=+3"
SecRule TX:1 "@streq sc" "id:13,phase:1,pass,log"
SecRule TX:score "@ge 4" "id:14,phase:1,pass,log,setvar:tx.seen=%{tx.score}"
SecMarker END
SecRule TX:score "@ge 3" "id:15,phase:2,pass,log,setvar:tx.late=1"
SecRule REQUEST_BODY_LENGTH "@gt 0" "id:16,phase:2,pass,log,setvar:tx.score=+1"
SecRule ARGS "@rx bad" "id:17,phase:2,pass,log,setvar:tx.score=+5"
SecRule TX:score "@ge %{tx.limit}" "id:18,phase:2,deny,status:403,chain"
  SecRule ARGS:deny "@streq 1"
SecRule REQBODY_PROCESSOR "@streq URLENCODED" "id:19,phase:2,pass,log,chain"
  SecRule ARGS_POST:a "@streq 1"
SecRule TX:score "@ge 5" "id:20,phase:3,pass,log"
SecRule RESPONSE_STATUS "@streq 500" "id:21,phase:3,pass,log,setvar:tx.score=+9"
SecRule TX:score "@ge 9" "id:22,phase:4,pass,log"
SecRule RESPONSE_BODY "@rx leak" "id:23,phase:4,pass,log,setvar:tx.leak=1"
SecRule TX:leak "@eq 1" "id:24,phase:5,pass,log"
SecRule TX:score "@eq 0" "id:25,phase:5,pass,log"
SecRule TX:late "@eq 1" "id:26,phase:5,pass,log"
SecRule TX:seen "@rx ." "id:27,phase:5,pass,log,logdata:'%{tx.seen}'"
SecRule &TX:late "@eq 0" "id:28,phase:5,pass,log"
"#;

const TARGETS: [&str; 14] = [
    "/",
    "/?a=1",
    "/?a=bad",
    "/?a=bad&deny=1",
    "/?mode=quiet",
    "/?mode=skip",
    "/?mode=allow",
    "/?mode=through&a=bad",
    "/?mode=off&a=bad&deny=1",
    "/?mode=score",
    "/?mode=half",
    "/?mode=part",
    "/?mode=low",
    "/?mode=low&a=bad",
];

/// Every kind of request, under every target.
fn kinds(target: &str) -> Vec<Exchange> {
    let evil = get(target).with("X-A", "evil");
    let mut others = vec![get(target), evil.clone()];
    for mut exchange in [get(target), evil] {
        exchange.client = [198, 51, 100, 7].into();
        others.push(exchange.clone());
        others.push(exchange.clone().answered(500, "text/html", "a leak"));
        others.push(exchange.answered(200, "text/plain", "a leak"));
    }
    others.push(form(target, "a=1"));
    others.push(form(target, ""));
    // A body that is too long ends the request before phase 2.
    for body in ["", &"a=1&".repeat(60)] {
        others.push(form(target, body).with("X-A", "evil"));
    }
    others.push(Exchange {
        method: "GET".into(),
        ..form(target, "a=bad")
    });
    others
}

fn rules(gates: bool) -> Arc<RuleSet> {
    let options = CompileOptions {
        gates,
        ..CompileOptions::default()
    };
    Arc::new(compile(RULES, &options).unwrap())
}

#[test]
fn whatever_came_before_changes_no_verdict() {
    let [gated, exact] = [true, false].map(rules);
    let mut seen = BTreeSet::new();
    let all: Vec<_> = TARGETS.iter().flat_map(|target| kinds(target)).collect();
    let expected: Vec<_> = all
        .iter()
        .map(|exchange| verdict(&exact, exchange, &mut Scratch::new()))
        .collect();
    // After each request every other one that has the same head, twice.
    for first in &all {
        let mut scratch = Scratch::new();
        verdict(&gated, first, &mut scratch);
        for round in 0..2 {
            for (exchange, expected) in all.iter().zip(&expected) {
                if exchange.headers != first.headers {
                    continue;
                }
                let found = verdict(&gated, exchange, &mut scratch);
                assert_eq!(
                    &found, expected,
                    "{exchange:?}, round {round} after {first:?}"
                );
                seen.extend(found.0.iter().map(|matched| matched.rule));
            }
        }
    }
    let told: Vec<u64> = (10..=28).chain([30]).collect();
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        told,
        "every rule has its turn in this test"
    );
}

/// A site that removes a steady rule shares what is remembered with one that does not.
#[test]
fn sites_share_what_is_remembered() {
    let document = seclang::parse_str("site.conf", "SecRuleRemoveById 12\n").unwrap();
    let [gated, exact] = [true, false].map(rules);
    let [own, own_exact] = [&gated, &exact].map(|rules| Arc::new(rules.with(&document).unwrap()));
    let mut scratch = Scratch::new();
    for round in 0..3 {
        for exchange in TARGETS.iter().flat_map(|target| kinds(target)) {
            for (rules, exact) in [(&gated, &exact), (&own, &own_exact)] {
                let expected = verdict(exact, &exchange, &mut Scratch::new());
                let found = verdict(rules, &exchange, &mut scratch);
                assert_eq!(found, expected, "round {round}, {exchange:?}");
            }
        }
    }
}
