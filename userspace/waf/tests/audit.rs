//! What stands in the audit log, and what must not.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use common::{Exchange, form, get, post, site};
use serde_json::Value as Json;
use waf::AuditRecord;

fn record(rules: &str, exchange: Exchange) -> Option<AuditRecord> {
    site(rules).given(exchange).record
}

fn json(rules: &str, exchange: Exchange) -> Json {
    serde_json::to_value(record(rules, exchange).unwrap()).unwrap()["transaction"].take()
}

const RULE: &str = "SecRule ARGS \"@contains evil\" \"id:1,phase:2,pass,log,msg:'found',logdata:'%{matched_var}',tag:'a'\"\n";

#[test]
fn parts_are_written_where_they_are_asked_for() {
    let exchange = || form("/?q=1", "x=evil&password=hunter2").answered(200, "text/html", "page");
    let with = |parts: &str| {
        let body = "SecResponseBodyAccess On\nSecResponseBodyMimeType text/html\n";
        json(
            &format!("SecAuditLogParts {parts}\n{body}{RULE}"),
            exchange(),
        )
    };
    let all = with("ABCEFHZ");
    assert_eq!(all["request"]["body"], "x=evil&password=***");
    assert_eq!(all["response"]["body"], "page");
    assert_eq!(all["request"]["headers"]["Host"], "example.com");
    assert_eq!(all["response"]["headers"]["Content-Type"], "text/html");
    assert_eq!(all["request"]["http_version"].to_string(), "1.1");
    assert_eq!(all["messages"][0]["details"]["ruleId"], "1");
    assert_eq!(all["producer"]["secrules_engine"], "Enabled");
    let few = with("AZ");
    assert_eq!(few["request"]["headers"], serde_json::json!({}));
    assert_eq!(few["response"]["headers"], serde_json::json!({}));
    assert!(few["request"]["body"].is_null() && few["response"]["body"].is_null());
    assert_eq!(few["messages"], serde_json::json!([]));
    assert_eq!(few["unique_id"], all["unique_id"]);
}

#[test]
fn rules_change_the_parts_and_whether_there_is_a_record() {
    let change = |ctl: &str| {
        format!("SecAuditLogParts ABZ\nSecAction \"id:9,phase:1,pass,nolog,ctl:{ctl}\"\n{RULE}")
    };
    let evil = || form("/", "x=evil");
    assert_eq!(
        json(&change("auditLogParts=+C"), evil())["request"]["body"],
        "x=evil"
    );
    assert_eq!(
        json(&change("auditLogParts=-B"), evil())["request"]["headers"],
        serde_json::json!({})
    );
    assert!(record(&change("auditEngine=Off"), evil()).is_none());
    assert!(record(&change("auditEngine=On"), get("/")).is_some());
    assert!(record(RULE, get("/")).is_none());
    let relevant = format!("SecAuditLogRelevantStatus \"^5\"\n{RULE}");
    assert!(record(&relevant, get("/").answered(200, "text/plain", "")).is_none());
    assert!(record(&relevant, get("/").answered(502, "text/plain", "")).is_some());
}

#[test]
fn files_are_left_out_of_bodies() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nevil\r\n--b\r\n\
                Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\ncontent of the file\r\n--b--\r\n";
    let exchange = post("/", "multipart/form-data; boundary=b", body);
    let record = record(&format!("SecAuditLogParts ABIJHZ\n{RULE}"), exchange).unwrap();
    assert_eq!(
        serde_json::to_value(&record).unwrap()["transaction"]["request"]["body"],
        "x=evil"
    );
    let native = record.to_native();
    assert!(native.contains("-I--\nx=evil\n"), "{native}");
    assert!(native.contains("-J--\n19 f a.txt\n"), "{native}");
    assert!(!native.contains("content of the file"), "{native}");
}

#[test]
fn the_native_format_has_its_parts_in_order() {
    let exchange = form("/?q=1", "x=evil").answered(200, "text/html", "");
    let native = record(&format!("SecAuditLogParts ABCFHKZ\n{RULE}"), exchange)
        .unwrap()
        .to_native();
    let boundary = native.get(2..10).unwrap();
    let parts: String = native
        .lines()
        .filter_map(|line| {
            line.strip_prefix("--")?
                .strip_prefix(boundary)?
                .strip_prefix('-')?
                .strip_suffix("--")
        })
        .collect();
    assert_eq!(parts, "ABCFHKZ", "{native}");
    let head = format!("--{boundary}-A--\n[01/Mar/2026:00:00:00.000000 +0000] ");
    assert!(native.starts_with(&head), "{native}");
    assert!(
        native.contains("-B--\nPOST /?q=1 HTTP/1.1\nHost: example.com\n"),
        "{native}"
    );
    assert!(native.contains("-F--\nHTTP/1.1 200\n"), "{native}");
    assert!(
        native.contains("Message: Warning. Matched \"Operator"),
        "{native}"
    );
    assert!(
        native.contains("[id \"1\"]") && native.contains("[tag \"a\"]"),
        "{native}"
    );
    assert!(native.ends_with("-Z--\n\n"), "{native}");
}

#[test]
fn no_part_of_a_secret_gets_into_a_message() {
    let rules = "SecRule ARGS \"@rx (hun)ter\" \"id:1,phase:2,deny,capture,msg:'%{matched_var}',logdata:'Matched %{TX.1}, %{TX.0} in %{matched_var}'\"\n\
                 SecAuditEngine On\n";
    let json = json(rules, get("/?password=hunter2")).to_string();
    assert!(!json.contains("hunter"), "{json}");
    assert!(json.contains("ARGS:password"), "{json}");
    let chained = "SecRule REQUEST_COOKIES \"@contains secret\" \"id:1,phase:2,deny,logdata:'%{MATCHED_VARS}',chain\"\n  SecRule ARGS:a \"@contains b\" \"t:none\"\n";
    let json =
        serde_json::to_string(&record(chained, get("/?a=b").with("Cookie", "s=secret")).unwrap())
            .unwrap();
    assert!(!json.contains("secret"), "{json}");
}

/// Texts are made when the record is written; what macros stood for then is of no interest.
#[test]
fn rules_say_what_held_when_they_matched() {
    let rules = "SecRequestBodyAccess On\n\
        SecAction \"id:1,phase:1,pass,log,setvar:tx.count=1,msg:'%{tx.count}',logdata:'body %{request_body}'\"\n\
        SecRule ARGS \"@rx e(v)il\" \"id:2,phase:2,pass,log,capture,msg:'%{tx.1} %{tx.count}',logdata:'%{matched_var_name}',\
        tag:'x/%{matched_var}',setvar:tx.count=+1\"\n\
        SecRule ARGS:b \"@rx (o)\" \"id:3,phase:2,pass,log,capture,msg:'%{tx.1} %{tx.count}',logdata:'%{request_body}'\"\n";
    let messages = json(rules, form("/", "a=evil&b=other"))["messages"].take();
    let said = |index: usize| {
        let message = &messages[index];
        let (data, tags) = (&message["details"]["data"], &message["details"]["tags"]);
        (message["message"].clone(), data.clone(), tags.clone())
    };
    assert_eq!(said(0), ("1".into(), "body ".into(), serde_json::json!([])));
    assert_eq!(
        said(1),
        ("v 2".into(), "ARGS:a".into(), serde_json::json!(["x/evil"]))
    );
    let body = "a=evil&b=other".into();
    assert_eq!(said(2), ("o 2".into(), body, serde_json::json!([])));
}
