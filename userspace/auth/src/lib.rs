//! API authentication: who is calling, and may they?
//!
//! The way of a request through this room:
//!
//! 1. [`request`] finds the credential: a header or a query parameter, once, or the request is refused.
//! 2. [`api_key`] checks its form and its checksum, [`key_store`] knows who holds it; or
//!    [`jws`] takes the token apart, [`jwks`] has the keys, [`claims`] are checked by [`jwt`].
//! 3. [`policy`] joins several methods (`any_of`, `all_of`) to one [`Outcome`], with the [`Denial`] that a client sees.
//!
//! Nothing here does I/O. Time is an argument, randomness is an argument, and what comes over the network or from disk is
//! handed in: a [`KeySetHandle`] says when it wants its keys fetched again and somebody else fetches them.
//!
//! Invariants: a credential is compared in constant time or by a digest; no error text repeats a credential; every
//! parser has a size limit and never panics.
#![forbid(unsafe_code)]

pub mod algorithm;
pub mod api_key;
mod civil_time;
pub mod claims;
pub mod denial;
mod encoding;
pub mod identity;
pub mod json;
pub mod jwk;
pub mod jwks;
pub mod jws;
pub mod jwt;
pub mod key_file;
pub mod key_set;
pub mod key_store;
pub mod policy;
pub mod request;
#[cfg(test)]
mod testing;
pub mod token_cache;

pub use algorithm::Algorithm;
pub use api_key::{ApiKey, KeyHash};
pub use claims::{ClaimRule, ClaimTest, ClaimValue};
pub use denial::{Denial, Detail};
pub use identity::Identity;
pub use jwks::{JwkSet, Origin};
pub use jwt::{Audience, JwtSpec};
pub use key_file::{KeyFile, KeyRecord, Slot};
pub use key_set::{KeySetHandle, KeySetTimes, RefetchDecision};
pub use key_store::{KeyStore, KeyStoreHandle};
pub use policy::{ApiKeySpec, AwaitKeys, Method, Mode, Outcome, Policy, SpecError};
pub use request::{AuthRequest, CredentialSource, HeaderLookup};
pub use token_cache::TokenCache;
