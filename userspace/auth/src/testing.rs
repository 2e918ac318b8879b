//! Keys that sign, for tests: what an issuer has and this room never sees.

use crate::algorithm::Algorithm;
use crate::jwks::{JwkSet, Origin};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as sign, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time at which tests begin.
pub(crate) const NOW: u64 = 1_800_000_000;

/// So many seconds after [`NOW`].
pub(crate) fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.checked_add_signed(seconds).unwrap())
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn set_of(keys: &[Value]) -> JwkSet {
    JwkSet::parse(json!({ "keys": keys }).to_string().as_bytes(), Origin::File).unwrap()
}

enum Private {
    Rsa(&'static RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret(Vec<u8>),
}

/// An issuer's key.
pub(crate) struct Signer {
    algorithm: Algorithm,
    kid: &'static str,
    private: Private,
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, kid: &'static str) -> Self {
        let ec = |algorithm| Private::Ec(EcdsaKeyPair::generate(algorithm).unwrap());
        let private = match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                Private::Secret((0..64).map(|i| i ^ kid.as_bytes()[0]).collect())
            }
            Algorithm::Es256 => ec(&sign::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&sign::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => ec(&sign::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa => Private::Ed(Ed25519KeyPair::generate().unwrap()),
            _ => Private::Rsa(rsa_2048()),
        };
        Self {
            algorithm,
            kid,
            private,
        }
    }

    /// The public half as a JWK, with `alg`.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.private {
            Private::Rsa(key) => {
                let (n, e) = rsa_components(key.public_key().as_ref());
                json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })
            }
            Private::Ec(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                let crv = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
                json!({ "kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y) })
            }
            Private::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key()) })
            }
            Private::Secret(secret) => json!({ "kty": "oct", "k": base64url(secret) }),
        };
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm.name().into();
        jwk
    }

    pub(crate) fn set(&self) -> JwkSet {
        set_of(&[self.jwk()])
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": "JWT" });
        self.token_with_header(&header, claims)
    }

    /// A token whose header says what the test wants, signed with this key and its algorithm all the same.
    pub(crate) fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn token_of(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64url(header), base64url(payload));
        format!("{input}.{}", base64url(self.sign(input.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Rsa(key) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    Algorithm::Rs256 => &sign::RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &sign::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &sign::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &sign::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &sign::RSA_PSS_SHA384,
                    _ => &sign::RSA_PSS_SHA512,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Private::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Private::Ed(key) => key.sign(message).as_ref().to_vec(),
            Private::Secret(secret) => {
                let hash = match self.algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    _ => hmac::HMAC_SHA512,
                };
                hmac::sign(&hmac::Key::new(hash, secret), message)
                    .as_ref()
                    .to_vec()
            }
        }
    }
}

/// A token that is "signed" with HMAC, by a secret of the attacker's choice.
pub(crate) fn hmac_token(secret: &[u8], header: &Value, claims: &Value) -> String {
    let input = format!(
        "{}.{}",
        base64url(header.to_string()),
        base64url(claims.to_string())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", base64url(tag))
}

/// Making an RSA key takes a while; one is enough.
fn rsa_2048() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// The two integers of a DER-encoded RSAPublicKey (RFC 8017, A.1.1).
fn rsa_components(der: &[u8]) -> (&[u8], &[u8]) {
    let (_, sequence, _) = der_element(der);
    let (_, n, rest) = der_element(sequence);
    let (_, e, _) = der_element(rest);
    (n.strip_prefix(&[0]).unwrap_or(n), e)
}

fn der_element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, first) = (der[0], usize::from(der[1]));
    let (length, at) = if first < 0x80 {
        (first, 2)
    } else {
        let digits = &der[2..2 + (first & 0x7f)];
        (
            digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
            2 + digits.len(),
        )
    };
    (tag, &der[at..at + length], &der[at + length..])
}
