//! An API key is checked on the path of each request: it must not touch the allocator.

use allocation_counter::measure;
use auth::api_key::RANDOM_BYTES;
use auth::key_file::NewKey;
use auth::{
    ApiKeySpec, AuthRequest, CredentialSource, KeyFile, KeyStoreHandle, Method, Mode, Outcome,
    Policy, TokenCache,
};
use std::time::{Duration, UNIX_EPOCH};

#[test]
fn checking_an_api_key_allocates_nothing() {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut file = KeyFile::new("bsk").unwrap();
    let new = |id: &str| NewKey {
        id: id.to_owned(),
        consumer: "acme".to_owned(),
        ..NewKey::default()
    };
    let good = file.issue(new("good"), &[1; RANDOM_BYTES], now).unwrap();
    let revoked = file.issue(new("revoked"), &[2; RANDOM_BYTES], now).unwrap();
    file.revoke("revoked", now);
    let unknown = auth::ApiKey::generate("bsk", &[3; RANDOM_BYTES]).unwrap();

    let store = KeyStoreHandle::new("keys");
    store.install(&file);
    let spec = ApiKeySpec {
        sources: vec![
            CredentialSource::header("x-api-key"),
            CredentialSource::Query {
                name: "api_key".to_owned(),
            },
        ],
        ..ApiKeySpec::default()
    };
    let policy = Policy::new(
        Mode::AnyOf,
        "api",
        vec![Method::api_key(store, spec).unwrap()],
    )
    .unwrap();
    let mut cache = TokenCache::new(16, &[0; 32]);

    for (key, allowed) in [(&good, true), (&revoked, false), (&unknown, false)] {
        let text = std::str::from_utf8(key.expose()).unwrap();
        let headers: &[(&str, &str)] = &[("host", "api.example.com"), ("X-API-Key", text)];
        let request = AuthRequest {
            headers: &headers,
            query: Some(b"a=1&b=2"),
        };
        // The first check of a thread sets up its epoch for reading the shared pointer.
        let _ = policy.check(&request, &mut cache, now);
        let mut outcome = None;
        let allocations = measure(|| outcome = Some(policy.check(&request, &mut cache, now)));
        assert_eq!(allocations.count_total, 0);
        assert_eq!(matches!(outcome, Some(Outcome::Allow(_))), allowed);
    }
}
