//! Methods, joined to what a route asks for.

use crate::denial::{Denial, Detail, Weight};
use crate::identity::{Identity, is_scope_token};
use crate::jwt::{self, Answer, JwtSpec};
use crate::key_set::KeySetHandle;
use crate::key_store::KeyStoreHandle;
use crate::request::{AuthRequest, CredentialSource, find_credential, strip_query};
use crate::token_cache::TokenCache;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The most methods in a policy; one with more is refused.
pub const METHODS_LIMIT: usize = 16;

/// Which API keys a method accepts.
#[derive(Clone, Debug)]
pub struct ApiKeySpec {
    /// Where the key stands. All of these are looked at; together they must yield one key.
    pub sources: Vec<CredentialSource>,
    /// Scopes that the key must carry, all of them.
    pub required_scopes: Vec<String>,
    /// Whether the key is forwarded to the upstream.
    pub forward: bool,
}

impl Default for ApiKeySpec {
    /// Keys in `x-api-key`, not forwarded.
    fn default() -> Self {
        Self {
            sources: vec![CredentialSource::header("x-api-key")],
            required_scopes: Vec::new(),
            forward: false,
        }
    }
}

/// One way to authenticate, as the configuration names it. Several policies may share it.
#[derive(Debug)]
pub struct Method {
    /// Differs from that of every other method of this process, so that a cache never mixes up two of them, be they of
    /// one generation or of two.
    id: u64,
    name: Arc<str>,
    sources: Vec<CredentialSource>,
    forward: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    ApiKey {
        store: Arc<KeyStoreHandle>,
        required_scopes: Vec<String>,
    },
    Jwt {
        keys: Arc<KeySetHandle>,
        spec: Box<JwtSpec>,
    },
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// What is wrong with a method or a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A method cannot be built.
    #[error("authentication method {method:?}: {problem}")]
    Method {
        /// Its name.
        method: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// A policy without methods would let everybody or nobody in.
    #[error("an authentication policy needs at least one method")]
    NoMethod,
    /// More than [`METHODS_LIMIT`] methods.
    #[error("an authentication policy has at most {METHODS_LIMIT} methods, found {0}")]
    TooManyMethods(usize),
    /// The realm cannot stand in a header.
    #[error(
        "expected the realm {0:?} to be visible ASCII or spaces without quotes and backslashes"
    )]
    Realm(String),
}

impl Method {
    /// A method for API keys. Its name is the one that the store's handle carries.
    ///
    /// # Errors
    /// [`SpecError`]
    pub fn api_key(store: Arc<KeyStoreHandle>, spec: ApiKeySpec) -> Result<Arc<Self>, SpecError> {
        let name = Arc::clone(store.method());
        let kind = if spec
            .required_scopes
            .iter()
            .all(|scope| is_scope_token(scope))
        {
            Ok(Kind::ApiKey {
                store,
                required_scopes: spec.required_scopes,
            })
        } else {
            Err("a required scope must be visible ASCII without spaces, quotes and backslashes")
        };
        Self::build(name, &spec.sources, spec.forward, kind)
    }

    /// A method for JSON Web Tokens. Several methods may share one key set.
    ///
    /// # Errors
    /// [`SpecError`]
    pub fn jwt(name: &str, keys: Arc<KeySetHandle>, spec: JwtSpec) -> Result<Arc<Self>, SpecError> {
        let (sources, forward) = (spec.sources.clone(), spec.forward);
        let kind = spec.check().map(|()| Kind::Jwt {
            keys,
            spec: Box::new(spec),
        });
        Self::build(name.into(), &sources, forward, kind)
    }

    fn build(
        name: Arc<str>,
        sources: &[CredentialSource],
        forward: bool,
        kind: Result<Kind, &'static str>,
    ) -> Result<Arc<Self>, SpecError> {
        let wrong = |problem| SpecError::Method {
            method: name.to_string(),
            problem,
        };
        if sources.is_empty() {
            return Err(wrong(
                "a method needs at least one header or query parameter",
            ));
        }
        let sources: Result<Vec<_>, _> = sources.iter().map(CredentialSource::checked).collect();
        Ok(Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            sources: sources.map_err(wrong)?,
            kind: kind.map_err(wrong)?,
            name,
            forward,
        }))
    }

    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, request: &AuthRequest<'_>, cache: &mut TokenCache, now: SystemTime) -> Answer {
        let credential = match find_credential(&self.sources, request) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Answer::Deny(Detail::NoCredential),
            Err(_duplicate) => return Answer::Deny(Detail::DuplicateCredentials),
        };
        match &self.kind {
            Kind::ApiKey {
                store,
                required_scopes,
            } => match store.check(credential, now) {
                Ok(identity) if identity.has_scopes(required_scopes) => Answer::Allow(identity),
                Ok(_) => Answer::Deny(Detail::InsufficientScope),
                Err(detail) => Answer::Deny(detail),
            },
            Kind::Jwt { keys, spec } => {
                jwt::check(spec, keys, (self.id, &self.name), credential, cache, now)
            }
        }
    }

    fn key_set(&self) -> Option<&Arc<KeySetHandle>> {
        match &self.kind {
            Kind::Jwt { keys, .. } => Some(keys),
            Kind::ApiKey { .. } => None,
        }
    }

    /// This method's part of `WWW-Authenticate`.
    fn challenge(&self, realm: &str, detail: Option<Detail>) -> String {
        let (scheme, scopes) = match &self.kind {
            Kind::ApiKey {
                required_scopes, ..
            } => ("ApiKey", required_scopes),
            Kind::Jwt { spec, .. } => ("Bearer", &spec.required_scopes),
        };
        let mut challenge = format!("{scheme} realm=\"{realm}\"");
        let Some((detail, error)) =
            detail.and_then(|detail| Some((detail, detail.challenge_error()?)))
        else {
            return challenge;
        };
        // Writing to a String cannot fail.
        let _ = write!(
            challenge,
            ", error=\"{error}\", error_description=\"{}\"",
            detail.sentence()
        );
        if detail == Detail::InsufficientScope {
            let _ = write!(challenge, ", scope=\"{}\"", scopes.join(" "));
        }
        challenge
    }
}

/// How the methods of a policy are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One of them is enough. The identity is that of the first one that allows.
    AnyOf,
    /// Each of them must allow. The identity is that of the first one in the list.
    AllOf,
}

/// What a route asks of its callers.
#[derive(Debug)]
pub struct Policy {
    mode: Mode,
    methods: Vec<Arc<Method>>,
    /// `WWW-Authenticate` for each method and detail, made beforehand: an attack does not cost us allocations.
    challenges: Vec<Vec<Arc<str>>>,
}

/// What a policy says of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The caller is known and may go on.
    Allow(Arc<Identity>),
    /// The caller is turned away.
    Deny(Denial),
    /// Keys are being fetched. Wait until their version changes and check again, or answer with what is inside.
    AwaitKeys(AwaitKeys),
}

/// Which keys to wait for, and what to answer when they do not come in time.
#[derive(Debug)]
pub struct AwaitKeys {
    /// The keys that are being fetched.
    pub keys: Arc<KeySetHandle>,
    /// Their version when the check began. Wait while [`KeySetHandle::version`] is this one.
    pub version: u64,
    /// The answer where the wait is over its bound.
    pub otherwise: Denial,
}

impl Policy {
    /// Joins methods. `realm` is shown to clients in `WWW-Authenticate`.
    ///
    /// # Errors
    /// [`SpecError`]
    pub fn new(mode: Mode, realm: &str, methods: Vec<Arc<Method>>) -> Result<Self, SpecError> {
        if methods.is_empty() {
            return Err(SpecError::NoMethod);
        }
        if methods.len() > METHODS_LIMIT {
            return Err(SpecError::TooManyMethods(methods.len()));
        }
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !realm.bytes().all(plain) {
            return Err(SpecError::Realm(realm.to_owned()));
        }
        let challenge = |failed: usize, detail: Detail| -> Arc<str> {
            let parts: Vec<String> = methods
                .iter()
                .enumerate()
                .map(|(at, method)| method.challenge(realm, Some(detail).filter(|_| at == failed)))
                .collect();
            parts.join(", ").into()
        };
        let challenges = (0..methods.len())
            .map(|failed| {
                Detail::ALL
                    .iter()
                    .map(|&detail| challenge(failed, detail))
                    .collect()
            })
            .collect();
        Ok(Self {
            mode,
            methods,
            challenges,
        })
    }

    /// Says who is calling and whether they may.
    ///
    /// `cache` is the worker's own. A check takes less than a microsecond for an API key or a token in the cache. A token
    /// that is verified takes 20 µs with RSA, 50 µs with ES256 or EdDSA, 200 µs with ES384 and 400 µs with ES512, and a
    /// forged one takes as long: limit what one address may send.
    pub fn check(
        &self,
        request: &AuthRequest<'_>,
        cache: &mut TokenCache,
        now: SystemTime,
    ) -> Outcome {
        let mut identity = None;
        let mut denied: Option<(Weight, usize, Detail)> = None;
        let mut awaited = None;
        for (at, method) in self.methods.iter().enumerate() {
            // Read before the check: a fetch that ends meanwhile must not be waited for.
            let version = method.key_set().map_or(0, |keys| keys.version());
            match method.check(request, cache, now) {
                Answer::Allow(found) if self.mode == Mode::AnyOf => return Outcome::Allow(found),
                Answer::Allow(found) => identity = identity.or(Some(found)),
                Answer::Await(detail) => awaited = awaited.or(Some((at, version, detail))),
                Answer::Deny(detail) => {
                    if denied.is_none_or(|(weight, ..)| detail.weight() > weight) {
                        denied = Some((detail.weight(), at, detail));
                    }
                    if self.mode == Mode::AllOf || detail.weight() == Weight::Final {
                        return Outcome::Deny(self.denial(at, detail));
                    }
                }
            }
        }
        match (awaited, denied, identity) {
            (Some((at, version, detail)), ..) => self.await_keys(at, version, detail),
            (None, Some((_, at, detail)), _) => Outcome::Deny(self.denial(at, detail)),
            (None, None, Some(identity)) => Outcome::Allow(identity),
            // There is at least one method and each of them answered.
            (None, None, None) => Outcome::Deny(self.denial(0, Detail::NoCredential)),
        }
    }

    /// The methods, in their order.
    #[must_use]
    pub fn methods(&self) -> &[Arc<Method>] {
        &self.methods
    }

    /// Whether a header line carries a credential that the upstream does not get. Holds for every line that a method
    /// would read, whichever method let the request in.
    #[must_use]
    pub fn strips_header(&self, name: &str, value: &[u8]) -> bool {
        self.stripped()
            .any(|source| source.takes_header(name, value))
    }

    /// The query without the credentials that the upstream does not get; `None` where it stays as it is.
    #[must_use]
    pub fn strip_query(&self, query: &[u8]) -> Option<Vec<u8>> {
        strip_query(query, |name| {
            self.stripped().any(|source| source.takes_parameter(name))
        })
    }

    /// The places whose credentials the upstream does not get.
    pub fn strip_list(&self) -> impl Iterator<Item = &CredentialSource> {
        self.stripped()
    }

    fn stripped(&self) -> impl Iterator<Item = &CredentialSource> {
        self.methods
            .iter()
            .filter(|method| !method.forward)
            .flat_map(|method| &method.sources)
    }

    fn await_keys(&self, at: usize, version: u64, detail: Detail) -> Outcome {
        let otherwise = self.denial(at, detail);
        match self.methods.get(at).and_then(|method| method.key_set()) {
            Some(keys) => Outcome::AwaitKeys(AwaitKeys {
                keys: Arc::clone(keys),
                version,
                otherwise,
            }),
            None => Outcome::Deny(otherwise),
        }
    }

    fn denial(&self, at: usize, detail: Detail) -> Denial {
        let reason = detail.reason();
        let challenge = self
            .challenges
            .get(at)
            .and_then(|of| of.get(detail as usize));
        Denial {
            reason,
            detail,
            www_authenticate: challenge.filter(|_| reason.status() != 503).cloned(),
        }
    }
}

#[cfg(test)]
mod tests;
