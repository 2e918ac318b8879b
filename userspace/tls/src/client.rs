//! The side that endpoints see.

use crate::{CertificateError, HandshakeError, TlsStream};
use net::Stream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// Sessions that are kept for resumption with endpoints.
const SESSIONS: usize = 1024;

/// Whom we believe.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Only what these CAs vouch for.
    Roots(Vec<CertificateDer<'static>>),
    /// Anybody: the configuration says `insecure_skip_verify`, and `check` warns about it.
    Anybody,
}

/// How TLS to an upstream is set up.
#[derive(Clone, Debug)]
pub struct ClientSpec {
    /// Whom we believe.
    pub trust: Trust,
    /// The name that is sent in SNI and that the certificate must be good for.
    pub server_name: String,
}

/// An upstream's TLS configuration.
#[derive(Clone, Debug)]
pub struct ClientSide {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl ClientSide {
    /// Checks a set-up and makes it ready for use.
    ///
    /// # Errors
    /// When a CA cannot be used or the name is none.
    pub fn new(spec: &ClientSpec) -> Result<Self, CertificateError> {
        let name = ServerName::try_from(spec.server_name.clone())
            .map_err(|_| CertificateError::BadServerName(spec.server_name.clone()))?;
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let mut config = match &spec.trust {
            Trust::Roots(roots) => {
                let verifier = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(root_store(roots)?),
                    provider,
                )
                .build()
                .map_err(|error| CertificateError::Unreadable(error.to_string()))?;
                builder.with_webpki_verifier(verifier).with_no_client_auth()
            }
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    /// Shakes hands with an endpoint.
    ///
    /// # Errors
    /// When the endpoint is not who it should be, speaks no TLS that we accept, or goes away. The error's text names
    /// the reason (`invalid peer certificate: UnknownIssuer`), for the log and the metric.
    pub async fn connect<S: Stream>(&self, stream: S) -> Result<TlsStream<S>, HandshakeError> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        TlsStream::handshake(stream, connection.into()).await
    }

    /// The rustls configuration, for clients of the control plane that shake hands by themselves (health probes).
    #[must_use]
    pub fn rustls(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.config), self.name.clone())
    }
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, CertificateError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(store)
}

/// Accepts any certificate, but still checks that the endpoint holds the key of the one it shows.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
