//! The file of API keys: read, or refused at one line. What was read is written and reads the same again, and a key
//! that is added to it is found.
#![no_main]

use auth::api_key::RANDOM_BYTES;
use auth::key_file::NewKey;
use auth::{KeyFile, KeyStore};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::SystemTime;

fuzz_target!(|text: &[u8]| {
    let mut file = match KeyFile::parse(text) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.line <= 1 + text.iter().filter(|&&byte| byte == b'\n').count());
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = file.to_text();
    let again = KeyFile::parse(written.as_bytes()).expect("we would refuse our own file");
    assert_eq!(again, file);
    let now = SystemTime::UNIX_EPOCH;
    let key = NewKey {
        id: "new".to_owned(),
        consumer: "acme".to_owned(),
        ..NewKey::default()
    };
    let before = file.clone();
    match file.issue(key, &[7; RANDOM_BYTES], now) {
        Ok(key) => {
            let store = KeyStore::new(&file, &Arc::from("keys"));
            assert!(store.check(key.expose(), now).is_ok());
            assert!(file.revoke("new", now));
            let store = KeyStore::new(&file, &Arc::from("keys"));
            assert!(store.check(key.expose(), now).is_err());
            assert!(KeyFile::parse(file.to_text().as_bytes()).is_ok());
        }
        Err(_) => assert_eq!(file, before),
    }
});
