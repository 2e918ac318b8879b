//! Keys that come from a URL.

use super::*;

fn remote(bench: &mut Bench) {
    bench.keys = KeySetHandle::remote("test", KeySetTimes::default());
}

#[test]
fn unknown_kids_wait_for_one_fetch_and_are_refused_after_it() {
    let mut bench = bench(|_| ());
    remote(&mut bench);
    bench
        .keys
        .install(Signer::new(Algorithm::EdDsa, "old").set(), at(0));
    let token = bench.signer.token(&claims(&json!({})));
    assert!(matches!(
        bench.check_at(&token, at(0)),
        Answer::Await(Detail::KeysPending)
    ));
    assert!(matches!(
        bench.check_at(&token, at(0)),
        Answer::Await(Detail::KeysPending)
    ));
    bench.keys.install(bench.signer.set(), at(1));
    assert!(
        bench.detail_at(&token, at(1)).is_ok(),
        "the fetch brought the key"
    );

    let forged = Signer::new(Algorithm::EdDsa, "made-up").token(&claims(&json!({})));
    assert_eq!(
        detail(bench.detail_at(&forged, at(2))),
        Some(Detail::UnknownKid)
    );
    assert_eq!(bench.keys.version(), 2);
}

#[test]
fn a_token_of_another_issuer_causes_no_fetch() {
    let mut bench = bench(|_| ());
    remote(&mut bench);
    bench.keys.install(bench.signer.set(), at(0));
    let foreign =
        Signer::new(Algorithm::EdDsa, "theirs").token(&claims(&json!({ "iss": "https://other" })));
    assert_eq!(
        detail(bench.detail_at(&foreign, at(0))),
        Some(Detail::WrongIssuer)
    );
    assert!(!bench.keys.is_in_flight(at(0)));
}

#[test]
fn without_keys_tokens_are_neither_good_nor_bad() {
    let mut bench = bench(|_| ());
    remote(&mut bench);
    let token = bench.signer.token(&claims(&json!({})));
    assert!(matches!(
        bench.check_at(&token, at(0)),
        Answer::Await(Detail::KeysUnavailable)
    ));
    bench.keys.fail(&"connection refused");
    assert_eq!(
        detail(bench.detail_at(&token, at(1))),
        Some(Detail::KeysUnavailable)
    );
    assert_eq!(
        detail(bench.detail_at("junk", at(1))),
        Some(Detail::MalformedToken)
    );
    bench.keys.install(bench.signer.set(), at(2));
    assert!(bench.detail_at(&token, at(2)).is_ok());
    // Too old to be trusted: what was remembered counts as little as what would be verified.
    let late = at(2 + 86_401);
    assert!(matches!(
        bench.check_at(&token, late),
        Answer::Await(Detail::KeysUnavailable)
    ));
}
