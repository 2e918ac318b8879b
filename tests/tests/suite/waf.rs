//! The WAF on its route: blocks, detects, stays off, and tells what it saw.

use bascule_tests::{Bascule, Io, Origin, Setup, on_both_drivers, within};
use serde_json::Value as Json;
use std::fs;
use std::time::Duration;

/// `1 UNION SELECT password FROM users`, and the shipped rule that finds it.
const INJECTION: &str = "/?id=1%20UNION%20SELECT%20password%20FROM%20users";
const RULE: u64 = 9_540_001;

const YAML: &str = "
    waf: { own: { rules: shipped, audit_log: audit.json } }
    routes:
      - { name: blocks, path: /, waf: own, upstream: app }
      - { name: detects, path: /detect/, waf: { policy: own, mode: detect }, upstream: app }
      - { name: off, path: /off/, waf: { policy: own, mode: off }, upstream: app }
      - { name: none, path: /none/, upstream: app }
    upstreams: { app: { endpoints: [$app] } }
";

fn start(io: Io, origin: &Origin) -> Bascule {
    Setup::new()
        .io(io)
        .with("app", origin.address())
        .start(YAML)
}

fn audit(bascule: &Bascule, count: usize) -> Vec<Json> {
    let read = || {
        let text = fs::read_to_string(bascule.path("audit.json")).unwrap_or_default();
        // The last line may not be whole yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines: Vec<Json> = whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (lines.len() >= count).then_some(lines)
    };
    within(Duration::from_secs(10), read)
        .unwrap_or_else(|| panic!("{count} audit records expected"))
}

fn rules(record: &Json) -> Vec<String> {
    let messages = record["transaction"]["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["details"]["ruleId"].as_str().unwrap().to_owned())
        .collect()
}

on_both_drivers! {
    /// An injection is blocked, and its rule stands in the access log, the audit log and the metrics.
    fn an_injection_is_blocked_and_told(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin);
        let mut client = bascule.client();
        let answer = client.get(INJECTION);
        assert_eq!((answer.status, answer.reason().as_str()), (403, "waf_blocked"));
        assert!(!answer.text().contains("9540001"), "the client is not told which rule it was");
        assert_eq!(client.get("/?id=1&comment=select+the+union+of+both").status, 200);
        assert_eq!(origin.count(), 1);
        let line = bascule.access_log().with_reason("waf_blocked");
        assert_eq!((&line["status"], &line["verdict"], &line["route"]), (&403.into(), &"block".into(), &"blocks".into()));
        assert!(line["rules"].as_array().unwrap().contains(&RULE.into()), "{line}");
        assert!(line["waf_us"].as_u64().is_some_and(|us| us > 0), "{line}");
        let record = audit(&bascule, 1).remove(0);
        assert!(rules(&record).contains(&RULE.to_string()), "{record}");
        let outcome = &record["transaction"]["outcome"];
        assert_eq!((&outcome["verdict"], &outcome["status"]), (&"deny".into(), &403.into()), "{outcome}");
        assert_eq!(record["transaction"]["unique_id"], line["id"]);
        let labels = [("route", "blocks"), ("policy", "own"), ("verdict", "blocked")];
        bascule.wait_for_metric("bascule_waf_verdicts_total", &labels, 1.0);
        bascule.wait_for_metric("bascule_waf_verdicts_total", &[("verdict", "passed")], 1.0);
        assert!(bascule.metrics().sum("bascule_waf_rule_matches_total", &[("rule", "9540001")]) >= 1.0);
    }

    /// Attacks in headers, cookies, paths and bodies of every form are found.
    fn attacks_are_found_wherever_they_are(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin);
        let sql = "1 UNION SELECT password FROM users";
        let blocked = |method: &str, target: &str, fields: &[(&str, &str)], body: &str| {
            let answer = bascule.client().ask(method, target, fields, body.as_bytes());
            (answer.status == 403).then(|| assert_eq!(answer.reason(), "waf_blocked")).is_some()
        };
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let json = [("Content-Type", "application/json")];
        let parts = [("Content-Type", "multipart/form-data; boundary=b")];
        assert!(blocked("GET", "/", &[("Cookie", "id=1 UNION SELECT password FROM users")], ""));
        assert!(blocked("GET", "/", &[("User-Agent", sql)], ""));
        assert!(blocked("GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", &[], ""));
        assert!(blocked("GET", "/?file=../../../../etc/passwd", &[], ""));
        assert!(blocked("GET", "/?cmd=%3Bcat%20/etc/passwd", &[], ""));
        assert!(blocked("POST", "/", &form, "id=1+UNION+SELECT+password+FROM+users&x=1"));
        assert!(blocked("POST", "/", &json, r#"{"a":{"id":"1 UNION SELECT password FROM users"}}"#));
        let multipart = format!("--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n{sql}\r\n--b--\r\n");
        assert!(blocked("POST", "/", &parts, &multipart));
        assert_eq!(origin.count(), 0);
        assert!(!blocked("POST", "/", &form, "id=1&text=an+ordinary+comment"));
        assert!(!blocked("POST", "/", &json, r#"{"text":"an ordinary comment"}"#));
        assert_eq!(origin.seen()[0].text(), "id=1&text=an+ordinary+comment");
    }

    /// In detection everything passes, and is logged as if it had not.
    fn detection_passes_and_tells(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin);
        let answer = bascule.client().get(&format!("/detect{INJECTION}"));
        assert_eq!((answer.status, origin.count()), (200, 1));
        let line = bascule.access_log().wait_for(1).remove(0);
        assert_eq!((&line["status"], &line["reason"]), (&200.into(), &"served".into()));
        assert!(line["rules"].as_array().unwrap().contains(&RULE.into()), "{line}");
        let record = audit(&bascule, 1).remove(0);
        let outcome = &record["transaction"]["outcome"];
        assert_eq!((&outcome["verdict"], outcome["would_be_rule"].is_null()), (&"pass".into(), false), "{outcome}");
        bascule.wait_for_metric("bascule_waf_verdicts_total", &[("route", "detects"), ("verdict", "matched")], 1.0);
    }

    /// Off is off: no rule runs and nothing is logged.
    fn off_is_off(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin);
        for route in ["/off", "/none"] {
            assert_eq!(bascule.client().get(&format!("{route}{INJECTION}")).status, 200);
        }
        let lines = bascule.access_log().wait_for(2);
        assert!(lines.iter().all(|line| line["rules"].is_null() && line["waf_us"].is_null()), "{lines:?}");
        assert_eq!(fs::read_to_string(bascule.path("audit.json")).unwrap(), "");
        assert_eq!(bascule.metrics().sum("bascule_waf_verdicts_total", &[]), 0.0);
    }

    /// A body that is inspected goes on whole, in chunks or not; one that is too large is refused, or inspected in part.
    fn inspected_bodies_go_on_whole(io) {
        let origin = Origin::echo();
        let bascule = Setup::new().io(io).with("app", origin.address()).start(
            "
            waf:
              rejects: { rules: shipped, body_limit: 8KiB }
              looks: { rules: shipped, body_limit: 8KiB, over_limit: partial }
            routes:
              - { path: /, waf: rejects, upstream: app }
              - { path: /partial/, waf: looks, upstream: app }
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
        let text = "an ordinary text. ".repeat(400);
        let plain = [("Content-Type", "text/plain")];
        let answer = bascule.client().ask("POST", "/", &plain, text.as_bytes());
        assert_eq!((answer.status, &answer.json()["length"]), (200, &text.len().into()));
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in text.as_bytes().chunks(1000) {
            client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
        }
        let answer = client.send("0\r\n\r\n").answer();
        assert_eq!((answer.status, &answer.json()["length"]), (200, &text.len().into()));
        let large = "x".repeat(100_000);
        let answer = bascule.client().ask("POST", "/", &plain, large.as_bytes());
        assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
        let answer = bascule.client().ask("POST", "/partial/", &plain, large.as_bytes());
        assert_eq!((answer.status, &answer.json()["length"]), (200, &100_000.into()));
        let expecting = [("Expect", "100-continue"), ("Content-Type", "text/plain")];
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n");
        expecting.iter().for_each(|(name, value)| drop(client.wire().send(format!("{name}: {value}\r\n").as_bytes())));
        client.send("\r\n");
        let interim = bascule_tests::Answer::read_one(client.wire(), "POST").unwrap();
        assert_eq!(interim.status, 100);
        assert_eq!(client.send("body").answer().status, 200);
    }
}

#[test]
fn a_policy_that_detects_nothing_is_an_error() {
    let refused = Setup::new()
        .file(
            "empty.conf",
            "SecRuleEngine On\nSecAction \"id:1,phase:1,pass,nolog\"\n",
        )
        .refused(
            "
        waf: { own: { rules: empty.conf } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [127.0.0.1:1] } }
        ",
        );
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("detects nothing"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_bad_rule_is_named_with_its_place() {
    let rules = "SecRuleEngine On\n\nSecRule ARGS \"@rx (unclosed\" \"id:7,phase:2,deny\"\n";
    let refused = Setup::new().file("own.conf", rules).refused(
        "
        waf: { own: { rules: own.conf } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [127.0.0.1:1] } }
        ",
    );
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("own.conf") && refused.stderr.contains('7'),
        "{}",
        refused.stderr
    );
    let rules = "SecRuleEngine On\nSecRul ARGS \"@rx x\" \"id:7,phase:2,deny\"\n";
    let refused = Setup::new().file("own.conf", rules).refused(
        "
        waf: { own: { rules: own.conf } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [127.0.0.1:1] } }
        ",
    );
    assert!(
        refused.stderr.contains("own.conf:2:1"),
        "{}",
        refused.stderr
    );
}

#[test]
fn own_rules_and_exclusions_take_effect_at_a_reload() {
    let origin = Origin::echo();
    let yaml = |exclude: &str| {
        format!(
            "waf: {{ own: {{ rules: [shipped, own.conf]{exclude} }} }}\n\
             routes: [{{ path: /, waf: own, upstream: app }}]\n\
             upstreams: {{ app: {{ endpoints: [$app] }} }}\n"
        )
    };
    let own = |word: &str| {
        format!("SecRule ARGS \"@streq {word}\" \"id:100,phase:2,deny,status:418,msg:'no'\"\n")
    };
    let setup = Setup::new()
        .with("app", origin.address())
        .file("own.conf", own("teapot"));
    let mut bascule = setup.start(&yaml(""));
    let get = |bascule: &Bascule, target: &str| bascule.client().get(target).status;
    assert_eq!(
        (get(&bascule, "/?a=teapot"), get(&bascule, INJECTION)),
        (418, 403)
    );
    let before = bascule.generation();
    fs::write(bascule.path("own.conf"), own("coffee")).unwrap();
    bascule_tests::eventually("the rules are read again", || bascule.generation() > before);
    assert_eq!(
        (get(&bascule, "/?a=teapot"), get(&bascule, "/?a=coffee")),
        (200, 418)
    );
    bascule.reload(&yaml(", exclude: { tags: [attack-sqli] }"));
    assert_eq!(
        (
            get(&bascule, INJECTION),
            get(&bascule, "/?q=%3Cscript%3Ealert(1)%3C/script%3E")
        ),
        (200, 403)
    );
}

#[test]
fn an_answer_is_inspected_where_rules_ask_for_it() {
    let origin = Origin::serve(|seen| {
        let fields = [("Content-Type", "text/html")];
        let body = if seen.target == "/leak" {
            "ORA-01756: quoted string not terminated"
        } else {
            "fine"
        };
        bascule_tests::Reply::status(200, &fields, body)
    });
    let rules = "SecRuleEngine On\nSecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n\
                 SecRule RESPONSE_BODY \"@contains ORA-01756\" \"id:200,phase:4,deny,status:502,msg:'leak'\"\n";
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
    let mut client = bascule.client();
    assert_eq!(client.get("/").text(), "fine");
    let answer = client.get("/leak");
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (502, "waf_response_blocked")
    );
    assert!(!answer.text().contains("ORA-01756"));
    assert_eq!(
        bascule.access_log().with_reason("waf_response_blocked")["rules"],
        serde_json::json!([200])
    );
}

/// A rule counts requests by address: all workers count together, and a change of the rules does not start anew.
#[test]
fn counts_of_rules_are_shared_by_workers_and_outlive_a_reload() {
    let origin = Origin::echo();
    let own = |limit: u32| {
        format!(
            "SecAction \"id:100,phase:1,pass,nolog,initcol:ip=%{{REMOTE_ADDR}},setvar:ip.requests=+1,expirevar:ip.requests=600\"\n\
             SecRule IP:requests \"@gt {limit}\" \"id:101,phase:1,deny,status:429,msg:'too many'\"\n\
             SecRule ARGS \"@streq teapot\" \"id:102,phase:1,deny,status:418\"\n"
        )
    };
    let setup = Setup::new()
        .workers(2)
        .with("app", origin.address())
        .file("own.conf", own(40));
    let bascule = setup.start(
        "
        waf: { own: { rules: own.conf } }
        routes: [{ path: /, waf: own, upstream: app }]
        upstreams: { app: { endpoints: [$app] } }
        ",
    );
    // Each on a connection of its own, so that both workers have a part.
    let ask = || bascule.client().get("/").status;
    let statuses: Vec<u16> = (0..50).map(|_| ask()).collect();
    assert_eq!(
        (&statuses[..40], &statuses[40..]),
        (&[200; 40][..], &[429; 10][..])
    );
    let before = bascule.generation();
    fs::write(bascule.path("own.conf"), own(60)).unwrap();
    bascule_tests::eventually("the rules are read again", || bascule.generation() > before);
    let statuses: Vec<u16> = (0..20).map(|_| ask()).collect();
    assert_eq!(
        (&statuses[..10], &statuses[10..]),
        (&[200; 10][..], &[429; 10][..])
    );
    let labels = [("policy", "own")];
    bascule.wait_for_metric("bascule_waf_collection_records", &labels, 1.0);
}

on_both_drivers! {
    /// A request that is malformed is refused, and the rules of the route that it asks for have looked at it.
    fn malformed_requests_are_inspected_too(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin);
        let cases: [(&str, u16); 8] = [
            ("GET /?id=1%20UNION%20SELECT%20password%20FROM%20users HTTP/4.0\r\nHost: a\r\n\r\n", 505),
            ("GET /?id=1%20UNION%20SELECT%20password%20FROM%20users#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /detect/?id=1%20UNION%20SELECT%20password%20FROM%20users\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /?id=1%20UNION%20SELECT%20password%20FROM%20users HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET /%zz?id=1%20UNION%20SELECT%20password%20FROM%20users HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nCookie: id=1 UNION SELECT password FROM users\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
            ("POST /%zz HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 39\r\n\r\nid=1+UNION+SELECT+password+FROM+users&x", 400),
            ("POST /#x HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 39\r\n\r\nid=1+UNION+SELECT+password+FROM+users&x", 400),
        ];
        for (number, (request, status)) in (1..).zip(cases) {
            assert_eq!(bascule.client().send(request).answer().status, status, "{request}");
            let record = audit(&bascule, number).pop().unwrap();
            assert!(rules(&record).contains(&RULE.to_string()), "{request}: {record}");
            assert_eq!(record["transaction"]["outcome"]["status"], status, "{record}");
        }
        bascule.client().send("GET /off/?id=1%20UNION%20SELECT%20password%20FROM%20users HTTP/4.0\r\n\r\n").answer();
        bascule.client().send("POST /?id=1%20UNION%20SELECT%20password%20FROM%20users HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n").answer();
        let records = audit(&bascule, 9);
        assert_eq!((records.len(), records[8]["transaction"]["outcome"]["status"].as_u64()), (9, Some(413)));
        let lines = bascule.access_log().wait_for(10);
        for record in records {
            let line = lines.iter().find(|line| line["id"] == record["transaction"]["unique_id"]);
            let line = line.unwrap_or_else(|| panic!("no line for {record}"));
            assert!(line["rules"].as_array().unwrap().contains(&RULE.into()), "{line}");
        }
        assert_eq!(origin.count(), 0);
    }

    /// A client of HTTP/0.9 reads no head, and gets none.
    fn a_request_without_a_version_is_told_so_without_a_head(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin);
        let mut client = bascule.client();
        let mut said = Vec::new();
        client.send("GET /\r\nHost: a\r\n\r\n").wire().to_end(&mut |piece| said.extend_from_slice(piece)).unwrap();
        let problem: Json = serde_json::from_slice(&said).unwrap();
        assert_eq!((&problem["status"], &problem["reason"]), (&400.into(), &"malformed_request".into()));
    }
}

#[test]
fn rules_know_how_long_a_request_takes() {
    let origin = Origin::echo();
    let rules = "SecRule DURATION \"@gt 1\" \"id:100,phase:3,deny,status:418\"\n\
                 SecRule ARGS \"@streq teapot\" \"id:101,phase:1,deny\"\n";
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
    assert_eq!(bascule.client().get("/").status, 418);
}
