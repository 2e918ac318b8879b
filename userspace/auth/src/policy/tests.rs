use super::*;
use crate::algorithm::Algorithm;
use crate::api_key::{ApiKey, RANDOM_BYTES};
use crate::jwt::Audience;
use crate::key_file::{KeyFile, NewKey};
use crate::key_set::KeySetTimes;
use crate::testing::{NOW, Signer, at};
use serde_json::json;
use types::{Reason, Secret};

/// A store with one key, an issuer, and policies over both.
struct Gate {
    key: String,
    keys: Arc<Method>,
    signer: Signer,
    key_set: Arc<KeySetHandle>,
    tokens: Arc<Method>,
}

fn text(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

fn api_key_sources() -> Vec<CredentialSource> {
    [
        "header:X-API-Key",
        "header:authorization:ApiKey",
        "query:api_key",
    ]
    .map(|s| s.parse().unwrap())
    .into()
}

fn gate() -> Gate {
    gate_with(&[], &[])
}

fn gate_with(key_scopes: &[&str], token_scopes: &[&str]) -> Gate {
    let owned = |scopes: &[&str]| scopes.iter().map(|&scope| scope.to_owned()).collect();
    let mut file = KeyFile::new("bsk").unwrap();
    let new = NewKey {
        id: "k1".to_owned(),
        consumer: "acme".to_owned(),
        scopes: vec!["read".to_owned()],
        ..NewKey::default()
    };
    let key = text(&file.issue(new, &[1; RANDOM_BYTES], at(0)).unwrap());
    let store = KeyStoreHandle::new("keys");
    store.install(&file);
    let spec = ApiKeySpec {
        sources: api_key_sources(),
        required_scopes: owned(key_scopes),
        ..ApiKeySpec::default()
    };
    let keys = Method::api_key(store, spec).unwrap();

    let signer = Signer::new(Algorithm::EdDsa, "k");
    let key_set = KeySetHandle::remote("partners", KeySetTimes::default());
    key_set.install(signer.set(), at(0));
    let spec = JwtSpec {
        algorithms: vec![Algorithm::EdDsa],
        audience: Audience::Unchecked,
        required_scopes: owned(token_scopes),
        ..JwtSpec::default()
    };
    let tokens = Method::jwt("partners", Arc::clone(&key_set), spec).unwrap();
    Gate {
        key,
        keys,
        signer,
        key_set,
        tokens,
    }
}

impl Gate {
    fn policy(&self, mode: Mode) -> Policy {
        Policy::new(
            mode,
            "api",
            vec![Arc::clone(&self.tokens), Arc::clone(&self.keys)],
        )
        .unwrap()
    }

    fn bearer(&self) -> String {
        format!(
            "Bearer {}",
            self.signer
                .token(&json!({ "sub": "alice", "exp": NOW + 60 }))
        )
    }
}

fn check(policy: &Policy, headers: &[(&str, &str)], query: &str) -> Outcome {
    let mut cache = TokenCache::new(64, &[5; 32]);
    let request = AuthRequest {
        headers: &headers,
        query: Some(query.as_bytes()),
    };
    policy.check(&request, &mut cache, at(0))
}

fn subject(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Allow(identity) => &identity.subject,
        other => panic!("expected to be let in, got {other:?}"),
    }
}

fn denial(outcome: Outcome) -> Denial {
    match outcome {
        Outcome::Deny(denial) => denial,
        other => panic!("expected to be turned away, got {other:?}"),
    }
}

#[test]
fn any_of_takes_the_first_that_allows() {
    let gate = gate();
    let policy = gate.policy(Mode::AnyOf);
    let bearer = gate.bearer();
    let key = gate.key.as_str();
    let api_key = format!("apikey   {key}");
    assert_eq!(
        subject(&check(&policy, &[("authorization", &bearer)], "")),
        "alice"
    );
    assert_eq!(subject(&check(&policy, &[("x-api-key", key)], "")), "acme");
    assert_eq!(
        subject(&check(&policy, &[("Authorization", &api_key)], "")),
        "acme"
    );
    assert_eq!(
        subject(&check(&policy, &[], &format!("a=1&api_key={key}&b"))),
        "acme"
    );
    assert_eq!(
        subject(&check(
            &policy,
            &[("authorization", &bearer), ("x-api-key", key)],
            ""
        )),
        "alice"
    );
    let bad = [("authorization", "Bearer junk"), ("x-api-key", key)];
    assert_eq!(subject(&check(&policy, &bad, "")), "acme");
}

#[test]
fn all_of_needs_each() {
    let gate = gate();
    let policy = gate.policy(Mode::AllOf);
    let bearer = gate.bearer();
    let both = [
        ("authorization", bearer.as_str()),
        ("x-api-key", gate.key.as_str()),
    ];
    assert_eq!(subject(&check(&policy, &both, "")), "alice");
    for (some, detail) in [
        (&both[..1], Detail::NoCredential),
        (&both[1..], Detail::NoCredential),
        (&[both[0], ("x-api-key", "junk")][..], Detail::MalformedKey),
    ] {
        assert_eq!(denial(check(&policy, some, "")).detail, detail);
    }
}

#[test]
fn a_credential_that_is_given_twice_is_refused() {
    let gate = gate();
    let policy = gate.policy(Mode::AnyOf);
    let key = gate.key.as_str();
    let (api_key, bearer) = (format!("ApiKey {key}"), gate.bearer());
    let query = format!("api_key={key}");
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("x-api-key", key), ("x-api-key", key)], ""),
        (&[("x-api-key", key), ("X-Api-Key", "other")], ""),
        (&[("x-api-key", ""), ("x-api-key", key)], ""),
        (&[("x-api-key", key), ("authorization", &api_key)], ""),
        (&[("x-api-key", key)], &query),
        (&[], &format!("{query}&{query}")),
        (
            &[("authorization", &bearer), ("authorization", "Basic eDp5")],
            "",
        ),
        (
            &[
                ("authorization", "Basic eDp5"),
                ("authorization", &bearer),
                ("x-api-key", key),
            ],
            "",
        ),
    ];
    for (headers, query) in cases {
        let denial = denial(check(&policy, headers, query));
        assert_eq!(
            denial.detail,
            Detail::DuplicateCredentials,
            "{headers:?} {query}"
        );
        assert_eq!(denial.reason.status(), 401);
        assert!(
            denial
                .www_authenticate
                .unwrap()
                .contains("error=\"invalid_request\"")
        );
    }
}

#[test]
fn credentials_of_other_schemes_are_none_of_ours() {
    let gate = gate();
    let policy = gate.policy(Mode::AnyOf);
    for value in ["Basic eDp5", "Bearerx", "", "Bear"] {
        let denial = denial(check(&policy, &[("authorization", value)], ""));
        assert_eq!(denial.detail, Detail::NoCredential, "{value}");
    }
    for value in ["Bearer", "Bearer ", "bearer  a.b"] {
        let denial = denial(check(&policy, &[("authorization", value)], ""));
        assert_eq!(denial.detail, Detail::MalformedToken, "{value}");
    }
    let encoded = format!("api_key={}", gate.key.replace('_', "%5F"));
    assert_eq!(
        denial(check(&policy, &[], &encoded)).detail,
        Detail::MalformedKey
    );
}

#[test]
fn the_denial_that_tells_most_is_reported() {
    let gate = gate_with(&["write"], &[]);
    let policy = gate.policy(Mode::AnyOf);
    let unknown = text(&ApiKey::generate("bsk", &[9; RANDOM_BYTES]).unwrap());
    let expired = format!(
        "Bearer {}",
        gate.signer.token(&json!({ "sub": "a", "exp": 1 }))
    );
    let cases: [(&[(&str, &str)], Detail); 5] = [
        (&[], Detail::NoCredential),
        (&[("authorization", "Bearer junk")], Detail::MalformedToken),
        (
            &[("authorization", "Bearer junk"), ("x-api-key", &unknown)],
            Detail::UnknownKey,
        ),
        (
            &[("authorization", &expired), ("x-api-key", "junk")],
            Detail::Expired,
        ),
        (
            &[("authorization", &expired), ("x-api-key", &gate.key)],
            Detail::InsufficientScope,
        ),
    ];
    for (headers, detail) in cases {
        assert_eq!(denial(check(&policy, headers, "")).detail, detail);
    }
}

#[test]
fn challenges_name_the_schemes_and_the_failure_of_one() {
    let gate = gate_with(&[], &["orders:read", "orders:write"]);
    let policy = gate.policy(Mode::AnyOf);
    let challenge = |headers: &[(&str, &str)]| {
        let denial = denial(check(&policy, headers, ""));
        (denial.reason, denial.www_authenticate.unwrap().to_string())
    };
    assert_eq!(
        challenge(&[]),
        (
            Reason::AuthMissing,
            r#"Bearer realm="api", ApiKey realm="api""#.to_owned()
        )
    );
    let expired = format!(
        "Bearer {}",
        gate.signer.token(&json!({ "sub": "a", "exp": 1 }))
    );
    assert_eq!(
        challenge(&[("authorization", &expired)]),
        (
            Reason::AuthInvalid,
            r#"Bearer realm="api", error="invalid_token", error_description="The token has expired.", ApiKey realm="api""#.to_owned()
        )
    );
    let (reason, text) = challenge(&[("authorization", &gate.bearer())]);
    assert_eq!(reason.status(), 403);
    assert!(
        text.starts_with(r#"Bearer realm="api", error="insufficient_scope""#),
        "{text}"
    );
    assert!(
        text.contains(r#"scope="orders:read orders:write""#),
        "{text}"
    );
    let (_, text) = challenge(&[("x-api-key", "junk")]);
    assert!(
        text.starts_with(r#"Bearer realm="api", ApiKey realm="api", error="invalid_token""#),
        "{text}"
    );
}

#[test]
fn an_unknown_kid_waits_for_the_version_to_change() {
    let gate = gate();
    let policy = gate.policy(Mode::AnyOf);
    let newer = Signer::new(Algorithm::EdDsa, "newer");
    let bearer = format!(
        "Bearer {}",
        newer.token(&json!({ "sub": "bob", "exp": NOW + 60 }))
    );
    let headers = [("authorization", bearer.as_str())];
    let Outcome::AwaitKeys(wait) = check(&policy, &headers, "") else {
        panic!("expected to wait for keys");
    };
    assert_eq!(wait.version, wait.keys.version());
    assert_eq!(
        (wait.otherwise.reason, wait.otherwise.detail),
        (Reason::AuthUnavailable, Detail::KeysPending)
    );
    assert_eq!(wait.otherwise.www_authenticate, None);
    gate.key_set.install(newer.set(), at(1));
    assert_ne!(wait.version, wait.keys.version());
    assert_eq!(subject(&check(&policy, &headers, "")), "bob");
    // A key gets in while keys for tokens are missing.
    let foreign = Signer::new(Algorithm::EdDsa, "foreign");
    let bearer = format!(
        "Bearer {}",
        foreign.token(&json!({ "sub": "eve", "exp": NOW + 60 }))
    );
    let both = [
        ("authorization", bearer.as_str()),
        ("x-api-key", gate.key.as_str()),
    ];
    assert_eq!(subject(&check(&policy, &both, "")), "acme");
}

#[test]
fn a_store_that_was_never_loaded_is_our_fault() {
    let method = Method::api_key(KeyStoreHandle::new("keys"), ApiKeySpec::default()).unwrap();
    let policy = Policy::new(Mode::AnyOf, "api", vec![method]).unwrap();
    let denial = denial(check(&policy, &[("x-api-key", &gate().key)], ""));
    assert_eq!(
        (denial.reason.status(), denial.detail.word()),
        (503, "store_unavailable")
    );
    assert_eq!(denial.www_authenticate, None);
    assert!(!denial.sentence().is_empty());
}

#[test]
fn keys_are_stripped_and_tokens_forwarded() {
    let gate = gate();
    let policy = gate.policy(Mode::AnyOf);
    assert_eq!(policy.strip_list().count(), 3);
    for (name, value, stripped) in [
        ("X-Api-Key", "anything", true),
        ("authorization", "ApiKey x", true),
        ("authorization", "Bearer x", false),
        ("authorization", "Basic x", false),
        ("cookie", "x-api-key=1", false),
    ] {
        assert_eq!(
            policy.strips_header(name, value.as_bytes()),
            stripped,
            "{name}: {value}"
        );
    }
    for (query, stripped) in [
        ("", None),
        ("a=1&b", None),
        ("xapi_key=1", None),
        ("api_key=x", Some("")),
        ("a=1&api_key=x&b=2", Some("a=1&b=2")),
        ("api_key&a=%20&&api_key=y", Some("a=%20&")),
    ] {
        assert_eq!(
            policy.strip_query(query.as_bytes()).as_deref(),
            stripped.map(str::as_bytes),
            "{query}"
        );
    }
}

#[test]
fn specs_that_cannot_be_meant_are_refused() {
    let gate = gate();
    let methods = |n: usize| vec![Arc::clone(&gate.keys); n];
    assert_eq!(
        Policy::new(Mode::AnyOf, "api", vec![]).unwrap_err(),
        SpecError::NoMethod
    );
    assert_eq!(
        Policy::new(Mode::AnyOf, "api", methods(17)).unwrap_err(),
        SpecError::TooManyMethods(17)
    );
    for realm in ["a\"b", "a\\b", "a\nb", "ä"] {
        let error = Policy::new(Mode::AnyOf, realm, methods(1)).unwrap_err();
        assert_eq!(error, SpecError::Realm(realm.to_owned()));
    }
    let store = KeyStoreHandle::new("keys");
    let header = |name: &str, scheme: Option<&str>| CredentialSource::Header {
        name: name.to_owned(),
        scheme: scheme.map(str::to_owned),
    };
    for sources in [
        vec![],
        vec![header("", None)],
        vec![header("x key", None)],
        vec![header("authorization", Some("Api Key"))],
        vec![CredentialSource::Query {
            name: String::new(),
        }],
        vec![CredentialSource::Query {
            name: "a&b".to_owned(),
        }],
        vec![CredentialSource::Query {
            name: "a%62".to_owned(),
        }],
    ] {
        let spec = ApiKeySpec {
            sources: sources.clone(),
            ..ApiKeySpec::default()
        };
        let error = Method::api_key(Arc::clone(&store), spec).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("authentication method \"keys\":"),
            "{sources:?}: {error}"
        );
    }
    for wrong in ["header", "cookie:a", "query:a:b", "header:a:b:c", ""] {
        assert!(wrong.parse::<CredentialSource>().is_err(), "{wrong}");
    }
}
