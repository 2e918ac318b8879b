use super::*;
use crate::testing::{Signer, base64url as encode};
use serde_json::json;

fn parse(jwk: &Value) -> Result<Jwk, JwkError> {
    Jwk::from_members(jwk.as_object().unwrap(), Origin::File)
}

fn error(jwk: &Value) -> JwkError {
    parse(jwk).unwrap_err()
}

/// A key with some members changed; null removes one.
fn with(algorithm: Algorithm, changes: &Value) -> Value {
    let mut jwk = Signer::new(algorithm, "k").jwk();
    let members = jwk.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    jwk
}

#[test]
fn a_key_with_alg_is_good_for_that_alone() {
    for algorithm in Algorithm::ALL {
        let key = parse(&with(algorithm, &json!({}))).unwrap();
        assert_eq!(key.kid(), Some("k"));
        for other in Algorithm::ALL {
            assert_eq!(key.allows(other), other == algorithm, "{algorithm} {other}");
        }
    }
}

#[test]
fn a_key_without_alg_is_good_for_its_type() {
    use Algorithm::{
        EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
    };
    for (algorithm, family) in [
        (Rs256, &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512][..]),
        (Es256, &[Es256]),
        (Es384, &[Es384]),
        (Es512, &[Es512]),
        (EdDsa, &[EdDsa]),
        (Hs256, &[Hs256, Hs384, Hs512]),
    ] {
        let key = parse(&with(algorithm, &json!({ "alg": null }))).unwrap();
        for other in Algorithm::ALL {
            assert_eq!(
                key.allows(other),
                family.contains(&other),
                "{algorithm} {other}"
            );
        }
    }
}

#[test]
fn the_purpose_must_be_verifying() {
    for good in [
        json!({ "use": null }),
        json!({ "key_ops": ["verify"] }),
        json!({ "key_ops": ["sign", "verify"] }),
    ] {
        assert!(parse(&with(Algorithm::Es256, &good)).is_ok(), "{good}");
    }
    for bad in [
        json!({ "use": "enc" }),
        json!({ "use": "SIG" }),
        json!({ "key_ops": [] }),
        json!({ "key_ops": ["sign"] }),
        json!({ "key_ops": "verify" }),
        json!({ "use": "enc", "key_ops": ["verify"] }),
    ] {
        assert_eq!(error(&with(Algorithm::Es256, &bad)), JwkError::Use, "{bad}");
    }
}

#[test]
fn members_have_types() {
    for (changes, expected) in [
        (json!({ "kty": null }), JwkError::Member("kty")),
        (json!({ "kty": 1 }), JwkError::Member("kty")),
        (json!({ "kty": "rsa" }), JwkError::Type),
        (json!({ "kid": 1 }), JwkError::Member("kid")),
        (json!({ "use": 1 }), JwkError::Member("use")),
        (json!({ "alg": 1 }), JwkError::Member("alg")),
        (json!({ "alg": "RSA-OAEP" }), JwkError::Algorithm),
        (json!({ "alg": "none" }), JwkError::Algorithm),
        (json!({ "alg": "ES256" }), JwkError::Algorithm),
        (json!({ "alg": "HS256" }), JwkError::Algorithm),
        (json!({ "n": null }), JwkError::Member("n")),
        (json!({ "n": 5 }), JwkError::Member("n")),
        (json!({ "n": "A===" }), JwkError::Encoding("n")),
        (json!({ "e": "" }), JwkError::Encoding("e")),
        (
            json!({ "e": encode([0, 1, 0, 1]) }),
            JwkError::Encoding("e"),
        ),
        (json!({ "d": "AQAB" }), JwkError::Private),
    ] {
        assert_eq!(
            error(&with(Algorithm::Rs256, &changes)),
            expected,
            "{changes}"
        );
    }
}

#[test]
fn rsa_sizes() {
    let modulus = |bytes: usize, top: u8| {
        let mut n = vec![0xff; bytes];
        n[0] = top;
        json!({ "n": encode(n) })
    };
    assert!(parse(&with(Algorithm::Rs256, &modulus(256, 0x80))).is_ok());
    assert!(parse(&with(Algorithm::Rs256, &modulus(1024, 0xff))).is_ok());
    for bad in [
        modulus(256, 0x7f),
        modulus(128, 0xff),
        modulus(1025, 0x01),
        json!({ "n": encode([vec![0xff; 255], vec![0xfe]].concat()) }),
        json!({ "e": encode([1]) }),
        json!({ "e": encode([2]) }),
        json!({ "e": encode([1, 0, 0]) }),
        json!({ "e": encode([1, 0, 0, 0, 1]) }),
    ] {
        assert_eq!(error(&with(Algorithm::Rs256, &bad)), JwkError::RsaSize);
    }
    assert!(parse(&with(Algorithm::Rs256, &json!({ "e": encode([3]) }))).is_ok());
}

#[test]
fn points_are_on_their_curve() {
    let good = Signer::new(Algorithm::Es256, "k").jwk();
    let x = base64url(good["x"].as_str().unwrap().as_bytes()).unwrap();
    let mut off = x.clone();
    off[31] ^= 1;
    let other_curve = Signer::new(Algorithm::Es384, "k").jwk();
    for changes in [
        json!({ "x": encode(&off) }),
        json!({ "x": encode([0; 32]), "y": encode([0; 32]) }),
        json!({ "x": encode([0xff; 32]) }),
        json!({ "x": encode(&x[1..]) }),
        json!({ "x": encode([&[0], x.as_slice()].concat()) }),
        json!({ "x": other_curve["x"], "y": other_curve["y"] }),
    ] {
        let mut bad = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            bad[name] = value.clone();
        }
        assert_eq!(error(&bad), JwkError::Point, "{changes}");
    }
    for curve in ["secp256k1", "p-256", "P-224", "Ed25519"] {
        assert_eq!(
            error(&with(Algorithm::Es256, &json!({ "crv": curve }))),
            JwkError::Curve
        );
    }
    for curve in ["Ed448", "X25519", "P-256"] {
        assert_eq!(
            error(&with(Algorithm::EdDsa, &json!({ "crv": curve }))),
            JwkError::Curve
        );
    }
    assert_eq!(
        error(&with(Algorithm::EdDsa, &json!({ "x": encode([1; 31]) }))),
        JwkError::Point
    );
}

#[test]
fn secrets_are_as_long_as_their_hash() {
    for (algorithm, minimum) in [
        (Algorithm::Hs256, 32),
        (Algorithm::Hs384, 48),
        (Algorithm::Hs512, 64),
    ] {
        let secret = |length| json!({ "k": encode(vec![7; length]) });
        assert!(parse(&with(algorithm, &secret(minimum))).is_ok());
        assert_eq!(
            error(&with(algorithm, &secret(minimum - 1))),
            JwkError::SecretTooShort
        );
        assert!(Jwk::from_secret(algorithm, &vec![7; minimum]).is_ok());
        assert_eq!(
            Jwk::from_secret(algorithm, &vec![7; minimum - 1]).err(),
            Some(JwkError::SecretTooShort)
        );
    }
    let unpinned = parse(&with(
        Algorithm::Hs256,
        &json!({ "alg": null, "k": encode([7; 48]) }),
    ))
    .unwrap();
    assert!(unpinned.allows(Algorithm::Hs384) && !unpinned.allows(Algorithm::Hs512));
    assert_eq!(
        Jwk::from_secret(Algorithm::Rs256, &[7; 64]).err(),
        Some(JwkError::Algorithm)
    );
}

#[test]
fn a_published_secret_is_none() {
    let jwk = Signer::new(Algorithm::Hs256, "k").jwk();
    let remote = Jwk::from_members(jwk.as_object().unwrap(), Origin::Remote);
    assert_eq!(remote.err(), Some(JwkError::SecretPublished));
}

#[test]
fn debug_output_shows_no_secret() {
    let key = Jwk::from_secret(Algorithm::Hs256, b"correct horse battery staple 1234").unwrap();
    assert!(!format!("{key:?}").contains("correct"));
    assert!(!format!("{key:?}").contains("99, 111, 114"));
}
