//! The side that clients see.

use crate::names::Names;
use crate::{Certificate, CertificateError, HandshakeError, TlsStream};
use net::Stream;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{ServerConfig, ServerConnection};
use std::sync::Arc;

/// TLS 1.2 sessions that are remembered by id for clients without tickets; the oldest one is forgotten for a new one.
const SESSIONS: usize = 4096;

/// Which protocol versions a listener speaks. Suites are those of rustls: forward secret and authenticated only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// TLS 1.3 only.
    Modern,
    /// TLS 1.2 with ECDHE and AEAD suites, and TLS 1.3.
    #[default]
    Intermediate,
}

/// What outlives a reload: the keys that session tickets are sealed with, and the sessions kept by id. Clients resume
/// across generations.
#[derive(Clone, Debug)]
pub struct Tickets {
    ticketer: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

impl Tickets {
    /// New keys, which rotate by themselves every six hours.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self, CertificateError> {
        Ok(Self {
            ticketer: Ticketer::new()?,
            sessions: ServerSessionMemoryCache::new(SESSIONS),
        })
    }
}

/// How a TLS listener is set up.
#[derive(Debug)]
pub struct ServerSpec {
    /// At least one; the first one is what clients get that name nobody we know.
    pub certificates: Vec<Certificate>,
    /// The versions it speaks.
    pub policy: Policy,
    /// Session resumption; `None` makes every handshake a full one.
    pub tickets: Option<Tickets>,
    /// The protocols that are offered (ALPN); none: what a client offers is passed over.
    pub protocols: Vec<Vec<u8>>,
}

/// A listener's TLS configuration. Immutable: a new generation brings a new one.
#[derive(Clone, Debug)]
pub struct ServerSide {
    config: Arc<ServerConfig>,
}

impl ServerSide {
    /// Checks a set-up and makes it ready for use.
    ///
    /// # Errors
    /// When there is no certificate or rustls refuses the combination.
    pub fn new(spec: &ServerSpec) -> Result<Self, CertificateError> {
        if spec.certificates.is_empty() {
            return Err(CertificateError::NoCertificates);
        }
        let versions: &[&rustls::SupportedProtocolVersion] = match spec.policy {
            Policy::Modern => &[&rustls::version::TLS13],
            Policy::Intermediate => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Names::new(&spec.certificates)));
        config.alpn_protocols.clone_from(&spec.protocols);
        // What arrives first may be replayed (RFC 8446, 8): no early data.
        config.max_early_data_size = 0;
        match &spec.tickets {
            Some(tickets) => {
                config.ticketer = Arc::clone(&tickets.ticketer);
                config.session_storage = Arc::clone(&tickets.sessions);
            }
            None => {
                config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Shakes hands with a client.
    ///
    /// The caller limits the time: rustls limits the size.
    ///
    /// # Errors
    /// When the client speaks no TLS that we accept, or goes away. It has been sent the alert that says why.
    pub async fn accept<S: Stream>(&self, stream: S) -> Result<TlsStream<S>, HandshakeError> {
        let connection = ServerConnection::new(Arc::clone(&self.config))?;
        TlsStream::handshake(stream, connection.into()).await
    }
}
