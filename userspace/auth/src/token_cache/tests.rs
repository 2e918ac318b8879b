use super::*;

fn identity(name: &str) -> Arc<Identity> {
    Arc::new(Identity {
        subject: name.into(),
        consumer: name.into(),
        method: "jwt".into(),
        scopes: "".into(),
        key_id: None,
        expires: None,
    })
}

fn remember(cache: &mut TokenCache, token: &str, ends: u64) {
    let at = cache.fingerprint(1, token.as_bytes());
    cache.put(at, &identity(token), 1, ends);
}

fn recall(cache: &mut TokenCache, token: &str, key_set: u64, now: u64) -> Option<String> {
    let at = cache.fingerprint(1, token.as_bytes());
    cache
        .get(&at, key_set, now)
        .map(|identity| identity.subject.to_string())
}

#[test]
fn a_token_is_remembered_until_it_ends() {
    let mut cache = TokenCache::new(16, &[1; SEED_BYTES]);
    remember(&mut cache, "a", 100);
    assert_eq!(recall(&mut cache, "a", 1, 99).as_deref(), Some("a"));
    assert_eq!(recall(&mut cache, "b", 1, 99), None);
    assert_eq!(recall(&mut cache, "a", 1, 100), None);
    assert!(cache.is_empty(), "an entry that has ended is dropped");
    assert_eq!(cache.hits_and_misses(), (1, 2));
}

#[test]
fn a_token_is_forgotten_when_the_keys_change() {
    let mut cache = TokenCache::new(16, &[1; SEED_BYTES]);
    remember(&mut cache, "a", 100);
    assert_eq!(recall(&mut cache, "a", 2, 0), None);
    assert_eq!(
        recall(&mut cache, "a", 1, 0),
        None,
        "and does not come back with the old ones"
    );
}

#[test]
fn methods_do_not_share_tokens() {
    let mut cache = TokenCache::new(16, &[1; SEED_BYTES]);
    remember(&mut cache, "a", 100);
    let elsewhere = cache.fingerprint(2, b"a");
    assert!(cache.get(&elsewhere, 1, 0).is_none());
}

#[test]
fn workers_place_tokens_differently() {
    let (one, two) = (
        TokenCache::new(2, &[1; SEED_BYTES]),
        TokenCache::new(2, &[2; SEED_BYTES]),
    );
    assert_ne!(one.fingerprint(1, b"a"), two.fingerprint(1, b"a"));
}

#[test]
fn the_size_is_bounded_and_what_is_used_stays() {
    let mut cache = TokenCache::new(100, &[1; SEED_BYTES]);
    remember(&mut cache, "used", 1_000);
    for n in 0..10_000 {
        remember(&mut cache, &n.to_string(), 1_000);
        assert!(cache.len() <= 100);
        assert!(recall(&mut cache, "used", 1, 0).is_some(), "{n}");
    }
    assert!(recall(&mut cache, "9999", 1, 0).is_some());
    assert!(recall(&mut cache, "5", 1, 0).is_none());
}

#[test]
fn a_limit_of_zero_remembers_nothing() {
    for limit in [0, 1] {
        let mut cache = TokenCache::new(limit, &[1; SEED_BYTES]);
        remember(&mut cache, "a", 100);
        assert_eq!(recall(&mut cache, "a", 1, 0), None);
    }
}
