//! Who is calling.

use std::sync::Arc;
use std::time::SystemTime;

/// The caller, as a credential proved it. Shared, so that a hit in a cache or a key store costs one reference count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The subject: the token's `sub` (or the claim that is configured), or the consumer of an API key.
    pub subject: Arc<str>,
    /// The consumer that limits and quotas are counted by. The subject, where nothing else names one.
    pub consumer: Arc<str>,
    /// The name of the authentication method in the configuration.
    pub method: Arc<str>,
    /// The scopes, separated by one space each; empty where there are none.
    pub scopes: Arc<str>,
    /// The id of the API key, or the `kid` of the key that signed the token.
    pub key_id: Option<Arc<str>>,
    /// When the credential ends.
    pub expires: Option<SystemTime>,
}

impl Identity {
    /// Whether the credential carries a scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.split(' ').any(|held| held == scope)
    }

    /// Whether the credential carries all of them.
    #[must_use]
    pub fn has_scopes<S: AsRef<str>>(&self, scopes: &[S]) -> bool {
        scopes.iter().all(|scope| self.has_scope(scope.as_ref()))
    }
}

/// Whether a text is a scope token of RFC 6749, 3.3: visible ASCII without `"` and `\`.
pub(crate) fn is_scope_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
