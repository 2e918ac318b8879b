//! One probe.

use super::Target;
use crate::build::ProbeKind;
use balance::ProbeFailure;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest head of an answer in bytes; a larger one is a failure.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;
/// What endpoints see in their logs.
const AGENT: &str = concat!("bascule-probe/", env!("CARGO_PKG_VERSION"));

/// Probes once, within the time that a probe may take.
pub(super) async fn probe(target: &Target) -> Result<(), ProbeFailure> {
    let patience = target.check.timeout;
    tokio::time::timeout(patience, attempt(target))
        .await
        .unwrap_or(Err(ProbeFailure::Timeout(patience)))
}

async fn attempt(target: &Target) -> Result<(), ProbeFailure> {
    let mut stream = TcpStream::connect(target.address)
        .await
        .map_err(|error| ProbeFailure::Connect(error.to_string()))?;
    if let Some(header) = &target.header {
        stream
            .write_all(header)
            .await
            .map_err(|error| ProbeFailure::Broken(error.to_string()))?;
    }
    let Some(side) = &target.tls else {
        return ask(target, stream).await;
    };
    let (config, name) = side.rustls();
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error| ProbeFailure::Tls(error.to_string()))?;
    ask(target, stream).await
}

/// Asks over a connection that stands. A TCP probe is content with it.
async fn ask<S>(target: &Target, stream: S) -> Result<(), ProbeFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ProbeKind::Http { path, host, expect } = &target.kind else {
        return Ok(());
    };
    let host = host.clone().unwrap_or_else(|| target.address.to_string());
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| ProbeFailure::Broken(error.to_string()))?;
    let status = exchange(stream, request)
        .await
        .map_err(|error| ProbeFailure::Broken(told(&error)))?;
    if is_expected(status, expect) {
        Ok(())
    } else {
        Err(ProbeFailure::Status(status.as_u16()))
    }
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> hyper::Result<StatusCode>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut answer = pin!(sender.send_request(request));
    let mut connection = pin!(connection);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // The connection may end in the same breath in which it hands over the answer.
        _ = &mut connection => answer.await,
    };
    answer.map(|answer| answer.status())
}

fn is_expected(status: StatusCode, expect: &[u16]) -> bool {
    if expect.is_empty() {
        status.is_success() || status.is_redirection()
    } else {
        expect.contains(&status.as_u16())
    }
}

/// The error with its cause, which hyper keeps apart.
fn told(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
