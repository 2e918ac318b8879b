//! The payload of a token: claims of the right types, or refused; rules on them are met or not.
#![no_main]

use auth::claims::Claims;
use auth::{ClaimRule, ClaimTest, ClaimValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let claims = match Claims::parse(payload) {
        Ok(claims) => claims,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for name in [
        "sub",
        "scope",
        "",
        "/",
        "/realm_access/roles",
        "/a/0/~0~1",
        "a",
        "/a/",
    ] {
        let value = claims.get(name);
        let present = value.is_some_and(|value| !value.is_null());
        let rule = |test| ClaimRule {
            claim: name.to_owned(),
            test,
        };
        assert_eq!(rule(ClaimTest::Present).is_met(&claims), present);
        let wanted = ClaimValue::Text("gold".to_owned());
        let equals = rule(ClaimTest::Equals(wanted.clone())).is_met(&claims);
        let others = vec![ClaimValue::Number(1), wanted, ClaimValue::Bool(true)];
        assert!(!equals || rule(ClaimTest::OneOf(others)).is_met(&claims));
        if let Some(scopes) = claims.scopes(name) {
            assert!(!scopes.contains("  "));
        }
    }
});
