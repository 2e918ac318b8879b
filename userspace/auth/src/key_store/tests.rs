use super::*;
use crate::api_key::RANDOM_BYTES;
use crate::key_file::NewKey;
use crate::testing::at;
use types::Secret;

fn issue(file: &mut KeyFile, id: &str, random: u8, expires: Option<SystemTime>) -> Secret {
    let key = NewKey {
        id: id.to_owned(),
        consumer: format!("{id}-consumer"),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        expires,
        slot: None,
    };
    file.issue(key, &[random; RANDOM_BYTES], at(0)).unwrap()
}

fn store(file: &KeyFile) -> KeyStore {
    KeyStore::new(file, &"keys".into())
}

#[test]
fn a_key_names_its_holder() {
    let mut file = KeyFile::new("bsk").unwrap();
    let secrets: Vec<Secret> = (0..50)
        .map(|i| issue(&mut file, &format!("k{i}"), i, Some(at(100))))
        .collect();
    let store = store(&file);
    assert_eq!(store.len(), 50);
    for (i, secret) in secrets.iter().enumerate() {
        let identity = store.check(secret.expose(), at(1)).unwrap();
        assert_eq!(&*identity.subject, format!("k{i}-consumer"));
        assert_eq!(identity.consumer, identity.subject);
        assert_eq!(identity.key_id.as_deref(), Some(format!("k{i}").as_str()));
        assert_eq!(&*identity.method, "keys");
        assert_eq!(identity.expires, Some(at(100)));
        assert!(identity.has_scopes(&["write", "read"]) && !identity.has_scope("rea"));
    }
}

#[test]
fn refusals() {
    let mut file = KeyFile::new("bsk").unwrap();
    let good = issue(&mut file, "good", 1, None);
    let revoked = issue(&mut file, "revoked", 2, None);
    let disabled = issue(&mut file, "disabled", 3, None);
    let ending = issue(&mut file, "ending", 4, Some(at(10)));
    file.revoke("revoked", at(0));
    file.records[2].disabled = true;
    let store = store(&file);
    let unknown = ApiKey::generate("bsk", &[9; RANDOM_BYTES]).unwrap();
    let foreign = ApiKey::generate("other", &[1; RANDOM_BYTES]).unwrap();
    let mut typo = good.expose().to_vec();
    typo[10] ^= 1;

    assert!(store.check(good.expose(), at(0)).is_ok());
    assert!(store.check(ending.expose(), at(9)).is_ok());
    for (text, detail) in [
        (revoked.expose(), Detail::KeyRevoked),
        (disabled.expose(), Detail::KeyDisabled),
        (ending.expose(), Detail::KeyExpired),
        (unknown.expose(), Detail::UnknownKey),
        (foreign.expose(), Detail::WrongPrefix),
        (&typo, Detail::BadChecksum),
        (b"", Detail::MalformedKey),
        (b"Bearer x", Detail::MalformedKey),
    ] {
        assert_eq!(store.check(text, at(10)).unwrap_err(), detail);
    }
}

#[test]
fn hashes_that_begin_alike_are_told_apart() {
    let mut file = KeyFile::new("bsk").unwrap();
    let secret = issue(&mut file, "real", 1, None);
    let real = *file.records[0].hash.as_bytes();
    for (n, at) in [8, 16, 31].into_iter().enumerate() {
        let mut bytes = real;
        bytes[at] ^= 0x80;
        let mut twin = file.records[0].clone();
        twin.id = format!("twin{n}");
        twin.hash = KeyHash::from_bytes(bytes);
        file.records.push(twin);
    }
    let store = store(&file);
    let found = store.check(secret.expose(), at(0)).unwrap();
    assert_eq!(found.key_id.as_deref(), Some("real"));
}

#[test]
fn a_revocation_counts_from_the_next_request_on() {
    let mut file = KeyFile::new("bsk").unwrap();
    let secret = issue(&mut file, "k", 1, None);
    let handle = KeyStoreHandle::new("keys");
    assert_eq!(
        handle.check(secret.expose(), at(0)).unwrap_err(),
        Detail::StoreUnavailable
    );
    assert!(handle.current().is_none());
    handle.install(&file);
    assert!(handle.check(secret.expose(), at(0)).is_ok());
    file.revoke("k", at(0));
    handle.install(&file);
    assert_eq!(
        handle.check(secret.expose(), at(0)).unwrap_err(),
        Detail::KeyRevoked
    );
    assert!(!handle.current().unwrap().is_empty());
}
