//! Certificates made for a test, and clients that look at what a handshake came to.

use crate::client::Client;
use crate::wire::Wire;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What the key of a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Identity {
    /// The chain in PEM.
    pub certificate: String,
    /// The key in PEM.
    pub key: String,
    der: CertificateDer<'static>,
}

impl Authority {
    /// A new authority.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    /// Its own certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a certificate for names or addresses.
    #[must_use]
    pub fn issue(&self, names: &[&str], kind: KeyKind) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, names[0].clone());
        let key = match kind {
            KeyKind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyKind::Rsa => KeyPair::generate_for(&PKCS_RSA_SHA256),
        };
        let key = key.unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
        }
    }
}

/// A server's TLS with this certificate, for endpoints.
#[must_use]
pub fn server(identity: &Identity) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.der.clone()], key)
        .unwrap();
    Arc::new(config)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A client's TLS. It remembers sessions, so that its second connection may resume the first.
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

/// What a handshake came to.
#[derive(Debug)]
pub struct Session {
    /// The version of TLS.
    pub version: ProtocolVersion,
    /// The protocol that was agreed on.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    certificate: Vec<u8>,
}

impl Session {
    /// Whether the server showed this certificate.
    #[must_use]
    pub fn is_with(&self, identity: &Identity) -> bool {
        self.certificate == identity.der.as_ref()
    }
}

impl TlsClient {
    /// TLS 1.2 and 1.3, ALPN `http/1.1`.
    #[must_use]
    pub fn new(authority: &Authority) -> Self {
        Self::with(authority, rustls::ALL_VERSIONS, &["http/1.1"])
    }

    /// TLS 1.2 alone.
    #[must_use]
    pub fn tls12(authority: &Authority) -> Self {
        Self::with(authority, &[&rustls::version::TLS12], &["http/1.1"])
    }

    /// TLS 1.3 alone.
    #[must_use]
    pub fn tls13(authority: &Authority) -> Self {
        Self::with(authority, &[&rustls::version::TLS13], &["http/1.1"])
    }

    /// Other protocols by ALPN.
    #[must_use]
    pub fn speaking(authority: &Authority, protocols: &[&str]) -> Self {
        Self::with(authority, rustls::ALL_VERSIONS, protocols)
    }

    fn with(
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Self {
            config: Arc::new(config),
        }
    }

    /// Connects and shakes hands; the server must have a certificate for the name.
    ///
    /// # Errors
    /// What TLS or the connection says.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<(Client, Session)> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut tls =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let session = Session {
            version: tls.protocol_version().unwrap(),
            alpn: tls
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: tls
                .peer_certificates()
                .and_then(<[_]>::first)
                .map_or_else(Vec::new, |first| first.to_vec()),
        };
        Ok((Client::over(Wire::tls_client(socket, tls)?), session))
    }
}
