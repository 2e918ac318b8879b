//! Key sets from an issuer or a file: good, or refused with a reason. No secret comes over the network.
#![no_main]

use auth::jwks::KEYS_LIMIT;
use auth::{Algorithm, JwkSet, Origin, jws};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    // Signed by the issuer of the corpus: looked up in whatever set comes.
    let token = include_bytes!("../corpus/jws/es256").trim_ascii_end();
    let token = token.strip_prefix(b"Bearer ").expect("a bearer token");
    let jws = jws::parse(token).expect("a good token");
    for origin in [Origin::Remote, Origin::File] {
        match JwkSet::parse(text, origin) {
            Ok(set) => {
                assert!(set.keys().len() + set.skipped().len() <= KEYS_LIMIT);
                for skipped in set.skipped() {
                    assert!(!skipped.problem.to_string().is_empty());
                }
                if matches!(origin, Origin::Remote) {
                    let symmetric = Algorithm::ALL.into_iter().filter(|a| a.is_symmetric());
                    for algorithm in symmetric {
                        assert!(!set.keys().iter().any(|key| key.allows(algorithm)));
                    }
                }
                let _ = set.verify(&jws).map(|key| key.kid());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
