//! Words of the language that change rules, and what macros reach.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use common::{compile, get, site};
use waf::CompileOptions;

#[test]
fn a_directive_changes_later_rules_where_it_finds_none_before_it() {
    let rule = "SecRule ARGS \"@contains x\" \"id:1,phase:1,deny\"\n";
    site(&format!("SecRuleRemoveById 1\n{rule}"))
        .given(get("/?a=x"))
        .expect_passed();
    site(&format!("SecRuleUpdateTargetById 1 !ARGS:a\n{rule}"))
        .given(get("/?a=x"))
        .expect_passed();
    // A rule that was removed can be written anew.
    let mut files = [rule, "SecRuleRemoveById 1\n", rule];
    for (file, name) in files.iter_mut().zip(["a.conf", "b.conf", "c.conf"]) {
        assert!(seclang::parse_str(name, file).is_ok());
    }
    let documents: Vec<_> = files
        .iter()
        .map(|file| seclang::parse_str("x.conf", file).unwrap())
        .collect();
    let rules = waf::RuleSet::compile(&documents, &CompileOptions::default()).unwrap();
    assert_eq!(rules.rules().count(), 1);
}

#[test]
fn a_change_that_no_rule_takes_is_noticed() {
    let rules = compile(
        "SecRuleRemoveById 7\nSecRuleUpdateTargetByTag none !ARGS\nSecAction id:1,pass",
        &CompileOptions::default(),
    )
    .unwrap();
    let notices: Vec<_> = rules.notices().iter().map(ToString::to_string).collect();
    assert_eq!(
        notices,
        [
            "test.conf:1: SecRuleRemoveById 7: there is no such rule",
            "test.conf:2: SecRuleUpdateTarget: there is no such rule",
        ]
    );
}

#[test]
fn a_chain_that_its_file_cuts_off_never_matches_and_is_noticed() {
    let rules = "SecRule ARGS \"@contains x\" \"id:1,phase:1,deny,setvar:tx.a=1,chain\"";
    let notices = compile(rules, &CompileOptions::default()).unwrap();
    assert!(
        notices.notices()[0].text.contains("never matches"),
        "{:?}",
        notices.notices()
    );
    site(rules).given(get("/?a=x")).expect_passed();
}

#[test]
fn the_status_of_a_later_link_is_the_chains() {
    site("SecRule ARGS x \"id:1,phase:1,deny,status:401,chain\"\nSecRule ARGS y status:402")
        .given(get("/?a=xy"))
        .expect_status(402);
}

#[test]
fn a_macro_finds_a_key_by_a_regular_expression() {
    site("SecAction \"id:1,phase:1,pass,nolog,setvar:tx.found_7=yes\"\nSecAction \"id:2,phase:1,pass,log,logdata:'%{tx./^FOUND_[0-9]$/} %{tx./none/}.'\"")
        .given(get("/"))
        .expect_data(2, "yes .");
}

#[test]
fn a_rule_can_look_at_itself() {
    site("SecRule RULE:severity \"@eq 2\" \"id:9,phase:1,deny,severity:CRITICAL,rev:3,msg:'m %{tx.none}',logdata:'%{rule.id} %{rule.rev} %{rule.msg}'\"")
        .given(get("/"))
        .expect_blocked_by(9)
        .expect_data(9, "9 3 m %{tx.none}");
}

#[test]
fn without_a_query_the_query_string_is_empty() {
    site("SecRule QUERY_STRING \"@eq 0\" \"id:1,phase:1,t:length,deny\"")
        .given(get("/a"))
        .expect_blocked_by(1);
}
