//! Project Wycheproof's JSON Web Signature vectors, each judged as we would judge a token's signature.
//!
//! All vectors have the label `valid` or `invalid`; none is `acceptable`, and a new file that has one fails here so that
//! somebody decides. Eight labels are mistakes of the file, and for each of them the mistake itself is asserted:
//! [`DEPARTURES`] may only shrink.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use auth::{JwkSet, Origin, jws};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The vectors that we do not judge as their label says.
const DEPARTURES: &[(u64, Departure)] = &[
    (346, Departure::KeyNamesAnotherAlgorithm("PS384")),
    (347, Departure::KeyNamesAnotherAlgorithm("ES512")),
    (350, Departure::KeyNamesAnotherAlgorithm("PS384")),
    (351, Departure::KeyNamesAnotherAlgorithm("ES512")),
    (367, Departure::SameAsValid(357)),
    (370, Departure::SameAsValid(357)),
    (372, Departure::NotBase64url),
    (373, Departure::NotBase64url),
];

enum Departure {
    /// Labelled valid, though the key's `alg` is PS256 where the token says PS384, or `ES521`, which does not exist. Vector
    /// 338 does the same and is labelled invalid. A key's `alg` pins it; with the right one the signature verifies.
    KeyNamesAnotherAlgorithm(&'static str),
    /// Labelled invalid for its padding, but the file lost the padding: key and token are those of a valid vector.
    SameAsValid(u64),
    /// Labelled valid with a `?` in the encoding. RFC 7515, 5.2 and 2 rule that out, and the MAC is that of the token
    /// without it.
    NotBase64url,
}

struct Vector {
    id: u64,
    jws: String,
    key: Value,
    valid: bool,
}

#[test]
fn every_vector_is_judged_as_labelled() {
    let Some(vectors) = vectors() else {
        println!("skipped: reference data not found");
        return;
    };
    assert_eq!(vectors.len(), 401);
    let mut wrong = Vec::new();
    for vector in &vectors {
        let verdict = accepts(&vector.key, &vector.jws);
        match DEPARTURES.iter().find(|(id, _)| *id == vector.id) {
            Some((_, departure)) => departure.assert(vector, &vectors),
            None if verdict != vector.valid => wrong.push(vector.id),
            None => {}
        }
    }
    assert!(wrong.is_empty(), "judged against the label: {wrong:?}");
}

impl Departure {
    fn assert(&self, vector: &Vector, all: &[Vector]) {
        let Vector {
            id,
            jws,
            key,
            valid,
        } = vector;
        match self {
            Self::KeyNamesAnotherAlgorithm(right) => {
                assert!(*valid && !accepts(key, jws), "{id}");
                let mut key = key.clone();
                key["alg"] = json!(right);
                assert!(accepts(&key, jws), "{id}");
            }
            Self::SameAsValid(twin) => {
                let twin = all.iter().find(|vector| vector.id == *twin).unwrap();
                assert!(!valid && twin.valid && accepts(key, jws), "{id}");
                assert_eq!((jws, key), (&twin.jws, &twin.key), "{id}");
            }
            Self::NotBase64url => {
                assert!(
                    *valid && matches!(jws::parse(jws.as_bytes()), Err(jws::JwsError::Encoding(_)))
                );
                assert!(accepts(key, &jws.replace('?', "")), "{id}");
            }
        }
    }
}

fn accepts(key: &Value, token: &str) -> bool {
    let set = json!({ "keys": [key] }).to_string();
    let Ok(set) = JwkSet::parse(set.as_bytes(), Origin::File) else {
        return false;
    };
    jws::parse(token.as_bytes()).is_ok_and(|jws| set.verify(&jws).is_ok())
}

fn vectors() -> Option<Vec<Vector>> {
    let shared = std::env::var_os("BASCULE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(shared.join("auth/jose-wycheproof-jws.jsonl")).ok()?;
    Some(text.lines().map(vector).collect())
}

fn vector(line: &str) -> Vector {
    let fields: Value = serde_json::from_str(line).unwrap();
    let id = fields["id"].as_u64().unwrap();
    let valid = match fields["result"].as_str() {
        Some("valid") => true,
        Some("invalid") => false,
        other => panic!("vector {id}: label {other:?} needs a decision"),
    };
    Vector {
        id,
        jws: fields["jws"].as_str().unwrap().to_owned(),
        key: fields["key"].clone(),
        valid,
    }
}
