//! Tokens that no issuer made.

use super::*;

#[test]
fn other_shapes_are_refused() {
    let mut bench = bench(|_| ());
    let good = bench.signer.token(&claims(&json!({})));
    let (input, signature) = good.rsplit_once('.').unwrap();
    let header = input.split('.').next().unwrap();
    for (token, expected) in [
        (String::new(), Detail::MalformedToken),
        (
            "bsk_000A7dl5PEW67zZCpFU9uKaHnGgOvQKAR32Tc8v".to_owned(),
            Detail::MalformedToken,
        ),
        (format!("{good}."), Detail::MalformedToken),
        (format!("{input}."), Detail::BadSignature),
        (format!("{good}="), Detail::MalformedToken),
        (
            format!("{header}.{}.{signature}", encode("{}")),
            Detail::BadSignature,
        ),
        (
            "x".repeat(jws::TOKEN_LIMIT_BYTES + 1),
            Detail::TokenTooLarge,
        ),
        (
            bench
                .signer
                .token_of(r#"{"alg":"EdDSA","kid":"k"}"#, "no json"),
            Detail::MalformedClaims,
        ),
        (
            bench
                .signer
                .token_of(r#"{"alg":"EdDSA","kid":"k"}"#, r#"{"exp":1,"exp":9e9}"#),
            Detail::MalformedClaims,
        ),
    ] {
        assert_eq!(
            detail(bench.detail_at(&token, at(0))),
            Some(expected),
            "{token:.40}"
        );
    }
}

#[test]
fn the_public_key_is_no_secret() {
    // The oldest attack on JWT: HS256 with the RSA public key, which everybody has.
    let signer = Signer::new(Algorithm::Rs256, "k");
    let n = signer.jwk()["n"].as_str().unwrap().to_owned();
    let token = hmac_token(
        n.as_bytes(),
        &json!({ "alg": "HS256", "kid": "k" }),
        &claims(&json!({})),
    );
    let mut bench = bench(|spec| spec.algorithms = vec![Algorithm::Rs256]);
    bench.keys = KeySetHandle::fixed("test", signer.set(), at(0));
    assert_eq!(
        detail(bench.detail_at(&token, at(0))),
        Some(Detail::AlgorithmNotAllowed)
    );
    // Even where somebody pins the wrong family, the key does not do it.
    bench.spec.algorithms = vec![Algorithm::Hs256];
    assert_eq!(
        detail(bench.detail_at(&token, at(0))),
        Some(Detail::AlgorithmMismatch)
    );
}

proptest! {
    #[test]
    fn never_panics(token: Vec<u8>) {
        let mut bench = bench(|_| ());
        let keys = Arc::clone(&bench.keys);
        let _ = check(&bench.spec, &keys, (1, &"jwt".into()), &token, &mut bench.cache, at(0));
    }

    #[test]
    fn a_token_with_one_bit_flipped_is_refused(at_byte in 0_usize..10_000, bit in 0_u32..8) {
        let mut bench = bench(|_| ());
        let mut token = bench.signer.token(&claims(&json!({}))).into_bytes();
        let at_byte = at_byte % token.len();
        token[at_byte] ^= 1 << bit;
        let keys = Arc::clone(&bench.keys);
        let answer = check(&bench.spec, &keys, (1, &"jwt".into()), &token, &mut bench.cache, at(0));
        prop_assert!(matches!(answer, Answer::Deny(_)));
        prop_assert!(bench.cache.is_empty());
    }

    #[test]
    fn a_cut_token_is_refused(length in 0_usize..10_000) {
        let mut bench = bench(|_| ());
        let token = bench.signer.token(&claims(&json!({})));
        let cut = &token[..length % token.len()];
        prop_assert!(bench.detail_at(cut, at(0)).is_err());
    }
}
