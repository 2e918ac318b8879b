//! API keys: who has none, a wrong one, a right one, and what the endpoint sees of it.

use bascule_tests::{Bascule, Io, Origin, Setup, eventually, on_both_drivers, run_program};
use std::path::Path;

const YAML: &str = "
    auth:
      keys: { api_key: { header: x-api-key, query: api_key, store: keys.db, prefix: shop } }
      orders: { api_key: { header: x-api-key, store: keys.db, prefix: shop, scopes: [orders] } }
      shown: { api_key: { header: x-api-key, store: keys.db, prefix: shop, forward: true } }
    routes:
      - { name: api, path: /, auth: keys, upstream: app }
      - { name: orders, path: /orders/, auth: orders, upstream: app }
      - { name: shown, path: /shown/, auth: shown, upstream: app }
      - { name: open, path: /open/, upstream: app }
    upstreams: { app: { endpoints: [$app] } }
";

/// Makes a key for a consumer, as an operator does.
fn create(folder: &Path, arguments: &[&str]) -> String {
    let made = run_program(
        folder,
        &[
            &["key", "create", "--store", "keys.db", "--prefix", "shop"],
            arguments,
        ]
        .concat(),
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    made.stdout.trim().to_owned()
}

/// The program with a key for acme without a scope.
fn start(io: Io, origin: &Origin) -> (Bascule, String) {
    let setup = Setup::new().io(io).with("app", origin.address());
    let key = create(setup.folder(), &["--consumer", "acme", "--id", "first"]);
    (setup.start(YAML), key)
}

on_both_drivers! {
    /// Without a key 401 and a challenge, with a wrong one the same, with the right one the endpoint's answer.
    fn a_key_opens_its_route(io) {
        let origin = Origin::echo();
        let (bascule, key) = start(io, &origin);
        let mut client = bascule.client();
        assert!(key.starts_with("shop_"), "{key}");
        let answer = client.get("/");
        assert_eq!((answer.status, answer.reason().as_str()), (401, "auth_missing"));
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
        let wrong = [key.clone() + "x", "shop_".to_owned(), "hunter2".to_owned(), key.to_uppercase()];
        for wrong in &wrong {
            let answer = client.get_with("/", &[("X-API-Key", wrong)]);
            assert_eq!((answer.status, answer.reason().as_str()), (401, "auth_invalid"), "{wrong}");
            assert!(answer.header("www-authenticate").is_some());
        }
        assert_eq!(origin.count(), 0);
        assert_eq!(client.get_with("/", &[("X-API-Key", &key)]).status, 200);
        assert_eq!(client.get("/open/").status, 200);
        let line = bascule.access_log().find(|line| line["consumer"] == "acme");
        assert_eq!((&line["status"], &line["route"]), (&200.into(), &"api".into()));
        bascule.wait_for_metric("bascule_auth_total", &[("route", "api"), ("outcome", "allowed")], 1.0);
        assert_eq!(bascule.metrics().sum("bascule_auth_total", &[("route", "api")]), 6.0);
        assert!(!bascule.metrics().has("bascule_auth_total", &[("route", "open")]));
    }

    /// The endpoint does not see the key unless it shall; the log never does.
    fn the_key_stays_here(io) {
        let origin = Origin::echo();
        let (bascule, key) = start(io, &origin);
        let mut client = bascule.client();
        assert_eq!(client.get_with("/", &[("X-API-Key", &key), ("X-Other", "1")]).status, 200);
        assert_eq!(client.get(&format!("/?a=1&api_key={key}&b=2")).status, 200);
        assert_eq!(client.get_with("/shown/", &[("X-API-Key", &key)]).status, 200);
        let seen = origin.seen();
        assert!(seen[0].all("x-api-key").is_empty() && seen[0].header("x-other") == Some("1"));
        assert_eq!(seen[1].target, "/?a=1&b=2");
        assert_eq!(seen[2].header("x-api-key"), Some(key.as_str()));
        let lines = bascule.access_log().wait_for(3);
        assert_eq!(lines[1]["query"], "a=1&b=2");
        let secret = key.rsplit('_').next().unwrap();
        let texts = [format!("{lines:?}"), bascule.log(), std::fs::read_to_string(bascule.path("keys.db")).unwrap()];
        assert!(texts.iter().all(|text| !text.contains(secret)));
    }
}

#[test]
fn a_key_without_the_scope_is_forbidden() {
    let origin = Origin::echo();
    let (bascule, key) = start(Io::Epoll, &origin);
    let answer = bascule
        .client()
        .get_with("/orders/", &[("X-API-Key", &key)]);
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (403, "auth_forbidden")
    );
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains("insufficient_scope"),
        "{answer:?}"
    );
    let scoped = create(
        bascule.folder(),
        &["--consumer", "buyer", "--scope", "orders"],
    );
    eventually("the new key is known", || {
        bascule
            .client()
            .get_with("/orders/", &[("X-API-Key", &scoped)])
            .status
            == 200
    });
}

#[test]
fn a_key_that_is_revoked_is_refused() {
    let origin = Origin::echo();
    let (bascule, key) = start(Io::Epoll, &origin);
    let get = || bascule.client().get_with("/", &[("X-API-Key", &key)]);
    assert_eq!(get().status, 200);
    let told = run_program(
        bascule.folder(),
        &["key", "revoke", "--store", "keys.db", "first"],
    );
    assert_eq!(told.code, Some(0), "{told:?}");
    eventually("the key is refused", || get().status == 401);
    assert_eq!(get().reason(), "auth_invalid");
}

#[test]
fn two_keys_are_none() {
    let origin = Origin::echo();
    let (bascule, key) = start(Io::Epoll, &origin);
    let answer = bascule
        .client()
        .get_with("/", &[("X-API-Key", &key), ("X-API-Key", "other")]);
    assert_eq!(answer.status, 401);
    assert_eq!(origin.count(), 0);
}

#[test]
fn without_a_store_no_key_is_accepted() {
    let origin = Origin::echo();
    let bascule = Setup::new().with("app", origin.address()).start(YAML);
    assert_eq!(bascule.client().get("/").status, 401);
    let key = create(bascule.folder(), &["--consumer", "late"]);
    eventually("the new store is read", || {
        bascule
            .client()
            .get_with("/", &[("X-API-Key", &key)])
            .status
            == 200
    });
}
