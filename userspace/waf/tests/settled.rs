//! What is settled before any request comes changes nothing: rules that set up variables, guards, and what can undo them.
#![allow(clippy::unwrap_used)] // These are tests.
mod common;

use std::sync::Arc;

use common::compile;
use waf::{CompileOptions, Connection, Mode, RuleSet, Scratch, Transaction};

/// What every file below ends with: phases 2 and 5 tell what the variables are.
const TOLD: &str = r#"
SecAction "id:8,phase:2,pass,log,msg:'2: %{tx.level} %{tx.mode} %{tx.copy} %{tx.gone} %{tx.n_a}'"
SecRule TX:level "@ge 2" "id:9,phase:2,pass,log,msg:'level two'"
SecAction "id:10,phase:5,pass,log,msg:'5: %{tx.level} %{tx.mode} %{tx.copy} %{tx.gone} %{tx.n_a}'"
SecRule &TX:level "@eq 0" "id:11,phase:5,pass,log,msg:'no level'"
SecRule TX:level "@lt 2" "id:12,phase:5,pass,nolog,skipAfter:END"
SecAction "id:13,phase:5,pass,log,msg:'phase 5 beyond the guard'"
SecMarker END
"#;

const SET_UP: &str = r#"
SecAction "id:100,phase:1,pass,nolog,tag:'set-up',setvar:tx.level=2,setvar:tx.mode=strict,setvar:tx.gone=x"
SecRule &TX:level "@eq 0" "id:101,phase:1,pass,nolog,tag:'set-up',setvar:tx.level=1"
SecRule &TX:copy "@eq 0" "id:102,phase:1,pass,nolog,tag:'set-up',setvar:'tx.copy=%{tx.level}-%{tx.mode}'"
SecAction "id:103,phase:1,pass,nolog,tag:'set-up',setvar:!tx.gone"
SecRule TX:level "@lt 2" "id:104,phase:1,pass,nolog,tag:'set-up',skipAfter:END-TWO"
SecRule ARGS:q "@contains two" "id:105,phase:1,pass,log,msg:'two',tag:'look'"
SecMarker END-TWO
SecRule TX:level "@lt 3" "id:106,phase:1,pass,nolog,tag:'set-up',skipAfter:END-THREE"
SecRule ARGS:q "@contains two" "id:107,phase:1,pass,log,msg:'three',tag:'look'"
SecMarker END-THREE
"#;

fn told(rules: &Arc<RuleSet>, target: &str) -> Vec<String> {
    let connection = Connection {
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        time: std::time::SystemTime::UNIX_EPOCH,
        unique_id: "1",
    };
    let mut scratch = Scratch::new();
    let mut transaction = Transaction::new(Arc::clone(rules), &connection, Mode::Block);
    transaction.request_line(b"GET", target.as_bytes(), b"HTTP/1.1");
    transaction.request_header(b"Host", b"example.com");
    if transaction.process_request_headers(&mut scratch).is_none() {
        transaction.process_request_body(&mut scratch);
    }
    transaction.finish(&mut scratch);
    let matches = transaction.matches().iter();
    matches
        .map(|found| format!("{} {}", found.rule, found.message))
        .collect()
}

/// Both ways of running the rules tell the same; what they tell.
fn both(rules: &str, site: &str, target: &str) -> Vec<String> {
    let ways = [true, false].map(|gates| {
        let options = CompileOptions {
            gates,
            ..CompileOptions::default()
        };
        let rules = compile(rules, &options).unwrap();
        let site = seclang::parse_str("site.conf", site).unwrap();
        told(&Arc::new(rules.with(&site).unwrap()), target)
    });
    let [settled, exact] = ways;
    assert_eq!(settled, exact, "{rules}\n{site}\n{target}");
    settled
}

#[test]
fn set_up_is_there_from_the_start() {
    let rules = format!("SecRuleEngine On\n{SET_UP}{TOLD}");
    let said = both(&rules, "", "/?q=two");
    assert_eq!(
        said,
        [
            "105 two",
            "8 2: 2 strict 2-strict  ",
            "9 level two",
            "10 5: 2 strict 2-strict  ",
            "13 phase 5 beyond the guard",
        ]
    );
}

#[test]
fn what_comes_before_set_up_can_change_it() {
    let before = [
        // Ends phase 1 before set-up had its turn: phase 5 sees none of it.
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,deny,log,msg:'stop'""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,allow:phase,log,msg:'stop'""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,allow,log,msg:'stop'""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,ctl:ruleEngine=Off""#,
        // Sets or reads what set-up sets.
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,setvar:tx.level=1,setvar:tx.copy=own""#,
        r#"SecRule ARGS:q "@rx (st)op" "id:1,phase:1,pass,nolog,capture,setvar:tx.n_%{tx.1}=1,setvar:'tx.n_a=%{tx.level}'""#,
        r#"SecRule TX:level "@ge 0" "id:1,phase:1,pass,log,msg:'level before'""#,
        // Removes rules of it, or all of it, or a guard.
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=100""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,ctl:ruleRemoveByTag=set-up""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=106""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,skipAfter:END-TWO""#,
        r#"SecRule ARGS:q "@contains stop" "id:1,phase:1,pass,nolog,skip:2""#,
        // Looks at what the last rule that matched left.
        r#"SecAction "id:1,phase:2,pass,log,msg:'%{MATCHED_VAR_NAME} %{MATCHED_VAR}'""#,
    ];
    for rule in before {
        let rules = format!("SecRuleEngine On\n{rule}\n{SET_UP}{TOLD}");
        for target in ["/?q=two", "/?q=stop+two"] {
            both(&rules, "", target);
        }
    }
    let stopped = format!("SecRuleEngine On\n{}\n{SET_UP}{TOLD}", before[0]);
    let said = both(&stopped, "", "/?q=stop");
    assert_eq!(
        said,
        [
            "1 stop",
            "10 5:     ",
            "11 no level",
            "13 phase 5 beyond the guard"
        ]
    );
}

#[test]
fn a_site_can_remove_what_counts() {
    let rules = format!("SecRuleEngine On\n{SET_UP}{TOLD}");
    for site in [
        "SecRuleRemoveById 100",
        "SecRuleRemoveById 106",
        "SecRuleRemoveById 105",
        "SecRuleRemoveByTag set-up",
        "SecRuleRemoveByTag look",
        "SecRuleUpdateTargetById 104 \"!TX:level\"",
    ] {
        both(&rules, site, "/?q=two");
    }
    assert!(both(&rules, "SecRuleRemoveById 106", "/?q=two").contains(&"107 three".to_owned()));
}
