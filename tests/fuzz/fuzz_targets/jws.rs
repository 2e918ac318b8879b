//! Tokens: taken apart, and checked by a policy with fixed keys. Only what our issuer signed is let in. The input is
//! the value of Authorization and the query at once.
#![no_main]

use auth::jws::{self, TOKEN_LIMIT_BYTES};
use auth::{
    Algorithm, Audience, AuthRequest, CredentialSource, HeaderLookup, JwkSet, JwtSpec,
    KeySetHandle, Method, Mode, Origin, Outcome, Policy, TokenCache,
};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// When the tokens of the corpus are good.
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// The tokens that the issuer signed. Their private keys exist no more.
const SIGNED: [&[u8]; 4] = [
    include_bytes!("../corpus/jws/rs256"),
    include_bytes!("../corpus/jws/ps256"),
    include_bytes!("../corpus/jws/es256"),
    include_bytes!("../corpus/jws/eddsa"),
];

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let keys = JwkSet::parse(include_bytes!("../corpus/jwks/issuer"), Origin::Remote)
        .expect("the set of the corpus is good");
    let keys = KeySetHandle::fixed("partners", keys, SystemTime::UNIX_EPOCH + NOW);
    let spec = JwtSpec {
        sources: vec![
            CredentialSource::bearer(),
            CredentialSource::Query {
                name: "access_token".to_owned(),
            },
        ],
        forward: false,
        algorithms: vec![
            Algorithm::Rs256,
            Algorithm::Ps256,
            Algorithm::Es256,
            Algorithm::EdDsa,
        ],
        issuers: vec!["https://id.example.com".to_owned()],
        audience: Audience::OneOf(vec!["shop".to_owned()]),
        ..JwtSpec::default()
    };
    let method = Method::jwt("partners", keys, spec).expect("a good method");
    Policy::new(Mode::AnyOf, "shop", vec![method]).expect("a good policy")
});

struct Authorization<'a>(&'a [u8]);

impl HeaderLookup for Authorization<'_> {
    fn header(&self, name: &str, nth: usize) -> Option<&[u8]> {
        (name == "authorization" && nth == 0).then_some(self.0)
    }
}

fn is_signed_by_us(text: &[u8]) -> bool {
    SIGNED.iter().any(|signed| {
        let token = signed.trim_ascii_end().strip_prefix(b"Bearer ");
        let signed = jws::parse(token.unwrap_or_default()).expect("a token");
        let input = signed.signing_input;
        text.windows(input.len()).any(|window| window == input)
    })
}

fuzz_target!(|input: &[u8]| {
    thread_local! {
        static CACHE: RefCell<TokenCache> = RefCell::new(TokenCache::new(16, &[7; 32]));
    }
    let value = input.trim_ascii();
    match jws::parse(value) {
        Ok(jws) => {
            assert!(value.len() <= TOKEN_LIMIT_BYTES && jws.signing_input.len() < value.len())
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let request = AuthRequest {
        headers: &Authorization(value),
        query: Some(value),
    };
    let now = SystemTime::UNIX_EPOCH + NOW;
    // Twice: the second answer may come from the cache and is the same.
    for _ in 0..2 {
        let outcome = CACHE.with_borrow_mut(|cache| POLICY.check(&request, cache, now));
        match outcome {
            Outcome::Allow(identity) => {
                assert!(is_signed_by_us(value), "{identity:?}");
            }
            Outcome::Deny(denial) => assert!(!denial.sentence().is_empty()),
            Outcome::AwaitKeys(_) => panic!("keys from a file are never fetched"),
        }
    }
    let _ = POLICY.strips_header("authorization", value);
    if let Some(query) = POLICY.strip_query(value) {
        assert!(query.len() < value.len());
    }
});
