//! JSON Web Tokens and key sets, as an issuer makes them.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What signs tokens.
pub enum SigningKey {
    /// ES256, with the key's id.
    Es256(String, EcdsaKeyPair),
    /// HS256.
    Hs256(Box<hmac::Key>),
    /// `alg: none`: no signature at all.
    Nothing,
}

impl SigningKey {
    /// A new key on P-256.
    #[must_use]
    pub fn es256(id: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::Es256(id.to_owned(), key)
    }

    /// A shared secret.
    #[must_use]
    pub fn hs256(secret: &str) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(
            hmac::HMAC_SHA256,
            secret.as_bytes(),
        )))
    }

    /// A token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Json) -> String {
        let header = match self {
            Self::Es256(id, _) => json!({ "alg": "ES256", "kid": id, "typ": "JWT" }),
            Self::Hs256(_) => json!({ "alg": "HS256", "typ": "JWT" }),
            Self::Nothing => json!({ "alg": "none", "typ": "JWT" }),
        };
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            encoded(header.to_string().as_bytes()),
            encoded(claims.to_string().as_bytes())
        );
        let signature = match self {
            Self::Es256(_, key) => key
                .sign(&SystemRandom::new(), signed.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Hs256(key) => hmac::sign(key, signed.as_bytes()).as_ref().to_vec(),
            Self::Nothing => Vec::new(),
        };
        format!("{signed}.{}", encoded(&signature))
    }

    /// The public key as a JWK.
    #[must_use]
    fn jwk(&self) -> Option<Json> {
        let Self::Es256(id, key) = self else {
            return None;
        };
        // An uncompressed point: 4, x, y.
        let point = key.public_key().as_ref();
        let half = |range| URL_SAFE_NO_PAD.encode(&point[range]);
        Some(json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id,
            "x": half(1..33), "y": half(33..65),
        }))
    }
}

/// The public keys as a key set (RFC 7517).
#[must_use]
pub fn jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<Json> = keys.iter().filter_map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Claims of a token that ends in so many seconds; negative: that ended so long ago.
#[must_use]
pub fn claims(issuer: &str, audience: &str, ends_in_s: i64) -> Json {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let now = i64::try_from(now).unwrap();
    json!({ "iss": issuer, "aud": audience, "sub": "alice", "exp": now + ends_in_s, "iat": now - 60 })
}
