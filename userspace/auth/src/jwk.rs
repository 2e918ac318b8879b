//! One key of a key set (RFC 7517), parsed once to what verifies with it.

use crate::algorithm::Algorithm;
use crate::encoding::base64url;
use crate::json::Object;
use crate::jwks::Origin;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use serde_json::Value;

/// The smallest RSA modulus in bits (RFC 7518, 3.3).
pub const RSA_MODULUS_MIN_BITS: usize = 2048;
/// The largest RSA modulus in bits: what a verification costs grows with its square.
pub const RSA_MODULUS_MAX_BITS: usize = 8192;
/// The longest RSA exponent in bytes: 65537 has three, and what a verification costs grows with it.
const RSA_EXPONENT_MAX_BYTES: usize = 4;

/// A key and the algorithms that it may be used with.
#[derive(Debug)]
pub struct Jwk {
    kid: Option<Box<str>>,
    verifiers: Vec<(Algorithm, Verifier)>,
}

#[derive(Debug)]
enum Verifier {
    Public(ParsedPublicKey),
    // The inner and outer state of two SHA-512 contexts: boxed, so that public keys do not pay for it.
    Secret(Box<hmac::Key>),
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// An element of `keys` is no object.
    #[error("expected an object")]
    NotAnObject,
    /// A member is missing or has the wrong type.
    #[error("expected member {0} to be a string")]
    Member(&'static str),
    /// A member is not base64url without padding, or has needless leading zeros.
    #[error("expected member {0} as the shortest base64url number without padding")]
    Encoding(&'static str),
    /// `kty` is none of RSA, EC, OKP, oct.
    #[error("key type is not one of RSA, EC, OKP, oct")]
    Type,
    /// `crv` is none that we know.
    #[error("curve is not one of P-256, P-384, P-521, Ed25519")]
    Curve,
    /// `use` is not `sig`, or `key_ops` lacks `verify`.
    #[error("the key is not for verifying signatures (use, key_ops)")]
    Use,
    /// `alg` is not an algorithm that this key can be used with.
    #[error("alg does not name an algorithm that a key of this type and size can be used with")]
    Algorithm,
    /// The set publishes the private half: whoever read it can sign.
    #[error(
        "the private half of the key is in the set; replace the key, it is not secret any more"
    )]
    Private,
    /// The modulus is too small, too large or the exponent is out of range.
    #[error(
        "expected an RSA modulus of {RSA_MODULUS_MIN_BITS} to {RSA_MODULUS_MAX_BITS} bits and an odd exponent of 3 to 32 bits"
    )]
    RsaSize,
    /// The coordinates have the wrong length or are not on the curve.
    #[error("the coordinates are not a point on the curve")]
    Point,
    /// The shared secret is shorter than the hash (RFC 7518, 3.2).
    #[error("the shared secret is shorter than the hash of its algorithm")]
    SecretTooShort,
    /// A shared secret in a set that came over the network.
    #[error("a shared secret was published in a key set; only a local file may hold one")]
    SecretPublished,
}

impl Jwk {
    pub(crate) fn from_members(members: &Object, origin: Origin) -> Result<Self, JwkError> {
        let kty = string(members, "kty")?.ok_or(JwkError::Member("kty"))?;
        check_use(members)?;
        // An `alg` that we do not know pins the key to something that we cannot do.
        let pinned = string(members, "alg")?
            .map(|name| name.parse::<Algorithm>().map_err(|_| JwkError::Algorithm))
            .transpose()?;
        if kty != "oct" && members.contains_key("d") {
            return Err(JwkError::Private);
        }
        let wanted = |algorithm: &Algorithm| pinned.is_none_or(|pinned| pinned == *algorithm);
        let verifiers = match kty {
            "RSA" => rsa(members, wanted)?,
            "EC" => ec(members, wanted)?,
            "OKP" => okp(members, wanted)?,
            "oct" if origin == Origin::Remote => return Err(JwkError::SecretPublished),
            "oct" => oct(&bytes(members, "k")?, wanted)?,
            _ => return Err(JwkError::Type),
        };
        if verifiers.is_empty() {
            return Err(JwkError::Algorithm);
        }
        let kid = string(members, "kid")?.map(Into::into);
        Ok(Self { kid, verifiers })
    }

    /// A shared secret for one algorithm, as a configuration names it.
    pub(crate) fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, JwkError> {
        let verifiers = oct(secret, |candidate| *candidate == algorithm)?;
        if verifiers.is_empty() {
            return Err(JwkError::Algorithm);
        }
        Ok(Self {
            kid: None,
            verifiers,
        })
    }

    /// The id, where the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key may be used with an algorithm.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.verifiers
            .iter()
            .any(|(allowed, _)| *allowed == algorithm)
    }

    /// Whether the signature is one of this key, made with this algorithm. MACs are compared in constant time.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self
            .verifiers
            .iter()
            .find(|(allowed, _)| *allowed == algorithm);
        match verifier {
            Some((_, Verifier::Public(key))) => key.verify_sig(message, signature).is_ok(),
            Some((_, Verifier::Secret(key))) => hmac::verify(key, message, signature).is_ok(),
            None => false,
        }
    }
}

type Verifiers = Vec<(Algorithm, Verifier)>;

fn check_use(members: &Object) -> Result<(), JwkError> {
    if string(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(JwkError::Use);
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|op| op == "verify") => Ok(()),
        Some(_) => Err(JwkError::Use),
    }
}

fn rsa(members: &Object, wanted: impl Fn(&Algorithm) -> bool) -> Result<Verifiers, JwkError> {
    let (n, e) = (number(members, "n")?, number(members, "e")?);
    let modulus_bits = n.len() * 8
        - n.first()
            .map_or(0, |top| usize::try_from(top.leading_zeros()).unwrap_or(8));
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !(RSA_MODULUS_MIN_BITS..=RSA_MODULUS_MAX_BITS).contains(&modulus_bits)
        || e.len() > RSA_EXPONENT_MAX_BYTES
        || e == [1]
        || !odd(&e)
        || !odd(&n)
    {
        return Err(JwkError::RsaSize);
    }
    let components = RsaPublicKeyComponents { n, e };
    let parameters: [(Algorithm, &'static RsaParameters); 6] = [
        (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
    ];
    parameters
        .into_iter()
        .filter(|(algorithm, _)| wanted(algorithm))
        .map(|(algorithm, parameters)| {
            let key = components
                .to_parsed_public_key(parameters)
                .map_err(|_| JwkError::RsaSize)?;
            Ok((algorithm, Verifier::Public(key)))
        })
        .collect()
}

fn ec(members: &Object, wanted: impl Fn(&Algorithm) -> bool) -> Result<Verifiers, JwkError> {
    let (algorithm, verification, length): (_, &'static dyn VerificationAlgorithm, _) =
        match string(members, "crv")?.ok_or(JwkError::Member("crv"))? {
            "P-256" => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48),
            "P-521" => (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(JwkError::Curve),
        };
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    // Coordinates have the full length of the field, zeros included (RFC 7518, 6.2.1.2).
    if x.len() != length || y.len() != length {
        return Err(JwkError::Point);
    }
    // The uncompressed form of SEC 1, 2.3.3. Parsing checks that the point is on the curve.
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    let key = ParsedPublicKey::new(verification, point).map_err(|_| JwkError::Point)?;
    Ok(Some((algorithm, Verifier::Public(key)))
        .filter(|(algorithm, _)| wanted(algorithm))
        .into_iter()
        .collect())
}

fn okp(members: &Object, wanted: impl Fn(&Algorithm) -> bool) -> Result<Verifiers, JwkError> {
    if string(members, "crv")?.ok_or(JwkError::Member("crv"))? != "Ed25519" {
        return Err(JwkError::Curve);
    }
    let key = ParsedPublicKey::new(&ED25519, bytes(members, "x")?).map_err(|_| JwkError::Point)?;
    Ok(Some((Algorithm::EdDsa, Verifier::Public(key)))
        .filter(|(algorithm, _)| wanted(algorithm))
        .into_iter()
        .collect())
}

/// A secret is used with those hashes only that are not longer than it (RFC 7518, 3.2).
fn oct(secret: &[u8], wanted: impl Fn(&Algorithm) -> bool) -> Result<Verifiers, JwkError> {
    let hashes = [
        (Algorithm::Hs256, hmac::HMAC_SHA256, 32),
        (Algorithm::Hs384, hmac::HMAC_SHA384, 48),
        (Algorithm::Hs512, hmac::HMAC_SHA512, 64),
    ];
    let mut too_short = false;
    let mut verifiers = Vec::new();
    for (algorithm, hash, minimum) in hashes {
        if !wanted(&algorithm) {
            continue;
        }
        if secret.len() < minimum {
            too_short = true;
        } else {
            verifiers.push((
                algorithm,
                Verifier::Secret(Box::new(hmac::Key::new(hash, secret))),
            ));
        }
    }
    if verifiers.is_empty() && too_short {
        return Err(JwkError::SecretTooShort);
    }
    Ok(verifiers)
}

fn string<'a>(members: &'a Object, name: &'static str) -> Result<Option<&'a str>, JwkError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::Member(name)),
    }
}

fn bytes(members: &Object, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = string(members, name)?.ok_or(JwkError::Member(name))?;
    base64url(text.as_bytes()).ok_or(JwkError::Encoding(name))
}

/// A `Base64urlUInt` of RFC 7518, 2: as few bytes as possible.
fn number(members: &Object, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let bytes = bytes(members, name)?;
    if matches!(bytes.first(), None | Some(0)) {
        return Err(JwkError::Encoding(name));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
