//! What the audit log of a running instance is good for: its requests are run against other rules.

use bascule_tests::{Origin, Setup, within};
use std::fs;
use std::time::Duration;

const LAX: &str = "SecRuleEngine On\nSecRequestBodyAccess On\nSecAuditEngine On\nSecAuditLogParts ABCHZ\n\
    SecRule ARGS \"@contains evil\" \"id:1,phase:2,deny,msg:'found'\"\n";

const OTHER: &str = "SecRuleEngine On\nSecRequestBodyAccess On\n\
    SecRule ARGS \"@contains wicked\" \"id:2,phase:2,deny,msg:'found as well'\"\n";

#[test]
fn a_log_is_replayed_against_other_rules() {
    let origin = Origin::echo();
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("lax.conf", LAX)
        .file("other.conf", OTHER)
        .start(
            "waf: { own: { rules: lax.conf, audit_log: audit.json } }
routes: [{ path: /, waf: own, upstream: app }]
upstreams: { app: { endpoints: [$app] } }
",
        );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (target, body, status) in [
        ("/query?a=evil", "", 403),
        ("/form", "a=1&b=wicked+%C3%A4", 200),
        ("/both?a=evil", "b=wicked", 403),
        ("/none", "a=fine", 200),
    ] {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let answer = bascule.client().ask(method, target, &form, body.as_bytes());
        assert_eq!(answer.status, status, "{target}");
    }
    let logged = || {
        let log = fs::read_to_string(bascule.path("audit.json")).unwrap_or_default();
        (log.matches('\n').count() == 4).then_some(())
    };
    within(Duration::from_secs(10), logged).expect("four records are written");

    let replay = |rules| bascule.command(&["replay", "--log", "audit.json", "--rules", rules]);
    let same = replay("lax.conf");
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(
        same.stdout
            .contains("4 requests: 0 newly blocked, 0 newly passed"),
        "{same:?}"
    );
    let other = replay("other.conf");
    assert_eq!(other.code, Some(5), "{other:?}");
    for words in [
        "newly blocked:\n      1  POST /form",
        "2 found as well",
        "newly passed:\n      1  GET /query",
        "4 requests: 1 newly blocked, 1 newly passed",
    ] {
        assert!(other.stdout.contains(words), "{words} in {other:?}");
    }
}
