use super::*;
use crate::jws;
use crate::testing::{Signer, base64url as encode, set_of};
use proptest::prelude::*;
use serde_json::json;

fn verify(set: &JwkSet, token: &str) -> Result<(), VerifyError> {
    set.verify(&jws::parse(token.as_bytes()).unwrap())
        .map(|_| ())
}

#[test]
fn every_algorithm_verifies_its_own_signatures() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm, "k");
        let token = signer.token(&json!({ "sub": "a" }));
        assert_eq!(verify(&signer.set(), &token), Ok(()), "{algorithm}");
        let forged = token.replace(&encode(r#"{"sub":"a"}"#), &encode(r#"{"sub":"b"}"#));
        assert_eq!(
            verify(&signer.set(), &forged),
            Err(VerifyError::BadSignature),
            "{algorithm}"
        );
    }
}

#[test]
fn the_kid_selects_the_key() {
    let (a, b) = (
        Signer::new(Algorithm::Es256, "a"),
        Signer::new(Algorithm::Es256, "b"),
    );
    let set = set_of(&[a.jwk(), b.jwk()]);
    assert_eq!(verify(&set, &a.token(&json!({}))), Ok(()));
    assert_eq!(verify(&set, &b.token(&json!({}))), Ok(()));
    let swapped = b.token_with_header(&json!({ "alg": "ES256", "kid": "a" }), &json!({}));
    assert_eq!(verify(&set, &swapped), Err(VerifyError::BadSignature));
    let unknown = a.token_with_header(&json!({ "alg": "ES256", "kid": "c" }), &json!({}));
    assert_eq!(verify(&set, &unknown), Err(VerifyError::UnknownKid));
}

#[test]
fn without_kid_a_few_keys_are_tried() {
    let keys: Vec<Signer> = ["a", "b", "c", "d", "e"]
        .map(|kid| Signer::new(Algorithm::EdDsa, kid))
        .into();
    let token = keys[3].token_with_header(&json!({ "alg": "EdDSA" }), &json!({}));
    let jwks: Vec<Value> = keys.iter().map(Signer::jwk).collect();
    assert_eq!(verify(&set_of(&jwks[..4]), &token), Ok(()));
    assert_eq!(
        verify(&set_of(&jwks[..3]), &token),
        Err(VerifyError::BadSignature)
    );
    assert_eq!(verify(&set_of(&jwks), &token), Err(VerifyError::NoKid));
    let other = set_of(&[Signer::new(Algorithm::Es256, "x").jwk()]);
    assert_eq!(verify(&other, &token), Err(VerifyError::AlgorithmMismatch));
}

#[test]
fn a_key_without_kid_may_be_meant() {
    let signer = Signer::new(Algorithm::Es256, "k");
    let mut nameless = signer.jwk();
    nameless.as_object_mut().unwrap().remove("kid");
    let other = Signer::new(Algorithm::Es256, "other");
    let token = signer.token(&json!({}));
    assert_eq!(verify(&set_of(&[nameless.clone()]), &token), Ok(()));
    assert_eq!(
        verify(&set_of(&[nameless.clone(), other.jwk()]), &token),
        Ok(())
    );
    // Where others have names, a signature that does not fit may be one of a key that is still to come.
    let foreign = Signer::new(Algorithm::Es256, "k").token(&json!({}));
    assert_eq!(
        verify(&set_of(&[nameless.clone()]), &foreign),
        Err(VerifyError::BadSignature)
    );
    assert_eq!(
        verify(&set_of(&[nameless, other.jwk()]), &foreign),
        Err(VerifyError::UnknownKid)
    );
}

#[test]
fn the_algorithm_cannot_be_confused() {
    let rsa = Signer::new(Algorithm::Rs256, "k");
    let set = rsa.set();
    let jwk = rsa.jwk();
    // The public key is public: with HS256 an attacker would sign with it, in each of its spellings.
    let n = jwk["n"].as_str().unwrap();
    for secret in [
        n.as_bytes().to_vec(),
        crate::encoding::base64url(n.as_bytes()).unwrap(),
        jwk.to_string().into_bytes(),
    ] {
        let header = json!({ "alg": "HS256", "kid": "k" });
        let token = crate::testing::hmac_token(&secret, &header, &json!({ "sub": "admin" }));
        assert_eq!(verify(&set, &token), Err(VerifyError::AlgorithmMismatch));
    }
    for other in ["RS384", "RS512", "PS256", "ES256", "EdDSA"] {
        let token = rsa.token_with_header(&json!({ "alg": other, "kid": "k" }), &json!({}));
        assert_eq!(
            verify(&set, &token),
            Err(VerifyError::AlgorithmMismatch),
            "{other}"
        );
    }
    // Without `alg` in the key, each algorithm of its type is possible, but still only with a signature of that algorithm.
    let mut unpinned = jwk;
    unpinned.as_object_mut().unwrap().remove("alg");
    let set = set_of(&[unpinned]);
    for other in ["RS384", "RS512", "PS256"] {
        let token = rsa.token_with_header(&json!({ "alg": other, "kid": "k" }), &json!({}));
        assert_eq!(
            verify(&set, &token),
            Err(VerifyError::BadSignature),
            "{other}"
        );
    }
}

#[test]
fn a_key_that_a_token_brings_along_is_not_used() {
    let (ours, theirs) = (
        Signer::new(Algorithm::Es256, "k"),
        Signer::new(Algorithm::Es256, "k"),
    );
    let header =
        json!({ "alg": "ES256", "kid": "k", "jwk": theirs.jwk(), "jku": "https://evil.example/" });
    let token = theirs.token_with_header(&header, &json!({}));
    assert_eq!(verify(&ours.set(), &token), Err(VerifyError::BadSignature));
}

#[test]
fn keys_that_cannot_be_used_are_passed_over_and_listed() {
    let signer = Signer::new(Algorithm::Es256, "good");
    let text =
        json!({ "keys": [{ "kty": "new", "kid": "bad" }, 7, signer.jwk()], "more": 1 }).to_string();
    let set = JwkSet::parse(text.as_bytes(), Origin::Remote).unwrap();
    assert_eq!(set.keys().len(), 1);
    let expected = [
        SkippedKey {
            index: 0,
            kid: Some("bad".into()),
            problem: JwkError::Type,
        },
        SkippedKey {
            index: 1,
            kid: None,
            problem: JwkError::NotAnObject,
        },
    ];
    assert_eq!(set.skipped(), expected);
}

#[test]
fn refuses_what_is_no_set() {
    let parse = |text: &str| JwkSet::parse(text.as_bytes(), Origin::File).unwrap_err();
    for text in ["", "[]", "x", r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(parse(text), JwkSetError::Json(_)), "{text}");
    }
    for text in [
        "{}",
        r#"{"keys":{}}"#,
        r#"{"Keys":[]}"#,
        r#"{"kty":"oct","k":"AA"}"#,
    ] {
        assert_eq!(parse(text), JwkSetError::NoKeys, "{text}");
    }
    assert_eq!(
        parse(r#"{"keys":[]}"#),
        JwkSetError::NoUsableKey(Vec::new())
    );
    let error = parse(r#"{"keys":[{"kty":"RSA","use":"enc"}]}"#);
    assert!(
        error.to_string().contains("the key is not for verifying"),
        "{error}"
    );
    let many = format!(r#"{{"keys":[{}0]}}"#, "0,".repeat(KEYS_LIMIT));
    assert_eq!(parse(&many), JwkSetError::TooManyKeys);
    assert_eq!(
        parse(&" ".repeat(SET_LIMIT_BYTES + 1)),
        JwkSetError::TooLarge
    );
}

proptest! {
    #[test]
    fn never_panics(text: Vec<u8>) {
        let _ = JwkSet::parse(&text, Origin::File);
    }

    #[test]
    fn never_panics_on_keys(
        kty in "RSA|EC|OKP|oct", crv in "P-256|P-384|P-521|Ed25519", a: Vec<u8>, b: Vec<u8>,
    ) {
        let (a, b) = (encode(a), encode(b));
        let jwk = json!({ "kty": kty, "crv": crv, "n": a, "e": b, "x": a, "y": b, "k": a });
        let _ = JwkSet::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), Origin::File);
    }
}
