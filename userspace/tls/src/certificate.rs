//! A certificate with its key, and the names it is good for.

use crate::CertificateError;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use types::Secret;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate chain and its private key, checked to belong together.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    serial: String,
    not_after: SystemTime,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a chain (leaf first) and a private key from PEM.
    ///
    /// # Errors
    /// When either is missing, unreadable or of an unsupported kind, or when they do not belong together.
    pub fn from_pem(chain: &[u8], key: &Secret) -> Result<Self, CertificateError> {
        let chain = parse_certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => CertificateError::NoKey,
            other => CertificateError::Pem(other.to_string()),
        })?;
        let signer = any_supported_type(&key).map_err(CertificateError::KeyUnsupported)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let facts = Facts::read(leaf)?;
        let key = CertifiedKey::new(chain, signer);
        match key.keys_match() {
            // A kind of key that cannot tell its public half is not a mismatch.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(CertificateError::KeyMismatch),
        }
        let Facts {
            names,
            serial,
            not_after,
        } = facts;
        Ok(Self {
            key: Arc::new(key),
            names,
            serial,
            not_after,
        })
    }

    /// The DNS names and addresses of its subjectAltName, lower-case; wildcards as `*.example.com`.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The serial number in hexadecimal, to tell a renewed certificate from the old one.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The moment after which clients refuse it.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    pub(crate) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

/// Reads the certificates of a CA file.
///
/// # Errors
/// When the text is not PEM or holds no certificate.
pub fn parse_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    parse_certificates(pem)
}

fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CertificateError::Pem(error.to_string()))?;
    if chain.is_empty() {
        Err(CertificateError::NoCertificate)
    } else {
        Ok(chain)
    }
}

/// What we want to know of a leaf.
struct Facts {
    names: Vec<String>,
    serial: String,
    not_after: SystemTime,
}

impl Facts {
    fn read(leaf: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let unreadable = |error: String| CertificateError::Unreadable(error);
        let (_, x509) = X509Certificate::from_der(leaf).map_err(|e| unreadable(e.to_string()))?;
        let alternative = x509
            .subject_alternative_name()
            .map_err(|e| unreadable(e.to_string()))?;
        let names: Vec<String> = alternative
            .into_iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            return Err(CertificateError::NoNames);
        }
        let seconds = u64::try_from(x509.validity().not_after.timestamp()).unwrap_or(0);
        Ok(Self {
            names,
            serial: x509
                .raw_serial()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            not_after: UNIX_EPOCH + Duration::from_secs(seconds),
        })
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}
