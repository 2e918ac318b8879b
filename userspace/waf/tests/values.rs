//! Variables that rules seldom look at, and what is hidden in records.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use common::{Exchange, compile, get, post, site};
use waf::{CompileOptions, Mode, Scratch, Transaction};

#[track_caller]
fn shows(text: &str, exchange: Exchange, expected: &str) {
    site(&format!(
        "SecWebAppId shop\nSecResponseBodyAccess On\nSecAction \"id:9999,phase:5,pass,log,logdata:'{text}'\""
    ))
    .given(exchange)
    .expect_data(9999, expected);
}

#[test]
fn of_who_asks_and_for_what() {
    // Aladdin:open sesame
    let known = get("/one/%74wo?q=1").with("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    shows(
        "%{remote_user} %{auth_type}",
        known.clone(),
        "Aladdin Basic",
    );
    shows("%{path_info} %{webappid}", known, "/one/two shop");
    shows(
        "%{remote_user}.",
        get("/").with("Authorization", "Bearer QWxhZGRpbjpv"),
        ".",
    );
    shows(
        "%{remote_host} %{remote_addr}",
        get("/"),
        "192.0.2.1 192.0.2.1",
    );
    shows(
        "%{status} %{status_line}",
        get("/").answered(404, "text/html", ""),
        "404 HTTP/1.1 404",
    );
    site("SecRule MODSEC_BUILD \"@ge 02050102\" \"id:1,phase:1,deny\"")
        .given(get("/"))
        .expect_blocked_by(1);
    shows("%{full_request_length}", get("/"), "37");
    shows(
        "%{full_request}",
        get("/"),
        "GET / HTTP/1.1\\x0d\\x0aHost: example.com\\x0d\\x0a\\x0d\\x0a",
    );
}

#[test]
fn the_status_after_an_intervention_is_what_it_answers_with() {
    site("SecAction \"id:1,phase:1,deny,status:418\"\nSecRule RESPONSE_STATUS \"@eq 418\" \"id:2,phase:5,pass,log\"")
        .given(get("/"))
        .expect_matched(&[1, 2]);
}

#[test]
fn of_how_long_it_takes() {
    let rules = compile(
        "SecRule DURATION \"@eq 1500\" \"id:1,phase:1,deny\"",
        &CompileOptions::default(),
    )
    .unwrap();
    let exchange = get("/");
    let mut transaction = Transaction::new(rules.into(), &exchange.connection(), Mode::Block);
    transaction.elapsed(std::time::Duration::from_micros(1500));
    exchange.run(&mut transaction, &mut Scratch::new());
    assert!(!transaction.intervention().is_none());
}

#[test]
fn of_uploads() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"e.php\"\r\n\r\n<?php x\r\n--b\r\nContent-Disposition: form-data; name=\"g\"; filename=\"h\"\r\n\r\n\r\n--b--\r\n";
    let exchange = post("/", "multipart/form-data; boundary=b", body);
    let rules = "SecRule FILES_TMP_CONTENT:f \"@beginsWith <?php\" \"id:1,phase:2,pass,log,logdata:'%{matched_var_name}=%{matched_var}'\"
        SecRule &FILES_TMP_CONTENT \"@eq 2\" \"id:2,phase:2,pass,log\"
        SecRule FILES_TMPNAMES \"@rx .*\" \"id:3,phase:2,pass,log\"";
    site(rules)
        .given(exchange)
        .expect_matched(&[1, 2])
        .expect_data(1, "FILES_TMP_CONTENT:f=<?php x");
    let rules = compile(rules, &CompileOptions::default()).unwrap();
    assert!(rules.notices()[0].text.contains("uploads are not stored"));
    let stored = compile("SecUploadKeepFiles On", &CompileOptions::default()).unwrap_err();
    assert!(stored[0].to_string().contains("uploads are not stored"));
}

#[test]
fn bodies_of_responses_are_parsed_where_rules_say_so() {
    let rules = |processor: &str| {
        format!(
            "SecResponseBodyAccess On
             SecAction \"id:1,phase:3,pass,nolog,ctl:responseBodyProcessor={processor},ctl:forceResponseBodyVariable=On\"
             SecRule RESPONSE_ARGS:json.user.role|RESPONSE_XML:/user/role \"@streq admin\" \"id:2,phase:4,deny\"
             SecAction \"id:3,phase:5,pass,log,logdata:'%{{res_body_processor}} %{{res_body_error}} %{{res_body_processor_error_msg}}'\""
        )
    };
    let json = site(&rules("JSON"));
    json.given(get("/").answered(200, "application/json", r#"{"user":{"role":"admin"}}"#))
        .expect_blocked_by(2)
        .expect_data(3, "JSON 0 ");
    let broken = json
        .given(get("/").answered(200, "application/json", r#"{"user":"#))
        .expect_passed();
    assert!(
        broken.matches[0]
            .data
            .starts_with("JSON 1 JSON parsing error")
    );
    site(&rules("XML"))
        .given(get("/").answered(200, "image/svg+xml", "<user><role>admin</role></user>"))
        .expect_blocked_by(2);
}

mod hidden {
    use super::*;

    fn record(action: &str, exchange: Exchange) -> String {
        let outcome = site(&format!(
            "SecAuditEngine On\nSecAuditLogParts ABCEFHIJKZ\nSecResponseBodyAccess On
             SecRule ARGS:pin|REQUEST_HEADERS:X-Pin \"@rx .+\" \"id:1,phase:2,pass,log,msg:'a pin: %{{matched_var}}',logdata:'%{{matched_var}}',{action}\""
        ))
        .given(exchange);
        serde_json::to_string(&outcome.record.unwrap()).unwrap()
    }

    fn form() -> Exchange {
        common::form("/?q=1&pin=a%42cd", "x=y&pin=12+34")
            .with("X-Pin", "header-pin")
            .answered(200, "text/html", "your pin is aBcd")
    }

    #[test]
    fn arguments_and_fields_by_name() {
        let shown = record("t:none", form());
        for secret in ["a%42cd", "aBcd", "12+34", "header-pin"] {
            assert!(shown.contains(secret), "{secret}: {shown}");
        }
        let shown = record("sanitiseArg:PIN,sanitiseRequestHeader:x-pin", form());
        for secret in ["a%42cd", "aBcd", "12+34", "12 34", "header-pin"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert!(shown.contains("q=1&pin=***"), "{shown}");
        let set = form();
        let shown = record("sanitiseResponseHeader:Content-Type", set);
        assert!(!shown.contains("text/html"), "{shown}");
    }

    #[test]
    fn what_matched() {
        let shown = record("sanitiseMatched", form());
        for secret in ["a%42cd", "aBcd", "12 34", "header-pin"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        let shown = record("sanitiseMatchedBytes:2/1", form());
        assert!(
            shown.contains("he***n") && shown.contains("aB***d"),
            "{shown}"
        );
        assert!(!shown.contains("header-pin"), "{shown}");
    }
}
