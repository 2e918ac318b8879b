//! Bodies that are meant to hurt: each reaches a limit, is counted, and is answered as the operator wants it. And what happens when the
//! engine itself reaches one.

use bascule_tests::{Answer, Bascule, Origin, Setup};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::{Duration, Instant};

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "^text/xml" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule ARGS|REQUEST_BODY "@contains evil" "id:3,phase:2,deny,status:403,msg:'found'"
"#;

/// What recommended configurations do about a body that is not understood.
const STRICT: &str =
    "SecRule REQBODY_ERROR \"!@eq 0\" \"id:4,phase:2,deny,status:400,msg:'body'\"\n";

fn start(origin: &Origin, rules: &str, policy: &str) -> Bascule {
    Setup::new()
        .with("app", origin.address())
        .file("own.conf", format!("{RULES}{rules}"))
        .start(&format!(
            "waf: {{ own: {{ rules: own.conf{policy} }} }}
routes:
  - {{ path: /, waf: own, upstream: app, body_limit: 64MiB }}
  - {{ path: /detect/, waf: {{ policy: own, mode: detect }}, upstream: app, body_limit: 64MiB }}
upstreams: {{ app: {{ endpoints: [$app] }} }}
"
        ))
}

fn post(bascule: &Bascule, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let started = Instant::now();
    let answer = bascule.client().ask("POST", path, fields, body);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    answer
}

fn counted(bascule: &Bascule, error: &str, count: f64) {
    let labels = [("policy", "own"), ("error", error)];
    bascule.wait_for_metric("bascule_waf_body_errors_total", &labels, count);
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn entities() -> String {
    let mut text = "<!DOCTYPE a [<!ENTITY a0 \"ha\">".to_owned();
    for level in 1..20 {
        let inner = format!("&a{};", level - 1).repeat(10);
        text += &format!("<!ENTITY a{level} \"{inner}\">");
    }
    text + "]><a>&a19;</a>"
}

#[test]
fn bombs_reach_a_limit_and_are_answered_as_configured() {
    let origin = Origin::echo();
    let json = [("Content-Type", "application/json")];
    let xml = [("Content-Type", "text/xml")];
    let parts = [("Content-Type", "multipart/form-data; boundary=b")];
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    let part = |number: usize| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"f{number}\"; filename=\"x\"\r\n\r\nx\r\n"
        )
    };
    let many: String = (0..10_000).map(part).collect::<String>() + "--b--\r\n";
    let too_long = format!("{{\"a\":\"{}\"}}", "x".repeat(140_000));
    let strict = start(&origin, STRICT, "");
    let lax = start(&origin, "", "");
    /// Path, header fields, body, status.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16);
    let cases: [Case<'_>; 4] = [
        ("json", &json, &deep, 400),
        ("xml", &xml, &entities(), 400),
        ("too_long", &json, &too_long, 400),
        ("multipart", &parts, &many, 400),
    ];
    for (error, fields, body, status) in cases {
        assert_eq!(
            post(&strict, "/", fields, body.as_bytes()).status,
            status,
            "{error}"
        );
        assert_eq!(
            post(&lax, "/", fields, body.as_bytes()).status,
            200,
            "{error}"
        );
        counted(&strict, error, 1.0);
        counted(&lax, error, 1.0);
    }
    assert!(strict.peak_memory() < 200 << 20, "{}", strict.peak_memory());
}

#[test]
fn ten_thousand_parts_are_told_and_can_be_refused() {
    let origin = Origin::echo();
    let rules = "SecUploadFileLimit 100\nSecRule MULTIPART_STRICT_ERROR|MULTIPART_FILE_LIMIT_EXCEEDED \"!@eq 0\" \"id:6,phase:2,deny,status:413,msg:'files'\"\n";
    let bascule = start(&origin, rules, "");
    let parts = [("Content-Type", "multipart/form-data; boundary=b")];
    let body = |count: usize| {
        let part = |number: usize| {
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"f{number}\"; filename=\"x\"\r\n\r\nx\r\n"
            )
        };
        (0..count).map(part).collect::<String>() + "--b--\r\n"
    };
    assert_eq!(
        post(&bascule, "/", &parts, body(100).as_bytes()).status,
        200
    );
    assert_eq!(
        post(&bascule, "/", &parts, body(10_000).as_bytes()).status,
        413
    );
}

#[test]
fn rules_look_into_compressed_bodies() {
    let origin = Origin::echo();
    let bascule = start(&origin, "", "");
    let form = |coding: &'static str| {
        [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Encoding", coding),
        ]
    };
    let evil = gzip(b"a=evil");
    assert_eq!(post(&bascule, "/", &form("gzip"), &evil).status, 403);
    let good = gzip(b"a=good");
    let answer = post(&bascule, "/", &form("gzip"), &good);
    assert_eq!(
        (answer.status, &answer.json()["length"]),
        (200, &good.len().into()),
        "it goes on as it was sent"
    );
    assert_eq!(
        post(&bascule, "/", &form("identity"), b"a=evil").status,
        403
    );
    let answer = post(&bascule, "/", &form("br"), b"a=good");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (415, "body_coding")
    );
    counted(&bascule, "coding_unknown", 1.0);
    let answer = post(&bascule, "/", &form("gzip"), b"a=good");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (400, "body_coding")
    );
    counted(&bascule, "coding_damaged", 1.0);
    // What could be read of a damaged one is looked at.
    assert_eq!(
        post(&bascule, "/", &form("gzip"), &[&evil[..], b"rest"].concat()).status,
        403
    );
    let bomb = gzip(&vec![b'x'; 12 << 20]);
    let answer = post(&bascule, "/", &form("gzip"), &bomb);
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (413, "body_too_large")
    );
    counted(&bascule, "coding_bomb", 1.0);
    // In detection nothing is refused.
    for (coding, body) in [("gzip", &evil[..]), ("br", b"a=evil"), ("gzip", &bomb)] {
        assert_eq!(post(&bascule, "/detect/", &form(coding), body).status, 200);
    }
    assert!(
        bascule.peak_memory() < 200 << 20,
        "{}",
        bascule.peak_memory()
    );
}

#[test]
fn compressed_bodies_are_refused_or_passed_by_choice() {
    let origin = Origin::echo();
    let coded = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")];
    let refuses = start(&origin, "", ", compressed: refuse");
    let answer = post(&refuses, "/", &coded, &gzip(b"good"));
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (415, "body_coding")
    );
    assert_eq!(
        post(&refuses, "/", &[("Content-Type", "text/plain")], b"good").status,
        200
    );
    let passes = start(&origin, "", ", compressed: pass");
    assert_eq!(post(&passes, "/", &coded, &gzip(b"a=evil")).status, 200);
}

/// Rules that ask for more work than a request may cause: refused with 503, or let through by choice; counted, and the rule is named.
#[test]
fn an_engine_that_cannot_finish_refuses_or_passes_by_choice() {
    let origin = Origin::echo();
    let mut rules =
        "SecAction \"id:99,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On\"\n".to_owned();
    for id in 100..130 {
        rules += &format!(
            "SecRule REQUEST_BODY \"!@rx ^x{id}\" \"id:{id},phase:2,pass,nolog,t:lowercase,t:reverse\"\n"
        );
    }
    let rules = rules.replace(",t:reverse", ",t:removeNulls,t:compressWhitespace");
    let body = "An ordinary text. ".repeat(400_000);
    let plain = [("Content-Type", "text/plain")];
    let closed = start(&origin, &rules, "");
    let answer = post(&closed, "/", &plain, body.as_bytes());
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (503, "waf_failed")
    );
    let line = closed.access_log().with_reason("waf_failed");
    let detail = line["detail"].as_str().unwrap();
    assert!(
        detail.contains("work limit") && detail.contains("at rule "),
        "{detail}"
    );
    let labels = [("policy", "own"), ("error", "work_limit")];
    closed.wait_for_metric("bascule_waf_errors_total", &labels, 1.0);
    assert_eq!(
        closed
            .metrics()
            .sum("bascule_waf_errors_total", &[("rule", "0")]),
        0.0,
        "the rule is named"
    );
    let open = start(&origin, &rules, ", fail: open");
    assert_eq!(post(&open, "/", &plain, body.as_bytes()).status, 200);
    open.wait_for_metric("bascule_waf_errors_total", &labels, 1.0);
    open.wait_for_metric(
        "bascule_waf_verdicts_total",
        &[("verdict", "failed_open")],
        1.0,
    );
}
