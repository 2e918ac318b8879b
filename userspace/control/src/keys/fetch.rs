//! One GET, within bounds.

use crate::https;
use auth::jwks::{JwkSetError, SET_LIMIT_BYTES};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, LOCATION, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use std::time::Duration;

/// How long a fetch may take as a whole, name resolution and TLS included.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest part of a Location that an error shows, in characters.
const LOCATION_SHOWN: usize = 200;

/// Why a key set was not fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The URL cannot be asked for.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] hyper::http::Error),
    /// The connection, TLS or HTTP failed.
    #[error("the request failed: {0}")]
    Request(String),
    /// It took too long.
    #[error("no complete answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Redirections are not followed: keys come from where the configuration says.
    #[error(
        "expected status 200, found {status}, a redirection to `{location}`; write that address into the configuration if you trust it"
    )]
    Redirected {
        /// The status.
        status: StatusCode,
        /// Where to.
        location: String,
    },
    /// Another status.
    #[error("expected status 200, found {0}")]
    Status(StatusCode),
    /// Too many bytes.
    #[error("the answer is larger than {SET_LIMIT_BYTES} bytes")]
    TooLarge,
    /// The answer is no key set.
    #[error(transparent)]
    KeySet(#[from] JwkSetError),
}

/// Fetches over HTTP and HTTPS. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Client {
    /// A client that believes the authorities of this host.
    pub(super) fn new() -> Self {
        Self::with_roots(https::native_roots())
    }

    pub(super) fn with_roots(roots: RootCertStore) -> Self {
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            // Fetches are an hour apart.
            .pool_max_idle_per_host(0)
            .build(https::connector(roots));
        Self { inner }
    }

    /// The body of the answer to a GET.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        tokio::time::timeout(TIMEOUT, self.exchange(url))
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    async fn exchange(&self, url: &str) -> Result<Bytes, FetchError> {
        let request = Request::get(url)
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(USER_AGENT, concat!("bascule/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())?;
        let answer = self
            .inner
            .request(request)
            .await
            .map_err(|error| FetchError::Request(https::told(&error)))?;
        let status = answer.status();
        if status.is_redirection()
            && let Some(location) = answer.headers().get(LOCATION)
        {
            let location = String::from_utf8_lossy(location.as_bytes());
            let location = location.chars().take(LOCATION_SHOWN).collect();
            return Err(FetchError::Redirected { status, location });
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status(status));
        }
        let body = Limited::new(answer.into_body(), SET_LIMIT_BYTES)
            .collect()
            .await;
        match body {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
            Err(error) => Err(FetchError::Request(https::told(&*error))),
        }
    }
}
