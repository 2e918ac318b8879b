//! The name in a ClientHello, while TLS goes on as it is.

use crate::wait::{Timer, Wait};
use net::{Chunk, Deadlines, RecvHint, Stream};
use preamble::hello::HelloReader;
use std::net::Shutdown;
use std::time::Duration;
use types::Reason;

/// Why no name can be told.
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

/// Waits for the ClientHello and gives the name in it, if it has one. What was received is put back.
pub(super) async fn read<S: Stream>(
    deadlines: &Deadlines<Wait>,
    stream: &S,
    patience: Duration,
) -> Result<Option<String>, Failure> {
    let timer = Timer::new(deadlines, stream, Shutdown::Both);
    timer.arm(Wait::Header, patience, None);
    let mut reader = HelloReader::new();
    loop {
        let chunk = match stream.recv(RecvHint::Head).await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            _ => {
                return Err(Failure {
                    reason: timer.fired().map_or(Reason::ClientClosed, Wait::reason),
                    detail: String::new(),
                });
            }
        };
        match reader.push(&chunk) {
            Ok(None) => {}
            Ok(Some(hello)) => {
                stream.put_back(Chunk::from(reader.into_wire()));
                return Ok(hello.server_name);
            }
            Err(error) => {
                return Err(Failure {
                    reason: Reason::TlsHandshake,
                    detail: error.to_string(),
                });
            }
        }
    }
}
