//! Where audit records go, what they show, and that nobody waits for them. And the rules that only look on.

use bascule_tests::{Bascule, Origin, Reply, Setup, eventually, within};
use rustix::process::Signal;
use serde_json::Value as Json;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

const RULES: &str = "SecRuleEngine On\nSecRequestBodyAccess On\n\
    SecRule ARGS \"@contains evil\" \"id:1,phase:2,deny,status:403,msg:'found'\"\n";

fn start(origin: &Origin, audit_log: &str) -> Bascule {
    Setup::new()
        .with("app", origin.address())
        .file("own.conf", RULES)
        .start(&format!(
            "waf: {{ own: {{ rules: own.conf, audit_log: {audit_log} }} }}
routes: [{{ name: shop, path: /, waf: own, upstream: app }}]
upstreams: {{ app: {{ endpoints: [$app] }} }}
"
        ))
}

fn attack(bascule: &Bascule, body: &str) {
    let form = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Authorization", "Basic abc"),
    ];
    let answer = bascule
        .client()
        .ask("POST", "/?a=evil", &form, body.as_bytes());
    assert_eq!(answer.status, 403);
}

fn read(bascule: &Bascule, name: &str) -> String {
    let text = || {
        fs::read_to_string(bascule.path(name))
            .ok()
            .filter(|text| !text.is_empty())
    };
    within(Duration::from_secs(10), text).expect("a record is written")
}

#[test]
fn a_record_has_the_parts_that_are_asked_for_and_no_secrets() {
    let origin = Origin::echo();
    let bascule = start(
        &origin,
        "{ file: audit.json, parts: ABCHZ, scrub: { names: [iban], patterns: ['sk_[a-z]+'] } }",
    );
    attack(
        &bascule,
        "user=x&password=hunter2&iban=DE0&note=sk_live&card=4111111111111111&n=4111+1111+1111+1111",
    );
    let record: Json = serde_json::from_str(&read(&bascule, "audit.json")).unwrap();
    let (request, outcome) = (
        &record["transaction"]["request"],
        &record["transaction"]["outcome"],
    );
    assert_eq!(
        request["body"],
        "user=x&password=***&iban=***&note=***&card=***&n=***"
    );
    assert_eq!(request["headers"]["Authorization"], "Basic ***");
    assert_eq!(
        (&outcome["route"], &outcome["policy"]),
        (&"shop".into(), &"own".into())
    );
    assert_eq!(
        record["transaction"]["response"]["headers"],
        serde_json::json!({}),
        "part F was not asked for"
    );
    let text = read(&bascule, "audit.json");
    assert!(
        !text.contains("hunter2") && !text.contains("4111"),
        "{text}"
    );
}

#[test]
fn the_native_format_goes_to_a_file_that_is_opened_again() {
    let origin = Origin::echo();
    let bascule = start(&origin, "{ file: audit.log, format: native }");
    attack(&bascule, "");
    assert!(read(&bascule, "audit.log").contains("-B--\nPOST /?a=evil HTTP/1.1\n"));
    fs::rename(bascule.path("audit.log"), bascule.path("audit.log.1")).unwrap();
    bascule.signal(Signal::USR1);
    eventually("the path is opened again", || {
        bascule.path("audit.log").exists()
    });
    attack(&bascule, "");
    assert!(read(&bascule, "audit.log").contains("-Z--\n"));
}

#[test]
fn rules_say_where_the_log_goes_where_the_policy_does_not() {
    let origin = Origin::echo();
    let rules =
        format!("{RULES}SecAuditLog own.log\nSecAuditLogFormat Native\nSecAuditLogParts AHZ\n");
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("own.conf", rules)
        .start(
            "
        waf: { own: { rules: own.conf } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [$app] } }
        ",
        );
    attack(&bascule, "");
    let text = read(&bascule, "own.log");
    assert!(
        text.contains("-H--\nMessage: Access denied") && !text.contains("-B--"),
        "{text}"
    );
}

#[test]
fn syslog_gets_a_message_for_each_record() {
    let origin = Origin::echo();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let place = server.local_addr().unwrap();
    let bascule = start(&origin, &format!("{{ syslog: 'udp:{place}' }}"));
    attack(&bascule, "");
    let mut buffer = vec![0; 65536];
    let length = server.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..length]);
    let (head, record) = text.split_at(text.find('{').unwrap());
    assert!(
        head.starts_with("<109>1 ") && head.contains(" bascule "),
        "{head}"
    );
    let record: Json = serde_json::from_str(record).unwrap();
    assert_eq!(
        record["transaction"]["messages"][0]["details"]["ruleId"],
        "1"
    );
}

#[test]
fn a_collector_gets_lines_of_json_and_may_fail_for_a_moment() {
    let origin = Origin::echo();
    let tries = std::sync::atomic::AtomicU64::new(0);
    let collector = Origin::serve(move |_| {
        let first = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        Reply::status(if first { 503 } else { 204 }, &[], "")
    });
    let bascule = start(
        &origin,
        &format!("{{ http: 'http://{}/waf' }}", collector.address()),
    );
    attack(&bascule, "");
    eventually("it is sent again", || collector.count() >= 2);
    let seen = collector.seen();
    assert_eq!(
        (seen[1].method.as_str(), seen[1].target.as_str()),
        ("POST", "/waf")
    );
    assert_eq!(seen[0].text(), seen[1].text());
    let record: Json = serde_json::from_str(seen[1].text().trim_end()).unwrap();
    assert_eq!(record["transaction"]["outcome"]["status"], 403);
    assert_eq!(
        bascule
            .metrics()
            .sum("bascule_audit_records_dropped_total", &[]),
        0.0
    );
}

/// A server that takes nothing: requests are answered as fast as ever, and what is lost is counted.
#[test]
fn a_sink_that_never_reads_stalls_nobody() {
    let origin = Origin::echo();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = server.local_addr().unwrap();
    let mut bascule = start(
        &origin,
        &format!("{{ syslog: 'tcp:{place}', parts: ABCHZ }}"),
    );
    let body = "x".repeat(100_000);
    let mut slowest = Duration::ZERO;
    let lost = || {
        bascule
            .metrics()
            .sum("bascule_audit_records_dropped_total", &[])
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut sent = 0.0;
    while lost() == 0.0 {
        assert!(
            Instant::now() < deadline,
            "nothing is lost after {sent} records"
        );
        for _ in 0..50 {
            let started = Instant::now();
            attack(&bascule, &body);
            slowest = slowest.max(started.elapsed());
            sent += 1.0;
        }
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(lost() < sent, "what found room was not lost");
    let started = Instant::now();
    bascule.signal(Signal::TERM);
    bascule.wait_for_end(Duration::from_secs(20));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "nor does the end wait"
    );
}

#[test]
fn shadow_rules_look_on_and_change_nothing() {
    let origin = Origin::echo();
    let shadow = "SecRuleEngine On\nSecRequestBodyAccess On\n\
        SecRule ARGS \"@contains worse\" \"id:2,phase:2,deny,status:500,msg:'worse'\"\n\
        SecRule ARGS \"@contains both\" \"id:3,phase:1,deny,status:500,msg:'both'\"\n";
    let live = format!(
        "{RULES}SecRule ARGS \"@contains both\" \"id:4,phase:2,deny,status:403,msg:'both'\"\n"
    );
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("own.conf", live)
        .file("next.conf", shadow)
        .start(
            "
        waf: { own: { rules: own.conf, audit_log: audit.json, shadow: { rules: next.conf } } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [$app] } }
        ",
        );
    let get = |target: &str| bascule.client().get(target).status;
    assert_eq!(
        ["/?a=worse", "/?a=evil", "/?a=both", "/?a=fine"].map(get),
        [200, 403, 403, 200]
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = bascule.client().ask("POST", "/", &form, b"a=worse");
    assert_eq!(
        (answer.status, answer.json()["length"].as_u64()),
        (200, Some(7))
    );
    let outcome = |outcome: &str, count: f64| {
        bascule.wait_for_metric(
            "bascule_waf_shadow_total",
            &[("policy", "own"), ("outcome", outcome)],
            count,
        );
    };
    outcome("would_block", 2.0);
    outcome("would_pass", 1.0);
    outcome("agrees", 2.0);
    let rules = bascule.metrics();
    let of = |rule, outcome| {
        rules.sum(
            "bascule_waf_shadow_rule_matches_total",
            &[("rule", rule), ("outcome", outcome)],
        )
    };
    assert_eq!(
        (
            of("2", "would_block"),
            of("1", "would_pass"),
            of("3", "would_block")
        ),
        (2.0, 1.0, 0.0)
    );
    assert_eq!(
        rules.sum("bascule_waf_rule_matches_total", &[("rule", "2")]),
        0.0
    );
    let marked = |text: &str| {
        text.lines()
            .filter(|line| line.contains("\"shadow\":true"))
            .count()
    };
    eventually("the records are written", || {
        marked(&read(&bascule, "audit.json")) == 3
    });
    let lines = bascule.access_log().wait_for(5);
    let passed = lines.iter().filter(|line| line["status"] == 200);
    assert!(passed.clone().count() == 3 && passed.clone().all(|line| line["rules"].is_null()));
}

/// The share counts, and what the shadow leaves out.
#[test]
fn a_share_of_none_runs_never_and_the_shadow_has_exclusions_of_its_own() {
    let origin = Origin::echo();
    let start = |shadow: &str| {
        Setup::new()
            .with("app", origin.address())
            .file("own.conf", RULES)
            .start(&format!(
                "waf: {{ own: {{ rules: own.conf, shadow: {{ rules: own.conf, {shadow} }} }} }}
routes: [{{ path: /, waf: own, upstream: app }}]
upstreams: {{ app: {{ endpoints: [$app] }} }}
"
            ))
    };
    let bascule = start("share: 0%");
    assert_eq!(bascule.client().get("/?a=evil").status, 403);
    bascule.wait_for_metric("bascule_waf_verdicts_total", &[("verdict", "blocked")], 1.0);
    assert_eq!(bascule.metrics().sum("bascule_waf_shadow_total", &[]), 0.0);
    let bascule = start("exclude: { ids: [1] }");
    assert_eq!(bascule.client().get("/?a=evil").status, 403);
    bascule.wait_for_metric(
        "bascule_waf_shadow_total",
        &[("outcome", "would_pass")],
        1.0,
    );
}
