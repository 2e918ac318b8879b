use super::*;
use crate::testing::{Server, server_tls, until};
use auth::{KeySetTimes, RefetchDecision};
use rustls::RootCertStore;

/// An Ed25519 key set with one key (the point is that of RFC 8037, A.2).
fn key_set(kid: &str) -> String {
    let body = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}"#
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn handle() -> Arc<KeySetHandle> {
    KeySetHandle::remote("partners", KeySetTimes::default())
}

fn source(keys: &Arc<KeySetHandle>, server: &Server) -> KeySource {
    KeySource {
        keys: Arc::clone(keys),
        url: format!("http://{}/jwks", server.address),
    }
}

fn fetcher() -> (KeyFetcher, Registry) {
    let registry = Registry::new();
    let fetcher = KeyFetcher::new(Handle::current(), &registry).unwrap();
    (fetcher, registry)
}

fn kids(keys: &KeySetHandle) -> Vec<String> {
    let set = keys.current(SystemTime::now());
    let set = set.iter().flat_map(|set| set.keys());
    set.filter_map(|key| key.kid().map(str::to_owned)).collect()
}

async fn fetched(keys: &KeySetHandle, times: u64) {
    until(|| keys.version() >= times).await;
}

fn last_error(keys: &KeySetHandle) -> String {
    keys.status(SystemTime::now())
        .last_error
        .unwrap_or_default()
}

#[tokio::test]
async fn keys_come_at_once_and_rotate_when_a_token_asks() {
    let server = Server::answers(key_set("old")).await;
    let (keys, (fetcher, registry)) = (handle(), fetcher());
    fetcher.follow(vec![source(&keys, &server)]);
    fetched(&keys, 1).await;
    assert_eq!(kids(&keys), ["old"]);

    server.now_answers(key_set("new"));
    assert_eq!(
        keys.request_refetch(SystemTime::now()),
        RefetchDecision::Started
    );
    fetched(&keys, 2).await;
    assert_eq!(kids(&keys), ["new"]);
    // Within the cooldown no other token causes a fetch.
    assert_eq!(
        keys.request_refetch(SystemTime::now()),
        RefetchDecision::CoolingDown
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.requests().len(), 2);
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    assert!(
        text.contains(r#"bascule_jwks_fetches_total{method="partners",outcome="success"} 2"#),
        "{text}"
    );
    assert!(
        text.contains(r#"bascule_jwks_keys{method="partners"} 1"#),
        "{text}"
    );
}

#[tokio::test]
async fn following_the_same_again_changes_nothing() {
    let server = Server::answers(key_set("a")).await;
    let (keys, (fetcher, registry)) = (handle(), fetcher());
    fetcher.follow(vec![source(&keys, &server)]);
    fetched(&keys, 1).await;
    fetcher.follow(vec![source(&keys, &server)]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.requests().len(), 1);

    // The hook still works after that, and not any more when nobody follows.
    keys.request_refetch(SystemTime::now());
    fetched(&keys, 2).await;
    fetcher.follow(Vec::new());
    assert!(
        registry
            .gather()
            .iter()
            .all(|family| family.get_metric().is_empty())
    );
}

#[tokio::test]
async fn a_failure_is_tried_again_and_keeps_the_old_keys() {
    let server = Server::answers("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    let (keys, (fetcher, _registry)) = (handle(), fetcher());
    fetcher.follow(vec![source(&keys, &server)]);
    fetched(&keys, 1).await;
    assert!(
        last_error(&keys).contains("found 500"),
        "{}",
        last_error(&keys)
    );
    server.now_answers(key_set("a"));
    // After a second at most, without anybody asking.
    until(|| kids(&keys) == ["a"]).await;

    server.now_answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    keys.request_refetch(SystemTime::now());
    until(|| last_error(&keys).contains("\"keys\"")).await;
    assert_eq!(kids(&keys), ["a"]);
}

#[tokio::test]
async fn hostile_answers_are_refused() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}",
        " ".repeat(2_000_000)
    );
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(2_000_000));
    let moved =
        "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/jwks\r\nContent-Length: 0\r\n\r\n";
    for (answer, words) in [
        (huge.as_str(), "larger than 1048576 bytes"),
        (endless.as_str(), "larger than 1048576 bytes"),
        (moved, "redirection to `http://elsewhere.test/jwks`"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
            "request failed",
        ),
        ("SSH-2.0\r\n", "request failed"),
        ("HTTP/1.1 204 No\r\n\r\n", "found 204"),
    ] {
        let server = Server::answers(answer).await;
        let error = Client::new()
            .get(&format!("http://{}/jwks", server.address))
            .await
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn servers_are_verified() {
    let (acceptor, roots) = server_tls("127.0.0.1");
    let server = Server::answers_tls(key_set("a"), acceptor).await;
    let url = format!("https://{}/jwks", server.address);
    let error = Client::new().get(&url).await.expect_err("unknown issuer");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");

    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let registry = Registry::new();
    let client = Client::with_roots(store);
    let fetcher = KeyFetcher::with_client(client, Handle::current(), &registry).unwrap();
    let keys = handle();
    fetcher.follow(vec![KeySource {
        keys: Arc::clone(&keys),
        url,
    }]);
    fetched(&keys, 1).await;
    assert_eq!(kids(&keys), ["a"], "{}", last_error(&keys));
}

#[test]
fn pauses_grow_to_their_limit() {
    let seconds: Vec<u64> = [1, 2, 3, 6, 7, 8, u32::MAX]
        .map(|n| backoff(n).as_secs())
        .to_vec();
    assert_eq!(seconds, [1, 2, 4, 32, 60, 60, 60]);
    let whole = Duration::from_secs(10);
    for random in [0, 1, 1 << 19, u64::MAX] {
        assert!(part(whole, random) <= whole);
    }
}
