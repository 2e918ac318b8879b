//! Variables and bodies, and the limits on them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use common::{form, get, post, site, site_with};
use waf::{CompileOptions, EngineError, FailureMode, Intervention, Mode};

/// A rule of phase 5 that shows a text.
fn show(text: &str) -> String {
    format!("SecAction \"id:9999,phase:5,pass,log,logdata:'{text}'\"\n")
}

#[track_caller]
fn shows(variable: &str, exchange: common::Exchange, expected: &str) {
    site(&show(&format!("%{{{variable}}}")))
        .given(exchange)
        .expect_data(9999, expected);
}

#[test]
fn of_the_request_target() {
    let target = "/di%72/fi%6Ce.php;v=1/x?foo=a%0Ab#f";
    shows(
        "request_line",
        get(target),
        &format!("GET {target} HTTP/1.1"),
    );
    shows("request_uri_raw", get(target), target);
    shows("request_uri", get(target), "/dir/file.php;v=1/x?foo=a%0Ab");
    shows("request_filename", get(target), "/dir/file.php;v=1/x");
    shows("request_basename", get(target), "x");
    shows("query_string", get(target), "foo=a%0Ab");
    shows("args.foo", get(target), "a\\x0ab");
    shows("request_uri", get("http://example.com/a?b#c"), "/a?b");
    shows(
        "request_uri_raw",
        get("http://example.com/a?b#c"),
        "http://example.com/a?b#c",
    );
    shows("request_basename", get("/a/b/"), "");
    shows("request_filename", get("*"), "*");
    shows("request_protocol", get("/"), "HTTP/1.1");
    shows(
        "server_name",
        get("/").with("Host", "ignored"),
        "example.com",
    );
}

#[test]
fn of_cookies() {
    let cookies = get("/").with("Cookie", "a=1;  b=x=y ; flag; =none; $Version=\"1\"");
    shows("request_cookies.a", cookies.clone(), "1");
    shows("request_cookies.b", cookies.clone(), "x=y ");
    site(r#"SecRule &REQUEST_COOKIES_NAMES "@eq 4" "id:1,phase:1,deny""#)
        .given(cookies.clone())
        .expect_blocked_by(1);
    site(r#"SecRule REQUEST_COOKIES:/\x22?\x24Version/ "@rx ." "id:1,phase:1,deny""#)
        .given(cookies)
        .expect_blocked_by(1);
}

#[test]
fn of_the_request_body() {
    let length = "%{request_body_length} %{reqbody_processor} %{args_combined_size}";
    site(&show(length))
        .given(form("/?q=1", "a=b&c=d"))
        .expect_data(9999, "7 URLENCODED 6");
    shows("request_body", form("/", "a=b"), "a=b");
    shows("request_body", post("/", "text/plain", "a=b"), "");
    site(&format!(
        "SecAction \"id:1,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On\"\n{}",
        show("%{request_body}")
    ))
    .given(post("/", "text/plain", "a=b"))
    .expect_data(9999, "a=b");
    shows("args_post.a", form("/?a=1", "a=b"), "b");
    shows("args.a", form("/?a=1", "a=b"), "1");
    shows(
        "args_names.a",
        post(
            "/",
            "application/x-www-form-urlencoded; charset=utf-8",
            "a=b",
        ),
        "a",
    );
}

#[test]
fn of_json() {
    let rules = "SecRule REQUEST_HEADERS:Content-Type \"^application/json\" \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n";
    let site = site(&format!(
        "{rules}{}",
        show("%{args.json.a.0.b} %{reqbody_error} %{reqbody_processor}")
    ));
    site.given(post("/", "application/json", r#"{"a":[{"b":"v"}]}"#))
        .expect_data(9999, "v 0 JSON");
    site.given(post("/", "application/json", r#"{"a":[{"b":"v"}]"#))
        .expect_data(9999, "v 1 JSON");
}

#[test]
fn of_xml() {
    let rules = "SecAction \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=XML\"\n
        SecRule XML:/* \"@rx (.*)\" \"id:2,phase:2,pass,log,logdata:'%{matched_var_name}=%{matched_var}'\"\n
        SecRule XML://@* \"@streq 2\" \"id:3,phase:2,pass,log,logdata:'%{matched_var_name}=%{matched_var}'\"\n";
    let site = site(&format!(
        "{rules}{}",
        show("%{reqbody_error} %{reqbody_error_msg} %{request_body}")
    ));
    site.given(post(
        "/",
        "text/xml",
        "<?xml version='1.0'?><a x='1'>t1<b y=\"2\">t&#x32;</b><![CDATA[ cd]]>&lt;</a>",
    ))
    .expect_data(2, "XML:/*=t1t2 cd<")
    .expect_data(3, "XML://@*=2")
    .expect_data(9999, "0  ");
    for broken in [
        "<a>",
        "<a></b>",
        "a",
        "<a/><b/>",
        "<a>&own;</a>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<a x='&y;'/>",
        "",
    ] {
        let outcome = site.given(post("/", "text/xml", broken));
        let data = &outcome.matches.last().unwrap().data;
        assert!(
            data.starts_with("1 XML parsing error: ") || broken.is_empty(),
            "{broken}: {data}"
        );
    }
}

#[test]
fn of_multipart() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"e.php\"\r\nContent-Type: x/y\r\n\r\n1234\r\n--b--\r\n";
    let exchange = post("/", "multipart/form-data; boundary=b", body);
    shows("files.f", exchange.clone(), "e.php");
    shows("files_names.f", exchange.clone(), "f");
    shows("files_sizes.f", exchange.clone(), "4");
    shows("files_combined_size", exchange.clone(), "4");
    shows("multipart_strict_error", exchange.clone(), "0");
    site(r#"SecRule MULTIPART_PART_HEADERS:f "@streq Content-Type: x/y" "id:1,phase:2,deny""#)
        .given(exchange)
        .expect_blocked_by(1);
}

#[test]
fn of_the_response() {
    let rules = "SecResponseBodyAccess On\n";
    let site = site(&format!(
        "{rules}SecRule RESPONSE_BODY \"@contains secret\" \"id:1,phase:4,deny,status:500\"\n{}",
        show("%{response_status} %{response_headers.content-type}")
    ));
    site.given(get("/").answered(200, "text/html; charset=x", "a secret"))
        .expect_blocked_by(1);
    site.given(get("/").answered(404, "image/png", "a secret"))
        .expect_passed()
        .expect_data(9999, "404 image/png");
}

#[test]
fn of_time_and_place() {
    site(&show("%{time} %{time_year} %{time_mon} %{time_wday} %{time_epoch} %{remote_port} %{server_port} %{server_addr}"))
        .given(get("/"))
        .expect_data(9999, "00:00:00 2026 2 0 1772323200 40000 8080 192.0.2.80");
}

mod limits {
    use super::*;

    #[test]
    fn a_body_over_its_limit_is_refused_or_cut() {
        let rules = |action: &str| {
            format!(
                "SecRequestBodyLimit 10\nSecRequestBodyLimitAction {action}\n{}",
                show("%{inbound_data_error} %{args.a}")
            )
        };
        let outcome = site(&rules("Reject")).given(form("/", "a=12345678901234"));
        assert_eq!(
            outcome.intervention,
            Intervention::Deny {
                status: 413,
                rule: None
            }
        );
        site(&rules("ProcessPartial"))
            .given(form("/", "a=12345678901234"))
            .expect_passed()
            .expect_data(9999, "1 12345678");
        site(&rules("Reject"))
            .mode(Mode::Detect)
            .given(form("/", "a=12345678901234"))
            .expect_passed();
    }

    #[test]
    fn too_much_work_fails_closed_unless_asked_to_fail_open() {
        let rules = r#"SecRule ARGS "@contains x" "id:1,phase:2,deny""#;
        let options = CompileOptions {
            work_limit_bytes: 10,
            ..CompileOptions::default()
        };
        let exchange = || get("/?a=something+long+enough");
        let closed = site_with(rules, &options).given(exchange());
        assert_eq!(
            closed.intervention,
            Intervention::Fail(EngineError::WorkLimit)
        );
        let open = CompileOptions {
            on_engine_error: FailureMode::Open,
            ..options
        };
        let open = site_with(rules, &open).given(exchange()).expect_passed();
        assert_eq!(open.error, Some(EngineError::WorkLimit));
    }

    /// The look-ahead keeps the pattern away from the gates, which would see without the exact engine that it does not match.
    #[test]
    fn a_pattern_over_its_limit_sets_a_variable_and_does_not_match() {
        site(
            r#"SecPcreMatchLimit 500
               SecRule ARGS "@rx ^(?=a)(a+)+$" "id:1,phase:2,deny"
               SecRule TX:/^MSC_/ "!@streq 0" "id:2,phase:2,pass,log""#,
        )
        .given(get("/?a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"))
        .expect_matched(&[2]);
    }

    #[test]
    fn patterns_that_run_away_use_up_the_work_of_a_transaction() {
        let site =
            site("SecPcreMatchLimit 500\nSecRule ARGS \"@rx ^(?=a)(a+)+$\" \"id:1,phase:2,deny\"");
        let arguments: Vec<String> = (0..100)
            .map(|number| format!("a{number}={}!", "a".repeat(40)))
            .collect();
        let outcome = site.given(get(&format!("/?{}", arguments.join("&"))));
        assert_eq!(
            outcome.intervention,
            Intervention::Fail(EngineError::WorkLimit)
        );
    }
}
