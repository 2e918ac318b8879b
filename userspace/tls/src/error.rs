//! What can be wrong with a certificate, and how a handshake fails.

use std::io;

/// A certificate, a key or a CA file that cannot be used. The caller knows the file and says it.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or cut short.
    #[error("expected PEM, found something else: {0}")]
    Pem(String),
    /// The file holds no certificate.
    #[error("expected at least one CERTIFICATE block, found none")]
    NoCertificate,
    /// The file holds no private key.
    #[error("expected a PRIVATE KEY block (PKCS#8, PKCS#1 or SEC1), found none")]
    NoKey,
    /// The leaf is not a certificate that can be read.
    #[error("the first certificate cannot be read: {0}")]
    Unreadable(String),
    /// The key is of a kind that is not supported.
    #[error("the private key is not RSA, ECDSA P-256/P-384 or Ed25519: {0}")]
    KeyUnsupported(rustls::Error),
    /// The key belongs to another certificate.
    #[error(
        "the private key does not belong to the certificate; check that both files are of the same pair"
    )]
    KeyMismatch,
    /// Neither the certificate nor the configuration names a host.
    #[error(
        "the certificate has no DNS name in its subjectAltName; issue one with the names that clients ask for"
    )]
    NoNames,
    /// A TLS listener without certificates.
    #[error("a TLS listener needs at least one certificate")]
    NoCertificates,
    /// rustls refuses the combination.
    #[error("rustls refuses this configuration: {0}")]
    Refused(#[from] rustls::Error),
    /// The name that the upstream must prove is no host name and no address.
    #[error("{0:?} is not a host name or an address that a certificate can be checked for")]
    BadServerName(String),
}

/// Why there is no TLS session.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other side is not who it should be, or speaks a protocol we do not accept.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The connection broke, or ended early, while shaking hands.
    #[error("connection lost during the handshake: {0}")]
    Io(#[from] io::Error),
}

impl HandshakeError {
    /// Whether the peer said something that it should not have said. A peer that hangs up, or tells us with an alert that it
    /// does not like what we have, did not.
    #[must_use]
    pub const fn is_peers_fault(&self) -> bool {
        match self {
            Self::Tls(rustls::Error::AlertReceived(_)) | Self::Io(_) => false,
            Self::Tls(_) => true,
        }
    }
}
