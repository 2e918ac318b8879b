//! Which certificate a client gets: by the name it asks for, then by the signatures it understands.

use crate::Certificate;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Certificates by name. Several may share a name (one RSA, one ECDSA): the first whose signature the client
/// understands is used, ECDSA and Ed25519 before RSA because they are an order of magnitude cheaper to sign with.
#[derive(Debug)]
pub(crate) struct Names {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// Keyed by what follows the first label: `example.com` for `*.example.com`. One label deep, as browsers match
    /// (RFC 9525, 6.3).
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// What a client gets that names nobody, or somebody unknown.
    default: Vec<Arc<CertifiedKey>>,
}

impl Names {
    pub(crate) fn new(certificates: &[Certificate]) -> Self {
        let mut names = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default: Vec::new(),
        };
        for certificate in certificates {
            for name in certificate.names() {
                let list = match name.strip_prefix("*.") {
                    Some(parent) => names.wildcard.entry(parent.to_owned()).or_default(),
                    None => names.exact.entry(name.clone()).or_default(),
                };
                insert(list, certificate.key());
            }
        }
        if let Some(first) = certificates.first() {
            // The first certificate is the default one, with its siblings of the same names.
            for certificate in certificates.iter().filter(|c| c.names() == first.names()) {
                insert(&mut names.default, certificate.key());
            }
        }
        names
    }

    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let Some(name) = name else {
            return &self.default;
        };
        // rustls hands the name over in lower case.
        if let Some(keys) = self.exact.get(name) {
            return keys;
        }
        name.split_once('.')
            .and_then(|(_, parent)| self.wildcard.get(parent))
            .unwrap_or(&self.default)
    }
}

fn insert(list: &mut Vec<Arc<CertifiedKey>>, key: &Arc<CertifiedKey>) {
    let is_rsa = |key: &CertifiedKey| key.key.algorithm() == rustls::SignatureAlgorithm::RSA;
    let at = if is_rsa(key) {
        list.len()
    } else {
        list.iter()
            .position(|other| is_rsa(other))
            .unwrap_or(list.len())
    };
    list.insert(at, Arc::clone(key));
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name());
        candidates
            .iter()
            .find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some())
            .cloned()
    }
}
