//! Servers for tests.

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server on the loopback that gives the same answer to everybody and closes.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::AbortHandle,
}

struct State {
    /// `None`: say nothing and keep the connection.
    answer: Option<Vec<u8>>,
    requests: Vec<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn answers(answer: impl AsRef<[u8]>) -> Self {
        Self::start(Some(answer.as_ref().to_vec()), None).await
    }

    pub(crate) async fn answers_tls(answer: impl AsRef<[u8]>, tls: TlsAcceptor) -> Self {
        Self::start(Some(answer.as_ref().to_vec()), Some(tls)).await
    }

    pub(crate) async fn silent() -> Self {
        Self::start(None, None).await
    }

    /// An address where nobody listens.
    pub(crate) async fn gone() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    async fn start(answer: Option<Vec<u8>>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            answer,
            requests: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &shared).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            state,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn now_answers(&self, answer: impl AsRef<[u8]>) {
        self.state.lock().unwrap().answer = Some(answer.as_ref().to_vec());
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &Mutex<State>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(String::from_utf8(head).unwrap());
        state.answer.clone()
    };
    let Some(answer) = answer else {
        return std::future::pending().await;
    };
    // The other side may have had enough.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

/// A server's certificate of a fresh authority, and that authority.
pub(crate) fn server_tls(name: &str) -> (TlsAcceptor, Vec<CertificateDer<'static>>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), vec![certificate])
}

/// Waits until something is true. Fails after 20 seconds, which is far more than a busy machine needs.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come true");
}
