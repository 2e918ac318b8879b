//! A set of keys (RFC 7517, 5).

use crate::algorithm::Algorithm;
use crate::json::{self, JsonError};
use crate::jwk::{Jwk, JwkError};
use crate::jws::Jws;
use serde_json::Value;
use types::Secret;

/// The largest set in bytes; a larger one is refused.
pub const SET_LIMIT_BYTES: usize = 1024 * 1024;
/// The most keys in a set; a set with more is refused.
pub const KEYS_LIMIT: usize = 256;
/// The most keys that are tried for one token. A token whose `kid` (or whose lack of one) fits more keys is refused:
/// each attempt costs tens of microseconds, and the token's sender decides that they are spent.
pub const CANDIDATES_LIMIT: usize = 4;

/// Where a set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of this host. It may hold shared secrets.
    File,
    /// A URL. A shared secret in it is not used: it is none.
    Remote,
}

/// The keys that tokens are verified with. It does not change.
#[derive(Debug)]
pub struct JwkSet {
    keys: Vec<Jwk>,
    skipped: Vec<SkippedKey>,
}

/// A key of a set that is not used. RFC 7517, 5: what we do not understand is passed over, for other readers may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in `keys`, from 0.
    pub index: usize,
    /// Its id, where it has one.
    pub kid: Option<String>,
    /// Why it is not used.
    pub problem: JwkError,
}

/// Why a text is no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// Larger than [`SET_LIMIT_BYTES`].
    #[error("the key set is larger than {SET_LIMIT_BYTES} bytes")]
    TooLarge,
    /// No JSON.
    #[error("the key set is not readable: {0}")]
    Json(#[from] JsonError),
    /// No member `keys`, or not a list.
    #[error("expected a member \"keys\" that is a list (RFC 7517, 5)")]
    NoKeys,
    /// More than [`KEYS_LIMIT`] keys.
    #[error("the key set has more than {KEYS_LIMIT} keys")]
    TooManyKeys,
    /// No key can be used.
    #[error("none of the {} keys in the set can be used{}", .0.len(), first_problem(.0))]
    NoUsableKey(Vec<SkippedKey>),
}

fn first_problem(skipped: &[SkippedKey]) -> String {
    skipped.first().map_or_else(String::new, |key| {
        format!("; the first one: {}", key.problem)
    })
}

impl JwkSet {
    /// Reads a key set. Keys that cannot be used are passed over and listed in [`JwkSet::skipped`]; certificates (`x5c`)
    /// are not looked at.
    ///
    /// # Errors
    /// [`JwkSetError`]; also where no key is left.
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, JwkSetError> {
        if text.len() > SET_LIMIT_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let set = json::parse_object(text)?;
        let Some(Value::Array(elements)) = set.get("keys") else {
            return Err(JwkSetError::NoKeys);
        };
        if elements.len() > KEYS_LIMIT {
            return Err(JwkSetError::TooManyKeys);
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, element) in elements.iter().enumerate() {
            let key = match element {
                Value::Object(members) => Jwk::from_members(members, origin),
                _ => Err(JwkError::NotAnObject),
            };
            match key {
                Ok(key) => keys.push(key),
                Err(problem) => {
                    let kid = element
                        .get("kid")
                        .and_then(Value::as_str)
                        .map(str::to_owned);
                    skipped.push(SkippedKey {
                        index,
                        kid,
                        problem,
                    });
                }
            }
        }
        if keys.is_empty() {
            return Err(JwkSetError::NoUsableKey(skipped));
        }
        Ok(Self { keys, skipped })
    }

    /// A set of one shared secret, for HS256, HS384 or HS512.
    ///
    /// # Errors
    /// Where the algorithm is another one, or the secret is shorter than its hash.
    pub fn from_secret(algorithm: Algorithm, secret: &Secret) -> Result<Self, JwkError> {
        let key = Jwk::from_secret(algorithm, secret.expose())?;
        Ok(Self {
            keys: vec![key],
            skipped: Vec::new(),
        })
    }

    /// The keys that can be used.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys that cannot, with the reason of each. Worth a warning in the log.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Verifies a token's signature with the key that its `kid` names; a token without `kid` with each key that fits.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub fn verify(&self, jws: &Jws<'_>) -> Result<&Jwk, VerifyError> {
        let algorithm = jws.header.algorithm;
        let kid = jws.header.kid.as_deref();
        let named = |key: &Jwk| kid.is_none_or(|kid| key.kid() == Some(kid));
        let by_kid = self.keys.iter().any(named);
        // A key without an id may be the one that a `kid` means, so it is tried where no key has that id.
        let fits = |key: &Jwk| {
            if by_kid {
                named(key)
            } else {
                key.kid().is_none()
            }
        };
        let unknown = !by_kid && self.keys.iter().any(|key| key.kid().is_some());

        let fitting = self.keys.iter().filter(|key| fits(key));
        let candidates: Vec<&Jwk> = fitting
            .filter(|key| key.allows(algorithm))
            .take(CANDIDATES_LIMIT + 1)
            .collect();
        if candidates.len() > CANDIDATES_LIMIT {
            return Err(VerifyError::NoKid);
        }
        let verified = candidates
            .iter()
            .find(|key| key.verifies(algorithm, jws.signing_input, &jws.signature));
        match verified {
            Some(key) => Ok(key),
            None if unknown => Err(VerifyError::UnknownKid),
            None if candidates.is_empty() => Err(VerifyError::AlgorithmMismatch),
            None => Err(VerifyError::BadSignature),
        }
    }
}

/// Why a signature was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No key has the token's `kid`.
    #[error("no key has the token's kid")]
    UnknownKid,
    /// The token has no `kid` and more than [`CANDIDATES_LIMIT`] keys fit.
    #[error("the token does not say which key signed it")]
    NoKid,
    /// The key is for another algorithm.
    #[error("the key is for another algorithm than the token claims")]
    AlgorithmMismatch,
    /// The signature is not one of the key.
    #[error("the signature is not valid")]
    BadSignature,
}

#[cfg(test)]
mod tests;
