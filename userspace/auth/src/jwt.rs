//! Who is calling, by a JSON Web Token (RFC 7519, with the advice of RFC 8725).

use crate::algorithm::Algorithm;
use crate::civil_time::{from_unix, unix_seconds};
use crate::claims::{ClaimRule, Claims};
use crate::denial::Detail;
use crate::identity::{Identity, is_scope_token};
use crate::jwk::Jwk;
use crate::jwks::VerifyError;
use crate::jws::{self, Header, Jws, JwsError};
use crate::key_set::{KeySetHandle, RefetchDecision};
use crate::request::CredentialSource;
use crate::token_cache::TokenCache;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The largest leeway; a configuration with more is refused, for it makes `exp` meaningless.
pub const LEEWAY_LIMIT: Duration = Duration::from_secs(10 * 60);
/// How long a verified token without `exp` is remembered.
const REMEMBER_LIMIT_SECONDS: u64 = 300;

/// Which tokens a method accepts.
#[derive(Clone, Debug)]
pub struct JwtSpec {
    /// Where the token stands. All of these are looked at; together they must yield one token.
    pub sources: Vec<CredentialSource>,
    /// The algorithms, at least one. Shared secrets and public keys do not mix in one method.
    pub algorithms: Vec<Algorithm>,
    /// The issuers of which `iss` must be one, compared byte for byte; empty leaves `iss` unchecked.
    pub issuers: Vec<String>,
    /// The audience that the token must be meant for.
    pub audience: Audience,
    /// How far our clock and the issuer's may be apart; at most [`LEEWAY_LIMIT`].
    pub leeway: Duration,
    /// Whether a token must have `exp`.
    pub require_expiry: bool,
    /// How long ago `iat` may be; `None` leaves the age unchecked.
    pub max_age: Option<Duration>,
    /// The values that `typ` may have, without regard to case and to a leading `application/`; empty leaves it unchecked.
    pub token_types: Vec<String>,
    /// The claim that names the subject; a token without it is refused.
    pub subject_claim: String,
    /// The claim that names the consumer; where it is missing, the subject is the consumer.
    pub consumer_claim: Option<String>,
    /// The claim with the scopes; `None` takes `scope` or, where that is missing, `scp`.
    pub scope_claim: Option<String>,
    /// Scopes that the token must carry, all of them.
    pub required_scopes: Vec<String>,
    /// What other claims must be.
    pub required_claims: Vec<ClaimRule>,
    /// Whether the token is forwarded to the upstream.
    pub forward: bool,
}

/// Who a token must be meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `aud` must contain one of these; at least one.
    OneOf(Vec<String>),
    /// `aud` is not looked at. RFC 7519, 4.1.3 says that a token with `aud` is to be refused by those whom it does not
    /// name, so this must be asked for.
    Unchecked,
}

impl Default for JwtSpec {
    /// RS256 and ES256 tokens in `Authorization: Bearer`, with `exp`, `sub` and 30 s of leeway. The audience has no safe
    /// default: an empty list is refused.
    fn default() -> Self {
        Self {
            sources: vec![CredentialSource::bearer()],
            algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
            issuers: Vec::new(),
            audience: Audience::OneOf(Vec::new()),
            leeway: Duration::from_secs(30),
            require_expiry: true,
            max_age: None,
            token_types: Vec::new(),
            subject_claim: "sub".to_owned(),
            consumer_claim: None,
            scope_claim: None,
            required_scopes: Vec::new(),
            required_claims: Vec::new(),
            forward: true,
        }
    }
}

impl JwtSpec {
    /// What is wrong with the spec, but for its sources.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        const OWN_SETTING: [&str; 5] = ["iss", "aud", "exp", "nbf", "iat"];
        let symmetric = self.algorithms.iter().filter(|a| a.is_symmetric()).count();
        if self.algorithms.is_empty() {
            return Err("a JWT method needs at least one algorithm");
        }
        if symmetric != 0 && symmetric != self.algorithms.len() {
            return Err(
                "HS256/384/512 cannot be mixed with public-key algorithms in one JWT method; make two",
            );
        }
        if self.audience == Audience::OneOf(Vec::new()) {
            return Err(
                "a JWT method needs an audience, or must say that the audience is not checked",
            );
        }
        if self.leeway > LEEWAY_LIMIT {
            return Err("the leeway of a JWT method is at most 10 minutes");
        }
        if self.subject_claim.is_empty() {
            return Err("a JWT method needs the name of the claim with the subject");
        }
        if !self
            .required_scopes
            .iter()
            .all(|scope| is_scope_token(scope))
        {
            return Err(
                "a required scope must be visible ASCII without spaces, quotes and backslashes",
            );
        }
        let own = |rule: &ClaimRule| {
            OWN_SETTING.contains(
                &rule
                    .claim
                    .trim_start_matches('/')
                    .split('/')
                    .next()
                    .unwrap_or_default(),
            )
        };
        if self
            .required_claims
            .iter()
            .any(|rule| own(rule) || rule.claim.is_empty())
        {
            return Err(
                "required claims cannot name iss, aud, exp, nbf or iat; these have settings of their own",
            );
        }
        Ok(())
    }
}

/// What a JWT method says of a token.
pub(crate) enum Answer {
    Allow(Arc<Identity>),
    Deny(Detail),
    /// The keys are on their way; what to say when they do not come.
    Await(Detail),
}

/// Checks a token: from the cache, or its signature and its claims.
pub(crate) fn check(
    spec: &JwtSpec,
    keys: &KeySetHandle,
    (method_id, method): (u64, &Arc<str>),
    token: &[u8],
    cache: &mut TokenCache,
    now: SystemTime,
) -> Answer {
    let seconds = unix_seconds(now);
    if token.len() > jws::TOKEN_LIMIT_BYTES {
        return Answer::Deny(Detail::TokenTooLarge);
    }
    let fingerprint = cache.fingerprint(method_id, token);
    let cached = keys
        .with_usable(now, |keys| cache.get(&fingerprint, keys.serial, seconds))
        .flatten();
    if let Some(identity) = cached {
        return Answer::Allow(identity);
    }
    let jws = match parse(spec, token) {
        Ok(jws) => jws,
        Err(detail) => return Answer::Deny(detail),
    };
    let verified = keys.with_usable(now, |keys| {
        let key = keys.set.verify(&jws)?;
        Ok((accept(spec, &jws, key, method, seconds), keys.serial))
    });
    match verified {
        None => fetch(keys, Detail::KeysUnavailable, now),
        Some(Err(VerifyError::UnknownKid)) => unknown_kid(spec, keys, &jws, now),
        Some(Err(VerifyError::NoKid)) => Answer::Deny(Detail::NoKid),
        Some(Err(VerifyError::AlgorithmMismatch)) => Answer::Deny(Detail::AlgorithmMismatch),
        Some(Err(VerifyError::BadSignature)) => Answer::Deny(Detail::BadSignature),
        Some(Ok((Err(detail), _))) => Answer::Deny(detail),
        Some(Ok((Ok((identity, ends)), serial))) => {
            let identity = Arc::new(identity);
            cache.put(fingerprint, &identity, serial, ends);
            Answer::Allow(identity)
        }
    }
}

fn parse<'a>(spec: &JwtSpec, token: &'a [u8]) -> Result<Jws<'a>, Detail> {
    let jws = jws::parse(token).map_err(|error| match error {
        JwsError::TooLarge => Detail::TokenTooLarge,
        JwsError::Parts | JwsError::Encoding(_) => Detail::MalformedToken,
        JwsError::Header | JwsError::Parameter(_) => Detail::MalformedHeader,
        JwsError::AlgorithmNone => Detail::AlgorithmNone,
        JwsError::AlgorithmUnknown => Detail::AlgorithmUnknown,
        JwsError::Critical(_) => Detail::CriticalHeader,
    })?;
    if !spec.algorithms.contains(&jws.header.algorithm) {
        return Err(Detail::AlgorithmNotAllowed);
    }
    if !accepts_type(spec, &jws.header) {
        return Err(Detail::WrongTokenType);
    }
    Ok(jws)
}

fn accepts_type(spec: &JwtSpec, header: &Header) -> bool {
    // "application/" may be left out (RFC 7515, 4.1.9).
    let short = |text: &str| {
        let lower = text.to_ascii_lowercase();
        lower
            .strip_prefix("application/")
            .map_or(lower.clone(), str::to_owned)
    };
    spec.token_types.is_empty()
        || header.typ.as_deref().map(short).is_some_and(|typ| {
            spec.token_types
                .iter()
                .any(|accepted| short(accepted) == typ)
        })
}

/// An unknown `kid` may be a key that is newer than ours. It is worth a fetch only where the token claims to be from our
/// issuer: with two methods, each sees the other's tokens.
fn unknown_kid(spec: &JwtSpec, keys: &KeySetHandle, jws: &Jws<'_>, now: SystemTime) -> Answer {
    match Claims::parse(&jws.payload) {
        Err(_) => Answer::Deny(Detail::MalformedClaims),
        Ok(claims) if !is_issuer(spec, &claims) => Answer::Deny(Detail::WrongIssuer),
        Ok(_) => fetch(keys, Detail::UnknownKid, now),
    }
}

fn fetch(keys: &KeySetHandle, otherwise: Detail, now: SystemTime) -> Answer {
    match keys.request_refetch(now) {
        RefetchDecision::Started | RefetchDecision::InFlight => Answer::Await(match otherwise {
            Detail::UnknownKid => Detail::KeysPending,
            other => other,
        }),
        RefetchDecision::CoolingDown | RefetchDecision::Fixed => Answer::Deny(otherwise),
    }
}

/// Checks the claims of a token whose signature is good. Returns the identity and the second from which on the token is
/// to be checked again.
fn accept(
    spec: &JwtSpec,
    jws: &Jws<'_>,
    key: &Jwk,
    method: &Arc<str>,
    now: u64,
) -> Result<(Identity, u64), Detail> {
    let claims = Claims::parse(&jws.payload).map_err(|_| Detail::MalformedClaims)?;
    if !is_issuer(spec, &claims) {
        return Err(Detail::WrongIssuer);
    }
    if let Audience::OneOf(ours) = &spec.audience
        && !claims
            .audiences
            .iter()
            .flatten()
            .any(|audience| ours.contains(audience))
    {
        return Err(Detail::WrongAudience);
    }
    let ends = check_times(spec, &claims, now)?;
    let subject = claims
        .text(&spec.subject_claim)
        .filter(|subject| !subject.is_empty())
        .ok_or(Detail::MissingClaim)?;
    if !spec.required_claims.iter().all(|rule| rule.is_met(&claims)) {
        return Err(Detail::ClaimMismatch);
    }
    let scopes = match &spec.scope_claim {
        Some(name) => claims.scopes(name),
        None => claims.scopes("scope").or_else(|| claims.scopes("scp")),
    };
    let subject: Arc<str> = subject.into();
    let consumer = spec
        .consumer_claim
        .as_deref()
        .and_then(|name| claims.text(name));
    let identity = Identity {
        consumer: consumer.map_or_else(|| Arc::clone(&subject), Into::into),
        subject,
        method: Arc::clone(method),
        scopes: scopes.unwrap_or_default().into(),
        key_id: key.kid().map(Into::into),
        expires: claims.expires.map(from_unix),
    };
    if !identity.has_scopes(&spec.required_scopes) {
        return Err(Detail::InsufficientScope);
    }
    Ok((identity, ends))
}

fn is_issuer(spec: &JwtSpec, claims: &Claims) -> bool {
    spec.issuers.is_empty()
        || claims
            .issuer
            .as_ref()
            .is_some_and(|issuer| spec.issuers.contains(issuer))
}

/// `exp`, `nbf` and `iat` against our clock, give or take the leeway. Returns the first second in which this ends.
fn check_times(spec: &JwtSpec, claims: &Claims, now: u64) -> Result<u64, Detail> {
    let leeway = spec.leeway.as_secs();
    let mut ends = now.saturating_add(REMEMBER_LIMIT_SECONDS);
    match claims.expires {
        Some(expires) => {
            ends = expires.saturating_add(leeway);
            if now >= ends {
                return Err(Detail::Expired);
            }
        }
        None if spec.require_expiry => return Err(Detail::MissingClaim),
        None => {}
    }
    let in_future = |time: u64| time > now.saturating_add(leeway);
    if claims.not_before.is_some_and(in_future) {
        return Err(Detail::NotYetValid);
    }
    if claims.issued_at.is_some_and(in_future) {
        return Err(Detail::IssuedInFuture);
    }
    if let Some(max_age) = spec.max_age {
        let issued = claims.issued_at.ok_or(Detail::TooOld)?;
        let too_old = issued
            .saturating_add(max_age.as_secs())
            .saturating_add(leeway);
        if now >= too_old {
            return Err(Detail::TooOld);
        }
        ends = ends.min(too_old);
    }
    Ok(ends)
}

#[cfg(test)]
mod tests;
