//! Many sites on one set of rules: what one of them changes holds for it alone, and costs next to nothing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use std::sync::Arc;

use common::compile;
use waf::{CompileOptions, Connection, Intervention, Mode, RuleSet, Scratch, Transaction};

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRule ARGS "@contains evil" "id:1,phase:2,deny,status:401,tag:'attack-a',msg:'one'"
SecRule ARGS "@contains evil" "id:2,phase:2,deny,status:402,tag:'attack-b',msg:'two'"
SecRule ARGS|REQUEST_HEADERS "@contains worse" "id:3,phase:2,deny,status:403,tag:'attack-b',chain"
  SecRule ARGS "@contains worst" "t:none"
"#;

fn changed(rules: &RuleSet, text: &str) -> Arc<RuleSet> {
    let document = seclang::parse_str("site.conf", text).unwrap();
    Arc::new(rules.with(&document).unwrap())
}

/// The status that a request is refused with, 200 where it passes. All share one scratch, and so what it remembers of values.
fn status(rules: &Arc<RuleSet>, target: &str, scratch: &mut Scratch) -> u16 {
    let connection = Connection {
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        time: std::time::SystemTime::UNIX_EPOCH,
        unique_id: "1",
    };
    let mut transaction = Transaction::new(Arc::clone(rules), &connection, Mode::Block);
    transaction.request_line(b"GET", target.as_bytes(), b"HTTP/1.1");
    transaction.request_header(b"Host", b"example.com");
    transaction.process_request_headers(scratch);
    match transaction.process_request_body(scratch) {
        Intervention::Deny { status, .. } => status,
        _ => 200,
    }
}

#[test]
fn what_a_site_changes_holds_for_it_alone() {
    let base = Arc::new(compile(RULES, &CompileOptions::default()).unwrap());
    let scratch = &mut Scratch::new();
    let by_id = changed(&base, "SecRuleRemoveById 1");
    let by_tag = changed(&base, "SecRuleRemoveByTag attack-a");
    let both = changed(&base, "SecRuleRemoveById 1-2");
    let argument = changed(&base, "SecRuleUpdateTargetById 1-2 \"!ARGS:text\"");
    for _ in 0..2 {
        assert_eq!(status(&base, "/?text=evil", scratch), 401);
        assert_eq!(status(&by_id, "/?text=evil", scratch), 402);
        assert_eq!(status(&by_tag, "/?text=evil", scratch), 402);
        assert_eq!(status(&both, "/?text=evil", scratch), 200);
        assert_eq!(status(&argument, "/?text=evil", scratch), 200);
        assert_eq!(status(&argument, "/?TEXT=evil", scratch), 200);
        assert_eq!(status(&argument, "/?other=evil", scratch), 401);
    }
    assert!(by_id.shares_with(&base) && argument.shares_with(&both));
    assert_eq!((base.stats().rules, both.stats().rules), (3, 1));
    assert_ne!(base.fingerprint(), by_id.fingerprint());
    assert_ne!(by_id.fingerprint(), by_tag.fingerprint());
}

#[test]
fn a_target_is_taken_from_every_link() {
    let base = compile(RULES, &CompileOptions::default()).unwrap();
    let base = Arc::new(base);
    let scratch = &mut Scratch::new();
    let without = changed(&base, "SecRuleUpdateTargetById 3 \"!ARGS:b\"");
    assert_eq!(status(&base, "/?a=worse&b=worst", scratch), 403);
    assert_eq!(status(&without, "/?a=worse&b=worst", scratch), 200);
    assert_eq!(status(&without, "/?a=worse&c=worst", scratch), 403);
}

#[test]
fn what_finds_no_rule_is_noticed_and_what_is_more_than_a_change_refused() {
    let base = compile(RULES, &CompileOptions::default()).unwrap();
    let of_none = changed(
        &base,
        "SecRuleRemoveById 77\nSecRuleRemoveByTag nothing\nSecRuleRemoveById 1\n",
    );
    let places: Vec<u32> = of_none
        .own_notices()
        .iter()
        .map(|notice| notice.place.line)
        .collect();
    assert_eq!(places, [1, 2]);
    for text in [
        "SecAction \"id:9,phase:1,pass\"",
        "SecRuleUpdateTargetById 1 ARGS_NAMES",
        "SecRuleEngine Off",
    ] {
        let document = seclang::parse_str("site.conf", text).unwrap();
        assert_eq!(base.with(&document).unwrap_err().len(), 1, "{text}");
    }
}

#[test]
fn a_site_has_its_own_limit_on_bodies() {
    let base = Arc::new(compile(RULES, &CompileOptions::default()).unwrap());
    let limited = changed(
        &base,
        "SecRequestBodyLimit 10\nSecRequestBodyLimitAction Reject\n",
    );
    let mut scratch = Scratch::new();
    let mut post = |rules: &Arc<RuleSet>| {
        let connection = Connection {
            client: ([192, 0, 2, 1], 40_000).into(),
            server: ([192, 0, 2, 2], 80).into(),
            time: std::time::SystemTime::UNIX_EPOCH,
            unique_id: "1",
        };
        let mut transaction = Transaction::new(Arc::clone(rules), &connection, Mode::Block);
        transaction.request_line(b"POST", b"/", b"HTTP/1.1");
        transaction.request_header(b"Content-Type", b"text/plain");
        transaction.process_request_headers(&mut scratch);
        transaction.request_body(b"more than ten bytes").is_none()
    };
    assert_eq!((post(&base), post(&limited)), (true, false));
}

#[test]
fn a_transaction_that_is_kept_for_its_memory_keeps_no_rules() {
    let rules = Arc::new(compile(RULES, &CompileOptions::default()).unwrap());
    let connection = Connection {
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        time: std::time::SystemTime::UNIX_EPOCH,
        unique_id: "1",
    };
    let mut transaction = Transaction::new(Arc::clone(&rules), &connection, Mode::Block);
    transaction.release();
    let gone = Arc::downgrade(&rules);
    drop(rules);
    assert!(gone.upgrade().is_none());
}
