//! Posting records to a collector, within bounds.

use crate::https;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// How long an attempt may take as a whole, name resolution and TLS included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why records were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// The URL cannot be asked for.
    #[error("the URL cannot be used: {0}")]
    Url(#[from] hyper::http::Error),
    /// The connection, TLS or HTTP failed.
    #[error("the request failed: {0}")]
    Request(String),
    /// It took too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Another status than 2xx.
    #[error("expected a status of 200 to 299, found {0}")]
    Status(StatusCode),
}

impl PostError {
    /// Whether another attempt would fail in the same way.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Url(_) => true,
            Self::Status(status) => {
                status.is_client_error()
                    && *status != StatusCode::TOO_MANY_REQUESTS
                    && *status != StatusCode::REQUEST_TIMEOUT
            }
            Self::Request(_) | Self::Timeout => false,
        }
    }
}

/// Posts over HTTP and HTTPS.
pub(crate) struct Post {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Post {
    /// A client that believes the authorities of this host.
    pub(crate) fn new() -> Self {
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1)
            .build(https::connector(https::native_roots()));
        Self { inner }
    }

    /// Posts lines of JSON.
    pub(crate) async fn post(&self, url: &str, lines: &[u8]) -> Result<(), PostError> {
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(USER_AGENT, concat!("bascule/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::copy_from_slice(lines)))?;
        let answer = tokio::time::timeout(TIMEOUT, self.inner.request(request))
            .await
            .map_err(|_| PostError::Timeout)?
            .map_err(|error| PostError::Request(https::told(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(PostError::Status(status)),
        }
    }
}
