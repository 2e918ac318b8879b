//! Fetching a file once, for people at a terminal: over HTTPS, within bounds.

use crate::https::{connector, native_roots, told};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{LOCATION, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use std::time::Duration;

/// How long a download may take as a whole; the error says it in words.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often an answer may send elsewhere: release pages do so once or twice.
const REDIRECTIONS: usize = 5;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// Not by HTTPS.
    #[error("expected a URL that begins with https://, found `{0}`")]
    NotHttps(String),
    /// The URL cannot be asked for.
    #[error("the URL `{0}` cannot be used: {1}")]
    Url(String, String),
    /// The connection, TLS or HTTP failed.
    #[error("fetching `{url}` failed: {problem}")]
    Request {
        /// From where.
        url: String,
        /// Why.
        problem: String,
    },
    /// It took too long.
    #[error("no complete answer from `{0}` within 120 s")]
    Timeout(String),
    /// One answer after the other sends elsewhere.
    #[error("more than {REDIRECTIONS} redirections, the last to `{0}`")]
    Redirections(String),
    /// Another status.
    #[error("expected status 200 from `{url}`, found {status}")]
    Status {
        /// From where.
        url: String,
        /// The status.
        status: u16,
    },
    /// Too many bytes.
    #[error("expected at most {limit} bytes from `{url}`, found more")]
    TooLarge {
        /// From where.
        url: String,
        /// How many would do.
        limit: usize,
    },
    /// There is no runtime for it.
    #[error("the fetch cannot begin: {0}")]
    Runtime(std::io::Error),
}

/// The bytes behind a URL, up to `limit` of them. Redirections are followed, to https alone; the caller verifies what came.
///
/// # Errors
/// What went wrong, with the URL.
pub fn download(url: &str, limit: usize) -> Result<Vec<u8>, DownloadError> {
    with_roots(url, limit, native_roots())
}

fn with_roots(url: &str, limit: usize, roots: RootCertStore) -> Result<Vec<u8>, DownloadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DownloadError::Runtime)?;
    runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, follow(url, limit, roots))
            .await
            .unwrap_or_else(|_| Err(DownloadError::Timeout(url.to_owned())))
    })
}

async fn follow(url: &str, limit: usize, roots: RootCertStore) -> Result<Vec<u8>, DownloadError> {
    let client = Client::builder(TokioExecutor::new()).build(connector(roots));
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTIONS {
        if !url.starts_with("https://") {
            return Err(DownloadError::NotHttps(url));
        }
        let request = Request::get(&url)
            .header(USER_AGENT, concat!("bascule/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .map_err(|error| DownloadError::Url(url.clone(), error.to_string()))?;
        let failed = |problem| DownloadError::Request {
            url: url.clone(),
            problem,
        };
        let answer = client
            .request(request)
            .await
            .map_err(|error| failed(told(&error)))?;
        let status = answer.status();
        if status.is_redirection()
            && let Some(location) = answer.headers().get(LOCATION)
        {
            let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
            url = absolute(&url, &location);
            continue;
        }
        if status != hyper::StatusCode::OK {
            return Err(DownloadError::Status {
                url,
                status: status.as_u16(),
            });
        }
        return match Limited::new(answer.into_body(), limit).collect().await {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(DownloadError::TooLarge { url, limit })
            }
            Err(error) => Err(failed(told(&*error))),
        };
    }
    Err(DownloadError::Redirections(url))
}

/// A Location, which may leave out scheme and host.
fn absolute(url: &str, location: &str) -> String {
    if !location.starts_with('/') || location.starts_with("//") {
        return match location.strip_prefix("//") {
            Some(rest) => format!("https://{rest}"),
            None => location.to_owned(),
        };
    }
    let behind = url.get("https://".len()..).unwrap_or_default();
    let host = behind.split(['/', '?', '#']).next().unwrap_or_default();
    format!("https://{host}{location}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::sync::Arc;

    /// Serves one answer after the other over TLS, to a client that trusts its certificate.
    fn given(answers: Vec<String>) -> (String, RootCertStore) {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(key.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let secret = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret.unwrap())
            .unwrap();
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::Stream::new(&mut tls, &mut stream);
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        (format!("https://localhost:{}", address.port()), roots)
    }

    fn answer(head: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn redirections_are_followed_to_the_file() {
        let (url, roots) = given(vec![
            answer("302 Found\r\nLocation: /there", ""),
            answer("200 OK", "the release"),
        ]);
        let fetched = with_roots(&format!("{url}/here"), 100, roots).unwrap();
        assert_eq!(fetched, b"the release");
    }

    #[test]
    fn what_is_not_https_too_large_or_not_there_is_refused() {
        for (given_url, answers, words) in [
            (Some("http://localhost/x"), vec![], "begins with https://"),
            (
                None,
                vec![answer("302 Found\r\nLocation: http://localhost/x", "")],
                "begins with https://",
            ),
            (
                None,
                vec![answer("200 OK", "more than ten bytes")],
                "at most 10 bytes",
            ),
            (None, vec![answer("404 Not Found", "")], "found 404"),
        ] {
            let (url, roots) = given(answers);
            let error = with_roots(given_url.unwrap_or(&url), 10, roots).unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        let (url, _) = given(vec![answer("200 OK", "")]);
        let error = with_roots(&url, 10, RootCertStore::empty()).unwrap_err();
        assert!(matches!(error, DownloadError::Request { .. }), "{error}");
    }
}
