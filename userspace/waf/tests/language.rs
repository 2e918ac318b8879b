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

mod operators {
    use super::*;

    #[test]
    fn a_pattern_takes_macros() {
        let site = site(
            r#"SecAction "id:1,phase:1,pass,nolog,setvar:'tx.word=a+b'"
               SecRule ARGS:q "@rx ^(%{tx.word})-%{args.n}$" "id:2,phase:1,deny,capture,log,logdata:'%{tx.1}'"
               SecRule ARGS:bad "@rx %{args.bad}" "id:3,phase:1,deny""#,
        );
        site.given(get("/?q=aaab-7&n=7"))
            .expect_blocked_by(2)
            .expect_data(2, "aaab");
        site.given(get("/?q=aaab-7&n=8")).expect_passed();
        site.given(get("/?bad=(")).expect_passed();
        site.given(get("/?bad=b+b")).expect_blocked_by(3);
    }

    #[test]
    fn the_last_of_all_matches_fills_the_groups() {
        site(r#"SecRule ARGS:q "@rxGlobal ([a-z])(\d)" "id:1,phase:1,deny,capture,log,logdata:'%{tx.0} %{tx.1} %{tx.2}'""#)
            .given(get("/?q=a1--b2--c3"))
            .expect_data(1, "c3 c 3");
    }

    #[test]
    fn a_path_fills_arguments() {
        let site = site(
            r#"SecRule REQUEST_FILENAME "@restpath /users/{id}/posts/{post}$" "id:1,phase:1,pass,nolog"
               SecRule ARGS_PATH:id "!@rx ^\d+$" "id:2,phase:1,deny,log,logdata:'%{matched_var_name}=%{matched_var} %{args_path.post}'"
               SecRule &ARGS_PATH "@eq 0" "id:3,phase:1,deny""#,
        );
        site.given(get("/users/x/posts/7"))
            .expect_blocked_by(2)
            .expect_data(2, "ARGS_PATH:id=x 7");
        site.given(get("/users/1/posts/7")).expect_passed();
        site.given(get("/other")).expect_blocked_by(3);
    }

    #[test]
    fn numbers_of_people_are_found() {
        let site = site(
            r#"SecRule ARGS "@verifyCPF \d{3}\.?\d{3}\.?\d{3}-?\d{2}" "id:1,phase:1,deny,capture,log,logdata:'%{tx.0}'"
               SecRule ARGS "@validateNid cl [0-9.]+-[0-9kK]" "id:2,phase:1,deny""#,
        );
        site.given(get("/?q=my+529.982.247-25+x"))
            .expect_blocked_by(1)
            .expect_data(1, "529.982.247-25");
        site.given(get("/?q=12.345.678-5")).expect_blocked_by(2);
        site.given(get("/?q=529.982.247-26")).expect_passed();
    }
}

mod documents {
    use super::*;
    use common::post;

    const SHOP: &str = "<?xml version='1.0'?><s:shop xmlns:s='urn:s'><book lang='en'><price>30</price></book><book><s:price>4&amp;9</s:price></book></s:shop>";

    #[test]
    fn a_path_selects_parts_of_a_document() {
        let site = site(
            r#"SecAction "id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
               SecRule XML:/p:shop/book/price "@streq 30" "id:1,phase:2,pass,xmlns:p=urn:s,log,logdata:'%{matched_var_name}=%{matched_var}'"
               SecRule XML:/q:shop/book[2]/q:price/text()|!XML:/x "@rx 9" "id:2,phase:2,pass,xmlns:q=urn:s,log,logdata:'%{matched_var}'"
               SecRule &XML://book[@lang='en'] "@eq 1" "id:3,phase:2,pass,log"
               SecRule XML://@* "@rx urn" "id:4,phase:2,pass,log"
               SecRule XML:/shop "@rx ." "id:5,phase:2,pass,log""#,
        );
        site.given(post("/", "text/xml", SHOP))
            .expect_matched(&[1, 2, 3])
            .expect_data(1, "XML:/p:shop/book/price=30")
            .expect_data(2, "4&9");
        site.given(post("/", "text/xml", "no xml"))
            .expect_matched(&[]);
    }
}

mod files {
    use super::*;
    use std::path::{Path, PathBuf};

    /// Files that stand nowhere else.
    struct Files(&'static [(&'static str, &'static [u8])]);

    impl seclang::Loader for Files {
        fn read(&self, path: &Path, _limit: usize) -> std::io::Result<Vec<u8>> {
            let file = self.0.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, bytes)| bytes.to_vec())
                .ok_or(std::io::ErrorKind::NotFound.into())
        }

        fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
            Ok(vec![pattern.to_owned()])
        }
    }

    #[test]
    fn a_file_that_is_no_database_of_places_is_an_error() {
        let text = "SecGeoLookupDb places.mmdb\nSecRule REMOTE_ADDR @geoLookup id:1,phase:1,pass";
        let document = seclang::load_str("rules.conf", text, &Files(&[("places.mmdb", b"?")]));
        let errors = waf::RuleSet::compile(&[document.unwrap()], &CompileOptions::default());
        let errors = errors.unwrap_err();
        assert!(errors[0].to_string().contains("not a MaxMind database"));
        assert!(seclang::load_str("rules.conf", text, &Files(&[])).is_err());
    }

    #[test]
    fn the_map_of_unicode_decides_what_a_character_is_taken_for() {
        const MAP: &[u8] = b"20127 (US-ASCII)\n0131:69 ff1c:3c\n";
        let rule =
            "SecRule ARGS_GET \"@streq union\" \"id:1,phase:1,deny,t:none,t:urlDecodeUni\"\n";
        let blocked = |text: &str| {
            let document =
                seclang::load_str("rules.conf", text, &Files(&[("unicode.mapping", MAP)]));
            let rules = waf::RuleSet::compile(&[document.unwrap()], &CompileOptions::default());
            let rules = std::sync::Arc::new(rules.unwrap());
            let exchange = get("/?q=un%25u0131on");
            let mut transaction =
                waf::Transaction::new(rules, &exchange.connection(), waf::Mode::Block);
            exchange.run(&mut transaction, &mut waf::Scratch::new());
            !transaction.intervention().is_none()
        };
        assert!(blocked(&format!(
            "SecUnicodeMapFile unicode.mapping 20127\n{rule}"
        )));
        assert!(blocked(&format!(
            "SecUnicodeMapFile unicode.mapping\n{rule}"
        )));
        // Without a file, what looks like ASCII is taken for it.
        assert!(blocked(rule));
        let wrong = "SecUnicodeMapFile unicode.mapping 1250\n";
        let document = seclang::load_str("rules.conf", wrong, &Files(&[("unicode.mapping", MAP)]));
        let errors = waf::RuleSet::compile(&[document.unwrap()], &CompileOptions::default());
        assert!(errors.unwrap_err()[0].to_string().contains("code page"));
    }
}

/// Exclusions at run time, by every way to name rules and targets.
mod exclusions {
    use super::*;

    const RULES: &str = r#"
        SecRule ARGS|REQUEST_COOKIES "@contains x" "id:100,phase:2,deny,tag:'one',tag:'attack-x',msg:'an x'"
        SecRule ARGS "@contains x" "id:101,phase:2,deny,tag:'two',msg:'also an x',chain"
          SecRule ARGS "@contains y""#;

    #[track_caller]
    fn with(ctl: &str, target: &str, blocked_by: Option<u64>) {
        let rules = format!("SecAction \"id:1,phase:1,pass,nolog,{ctl}\"\n{RULES}");
        let outcome = site(&rules).given(get(target));
        match blocked_by {
            Some(id) => drop(outcome.expect_blocked_by(id)),
            None => drop(outcome.expect_passed()),
        }
    }

    #[test]
    fn of_rules() {
        with("t:none", "/?a=x", Some(100));
        with("ctl:ruleRemoveById=100", "/?a=x", None);
        with("ctl:ruleRemoveById=100", "/?a=xy", Some(101));
        with("ctl:ruleRemoveById=50-101", "/?a=xy", None);
        with("ctl:ruleRemoveByTag=attack-x", "/?a=xy", Some(101));
        with("ctl:ruleRemoveByTag=^attack", "/?a=x", None);
        with("ctl:ruleRemoveByMsg='an x'", "/?a=xy", None);
        with("ctl:ruleRemoveByMsg='^an x$'", "/?a=xy", Some(101));
    }

    #[test]
    fn of_targets() {
        with("ctl:ruleRemoveTargetById=100;ARGS:a", "/?a=x", None);
        with(
            "ctl:ruleRemoveTargetById=100;ARGS:A",
            "/?a=x&b=x",
            Some(100),
        );
        with(
            "ctl:ruleRemoveTargetById=1-100;ARGS:/^a\\d$/",
            "/?a1=x&A2=x",
            None,
        );
        with(
            "ctl:ruleRemoveTargetById=100;ARGS:/^a\\d$/",
            "/?a1=x&ab=x",
            Some(100),
        );
        with("ctl:ruleRemoveTargetByTag=one;ARGS", "/?a=x", None);
        with("ctl:ruleRemoveTargetByMsg=x;ARGS:a", "/?a=xy", None);
        // Also of a chain's later links.
        with(
            "ctl:ruleRemoveTargetById=100-101;ARGS:b",
            "/?a=z&b=xy",
            None,
        );
    }

    #[test]
    fn at_load_with_links() {
        let rules = |directive: &str| format!("{RULES}\nSecRuleRemoveById 100\n{directive}\n");
        site(&rules("SecRuleUpdateTargetById 101:1 \"!ARGS:b\""))
            .given(get("/?a=x&b=y"))
            .expect_passed();
        site(&rules("SecRuleUpdateTargetById 101:1 \"!ARGS:b\""))
            .given(get("/?a=y&b=x"))
            .expect_blocked_by(101);
        site(&rules(
            "SecRuleUpdateActionById 101:1 \"t:urlDecode,t:base64Decode\"",
        ))
        .given(get("/?a=xy"))
        .expect_passed();
        site(&rules("SecRuleUpdateActionById 101 \"pass,status:404\""))
            .given(get("/?a=xy"))
            .expect_passed();
        site(&rules(
            "SecRuleUpdateTargetByMsg \"^also\" \"REQUEST_FILENAME\"",
        ))
        .given(get("/x?b=y"))
        .expect_blocked_by(101);
    }
}

/// Flow within a phase.
mod flow {
    use super::*;

    #[test]
    fn allow_reaches_as_far_as_it_says() {
        let rules = |allow: &str| {
            format!(
                "SecRule ARGS:a . \"id:1,phase:1,{allow},nolog\"
                 SecAction id:2,phase:1,pass,log
                 SecAction id:3,phase:2,pass,log
                 SecAction id:4,phase:3,pass,log
                 SecAction id:5,phase:5,pass,log"
            )
        };
        for (allow, ids) in [
            ("pass", &[2, 3, 4, 5][..]),
            ("allow:phase", &[3, 4, 5]),
            ("allow:request", &[4, 5]),
            ("allow", &[5]),
        ] {
            site(&rules(allow)).given(get("/?a=1")).expect_matched(ids);
        }
    }

    #[test]
    fn skip_counts_rules_and_a_chain_is_one() {
        site(
            "SecAction id:1,phase:1,pass,nolog,skip:2
             SecAction id:2,phase:1,pass,log,chain
             SecRule ARGS .
             SecAction id:3,phase:1,pass,log
             SecAction id:4,phase:1,pass,log",
        )
        .given(get("/?a=1"))
        .expect_matched(&[4]);
    }

    #[test]
    fn a_redirection_takes_macros_and_a_connection_is_dropped() {
        let outcome = site("SecRule ARGS:to \"^/\" \"id:1,phase:1,redirect:'https://example.com%{args.to}?from=%{remote_addr}',status:307\"")
            .given(get("/?to=/login"));
        assert_eq!(
            outcome.intervention,
            waf::Intervention::Redirect {
                url: "https://example.com/login?from=192.0.2.1".into(),
                status: 307,
                rule: 1
            }
        );
        let outcome = site("SecAction id:1,phase:1,drop").given(get("/"));
        assert_eq!(outcome.intervention, waf::Intervention::Drop { rule: 1 });
    }
}
