//! What SecLang means, section by section: flow, chains, values, variables.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use common::{get, site};
use waf::{Intervention, Mode};

/// A rule of phase 5 that shows a text.
fn show(text: &str) -> String {
    format!("SecAction \"id:9999,phase:5,pass,log,logdata:'{text}'\"\n")
}

mod decisions {
    use super::*;

    #[test]
    fn deny_answers_403_unless_the_rule_says_otherwise() {
        let site = site(
            r#"SecRule ARGS "@contains evil" "id:1,phase:2,deny"
               SecRule ARGS "@contains teapot" "id:2,phase:2,deny,status:418""#,
        );
        site.given(get("/?q=evil"))
            .expect_blocked_by(1)
            .expect_status(403);
        site.given(get("/?q=teapot"))
            .expect_blocked_by(2)
            .expect_status(418);
        site.given(get("/?q=good")).expect_passed();
    }

    #[test]
    fn an_interruption_ends_the_phase_and_skips_to_logging() {
        site(
            r#"SecAction "id:1,phase:1,deny"
               SecAction "id:2,phase:1,pass,log"
               SecAction "id:3,phase:2,pass,log"
               SecAction "id:5,phase:5,pass,log""#,
        )
        .given(get("/"))
        .expect_blocked_by(1)
        .expect_matched(&[1, 5]);
    }

    #[test]
    fn redirect_and_drop() {
        let site = site(
            r#"SecRule ARGS:to "@unconditionalMatch" "id:1,phase:1,redirect:'https://example.com/%{args.to}'"
               SecRule ARGS:drop "@unconditionalMatch" "id:2,phase:1,drop""#,
        );
        let outcome = site.given(get("/?to=x"));
        let expected = Intervention::Redirect {
            url: "https://example.com/x".into(),
            status: 302,
            rule: 1,
        };
        assert_eq!(outcome.intervention, expected);
        assert_eq!(
            site.given(get("/?drop")).intervention,
            Intervention::Drop { rule: 2 }
        );
    }

    #[test]
    fn block_does_what_the_default_action_says() {
        let rule = r#"SecRule ARGS "@contains x" "id:1,phase:2,block""#;
        site(rule)
            .given(get("/?a=x"))
            .expect_passed()
            .expect_matched(&[1]);
        let denies = format!("SecDefaultAction \"phase:2,log,auditlog,deny,status:451\"\n{rule}");
        site(&denies)
            .given(get("/?a=x"))
            .expect_blocked_by(1)
            .expect_status(451);
    }

    #[test]
    fn detection_logs_and_does_not_stop() {
        let site = site(
            r#"SecAction "id:1,phase:1,deny"
                           SecAction "id:2,phase:1,pass,log""#,
        )
        .mode(Mode::Detect);
        let outcome = site.given(get("/")).expect_passed().expect_matched(&[1, 2]);
        assert_eq!(
            outcome.record.unwrap().transaction.outcome.would_be_rule,
            Some(1)
        );
    }

    #[test]
    fn off_runs_nothing() {
        site(r#"SecAction "id:1,phase:1,deny""#)
            .mode(Mode::Off)
            .given(get("/"))
            .expect_passed()
            .expect_matched(&[]);
    }

    #[test]
    fn the_files_can_lower_the_mode_and_never_raise_it() {
        let rules = r#"SecRuleEngine DetectionOnly
                       SecAction "id:1,phase:1,pass,nolog,ctl:ruleEngine=On"
                       SecAction "id:2,phase:1,deny""#;
        site(rules).given(get("/")).expect_blocked_by(2);
        site(rules)
            .mode(Mode::Detect)
            .given(get("/"))
            .expect_passed()
            .expect_matched(&[2]);
    }

    #[test]
    fn allow_reaches_as_far_as_it_says() {
        let rules = |allow: &str| {
            format!(
                r#"SecAction "id:1,phase:1,{allow},nolog"
                   SecAction "id:2,phase:1,pass,log"
                   SecAction "id:3,phase:2,pass,log"
                   SecAction "id:4,phase:3,pass,log"
                   SecAction "id:5,phase:5,pass,log""#
            )
        };
        site(&rules("allow")).given(get("/")).expect_matched(&[5]);
        site(&rules("allow:request"))
            .given(get("/"))
            .expect_matched(&[4, 5]);
        site(&rules("allow:phase"))
            .given(get("/"))
            .expect_matched(&[3, 4, 5]);
    }
}

mod chains {
    use super::*;

    #[test]
    fn all_links_must_match_and_the_starter_decides() {
        let site = site(
            r#"SecRule ARGS:a "@streq 1" "id:1,phase:2,deny,chain"
                 SecRule ARGS:b "@streq 2""#,
        );
        site.given(get("/?a=1&b=2")).expect_blocked_by(1);
        site.given(get("/?a=1&b=3"))
            .expect_passed()
            .expect_matched(&[]);
    }

    #[test]
    fn effects_of_a_link_run_even_if_the_chain_fails_later() {
        site(&format!(
            r#"SecRule ARGS:a "@streq 1" "id:1,phase:2,deny,chain,setvar:tx.starter=ran"
                 SecRule ARGS:b "@streq 2" "setvar:tx.second=ran"
               {}"#,
            show("starter=%{tx.starter} second=%{tx.second}")
        ))
        .given(get("/?a=1&b=3"))
        .expect_data(9999, "starter=ran second=");
    }

    #[test]
    fn matched_vars_are_those_of_this_chain() {
        site(
            r#"SecRule ARGS "@contains x" "id:1,phase:2,pass,nolog"
               SecRule ARGS "@rx ^[yz]" "id:2,phase:2,pass,log,chain,logdata:'%{tx.seen}'"
                 SecRule MATCHED_VARS "@rx (.*)" "setvar:'tx.seen=%{tx.seen}[%{matched_var}]'""#,
        )
        .given(get("/?a=x1&b=x2&c=y&d=z"))
        .expect_data(2, "[y][z]");
    }

    #[test]
    fn texts_show_the_last_link_and_are_expanded_after_the_effects() {
        site(
            r#"SecRule ARGS:a "@rx ." "id:1,phase:2,pass,log,chain,logdata:'%{matched_var_name}=%{matched_var} %{tx.n}'"
                 SecRule ARGS:b "@rx ." "setvar:tx.n=+1""#,
        )
        .given(get("/?a=1&b=2"))
        .expect_data(1, "ARGS:b=2 1");
    }

    #[test]
    fn captures_of_the_starter_are_read_by_later_links() {
        let site = site(
            r#"SecRule ARGS:a "@rx ^(\w+)-(\w+)$" "id:1,phase:2,deny,capture,chain"
                 SecRule TX:1 "@streq %{tx.2}""#,
        );
        site.given(get("/?a=x-x")).expect_blocked_by(1);
        site.given(get("/?a=x-y")).expect_passed();
    }
}

mod values {
    use super::*;

    #[test]
    fn every_matching_value_scores() {
        site(&format!(
            "SecRule ARGS \"@contains x\" \"id:1,phase:2,pass,nolog,setvar:tx.score=+5\"\n{}",
            show("%{tx.score}")
        ))
        .given(get("/?a=x&b=y&c=xx&d=x"))
        .expect_data(9999, "15");
    }

    #[test]
    fn keys_are_compared_without_case() {
        let site = site(
            r#"SecRule ARGS:foo "@rx ^(.*)$" "id:1,phase:2,pass,log,setvar:'tx.s=%{tx.s}%{matched_var_name}',logdata:'%{tx.s}'""#,
        );
        site.given(get("/?FOO=1&bar=2&Foo=3"))
            .expect_data(1, "ARGS:FOOARGS:Foo");
    }

    #[test]
    fn regex_selectors_search_the_key_without_case() {
        let site = site(r#"SecRule ARGS:/^use/ "@streq 1" "id:1,phase:2,deny""#);
        site.given(get("/?USER=1")).expect_blocked_by(1);
        site.given(get("/?reuse=1")).expect_passed();
    }

    #[test]
    fn exclusions_apply_wherever_they_stand() {
        let site = site(r#"SecRule !ARGS:safe|ARGS|ARGS_NAMES "@contains x" "id:1,phase:2,deny""#);
        site.given(get("/?safe=x")).expect_passed();
        site.given(get("/?other=x")).expect_blocked_by(1);
        site.given(get("/?x=1")).expect_blocked_by(1);
    }

    #[test]
    fn counts_compare_as_numbers_and_an_absent_target_has_no_value() {
        let site = site(
            r#"SecRule &ARGS "@gt 2" "id:1,phase:1,pass,log"
               SecRule &REQUEST_HEADERS:Accept "@eq 0" "id:2,phase:1,pass,log"
               SecRule REQUEST_HEADERS:Accept "!@rx ." "id:3,phase:1,pass,log"
               SecRule &TX:nothing "@eq 0" "id:4,phase:1,pass,log""#,
        );
        site.given(get("/?a&b&c")).expect_matched(&[1, 2, 4]);
        site.given(get("/").with("Accept", ""))
            .expect_matched(&[3, 4]);
    }

    #[test]
    fn a_header_sent_twice_is_one_value() {
        let site = site(
            r#"SecRule &REQUEST_HEADERS:X "@eq 1" "id:1,phase:1,pass,log,chain"
                 SecRule REQUEST_HEADERS:X "@streq 1, 2"
               SecRule REQUEST_COOKIES:b "@streq 2" "id:2,phase:1,pass,log"
               SecRule &REQUEST_COOKIES "@eq 3" "id:3,phase:1,pass,log""#,
        );
        site.given(get("/").with("x", " 1").with("Y", "0").with("X", "2 "))
            .expect_matched(&[1]);
        site.given(get("/").with("Cookie", "a=1; b=2").with("cookie", "c=3"))
            .expect_matched(&[2, 3]);
    }

    #[test]
    fn matched_var_is_the_value_after_transformation() {
        site(r#"SecRule ARGS "@streq abc" "id:1,phase:2,pass,log,t:lowercase,t:trim,logdata:'%{matched_var_name}=%{matched_var}'""#)
            .given(get("/?Foo=%20ABC"))
            .expect_data(1, "ARGS:Foo=abc");
    }

    #[test]
    fn multi_match_scores_at_every_stage_that_changed() {
        site(&format!(
            "SecRule ARGS \"@contains a\" \"id:1,phase:2,pass,nolog,multiMatch,t:lowercase,t:trim,t:removeNulls,setvar:tx.n=+1\"\n{}",
            show("%{tx.n}")
        ))
        .given(get("/?q=%20XaA"))
        .expect_data(9999, "3");
    }

    #[test]
    fn transformations_start_from_the_default_unless_none_stands() {
        let site = site(
            r#"SecDefaultAction "phase:2,log,pass,t:lowercase"
               SecRule ARGS "@streq abc" "id:1,phase:2"
               SecRule ARGS "@streq abc" "id:2,phase:2,t:none"
               SecRule ARGS "@streq abc" "id:3,phase:2,t:trim""#,
        );
        site.given(get("/?q=ABC")).expect_matched(&[1, 3]);
    }

    #[test]
    fn shorter_captures_leave_nothing_behind() {
        site(&format!(
            "SecRule ARGS \"@rx ^(.)(.)$\" \"id:1,phase:2,pass,nolog,capture\"
             SecRule ARGS \"@pm AB\" \"id:2,phase:2,pass,nolog,capture\"\n{}",
            show("%{tx.0}|%{tx.1}|%{tx.2}")
        ))
        .given(get("/?q=ab"))
        .expect_data(9999, "ab||");
    }
}

mod flow {
    use super::*;

    #[test]
    fn skip_after_goes_on_behind_the_marker() {
        site(
            r#"SecAction "id:1,phase:1,pass,nolog,skipAfter:END"
               SecAction "id:2,phase:1,pass,log"
               SecAction "id:3,phase:2,pass,log"
               SecMarker "END"
               SecAction "id:4,phase:1,pass,log""#,
        )
        .given(get("/"))
        .expect_matched(&[4, 3]);
    }

    #[test]
    fn skip_counts_chains_as_one() {
        site(
            r#"SecAction "id:1,phase:1,pass,nolog,skip:2"
               SecRule ARGS "@rx ." "id:2,phase:1,pass,log,chain"
                 SecRule ARGS "@rx ." ""
               SecAction "id:3,phase:1,pass,log"
               SecAction "id:4,phase:1,pass,log""#,
        )
        .given(get("/?a=1"))
        .expect_matched(&[4]);
    }

    #[test]
    fn phases_run_in_order_whatever_the_order_of_the_files() {
        site(
            r#"SecAction "id:5,phase:5,pass,log"
               SecAction "id:3,phase:3,pass,log"
               SecAction "id:2,phase:2,pass,log"
               SecAction "id:1,phase:1,pass,log""#,
        )
        .given(get("/"))
        .expect_matched(&[1, 2, 3, 5]);
    }
}

mod setvar {
    use super::*;

    #[test]
    fn arithmetic_is_that_of_c() {
        for (actions, result) in [
            ("setvar:tx.n=5,setvar:tx.n=+3", "8"),
            ("setvar:tx.num=8,setvar:tx.n=+%{tx.num}", "8"),
            ("setvar:tx.n", "1"),
            ("setvar:tx.n=5,setvar:tx.n=+%{tx.nosuch}", "5"),
            ("setvar:tx.n=abc,setvar:tx.n=+2", "2"),
            ("setvar:tx.n=12abc,setvar:tx.n=+1", "13"),
            ("setvar:tx.n=5,setvar:!tx.n", ""),
            ("setvar:tx.n=-8", "-8"),
            ("setvar:'tx.n=a b'", "a b"),
        ] {
            site(&format!(
                "SecAction \"id:1,phase:1,pass,nolog,{actions}\"\n{}",
                show("%{TX.N}")
            ))
            .given(get("/"))
            .expect_data(9999, result);
        }
    }

    #[test]
    fn names_are_made_of_macros_and_found_by_regex() {
        site(
            r#"SecRule ARGS_NAMES "@rx (.*)" "id:1,phase:2,pass,nolog,capture,setvar:'tx.seen_%{tx.1}=%{tx.1}!'"
               SecRule TX:/^SEEN_/ "@rx ^(?:one|two)!$" "id:2,phase:2,pass,log,setvar:'tx.all=%{tx.all}%{matched_var_name} ',logdata:'%{tx.all}'"
               SecRule TX:seen_one "@streq one!" "id:3,phase:2,pass,log""#,
        )
        .given(get("/?One=1&two=2"))
        .expect_matched(&[2]);
        site(
            r#"SecRule ARGS_NAMES "@rx (.*)" "id:1,phase:2,pass,nolog,capture,setvar:'tx.seen_%{tx.1}=1'"
               SecRule &TX:/^SEEN_/ "@eq 2" "id:2,phase:2,pass,log"
               SecRule TX:seen_one "@eq 1" "id:3,phase:2,pass,log""#,
        )
        .given(get("/?One=1&two=2"))
        .expect_matched(&[2, 3]);
    }

    #[test]
    fn macros_read_headers_and_addresses() {
        site(&format!("SecAction \"id:1,phase:1,pass,nolog,setvar:'tx.n=%{{request_headers.host}} %{{REMOTE_ADDR}}_%{{unique_id}}'\"\n{}", show("%{tx.n}")))
            .given(get("/"))
            .expect_data(9999, "example.com 192.0.2.1_test-1");
    }
}

mod exclusions {
    use super::*;

    const RULES: &str = r#"SecRule ARGS "@contains x" "id:10,phase:2,pass,log,tag:'attack-x',msg:'X seen'"
                           SecRule ARGS|REQUEST_FILENAME "@contains x" "id:11,phase:2,pass,log,tag:'attack-x',tag:'other'"
                           SecRule ARGS "@contains x" "id:12,phase:2,pass,log,chain"
                             SecRule ARGS "@contains x" "t:none"
                           "#;

    fn matched(before: &str, after: &str, target: &str) -> Vec<u64> {
        site(&format!("{before}\n{RULES}\n{after}"))
            .given(get(target))
            .ids()
    }

    #[test]
    fn rules_are_removed_when_loaded() {
        assert_eq!(matched("", "SecRuleRemoveById 10 12-20", "/?a=x"), [11]);
        assert_eq!(matched("", "SecRuleRemoveByTag other", "/?a=x"), [10, 12]);
        assert_eq!(matched("", "SecRuleRemoveByMsg \"X s\"", "/?a=x"), [11, 12]);
    }

    #[test]
    fn targets_are_updated_when_loaded() {
        assert_eq!(
            matched("", "SecRuleUpdateTargetById 10 \"!ARGS:a\"", "/?a=x"),
            [11, 12]
        );
        assert_eq!(
            matched("", "SecRuleUpdateTargetById 10 \"!ARGS:/^a/\"", "/?abc=x"),
            [11, 12]
        );
        assert_eq!(
            matched("", "SecRuleUpdateTargetByTag attack-x \"!ARGS\"", "/x?a=x"),
            [11, 12]
        );
        assert_eq!(
            matched("", "SecRuleUpdateTargetById 10 REQUEST_FILENAME", "/x"),
            [10, 11]
        );
    }

    #[test]
    fn actions_are_updated_when_loaded() {
        site(&format!(
            "{RULES}\nSecRuleUpdateActionById 10 \"deny,status:406\""
        ))
        .given(get("/?a=x"))
        .expect_blocked_by(10)
        .expect_status(406);
    }

    #[test]
    fn rules_are_removed_for_one_transaction() {
        let ctl = |option: &str| {
            format!(
                "SecRule REQUEST_FILENAME \"@streq /\" \"id:1,phase:1,pass,nolog,ctl:{option}\""
            )
        };
        assert_eq!(matched(&ctl("ruleRemoveById=10"), "", "/?a=x"), [11, 12]);
        assert_eq!(
            matched(&ctl("ruleRemoveById=10"), "", "/y?a=x"),
            [10, 11, 12]
        );
        assert_eq!(
            matched(&ctl("ruleRemoveById=1-999999"), "", "/?a=x"),
            [] as [u64; 0]
        );
        assert_eq!(matched(&ctl("ruleRemoveByTag=attack-x"), "", "/?a=x"), [12]);
        assert_eq!(
            matched(&ctl("ruleRemoveTargetById=10;ARGS:a"), "", "/?a=x"),
            [11, 12]
        );
        assert_eq!(
            matched(&ctl("ruleRemoveTargetById=10;ARGS:a"), "", "/?a=x&b=x"),
            [10, 11, 12]
        );
        assert_eq!(
            matched(&ctl("ruleRemoveTargetByTag=attack-x;ARGS"), "", "/?a=x"),
            [12]
        );
        assert_eq!(
            matched(&ctl("ruleRemoveTargetById=12;ARGS:a"), "", "/?a=x"),
            [10, 11]
        );
    }

    #[test]
    fn what_has_run_is_not_undone() {
        site(
            r#"SecAction "id:1,phase:1,pass,log"
               SecAction "id:2,phase:1,pass,nolog,ctl:ruleRemoveById=1-3"
               SecAction "id:3,phase:1,pass,log""#,
        )
        .given(get("/"))
        .expect_matched(&[1]);
    }
}
