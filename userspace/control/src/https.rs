//! How the control plane speaks HTTP to others.

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;

/// The authorities of this host.
pub(crate) fn native_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Where there are none, every exchange by HTTPS fails and says that the issuer is unknown.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Connections by HTTP, and by HTTPS to whom these authorities vouch for.
pub(crate) fn connector(roots: RootCertStore) -> HttpsConnector<HttpConnector> {
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        // The provider is the one that these versions are made for.
        .unwrap_or_else(|_| unreachable!("aws-lc-rs has TLS 1.2 and 1.3"))
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build()
}

/// The error with its causes, down to the one that names the certificate or the port.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}
