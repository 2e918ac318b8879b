//! One conditional GET of a ban list, within bounds.

use crate::https;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use std::time::Duration;

/// The longest part of a Location that an error shows, in characters.
const LOCATION_SHOWN: usize = 200;
/// The longest validator that is kept. Servers send a few dozen bytes.
const VALIDATOR_MAX_BYTES: usize = 1024;

/// What a server gives to ask for changes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What a fetch brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// The list that we have is the latest one.
    Unchanged,
    /// A list.
    List {
        text: String,
        validators: Validators,
    },
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the URL cannot be used: {0}")]
    Url(#[from] hyper::http::Error),
    #[error("the request failed: {0}")]
    Request(String),
    #[error("no complete answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error(
        "expected status 200, found {status}, a redirection to `{location}`; write that address into the configuration if \
         you trust it"
    )]
    Redirected {
        status: StatusCode,
        location: String,
    },
    #[error("expected status 200, found {0}")]
    Status(StatusCode),
    #[error("expected at most {0} bytes, found more; raise `limit` if the list is so long")]
    TooLarge(u64),
    #[error("expected a text, found a byte that is not UTF-8 at offset {0}")]
    NotText(usize),
}

/// Fetches over HTTP and HTTPS. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Client {
    /// A client that believes these authorities.
    pub(super) fn new(roots: RootCertStore) -> Self {
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            // Fetches are far apart.
            .pool_max_idle_per_host(0)
            .build(https::connector(roots));
        Self { inner }
    }

    /// The list behind a URL, unless it is the one that these validators came with.
    pub(super) async fn get(
        &self,
        url: &str,
        known: &Validators,
        limit_bytes: u64,
        timeout: Duration,
    ) -> Result<Fetched, FetchError> {
        tokio::time::timeout(timeout, self.exchange(url, known, limit_bytes))
            .await
            .unwrap_or(Err(FetchError::Timeout(timeout)))
    }

    async fn exchange(
        &self,
        url: &str,
        known: &Validators,
        limit_bytes: u64,
    ) -> Result<Fetched, FetchError> {
        let mut request = Request::get(url)
            .header(ACCEPT, "text/plain, */*;q=0.5")
            .header(USER_AGENT, concat!("bascule/", env!("CARGO_PKG_VERSION")));
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let answer = self
            .inner
            .request(request.body(Empty::new())?)
            .await
            .map_err(|error| FetchError::Request(https::told(&error)))?;
        let status = answer.status();
        if status == StatusCode::NOT_MODIFIED && *known != Validators::default() {
            return Ok(Fetched::Unchanged);
        }
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
        let validators = Validators {
            etag: validator(&answer, &ETAG),
            last_modified: validator(&answer, &LAST_MODIFIED),
        };
        let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        let body = match Limited::new(answer.into_body(), limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(FetchError::TooLarge(limit_bytes));
            }
            Err(error) => return Err(FetchError::Request(https::told(&*error))),
        };
        let text = String::from_utf8(body.into())
            .map_err(|error| FetchError::NotText(error.utf8_error().valid_up_to()))?;
        Ok(Fetched::List { text, validators })
    }
}

fn validator(answer: &Response<Incoming>, name: &HeaderName) -> Option<String> {
    let value = answer.headers().get(name)?.to_str().ok()?;
    (value.len() <= VALIDATOR_MAX_BYTES).then(|| value.to_owned())
}
