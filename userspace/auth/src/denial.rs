//! Why a caller is turned away, in the words that the log, the client and the metrics use.

use std::fmt;
use std::sync::Arc;
use types::Reason;

/// What a client is told when it is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The cause and, with it, the status: 401, 403 or 503.
    pub reason: Reason,
    /// The exact cause, for the log and the metrics.
    pub detail: Detail,
    /// The value of `WWW-Authenticate` (RFC 9110, 11.6.1; RFC 6750, 3). Absent for a 503.
    pub www_authenticate: Option<Arc<str>>,
}

impl Denial {
    /// The sentence for `detail` in problem+json (RFC 9457). It names no key, no claim value and no server.
    #[must_use]
    pub const fn sentence(&self) -> &'static str {
        self.detail.sentence()
    }
}

/// How much a detail tells: of several methods that refuse, the one that tells most is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// There was no credential.
    Absent,
    /// It was not even of the right form; perhaps it was meant for another method.
    Malformed,
    /// It was of the right form, but not good.
    Refused,
    /// It may be good; we cannot tell now.
    Unknown,
    /// It is good, but not for this.
    Forbidden,
    /// Whatever other methods say, the request is refused.
    Final,
}

macro_rules! details {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $reason:ident, $weight:ident, $error:expr, $sentence:literal;)*) => {
        /// The exact cause of a denial. [`Detail::word`] is stable: operators build alerts on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Detail { $($(#[$doc])* $variant,)* }

        impl Detail {
            /// Every detail, for metrics and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable word for logs and metrics.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The cause in the vocabulary of the whole program; it carries the status.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$variant => Reason::$reason,)* }
            }

            /// A sentence for the client.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// The error code of RFC 6750, 3.1 for the challenge.
            pub(crate) const fn challenge_error(self) -> Option<&'static str> {
                match self { $(Self::$variant => $error,)* }
            }

            pub(crate) const fn weight(self) -> Weight {
                match self { $(Self::$variant => Weight::$weight,)* }
            }
        }
    };
}

const INVALID: Option<&str> = Some("invalid_token");
const REQUEST: Option<&str> = Some("invalid_request");
const SCOPE: Option<&str> = Some("insufficient_scope");

details! {
    /// No credential was given.
    NoCredential = "no_credential", AuthMissing, Absent, None,
        "This resource needs a credential and the request carries none.";
    /// The same kind of credential was given more than once (RFC 6750, 2).
    DuplicateCredentials = "duplicate_credentials", AuthInvalid, Final, REQUEST,
        "The request carries more than one credential; send exactly one.";

    /// The text is not of the form of an API key.
    MalformedKey = "malformed_key", AuthInvalid, Malformed, INVALID, "The API key is not valid.";
    /// An API key of another system.
    WrongPrefix = "wrong_prefix", AuthInvalid, Malformed, INVALID, "The API key is not valid.";
    /// The API key was mistyped or cut.
    BadChecksum = "bad_checksum", AuthInvalid, Refused, INVALID,
        "The API key is damaged; check that it was copied whole.";
    /// The API key is of the right form, but not in the store.
    UnknownKey = "unknown_key", AuthInvalid, Refused, INVALID, "The API key is not valid.";
    /// The API key was revoked.
    KeyRevoked = "key_revoked", AuthInvalid, Refused, INVALID, "The API key has been revoked.";
    /// The API key is switched off.
    KeyDisabled = "key_disabled", AuthInvalid, Refused, INVALID, "The API key is disabled.";
    /// The API key is past its end.
    KeyExpired = "key_expired", AuthInvalid, Refused, INVALID, "The API key has expired.";
    /// The key store was never loaded.
    StoreUnavailable = "store_unavailable", AuthUnavailable, Unknown, None,
        "API keys cannot be checked at the moment.";

    /// The token is larger than the limit.
    TokenTooLarge = "token_too_large", AuthInvalid, Malformed, INVALID, "The token is too large.";
    /// The text is not a compact JWS (RFC 7515, 7.1).
    MalformedToken = "malformed_token", AuthInvalid, Malformed, INVALID, "The token is malformed.";
    /// The header is not JSON, lacks `alg`, or has members of the wrong type.
    MalformedHeader = "malformed_header", AuthInvalid, Malformed, INVALID, "The token is malformed.";
    /// The algorithm is `none`.
    AlgorithmNone = "algorithm_none", AuthInvalid, Refused, INVALID, "The token is not signed.";
    /// The algorithm is one that we do not know.
    AlgorithmUnknown = "algorithm_unknown", AuthInvalid, Refused, INVALID,
        "The token is signed with an algorithm that is not accepted.";
    /// The algorithm is not one of those that the configuration pins.
    AlgorithmNotAllowed = "algorithm_not_allowed", AuthInvalid, Refused, INVALID,
        "The token is signed with an algorithm that is not accepted.";
    /// The key is for another algorithm.
    AlgorithmMismatch = "algorithm_mismatch", AuthInvalid, Refused, INVALID,
        "The token is signed with an algorithm that is not accepted.";
    /// The header has `crit` (RFC 7515, 4.1.11) or `b64` (RFC 7797).
    CriticalHeader = "critical_header", AuthInvalid, Refused, INVALID,
        "The token uses an extension that is not supported.";
    /// `typ` is not one of those that are configured (RFC 8725, 3.11).
    WrongTokenType = "wrong_token_type", AuthInvalid, Refused, INVALID, "The token is of the wrong type.";
    /// No key has the token's `kid`.
    UnknownKid = "unknown_kid", AuthInvalid, Refused, INVALID, "The token is signed with an unknown key.";
    /// The token has no `kid` and none, or too many, of the keys fit.
    NoKid = "no_kid", AuthInvalid, Refused, INVALID, "The token does not say which key signed it.";
    /// The signature does not verify.
    BadSignature = "bad_signature", AuthInvalid, Refused, INVALID, "The token's signature is not valid.";
    /// The payload is not a JSON object, or a registered claim has the wrong type.
    MalformedClaims = "malformed_claims", AuthInvalid, Refused, INVALID, "The token's claims are malformed.";
    /// `exp`, or the claim that names the subject, is missing.
    MissingClaim = "missing_claim", AuthInvalid, Refused, INVALID, "The token lacks a claim that is needed.";
    /// `iss` is not the issuer.
    WrongIssuer = "wrong_issuer", AuthInvalid, Refused, INVALID, "The token is from an issuer that is not accepted.";
    /// `aud` does not contain the audience.
    WrongAudience = "wrong_audience", AuthInvalid, Refused, INVALID, "The token is meant for another audience.";
    /// `exp` has passed.
    Expired = "expired", AuthInvalid, Refused, INVALID, "The token has expired.";
    /// `nbf` has not come.
    NotYetValid = "not_yet_valid", AuthInvalid, Refused, INVALID, "The token is not valid yet.";
    /// `iat` lies in the future.
    IssuedInFuture = "issued_in_future", AuthInvalid, Refused, INVALID, "The token was issued in the future.";
    /// `iat` is longer ago than allowed, or missing where an age limit is set.
    TooOld = "too_old", AuthInvalid, Refused, INVALID, "The token is too old.";
    /// A claim that the policy asks for is missing or has another value.
    ClaimMismatch = "claim_mismatch", AuthForbidden, Forbidden, SCOPE,
        "The token does not grant access to this resource.";
    /// A scope that the policy asks for is missing.
    InsufficientScope = "insufficient_scope", AuthForbidden, Forbidden, SCOPE,
        "The credential lacks a scope that this resource needs.";
    /// There are no keys, or they are older than the limit.
    KeysUnavailable = "keys_unavailable", AuthUnavailable, Unknown, None,
        "Tokens cannot be checked at the moment.";
    /// The keys are being fetched, and that takes longer than a request may wait.
    KeysPending = "keys_pending", AuthUnavailable, Unknown, None,
        "Tokens cannot be checked at the moment.";
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_unique_and_fit_metric_labels() {
        let words: HashSet<_> = Detail::ALL.iter().map(|d| d.word()).collect();
        assert_eq!(words.len(), Detail::ALL.len());
        assert!(
            words
                .iter()
                .all(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
    }

    #[test]
    fn a_challenge_error_belongs_to_its_status() {
        for detail in Detail::ALL {
            let expected: &[Option<&str>] = match detail.reason() {
                Reason::AuthMissing | Reason::AuthUnavailable => &[None],
                Reason::AuthForbidden => &[SCOPE],
                _ => &[INVALID, REQUEST],
            };
            assert!(expected.contains(&detail.challenge_error()), "{detail}");
            let sentence = detail.sentence();
            assert!(
                sentence.is_ascii() && !sentence.contains(['"', '\\']),
                "{detail}"
            );
        }
    }
}
