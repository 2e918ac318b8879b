use super::*;
use proptest::prelude::*;
use serde_json::json;

fn claims(value: &Value) -> Claims {
    Claims::parse(value.to_string().as_bytes()).unwrap()
}

fn error(text: &str) -> ClaimsError {
    Claims::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn registered_claims_are_read() {
    let read = claims(&json!({
        "iss": "https://id", "aud": ["a", "b"], "exp": 1_800_000_000.9, "nbf": 5, "iat": 0, "sub": "s",
    }));
    assert_eq!(read.issuer.as_deref(), Some("https://id"));
    assert_eq!(read.audiences, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(
        (read.expires, read.not_before, read.issued_at),
        (Some(1_800_000_000), Some(5), Some(0))
    );
    assert_eq!(read.text("sub"), Some("s"));
    assert_eq!(
        claims(&json!({ "aud": "a" })).audiences,
        Some(vec!["a".to_owned()])
    );
    assert_eq!(claims(&json!({})).expires, None);
}

#[test]
fn registered_claims_have_types() {
    for (text, name) in [
        (r#"{"iss":1}"#, "iss"),
        (r#"{"iss":null}"#, "iss"),
        (r#"{"aud":1}"#, "aud"),
        (r#"{"aud":["a",1]}"#, "aud"),
        (r#"{"aud":null}"#, "aud"),
        (r#"{"exp":"1800000000"}"#, "exp"),
        (r#"{"exp":-1}"#, "exp"),
        (r#"{"exp":1e300}"#, "exp"),
        (r#"{"exp":253402300800}"#, "exp"),
        (r#"{"exp":18446744073709551616}"#, "exp"),
        (r#"{"exp":null}"#, "exp"),
        (r#"{"nbf":true}"#, "nbf"),
        (r#"{"iat":[]}"#, "iat"),
    ] {
        assert_eq!(error(text), ClaimsError::Type(name), "{text}");
    }
    for text in [
        "",
        "[]",
        "null",
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"x":{"y":1,"y":2}}"#,
    ] {
        assert_eq!(error(text), ClaimsError::NotAnObject, "{text}");
    }
}

#[test]
fn rules() {
    let token = claims(&json!({
        "tenant": "acme", "level": 3, "verified": true, "nothing": null,
        "groups": ["ops", "dev", 7], "realm_access": { "roles": ["admin"] }, "https://example.com/role": "x", "a/b": 1,
    }));
    let text = |text: &str| ClaimValue::Text(text.to_owned());
    for (claim, test, met) in [
        ("tenant", ClaimTest::Present, true),
        ("nothing", ClaimTest::Present, false),
        ("missing", ClaimTest::Present, false),
        ("tenant", ClaimTest::Equals(text("acme")), true),
        ("tenant", ClaimTest::Equals(text("Acme")), false),
        ("tenant", ClaimTest::Equals(text("acm")), false),
        ("missing", ClaimTest::Equals(text("")), false),
        ("level", ClaimTest::Equals(ClaimValue::Number(3)), true),
        ("level", ClaimTest::Equals(text("3")), false),
        ("verified", ClaimTest::Equals(ClaimValue::Bool(true)), true),
        ("verified", ClaimTest::Equals(text("true")), false),
        (
            "tenant",
            ClaimTest::OneOf(vec![text("x"), text("acme")]),
            true,
        ),
        ("tenant", ClaimTest::OneOf(vec![]), false),
        ("groups", ClaimTest::Equals(text("dev")), true),
        (
            "groups",
            ClaimTest::OneOf(vec![text("none"), ClaimValue::Number(7)]),
            true,
        ),
        ("groups", ClaimTest::Equals(text("de")), false),
        (
            "/realm_access/roles",
            ClaimTest::Equals(text("admin")),
            true,
        ),
        ("/realm_access/rules", ClaimTest::Present, false),
        (
            "https://example.com/role",
            ClaimTest::Equals(text("x")),
            true,
        ),
        ("/a~1b", ClaimTest::Present, true),
    ] {
        let rule = ClaimRule {
            claim: claim.to_owned(),
            test,
        };
        assert_eq!(rule.is_met(&token), met, "{rule:?}");
    }
}

#[test]
fn scopes_are_a_text_or_a_list() {
    let token = claims(
        &json!({ "scope": " a b  c ", "scp": ["a", "b"], "bad": ["a b"], "worse": ["a", 1], "n": 1 }),
    );
    assert_eq!(token.scopes("scope").as_deref(), Some("a b c"));
    assert_eq!(token.scopes("scp").as_deref(), Some("a b"));
    for name in ["bad", "worse", "n", "missing"] {
        assert_eq!(token.scopes(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn never_panics(payload: Vec<u8>) {
        let _ = Claims::parse(&payload);
    }

    #[test]
    fn any_number_is_a_date_or_refused(number: f64) {
        if let Ok(token) = Claims::parse(format!("{{\"exp\":{number:e}}}").as_bytes()) {
            prop_assert!(token.expires.unwrap() < YEAR_10000);
        }
    }
}
