//! `@detectSQLi` and `@detectXSS` in rules. What they find is the business of their own room.
mod common;

use common::{get, site};

#[test]
fn a_rule_finds_sql_injection_and_keeps_its_fingerprint() {
    let site = site(
        r#"SecRule ARGS "@rx ^(.)(.)" "id:1,phase:2,pass,nolog,capture"
           SecRule ARGS "@detectSQLi" "id:2,phase:2,deny,t:urlDecodeUni,capture,logdata:'%{tx.0}|%{tx.1}|%{matched_var}'""#,
    );
    site.given(get("/?q=1%2527%2520or%2520%25271%2527%253D%25271"))
        .expect_blocked_by(2)
        .expect_data(2, "s&sos|1|1' or '1'='1");
    site.given(get("/?q=O'Neill")).expect_passed();
}

#[test]
fn without_capture_the_groups_stay() {
    site(
        r#"SecRule ARGS "@rx ^(.)" "id:1,phase:2,pass,nolog,capture"
           SecRule ARGS "@detectSQLi" "id:2,phase:2,deny,logdata:'%{tx.0}'""#,
    )
    .given(get("/?q=1%20union%20select%201"))
    .expect_blocked_by(2)
    .expect_data(2, "1");
}

#[test]
fn negation_asks_for_harmless_values() {
    let site = site(r#"SecRule ARGS "!@detectSQLi" "id:1,phase:2,deny""#);
    site.given(get("/?q=hello")).expect_blocked_by(1);
    site.given(get("/?q=1%20union%20select%201"))
        .expect_passed();
}

#[test]
fn a_rule_finds_script() {
    let site = site(
        r#"SecRule ARGS|REQUEST_HEADERS:Referer "@detectXSS" "id:1,phase:2,deny,t:htmlEntityDecode""#,
    );
    site.given(get("/?q=%3Csvg/onload%3Dx%3E"))
        .expect_blocked_by(1);
    site.given(get("/").with("Referer", "&lt;script&gt;"))
        .expect_blocked_by(1);
    site.given(get("/?q=a%3Cb")).expect_passed();
}

#[test]
fn script_is_captured_as_a_whole() {
    site(
        r#"SecRule ARGS "@rx ^(.)" "id:1,phase:2,pass,nolog,capture"
           SecRule ARGS "@detectXSS" "id:2,phase:2,deny,t:lowercase,capture,logdata:'%{tx.0}|%{tx.1}'""#,
    )
    .given(get("/?q=X%3CSVG/x%3Ey"))
    .expect_blocked_by(2)
    .expect_data(2, "x<svg/x>y|X");
}
