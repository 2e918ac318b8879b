//! API keys: the form and the checksum, and a store that knows a few keys. The first byte chooses what is done to the
//! rest: taken as it is, or made the body of a key with a good checksum.
#![no_main]

use auth::api_key::RANDOM_BYTES;
use auth::key_file::NewKey;
use auth::{ApiKey, KeyFile, KeyStore};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// A store with one key, and the text of the key.
static STORE: LazyLock<(KeyStore, Vec<u8>)> = LazyLock::new(|| {
    let mut file = KeyFile::new("bsk").expect("a good prefix");
    let key = NewKey {
        id: "k-1".to_owned(),
        consumer: "acme".to_owned(),
        ..NewKey::default()
    };
    let key = file
        .issue(key, &[7; RANDOM_BYTES], NOW)
        .expect("a good key");
    (
        KeyStore::new(&file, &Arc::from("keys")),
        key.expose().to_vec(),
    )
});

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let (store, known) = &*STORE;
    match ApiKey::parse(text) {
        Ok(key) => assert!(auth::api_key::is_prefix(key.prefix())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let later = NOW + Duration::from_secs(u64::from(choice));
    assert_eq!(store.check(text, later).is_ok(), text == known.as_slice());
    // What is generated is read back, and one other character is noticed.
    let mut random = [0; RANDOM_BYTES];
    for (to, from) in random.iter_mut().zip(text) {
        *to = *from;
    }
    let key = ApiKey::generate("bsk", &random).expect("a good prefix");
    let mut key = key.expose().to_vec();
    assert!(ApiKey::parse(&key).is_ok_and(|key| key.prefix() == "bsk"));
    assert_eq!(store.check(&key, later).is_ok(), &key == known);
    let at = usize::from(choice) % key.len();
    if let Some(byte) = key.get_mut(at) {
        *byte ^= 1;
    }
    assert!(ApiKey::parse(&key).is_err() || at < "bsk_".len());
});
