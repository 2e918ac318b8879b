//! Talks to a running instance over its admin socket. For the `bascule` command: every call blocks.

use crate::admin::{
    BanAdded, BanFlushed, BanLifted, BanList, BanListLoaded, BanLists, BanRequest, BanShown,
    Problem, Reload, ScoreList, Status, UpgradeRequest, Upgraded,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a reload may take: it compiles rules and resolves names.
const RELOAD_PATIENCE: Duration = Duration::from_secs(600);
/// How long a ban list may take: it is read and brought into the kernel.
const LIST_PATIENCE: Duration = Duration::from_secs(120);
/// The largest answer in bytes: the longest list of bans that the default limits allow, several times over.
const ANSWER_LIMIT_BYTES: usize = 512 * 1024 * 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error(
        "no bascule answers on `{socket}` ({error}); start it with `bascule run`, or name its socket by --socket or its \
         configuration by --config"
    )]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The socket is somebody else's.
    #[error(
        "`{socket}` may be opened by its owner alone; run this as the user that bascule runs as, or as root"
    )]
    NotPermitted {
        /// The socket.
        socket: PathBuf,
    },
    /// The answer did not come in time.
    #[error("no answer on `{socket}` within {} s", .patience.as_secs())]
    Timeout {
        /// The socket.
        socket: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// What answers is not what we expect.
    #[error("`{socket}` does not answer as bascule {} does: {reason}", env!("CARGO_PKG_VERSION"))]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The instance refused; its words say why.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

/// A client of one instance.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// One call.
struct Call {
    method: Method,
    path: String,
    body: Vec<u8>,
    patience: Duration,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: Vec::new(),
            patience: PATIENCE,
        }
    }

    fn with_body(mut self, body: &impl Serialize) -> Self {
        // Texts and numbers: this cannot fail, and the instance would refuse an empty body.
        self.body = serde_json::to_vec(body).unwrap_or_default();
        self
    }
}

impl Client {
    /// A client for the instance that has this admin socket.
    #[must_use]
    pub const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The instance at this moment.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn status(&self) -> Result<Status, ClientError> {
        self.json(Call::new(Method::GET, "/v1/status"))
    }

    /// Puts the configuration in force again.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with diagnostics where it is wrong; the earlier one stays in force then.
    pub fn reload(&self) -> Result<Reload, ClientError> {
        self.json(Call {
            patience: RELOAD_PATIENCE,
            ..Call::new(Method::POST, "/v1/reload")
        })
    }

    /// Lets another process take the instance's place, and returns when it serves.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the reason; then the instance goes on serving.
    pub fn upgrade(&self, request: &UpgradeRequest) -> Result<Upgraded, ClientError> {
        let given = request.timeout_seconds.map(Duration::from_secs);
        self.json(Call {
            // The instance gives up first.
            patience: given.map_or(RELOAD_PATIENCE, |given| given + PATIENCE),
            ..Call::new(Method::POST, "/v1/upgrade").with_body(request)
        })
    }

    /// Lets the instance finish what is under way and end. Returns at once.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn drain(&self) -> Result<(), ClientError> {
        self.call(Call::new(Method::POST, "/v1/drain")).map(drop)
    }

    /// Opens the log files again.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn reopen_logs(&self) -> Result<(), ClientError> {
        self.call(Call::new(Method::POST, "/v1/logs/reopen"))
            .map(drop)
    }

    /// Every ban in force.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn bans(&self) -> Result<BanList, ClientError> {
        self.json(Call::new(Method::GET, "/v1/bans"))
    }

    /// What concerns an address: its own ban and those of prefixes around it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where it is no address.
    pub fn ban_of(&self, address: &str) -> Result<BanShown, ClientError> {
        let path = format!("/v1/bans?address={}", escaped(address));
        self.json(Call::new(Method::GET, path))
    }

    /// Bans an address or a prefix.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where the target cannot be banned.
    pub fn ban(&self, request: &BanRequest) -> Result<BanAdded, ClientError> {
        self.json(Call::new(Method::POST, "/v1/bans").with_body(request))
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where there is none, or a file names it.
    pub fn lift(&self, target: &str) -> Result<BanLifted, ClientError> {
        let path = format!("/v1/bans?target={}", escaped(target));
        self.json(Call::new(Method::DELETE, path))
    }

    /// The ban lists and where they come from.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn ban_lists(&self) -> Result<BanLists, ClientError> {
        self.json(Call::new(Method::GET, "/v1/bans/lists"))
    }

    /// Puts a ban list in force under a name, in the place of what was loaded under it before.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with each line that is no ban; nothing changed then.
    pub fn load_ban_list(&self, name: &str, text: Vec<u8>) -> Result<BanListLoaded, ClientError> {
        let path = format!("/v1/bans/lists?name={}", escaped(name));
        self.json(Call {
            body: text,
            patience: LIST_PATIENCE,
            ..Call::new(Method::PUT, path)
        })
    }

    /// Removes a ban list that was loaded.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where none has the name.
    pub fn unload_ban_list(&self, name: &str) -> Result<BanListLoaded, ClientError> {
        let path = format!("/v1/bans/lists?name={}", escaped(name));
        self.json(Call {
            patience: LIST_PATIENCE,
            ..Call::new(Method::DELETE, path)
        })
    }

    /// Lifts every ban that no list has.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn flush(&self) -> Result<BanFlushed, ClientError> {
        self.json(Call::new(Method::POST, "/v1/bans/flush"))
    }

    /// The highest scores, so many of them.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn scores(&self, limit: u16) -> Result<ScoreList, ClientError> {
        self.json(Call::new(Method::GET, format!("/v1/scores?limit={limit}")))
    }

    /// The metrics in Prometheus's text format.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn metrics(&self) -> Result<String, ClientError> {
        let body = self.call(Call::new(Method::GET, "/metrics"))?;
        String::from_utf8(body.to_vec()).map_err(|error| self.unexpected(error))
    }

    fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let body = self.call(call)?;
        serde_json::from_slice(&body).map_err(|error| self.unexpected(error))
    }

    fn unexpected(&self, reason: impl fmt::Display) -> ClientError {
        ClientError::Answer {
            socket: self.socket.clone(),
            reason: reason.to_string(),
        }
    }

    fn call(&self, call: Call) -> Result<Bytes, ClientError> {
        let patience = call.patience;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| self.unexpected(error))?;
        let exchange = async { tokio::time::timeout(patience, self.exchange(call)).await };
        let (status, body) = runtime.block_on(exchange).map_err(|_| {
            let socket = self.socket.clone();
            ClientError::Timeout { socket, patience }
        })??;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_) => Err(self.unexpected(format!("status {status}"))),
        }
    }

    async fn exchange(&self, call: Call) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unexpected(error))?;
        // It ends when the sender is dropped, at the end of this function, or the instance closes.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(HOST, "bascule")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(call.body)))
            .map_err(|error| self.unexpected(error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| self.unexpected(error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT_BYTES);
        match body.collect().await {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(self.unexpected(format!("more than {ANSWER_LIMIT_BYTES} bytes")))
            }
            Err(error) => Err(self.unexpected(error)),
        }
    }

    fn unreachable(&self, error: io::Error) -> ClientError {
        let socket = self.socket.clone();
        match error.kind() {
            ErrorKind::PermissionDenied => ClientError::NotPermitted { socket },
            _ => ClientError::NotRunning { socket, error },
        }
    }
}

/// Escapes what cannot stand in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".:/-_".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
