mod fetching;
mod hostile;

use super::*;
use crate::claims::{ClaimTest, ClaimValue};
use crate::key_set::KeySetTimes;
use crate::testing::{NOW, Signer, at, base64url as encode, hmac_token};
use proptest::prelude::*;
use serde_json::{Value, json};

/// An issuer, what we accept of it and what a worker remembers.
struct Bench {
    signer: Signer,
    keys: Arc<KeySetHandle>,
    spec: JwtSpec,
    cache: TokenCache,
}

fn bench(change: impl FnOnce(&mut JwtSpec)) -> Bench {
    let signer = Signer::new(Algorithm::EdDsa, "k");
    let mut spec = JwtSpec {
        algorithms: vec![Algorithm::EdDsa],
        issuers: vec!["https://id.example.com".to_owned()],
        audience: Audience::OneOf(vec!["shop".to_owned()]),
        ..JwtSpec::default()
    };
    change(&mut spec);
    spec.check().unwrap();
    let keys = KeySetHandle::fixed("test", signer.set(), at(0));
    Bench {
        signer,
        keys,
        spec,
        cache: TokenCache::new(64, &[5; 32]),
    }
}

/// The claims of a good token with some changed; null removes one.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": "shop", "sub": "alice", "exp": NOW + 600, "iat": NOW,
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

impl Bench {
    fn check_at(&mut self, token: &str, now: SystemTime) -> Answer {
        check(
            &self.spec,
            &self.keys,
            (1, &"jwt".into()),
            token.as_bytes(),
            &mut self.cache,
            now,
        )
    }

    fn detail_at(&mut self, token: &str, now: SystemTime) -> Result<Arc<Identity>, Detail> {
        match self.check_at(token, now) {
            Answer::Allow(identity) => Ok(identity),
            Answer::Deny(detail) => Err(detail),
            Answer::Await(detail) => panic!("waits for keys ({detail})"),
        }
    }

    fn with_claims(&mut self, changes: &Value) -> Result<Arc<Identity>, Detail> {
        let token = self.signer.token(&claims(changes));
        self.detail_at(&token, at(0))
    }

    fn with_header(&mut self, header: &Value) -> Result<Arc<Identity>, Detail> {
        let token = self.signer.token_with_header(header, &claims(&json!({})));
        self.detail_at(&token, at(0))
    }
}

fn detail(result: Result<Arc<Identity>, Detail>) -> Option<Detail> {
    result.err()
}

#[test]
fn a_good_token_names_its_subject() {
    let mut bench = bench(|_| ());
    let identity = bench
        .with_claims(&json!({ "scope": "read write" }))
        .unwrap();
    let expected = Identity {
        subject: "alice".into(),
        consumer: "alice".into(),
        method: "jwt".into(),
        scopes: "read write".into(),
        key_id: Some("k".into()),
        expires: Some(at(600)),
    };
    assert_eq!(*identity, expected);
}

#[test]
fn every_algorithm_is_accepted_where_it_is_pinned() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm, "k");
        let mut bench = bench(|spec| spec.algorithms = vec![algorithm]);
        bench.keys = KeySetHandle::fixed("test", signer.set(), at(0));
        bench.signer = signer;
        assert!(bench.with_claims(&json!({})).is_ok(), "{algorithm}");
        let other = if algorithm == Algorithm::Es256 {
            Algorithm::Rs256
        } else {
            Algorithm::Es256
        };
        bench.spec.algorithms = vec![other];
        let token = bench.signer.token(&claims(&json!({ "jti": "2" })));
        assert_eq!(
            detail(bench.detail_at(&token, at(0))),
            Some(Detail::AlgorithmNotAllowed)
        );
    }
}

#[test]
fn registered_claims_are_checked() {
    let mut bench = bench(|_| ());
    for (changes, expected) in [
        (
            json!({ "iss": "https://id.example.com/" }),
            Detail::WrongIssuer,
        ),
        (json!({ "iss": null }), Detail::WrongIssuer),
        (json!({ "aud": "shop2" }), Detail::WrongAudience),
        (json!({ "aud": [] }), Detail::WrongAudience),
        (json!({ "aud": ["a", "b"] }), Detail::WrongAudience),
        (json!({ "aud": null }), Detail::WrongAudience),
        (json!({ "exp": null }), Detail::MissingClaim),
        (json!({ "sub": null }), Detail::MissingClaim),
        (json!({ "sub": "" }), Detail::MissingClaim),
        (json!({ "sub": 5 }), Detail::MissingClaim),
        (json!({ "exp": "soon" }), Detail::MalformedClaims),
    ] {
        assert_eq!(
            detail(bench.with_claims(&changes)),
            Some(expected),
            "{changes}"
        );
    }
    assert!(bench.with_claims(&json!({ "aud": ["x", "shop"] })).is_ok());
}

#[test]
fn the_leeway_is_exact_to_the_second() {
    let mut bench = bench(|spec| spec.leeway = Duration::from_secs(30));
    for (changes, good, bad, expected) in [
        (json!({ "exp": NOW }), 29, 30, Detail::Expired),
        (
            json!({ "exp": NOW + 600, "nbf": NOW }),
            -30,
            -31,
            Detail::NotYetValid,
        ),
        (
            json!({ "exp": NOW + 600, "iat": NOW }),
            -30,
            -31,
            Detail::IssuedInFuture,
        ),
    ] {
        let token = bench.signer.token(&claims(&changes));
        // The other way round, so that the cache does not answer.
        assert_eq!(
            detail(bench.detail_at(&token, at(bad))),
            Some(expected),
            "{changes}"
        );
        assert!(bench.detail_at(&token, at(good)).is_ok(), "{changes}");
    }
}

#[test]
fn the_cache_ends_when_the_token_does() {
    let mut bench = bench(|spec| spec.leeway = Duration::from_secs(30));
    let token = bench.signer.token(&claims(&json!({ "exp": NOW + 60 })));
    for seconds in [0, 1, 89] {
        assert!(bench.detail_at(&token, at(seconds)).is_ok(), "{seconds}");
    }
    assert_eq!(bench.cache.hits_and_misses(), (2, 1));
    assert_eq!(
        detail(bench.detail_at(&token, at(90))),
        Some(Detail::Expired)
    );
}

#[test]
fn the_cache_ends_when_the_keys_change() {
    let mut bench = bench(|_| ());
    let token = bench.signer.token(&claims(&json!({})));
    assert!(bench.detail_at(&token, at(0)).is_ok());
    bench
        .keys
        .install(Signer::new(Algorithm::EdDsa, "k").set(), at(0));
    assert_eq!(
        detail(bench.detail_at(&token, at(0))),
        Some(Detail::BadSignature)
    );
}

#[test]
fn age_is_limited_where_asked_for() {
    let mut bench = bench(|spec| {
        spec.max_age = Some(Duration::from_secs(100));
        spec.leeway = Duration::ZERO;
    });
    let token = bench.signer.token(&claims(&json!({})));
    assert!(bench.detail_at(&token, at(99)).is_ok());
    assert_eq!(
        detail(bench.detail_at(&token, at(100))),
        Some(Detail::TooOld)
    );
    assert_eq!(
        detail(bench.with_claims(&json!({ "iat": null }))),
        Some(Detail::TooOld)
    );
}

#[test]
fn a_token_without_end_is_verified_again_now_and_then() {
    let mut bench = bench(|spec| spec.require_expiry = false);
    let token = bench.signer.token(&claims(&json!({ "exp": null })));
    assert_eq!(bench.detail_at(&token, at(0)).unwrap().expires, None);
    assert!(bench.detail_at(&token, at(299)).is_ok());
    assert_eq!(bench.cache.hits_and_misses(), (1, 1));
    assert!(bench.detail_at(&token, at(300)).is_ok());
    assert_eq!(bench.cache.hits_and_misses(), (1, 2));
}

#[test]
fn issuer_and_audience_are_unchecked_only_where_asked_for() {
    let mut bench = bench(|spec| {
        spec.issuers.clear();
        spec.audience = Audience::Unchecked;
    });
    assert!(
        bench
            .with_claims(&json!({ "iss": "anybody", "aud": "anything" }))
            .is_ok()
    );
    assert!(
        bench
            .with_claims(&json!({ "iss": null, "aud": null }))
            .is_ok()
    );
}

#[test]
fn claims_and_scopes_that_are_asked_for() {
    let rule = |claim: &str, text: &str| ClaimRule {
        claim: claim.to_owned(),
        test: ClaimTest::Equals(ClaimValue::Text(text.to_owned())),
    };
    let mut bench = bench(|spec| {
        spec.required_claims = vec![rule("tenant", "acme"), rule("/realm/roles", "admin")];
        spec.required_scopes = vec!["read".to_owned()];
        spec.consumer_claim = Some("azp".to_owned());
    });
    let good = json!({ "tenant": "acme", "realm": { "roles": ["admin"] }, "scp": ["write", "read"], "azp": "app-1" });
    let identity = bench.with_claims(&good).unwrap();
    assert_eq!(
        (&*identity.consumer, &*identity.scopes),
        ("app-1", "write read")
    );
    for (name, value, expected) in [
        ("tenant", json!("other"), Detail::ClaimMismatch),
        ("tenant", json!(null), Detail::ClaimMismatch),
        ("realm", json!({ "roles": [] }), Detail::ClaimMismatch),
        ("scp", json!(["write"]), Detail::InsufficientScope),
        ("scp", json!("reading"), Detail::InsufficientScope),
        ("scope", json!("write"), Detail::InsufficientScope),
    ] {
        let mut changed = good.clone();
        changed[name] = value;
        assert_eq!(
            detail(bench.with_claims(&changed)),
            Some(expected),
            "{name}"
        );
    }
}

#[test]
fn headers_are_checked() {
    let mut bench = bench(|spec| spec.token_types = vec!["at+jwt".to_owned()]);
    for (header, expected) in [
        (
            json!({ "alg": "EdDSA", "kid": "k", "typ": "JWT" }),
            Some(Detail::WrongTokenType),
        ),
        (
            json!({ "alg": "EdDSA", "kid": "k" }),
            Some(Detail::WrongTokenType),
        ),
        (json!({ "alg": "EdDSA", "kid": "k", "typ": "AT+jwt" }), None),
        (
            json!({ "alg": "EdDSA", "kid": "k", "typ": "application/at+jwt" }),
            None,
        ),
        (
            json!({ "alg": "none", "typ": "at+jwt" }),
            Some(Detail::AlgorithmNone),
        ),
        (
            json!({ "alg": "XY256", "typ": "at+jwt" }),
            Some(Detail::AlgorithmUnknown),
        ),
        (
            json!({ "alg": "RS256", "typ": "at+jwt" }),
            Some(Detail::AlgorithmNotAllowed),
        ),
        (
            json!({ "alg": "EdDSA", "typ": "at+jwt", "crit": ["x"], "x": 1 }),
            Some(Detail::CriticalHeader),
        ),
        (
            json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": 1 }),
            Some(Detail::MalformedHeader),
        ),
        (
            json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "other" }),
            Some(Detail::UnknownKid),
        ),
    ] {
        assert_eq!(detail(bench.with_header(&header)), expected, "{header}");
    }
}

#[test]
fn specs_that_cannot_be_meant_are_refused() {
    let good = || JwtSpec {
        audience: Audience::Unchecked,
        ..JwtSpec::default()
    };
    assert_eq!(good().check(), Ok(()));
    let rule = |claim: &str| ClaimRule {
        claim: claim.to_owned(),
        test: ClaimTest::Present,
    };
    for (spec, says) in [
        (JwtSpec::default(), "audience"),
        (
            JwtSpec {
                algorithms: vec![],
                ..good()
            },
            "algorithm",
        ),
        (
            JwtSpec {
                algorithms: vec![Algorithm::Hs256, Algorithm::Rs256],
                ..good()
            },
            "mixed",
        ),
        (
            JwtSpec {
                leeway: LEEWAY_LIMIT + Duration::from_secs(1),
                ..good()
            },
            "leeway",
        ),
        (
            JwtSpec {
                subject_claim: String::new(),
                ..good()
            },
            "subject",
        ),
        (
            JwtSpec {
                required_scopes: vec!["a b".to_owned()],
                ..good()
            },
            "scope",
        ),
        (
            JwtSpec {
                required_claims: vec![rule("exp")],
                ..good()
            },
            "required claims",
        ),
        (
            JwtSpec {
                required_claims: vec![rule("/aud/0")],
                ..good()
            },
            "required claims",
        ),
        (
            JwtSpec {
                required_claims: vec![rule("")],
                ..good()
            },
            "required claims",
        ),
    ] {
        let problem = spec.check().unwrap_err();
        assert!(problem.contains(says), "{problem}");
    }
}
