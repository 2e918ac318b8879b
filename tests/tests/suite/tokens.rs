//! JSON Web Tokens: which are accepted, and how the keys get here.

use bascule_tests::{
    Bascule, Origin, Reply, Setup, SigningKey, claims, eventually, jwks, on_both_drivers,
};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const YAML: &str = "
    auth:
      shared: { jwt: { issuer: batch, audience: api, secret: { env: BATCH_SECRET } } }
      public: { jwt: { issuer: id, audience: [api, shop], jwks: { file: keys.json }, required_claims: { tier: [gold] } } }
    routes:
      - { name: shared, path: /shared/, auth: shared, upstream: app }
      - { name: public, path: /public/, auth: public, upstream: app }
      - { name: either, path: /either/, auth: { any_of: [shared, public] }, upstream: app }
    upstreams: { app: { endpoints: [$app] } }
";

fn get(bascule: &Bascule, target: &str, token: &str) -> (u16, Option<String>) {
    let answer = bascule
        .client()
        .get_with(target, &[("Authorization", &format!("Bearer {token}"))]);
    let reason = (answer.status != 200).then(|| answer.reason());
    (answer.status, reason)
}

fn refused(reason: &str, status: u16) -> (u16, Option<String>) {
    (status, Some(reason.to_owned()))
}

fn with(mut claims: Json, name: &str, value: impl Into<Json>) -> Json {
    claims[name] = value.into();
    claims
}

on_both_drivers! {
    /// A shared secret: the right signature, issuer, audience and time.
    fn a_token_with_a_shared_secret(io) {
        let origin = Origin::echo();
        let setup = Setup::new().io(io).with("app", origin.address()).env("BATCH_SECRET", SECRET);
        let bascule = setup.file("keys.json", jwks(&[&SigningKey::es256("one")])).start(YAML);
        let key = SigningKey::hs256(SECRET);
        let good = claims("batch", "api", 300);
        let of = |claims: &Json| get(&bascule, "/shared/", &key.sign(claims));
        assert_eq!(of(&good), (200, None));
        assert_eq!(of(&with(good.clone(), "aud", json!(["other", "api"]))), (200, None));
        let invalid = refused("auth_invalid", 401);
        assert_eq!(of(&claims("batch", "api", -300)), invalid);
        assert_eq!(of(&claims("batch", "other", 300)), invalid);
        assert_eq!(of(&claims("somebody", "api", 300)), invalid);
        let future = good["exp"].as_i64().unwrap() - 100;
        assert_eq!(of(&with(good.clone(), "nbf", future)), invalid);
        let mut endless = good.clone();
        endless.as_object_mut().unwrap().remove("exp");
        assert_eq!(of(&endless), invalid);
        let sign = |key: &SigningKey| get(&bascule, "/shared/", &key.sign(&good));
        assert_eq!(sign(&SigningKey::hs256("another secret of thirty-two bytes")), invalid);
        assert_eq!(sign(&SigningKey::Nothing), invalid);
        assert_eq!(sign(&SigningKey::es256("one")), invalid);
        let answer = bascule.client().get("/shared/");
        assert_eq!((answer.status, answer.reason().as_str()), (401, "auth_missing"));
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
        assert_eq!(origin.count(), 2);
        let details: Vec<String> = bascule.access_log().wait_for(11).iter()
            .filter_map(|line| line["detail"].as_str().map(str::to_owned)).collect();
        for detail in ["expired", "wrong_audience", "wrong_issuer", "not_yet_valid", "missing_claim", "bad_signature", "algorithm_none"] {
            assert!(details.iter().any(|other| other == detail), "{detail} in {details:?}");
        }
        bascule.wait_for_metric("bascule_auth_total", &[("route", "shared"), ("outcome", "expired")], 1.0);
    }

    /// A key set from a file: the key is chosen by its id; what the claims lack is forbidden, not unknown.
    fn a_token_with_a_public_key(io) {
        let (one, two, stranger) = (SigningKey::es256("one"), SigningKey::es256("two"), SigningKey::es256("one"));
        let origin = Origin::echo();
        let setup = Setup::new().io(io).with("app", origin.address()).env("BATCH_SECRET", SECRET);
        let bascule = setup.file("keys.json", jwks(&[&one, &two])).start(YAML);
        let gold = with(claims("id", "shop", 300), "tier", "gold");
        let of = |key: &SigningKey, claims: &Json| get(&bascule, "/public/", &key.sign(claims));
        assert_eq!((of(&one, &gold), of(&two, &gold)), ((200, None), (200, None)));
        assert_eq!(of(&one, &with(gold.clone(), "tier", "silver")), refused("auth_forbidden", 403));
        assert_eq!(of(&stranger, &gold), refused("auth_invalid", 401));
        assert_eq!(of(&SigningKey::es256("three"), &gold), refused("auth_invalid", 401));
        assert_eq!(of(&SigningKey::hs256(SECRET), &gold), refused("auth_invalid", 401));
        let line = bascule.access_log().find(|line| line["status"] == 200);
        assert_eq!(line["subject"], "alice", "{line}");
        assert_eq!(get(&bascule, "/either/", &one.sign(&gold)), (200, None));
        assert_eq!(get(&bascule, "/either/", &SigningKey::hs256(SECRET).sign(&claims("batch", "api", 300))), (200, None));
        assert!(origin.seen()[0].header("authorization").is_some(), "tokens go on unless they shall not");
    }
}

/// An issuer whose key set can be changed.
fn issuer(keys: String) -> (Origin, Arc<Mutex<String>>) {
    let keys = Arc::new(Mutex::new(keys));
    let served = Arc::clone(&keys);
    let origin = Origin::serve(move |_| {
        Reply::status(
            200,
            &[("Content-Type", "application/json")],
            served.lock().unwrap().as_str(),
        )
    });
    (origin, keys)
}

const REMOTE: &str = "
    auth:
      partners: { jwt: { issuer: id, audience: api, forward: false, jwks: { url: 'http://$issuer/jwks', cooldown: 1h } } }
    routes: [{ name: api, path: /, auth: partners, upstream: app }]
    upstreams: { app: { endpoints: [$app] } }
";

#[test]
fn an_unknown_key_is_fetched_once() {
    let (one, two, three) = (
        SigningKey::es256("one"),
        SigningKey::es256("two"),
        SigningKey::es256("three"),
    );
    let (issuer, keys) = issuer(jwks(&[&one]));
    let origin = Origin::echo();
    let bascule = Setup::new()
        .with("app", origin.address())
        .with("issuer", issuer.address())
        .start(REMOTE);
    let good = claims("id", "api", 300);
    let of = |key: &SigningKey| get(&bascule, "/", &key.sign(&good)).0;
    bascule.wait_for_metric(
        "bascule_jwks_fetches_total",
        &[("method", "partners"), ("outcome", "success")],
        1.0,
    );
    eventually("the keys are there", || of(&one) == 200);
    assert_eq!(issuer.count(), 1);
    *keys.lock().unwrap() = jwks(&[&one, &two]);
    assert_eq!(of(&two), 200, "the request waits for the keys");
    assert_eq!(issuer.count(), 2);
    // Within the cooldown nobody can make us ask again.
    assert_eq!((0..5).map(|_| of(&three)).collect::<Vec<_>>(), [401; 5]);
    assert_eq!((of(&one), of(&two), issuer.count()), (200, 200, 2));
    assert!(
        origin
            .seen()
            .iter()
            .all(|seen| seen.all("authorization").is_empty())
    );
    bascule.wait_for_metric(
        "bascule_jwks_fetches_total",
        &[("method", "partners"), ("outcome", "success")],
        2.0,
    );
}

#[test]
fn many_requests_with_an_unknown_key_wait_for_one_fetch() {
    let (one, two) = (SigningKey::es256("one"), SigningKey::es256("two"));
    let (issuer, keys) = issuer(jwks(&[&one]));
    let origin = Origin::echo();
    let bascule = Setup::new()
        .with("app", origin.address())
        .with("issuer", issuer.address())
        .start(REMOTE);
    let good = claims("id", "api", 300);
    // A token that comes before the first keys would ask for them as well, and start the cooldown.
    bascule.wait_for_metric(
        "bascule_jwks_fetches_total",
        &[("method", "partners"), ("outcome", "success")],
        1.0,
    );
    eventually("the keys are there", || {
        get(&bascule, "/", &one.sign(&good)).0 == 200
    });
    *keys.lock().unwrap() = jwks(&[&one, &two]);
    let token = two.sign(&good);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| get(&bascule, "/", &token).0))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!((statuses, issuer.count()), (vec![200; 8], 2));
}

#[test]
fn without_keys_tokens_are_answered_with_503() {
    let issuer = Origin::serve(|_| Reply::status(500, &[], "down"));
    let origin = Origin::echo();
    let bascule = Setup::new()
        .with("app", origin.address())
        .with("issuer", issuer.address())
        .start(REMOTE);
    let token = SigningKey::es256("one").sign(&claims("id", "api", 300));
    assert_eq!(get(&bascule, "/", &token), refused("auth_unavailable", 503));
    assert_eq!(
        bascule.client().get("/").status,
        401,
        "without a token nothing has to be known"
    );
    bascule.wait_for_metric("bascule_auth_total", &[("outcome", "allowed")], 0.0);
    assert_eq!(origin.count(), 0);
}

#[test]
fn keys_outlive_a_reload() {
    let one = SigningKey::es256("one");
    let (issuer, _) = issuer(jwks(&[&one]));
    let origin = Origin::echo();
    let mut bascule = Setup::new()
        .with("app", origin.address())
        .with("issuer", issuer.address())
        .start(REMOTE);
    let token = one.sign(&claims("id", "api", 300));
    bascule.wait_for_metric(
        "bascule_jwks_fetches_total",
        &[("method", "partners"), ("outcome", "success")],
        1.0,
    );
    eventually("the keys are there", || get(&bascule, "/", &token).0 == 200);
    for _ in 0..3 {
        bascule.reload(REMOTE);
        assert_eq!(get(&bascule, "/", &token).0, 200);
    }
    assert_eq!(issuer.count(), 1);
}
