//! How bytes move that are not HTTP: in the kernel where this host admits it, else through pipes, else copied.

use config::{Config, Protocol, Splice};
use kernel::{AttachError, RELAYED_MAX, Relay};
use proxy::Splicing;

/// Loads a program for each worker where the configuration and the host admit it. With it comes what is to be told of it.
pub(crate) fn open(config: &Config, workers: usize) -> (Splicing, String) {
    let is_needed = config
        .listeners
        .iter()
        .any(|listener| matches!(listener.protocol, Protocol::Tcp | Protocol::TlsPassthrough));
    if config.splice == Splice::Sockmap && is_needed {
        return match load(workers) {
            Ok(relays) => (Splicing::new(true, relays), "sockmap".to_owned()),
            Err(error) => {
                tracing::warn!(%error, "bytes of TCP listeners move by splice, not by sockmap");
                (Splicing::new(true, Vec::new()), format!("splice: {error}"))
            }
        };
    }
    let (pipes, told) = match config.splice {
        Splice::Copy => (false, "copy: `splice: copy`"),
        Splice::Splice => (true, "splice: `splice: splice`"),
        Splice::Auto => (true, "splice"),
        Splice::Sockmap => (true, "splice: no TCP listener at start"),
    };
    (Splicing::new(pipes, Vec::new()), told.to_owned())
}

fn load(workers: usize) -> Result<Vec<Relay>, AttachError> {
    (0..workers).map(|_| Relay::load(RELAYED_MAX)).collect()
}
