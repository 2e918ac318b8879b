use super::*;
use auth::KeyStore;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct Given {
    folder: TempDir,
}

fn given() -> Given {
    Given {
        folder: tempfile::tempdir().unwrap(),
    }
}

impl Given {
    fn store(&self) -> PathBuf {
        self.folder.path().join("keys.db")
    }

    fn create(&self, request: &KeyRequest) -> Result<IssuedKey, KeyStoreError> {
        create(&self.store(), request, SystemTime::now())
    }

    fn accepts(&self, key: &IssuedKey, now: SystemTime) -> bool {
        let file = KeyFile::parse(&fs::read(self.store()).unwrap()).unwrap();
        let store = KeyStore::new(&file, &"keys".into());
        store.check(key.secret.expose(), now).is_ok()
    }

    fn mode(&self) -> u32 {
        let metadata = fs::metadata(self.store()).unwrap();
        metadata.permissions().mode() & 0o777
    }
}

fn request(consumer: &str) -> KeyRequest {
    KeyRequest {
        consumer: consumer.to_owned(),
        ..KeyRequest::default()
    }
}

#[test]
fn a_key_works_until_it_is_revoked() {
    let given = given();
    let now = SystemTime::now();
    let key = given.create(&request("acme")).unwrap();
    assert!(key.new_store);
    assert_eq!(given.mode(), 0o600);
    assert!(given.accepts(&key, now));
    let list = list(&given.store(), now).unwrap();
    assert_eq!(list.prefix, DEFAULT_PREFIX);
    assert_eq!(
        (list.keys[0].consumer.as_str(), list.keys[0].state),
        ("acme", KeyState::Live)
    );

    assert_eq!(revoke(&given.store(), &key.id, now).unwrap(), Revoked::Now);
    assert!(!given.accepts(&key, now));
    assert_eq!(
        revoke(&given.store(), &key.id, now).unwrap(),
        Revoked::Before
    );
    assert_eq!(
        super::list(&given.store(), now).unwrap().keys[0].state,
        KeyState::Revoked
    );
}

#[test]
fn a_key_ends_with_its_time() {
    let given = given();
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let key = given
        .create(&KeyRequest {
            ttl: Some(hour),
            scopes: vec!["orders:read".to_owned()],
            ..request("acme")
        })
        .unwrap();
    assert!(given.accepts(&key, now));
    assert!(!given.accepts(&key, now + hour));
    let list = list(&given.store(), now + hour).unwrap();
    assert_eq!(list.keys[0].state, KeyState::Expired);
    assert_eq!(list.keys[0].scopes, ["orders:read"]);
}

#[test]
fn a_store_keeps_hashes_alone() {
    let given = given();
    let key = given.create(&request("acme")).unwrap();
    let text = fs::read_to_string(given.store()).unwrap();
    let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    assert!(!text.contains(&secret));
    assert!(!format!("{key:?}").contains(&secret));
}

#[test]
fn refusals_say_what_to_do_and_change_nothing() {
    let given = given();
    let store = given.store();
    let now = SystemTime::now();
    let missing = list(&store, now).unwrap_err().to_string();
    assert!(missing.contains("bascule key create --store"), "{missing}");
    assert!(!store.exists());

    given.create(&request("acme")).unwrap();
    let before = fs::read(&store).unwrap();
    let with_prefix = |prefix: &str| KeyRequest {
        prefix: Some(prefix.to_owned()),
        ..request("acme")
    };
    let twice = KeyRequest {
        id: Some(list(&store, now).unwrap().keys[0].id.clone()),
        ..request("acme")
    };
    for (error, words) in [
        (
            given.create(&with_prefix("shop")).unwrap_err(),
            "begin with `bsc`, not with `shop`",
        ),
        (given.create(&twice).unwrap_err(), "already used"),
        (given.create(&request("")).unwrap_err(), "consumer"),
        (
            revoke(&store, "nobody", now).unwrap_err(),
            "has the id `nobody`",
        ),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(fs::read(&store).unwrap(), before);

    fs::write(&store, "something else\n").unwrap();
    let broken = given.create(&request("acme")).unwrap_err().to_string();
    assert!(broken.contains("line 1"), "{broken}");
    assert_eq!(fs::read(&store).unwrap(), b"something else\n");
    let odd = create(
        &given.folder.path().join("other.db"),
        &with_prefix("Not good"),
        now,
    );
    assert!(odd.unwrap_err().to_string().contains("prefix"));
}

#[test]
fn commands_at_one_moment_lose_no_key() {
    let given = given();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| given.create(&request("acme")).unwrap());
        }
    });
    let list = list(&given.store(), SystemTime::now()).unwrap();
    assert_eq!(list.keys.len(), 8);
}

#[test]
fn what_a_crash_left_behind_does_no_harm() {
    let given = given();
    let beside = given.folder.path().join("keys.db.new");
    fs::write(&beside, "half a li").unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o644)).unwrap();
    given.create(&request("acme")).unwrap();
    assert_eq!(given.mode(), 0o600);
    assert!(!beside.exists());
}

#[test]
fn a_link_to_a_store_stays_one() {
    let given = given();
    let real = given.folder.path().join("real.db");
    given.create(&request("acme")).unwrap();
    fs::rename(given.store(), &real).unwrap();
    std::os::unix::fs::symlink(&real, given.store()).unwrap();
    given.create(&request("acme")).unwrap();
    assert!(fs::symlink_metadata(given.store()).unwrap().is_symlink());
    assert_eq!(list(&real, SystemTime::now()).unwrap().keys.len(), 2);
}
